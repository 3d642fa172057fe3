"""Finding plugins: entry points of installed distributions, and a folder of files in `tactful dev`.

Each is checked when it is loaded. A broken one is named with file, line and mend, and does not stop the rest.
"""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from tactful.errors import PluginError
from tactful.rules import Rule

RULES = "tactful.rules"


class Broken(NamedTuple):
    """A plugin that could not be loaded: its name and where it stands, and what is wrong."""

    name: str
    message: str


class Loaded(NamedTuple):
    """What was found."""

    rules: tuple[Rule, ...]
    broken: tuple[Broken, ...]

    def with_projections(self, known: Collection[str]) -> Loaded:
        """The same, with every rule that uses a projection that is not among these counted as broken."""
        faults = {rule: fault for rule in self.rules if (fault := rule.unmet(known))}
        broken = [Broken(rule.name, fault) for rule, fault in faults.items()]
        return Loaded(tuple(rule for rule in self.rules if rule not in faults), (*self.broken, *broken))


def load_rules(folder: Path | None = None, points: Iterable[EntryPoint] | None = None) -> Loaded:
    """Rules of all distributions and of the `*.py` files in `folder`. Of two with one name, both are broken."""
    rules: list[Rule] = []
    broken: list[Broken] = []
    for name, origin, module in _modules(folder, entry_points(group=RULES) if points is None else points):
        if isinstance(module, Broken):
            broken.append(module)
            continue
        found = dict.fromkeys(value for value in vars(module).values() if isinstance(value, Rule))
        if not found:
            broken.append(Broken(name, f"{module.__file__ or name}: no function is decorated with @rule"))
        own = [each for each in found if each not in rules]  # what is imported from another plugin is no second one
        for each in own:
            each.origin = origin
        rules += own
    twins = {each.name for each in rules if sum(other.name == each.name for other in rules) > 1}
    broken += [Broken(name, f"rule {name} is defined more than once: {_places(rules, name)}") for name in sorted(twins)]
    return Loaded(tuple(r for r in rules if r.name not in twins), tuple(broken))


def _modules(folder: Path | None, points: Iterable[EntryPoint]) -> Iterator[tuple[str, str, ModuleType | Broken]]:
    for point in points:
        origin = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
        yield point.name, origin, _attempt(point.name, f"entry point {point.name} = {point.value}", point.load)
    for file in sorted(folder.glob("*.py")) if folder and folder.is_dir() else ():
        yield file.stem, str(file), _attempt(file.stem, str(file), partial(_import_file, file))


def _attempt(name: str, where: str, load: Callable[[], object]) -> ModuleType | Broken:
    try:
        module = load()
    except PluginError as error:
        return Broken(name, str(error))
    except SyntaxError as error:
        place = f"{error.filename}:{error.lineno}" if error.filename and error.lineno else where
        return Broken(name, f"{place}: {error.msg}")
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a stranger's module raises must not stop the rest
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
