"""Finding plugins: entry points of installed distributions, and a folder of files in `tactful dev`.

Each is checked when it is loaded. A broken one is named with file, line and mend, and does not stop the rest.
"""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple

import msgspec

from tactful.errors import PluginError
from tactful.events.model import Event, unread
from tactful.projections import Projection
from tactful.rules import Rule

RULES, PROJECTIONS = "tactful.rules", "tactful.projections"  # entry point groups; each entry names a module
_PARTS: Final = ("name", "version", "state", "events", "fold", "merge", "migrate")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")


class Broken(NamedTuple):
    """A plugin that could not be loaded: its name and where it stands, and what is wrong."""

    name: str
    message: str


class Loaded(NamedTuple):
    """What was found."""

    rules: tuple[Rule, ...]
    projections: tuple[Projection[Any], ...]
    broken: tuple[Broken, ...]

    def beside(self, shipped: Iterable[Projection[Any]]) -> Loaded:
        """What was found, and the projections that ship. One that takes the name of another counts as broken, and so does every
        rule that uses what is no projection."""
        known = {projection.name: projection for projection in shipped}
        broken = list(self.broken)
        for projection in self.projections:
            if projection.name in known:
                message = f"{_where(projection)}: there is a projection {projection.name} already; give it another name"
                broken.append(Broken(projection.name, message))
            else:
                known[projection.name] = projection
        faults = {rule: fault for rule in self.rules if (fault := rule.unmet(known))}
        broken += [Broken(rule.name, fault) for rule, fault in faults.items()]
        return Loaded(tuple(rule for rule in self.rules if rule not in faults), tuple(known.values()), tuple(broken))


def load_plugins(folder: Path | None = None, points: Iterable[EntryPoint] | None = None) -> Loaded:
    """Rules and projections of all distributions and of the `*.py` files in `folder`. Of two rules with one name, both are
    broken."""
    rules: list[Rule] = []
    projections: dict[int, Projection[Any]] = {}  # by identity: what is imported from another plugin is no second one
    broken: list[Broken] = []
    if points is None:
        points = (*entry_points(group=RULES), *entry_points(group=PROJECTIONS))
    for name, origin, module in _modules(folder, points):
        if isinstance(module, Broken):
            broken.append(module)
            continue
        found = dict.fromkeys(value for value in vars(module).values() if isinstance(value, Rule))
        folds = {id(value): value for value in vars(module).values() if _is_projection(value)}
        unfinished = list(_unfinished(module))
        broken += unfinished
        if not (found or folds or unfinished):
            broken.append(
                Broken(
                    name, f"{module.__file__ or name}: no function is decorated with @rule, and no projection is made"
                )
            )
        own = [each for each in found if each not in rules]
        for each in own:
            each.origin = origin
        rules += own
        wrong = {key: fault for key, fold in folds.items() if key not in projections and (fault := _fault(fold))}
        broken += [Broken(str(folds[key].name), f"{_where(folds[key])}: {fault}") for key, fault in wrong.items()]
        projections |= {key: fold for key, fold in folds.items() if key not in wrong}
    twins = {each.name for each in rules if sum(other.name == each.name for other in rules) > 1}
    broken += [Broken(name, f"rule {name} is defined more than once: {_places(rules, name)}") for name in sorted(twins)]
    return Loaded(tuple(r for r in rules if r.name not in twins), tuple(projections.values()), tuple(broken))


def _is_projection(value: object) -> bool:
    return not isinstance(value, type) and isinstance(value, Projection)


def _unfinished(module: ModuleType) -> Iterator[Broken]:
    """What its author took for a projection though it is none: the rules that use it would only say that there is no such
    projection."""
    values = tuple(vars(module).values())
    for value in values:
        lacks = [part for part in _PARTS if not hasattr(value, part)]
        if type(value).__module__ == module.__name__ and lacks and not {"fold", "state"}.intersection(lacks):
            name = getattr(value, "name", type(value).__name__)
            yield Broken(str(name), f"{_where(value)}: projection {name} has no {', '.join(lacks)}")
    if any(map(_is_projection, values)):
        return
    for kind in values:
        if isinstance(kind, type) and kind.__module__ == module.__name__ and all(hasattr(kind, p) for p in _PARTS):
            make = f"points = {kind.__name__}()"
            yield Broken(kind.__name__, f"{_place_of(kind)}: a projection is an instance of it: write `{make}`")


def _fault(projection: Projection[Any]) -> str:
    """What is wrong with a projection; "" if nothing is."""
    state, events = projection.state, projection.events
    if not isinstance(projection.name, str) or not _NAME.fullmatch(projection.name):
        return f"a projection's name is of small letters, digits and _, not {projection.name!r}"
    if not isinstance(projection.version, int) or projection.version < 1:
        return f"the version of projection {projection.name} is a number from 1 on"
    if not (isinstance(state, type) and issubclass(state, msgspec.Struct) and state.__struct_config__.frozen):
        return f"the state of projection {projection.name} must be a frozen msgspec.Struct"
    try:
        new = state()
    except TypeError:
        return f"every field of {state.__name__} must have a default: it is what is known of somebody new"
    try:
        msgspec.json.decode(msgspec.json.encode(new), type=state)
    except (TypeError, ValueError) as error:
        return f"{state.__name__}() cannot be read again once it was stored as JSON: {error}"
    if not isinstance(events, tuple) or not events or not all(_is_event(event) for event in events):
        return f"the events of projection {projection.name} are a tuple of event classes or names"
    if wrong := unread(events):
        return f"the events of projection {projection.name}: {wrong}"
    return ""


def _is_event(event: object) -> bool:
    return isinstance(event, str) or (isinstance(event, type) and issubclass(event, Event))


def _where(projection: object) -> str:
    return _place_of(type(projection))


def _place_of(kind: type) -> str:
    """File and line of a class, where Python can tell."""
    try:
        return f"{inspect.getsourcefile(kind)}:{inspect.getsourcelines(kind)[1]}"
    except (OSError, TypeError):
        return f"{kind.__module__}.{kind.__qualname__}"


def _modules(folder: Path | None, points: Iterable[EntryPoint]) -> Iterator[tuple[str, str, ModuleType | Broken]]:
    for point in points:
        origin = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
        yield point.name, origin, _attempt(point.name, f"entry point {point.name} = {point.value}", point.load)
    for file in sorted(folder.glob("[!_]*.py")) if folder and folder.is_dir() else ():  # `__init__.py` is no rule
        yield file.stem, str(file), _attempt(file.stem, str(file), partial(_import_file, file))


def _attempt(name: str, where: str, load: Callable[[], object]) -> ModuleType | Broken:
    try:
        module = load()
    except PluginError as error:
        return Broken(name, str(error))
    except SyntaxError as error:
        place = f"{error.filename}:{error.lineno}" if error.filename and error.lineno else where
        return Broken(name, f"{place}: {error.msg}")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a stranger's module raises must not stop the rest
        return Broken(name, f"{_place(error) or where}: {type(error).__name__}: {error}")
    if not isinstance(module, ModuleType):
        return Broken(name, f"the entry point {name} must name a module, not {type(module).__name__}")
    return module


def _import_file(file: Path) -> ModuleType:
    name = f"tactful_rules_folder.{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise PluginError(f"{file}: this file cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _place(error: BaseException) -> str:
    """The innermost line of a module that was being imported: what its author wrote, not the library that refused it."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.name == "<module>"]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def _places(rules: list[Rule], name: str) -> str:
    return ", ".join(f"{each.file}:{each.line}" for each in rules if each.name == name)
