"""What the settings say in vain: a name that nobody asks for changes nothing, and a value that cannot be used fails every run that
asks for it. Nothing else notices either when the file is read."""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from tactful.durations import milliseconds
from tactful.errors import InvalidInput
from tactful.rules import OVERRIDABLE, Rule
from tactful.run import is_like
from tactful.settings import Settings, names_addresses

Defaults: TypeAlias = Mapping[str, list[tuple[Any, Any]]]  # by name: what switches it off, and an example


def unheard(settings: Settings, rules: Iterable[Rule]) -> list[str]:
    """Sections of rules that are not loaded, and parameters that neither the rule's own file names nor what that imports from beside it;
    sources that nobody waits for, addresses that nobody has, and what is not filled in."""
    rules = tuple(rules)
    loaded, found = {rule.name: rule for rule in rules}, []
    for name, section in settings.rules.items():
        rule = loaded.get(name)
        if rule is None:
            found.append(f"[rules.{name}] is for no rule that is loaded; there are: {', '.join(sorted(loaded))}")
        elif own := _own(section.parameters):
            source = "\n".join(files) if all(files := [_read(file)[0] for file in files_of(rule)]) else ""
            unasked = [key for key in own if source and f'"{key}"' not in source and f"'{key}'" not in source]
            found += [f"[rules.{name}] {key} is nothing that the rule asks for ({rule.file})" for key in unasked]
    return [*found, *_unawaited_sources(settings, rules), *_unmet(settings)]


def _unawaited_sources(settings: Settings, rules: Iterable[Rule]) -> list[str]:
    awaited = {feed for rule in rules for feed in settings.rule(rule.name).parameters.get("after", rule.terms.after)}
    unawaited = sorted(settings.sources.keys() - awaited)
    return [f"[sources.{name}] is for a source that no rule has in `after`" for name in unawaited]


def _unmet(settings: Settings) -> list[str]:
    example = "write it like anna@myshop.example, *@myshop.example or +34600123456"
    nobodys = [entry for entry in settings.sending.allow if not names_addresses(entry)]
    left = set(re.findall(r"\{[^{}]*\}", settings.shop.cart_url)) - {"{cart_id}", "{items}"}
    return [f'[sending] allow: "{entry}" is no address, and nobody fits it; {example}' for entry in nobodys] + [
        f"[shop] cart_url: {part} stays as it is; what is filled in are {{cart_id}} and {{items}}"
        for part in sorted(left)
    ]


def check_usable(parameters: Mapping[str, Any], rule: Rule) -> None:
    """Raises InvalidInput naming a value that is unlike every default that these files give for it."""
    if own := _own(parameters):
        given = [_read(file)[1] for file in files_of(rule)]
        for name, value in own.items():
            defaults = [default for each in given for default in each.get(name, ())]
            if defaults and not any(value == off or _will_do(value, like) for off, like in defaults):
                examples = " or ".join(dict.fromkeys(_written(like) for _, like in defaults))
                raise InvalidInput("invalid_setting", f"{name} = {_written(value)} must be like {examples}", name)


def _own(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What the rule itself asks for, besides its terms."""
    return {name: value for name, value in parameters.items() if name not in OVERRIDABLE}


def files_of(rule: Rule) -> list[str]:
    """The rule's own, and of the modules of its package from which it has a function or a class: that may ask for the parameter."""
    home = rule.body.__module__
    known = vars(sys.modules[home]).values() if home in sys.modules else ()
    theirs = {value.__module__ for value in known if inspect.isfunction(value) or inspect.isclass(value)}
    theirs |= {value.__name__ for value in known if inspect.ismodule(value)}
    package = home.partition(".")[0]
    beside = [sys.modules[name] for name in sorted(theirs - {home}) if name.partition(".")[0] == package]
    return [rule.file, *(module.__file__ for module in beside if module.__file__)]


def _read(file: str) -> tuple[str, Defaults]:
    """Its text, and the defaults in it. Nothing is said of a file that is gone, or was broken since it was loaded."""
    try:
        return _as_it_stands(file, Path(file).stat().st_mtime_ns)
    except (OSError, ValueError, SyntaxError):
        return "", {}


@lru_cache
def _as_it_stands(file: str, _changed: int) -> tuple[str, Defaults]:
    """Settings are read at every claim, and to parse a file takes milliseconds."""
    source = Path(file).read_text(encoding="utf-8")
    return source, _defaults(ast.parse(source))


def _defaults(module: ast.Module) -> Defaults:
    """By the name of a parameter, pairs of what switches it off and an example: `(None, "1h")` for `run.param("delay", "1h")`, and
    `("", "48h")` for `run.param("second", "", like="48h")`."""
    found = defaultdict(list)
    for node in ast.walk(module):
        match node:
            case ast.Call(func=ast.Attribute(attr="param"), args=[ast.Constant(value=str(name)), default], keywords=[]):
                found[name].append((None, _literal(default)))
            case ast.Call(
                func=ast.Attribute(attr="param"), args=[ast.Constant(value=str(name)), default], keywords=[like]
            ):
                found[name].append((_literal(default), _literal(like.value)))
    return found


def _literal(default: ast.expr) -> Any:
    """None, beside which everything will do, for what is worked out while the rule runs."""
    try:
        return ast.literal_eval(default)
    except (ValueError, TypeError):
        return None


def _will_do(value: Any, default: Any) -> bool:
    """As `run.param` has it; and a length of time stays one, and a list that is not empty is one of its like."""
    if not is_like(value, default):
        return False
    if isinstance(default, list) and default:
        return bool(value) and all(any(_will_do(each, other) for other in default) for each in value)
    return not _is_length(default) or _is_length(value)


def _is_length(value: Any) -> bool:
    try:
        return isinstance(value, str) and milliseconds(value) >= 0
    except InvalidInput:
        return False


def _written(value: Any) -> str:
    """As a settings file has it."""
    return json.dumps(value, ensure_ascii=False, default=str)
