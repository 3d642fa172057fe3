"""What the settings say to rules in vain: a slip of the pen there changes nothing, or fails the first run that asks for it, and
nothing else tells so when the file is read."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tactful.durations import milliseconds
from tactful.errors import InvalidInput
from tactful.rules import OVERRIDABLE, Rule
from tactful.run import is_like
from tactful.settings import Settings


def unheard(settings: Settings, rules: Iterable[Rule]) -> list[str]:
    """Sections of rules that are not loaded, parameters that the rule's own file does not name, and values that are not like the
    default that stands there."""
    loaded, found = {rule.name: rule for rule in rules}, []
    for name, section in settings.rules.items():
        rule = loaded.get(name)
        if rule is None:
            found.append(f"[rules.{name}] is for no rule that is loaded; there are: {', '.join(sorted(loaded))}")
            continue
        own = {key: value for key, value in section.parameters.items() if key not in OVERRIDABLE}
        if own:
            found += [f"[rules.{name}] {fault}" for fault in _faults(own, rule)]
    return found


def _faults(parameters: dict[str, Any], rule: Rule) -> Iterator[str]:
    source = Path(rule.file).read_text(encoding="utf-8")
    defaults = dict(_defaults(source))
    for name, value in parameters.items():
        if f'"{name}"' not in source and f"'{name}'" not in source:
            yield f"{name} is nothing that the rule asks for ({rule.file})"
        elif name in defaults and not _will_do(value, defaults[name]):
            yield f"{name} = {value!r} must be like {defaults[name]!r}: runs that ask for it will fail"


def _defaults(source: str) -> Iterator[tuple[str, Any]]:
    """Of calls like `run.param("delay", "1h")`."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="param"), args=[ast.Constant(value=str(name)), ast.Constant(value=default)]
            ):
                yield name, default


def _will_do(value: Any, default: Any) -> bool:
    """As `run.param` has it; and a length of time stays one."""
    return is_like(value, default) and (not _is_length(default) or not value or _is_length(value))


def _is_length(value: Any) -> bool:
    try:
        return isinstance(value, str) and milliseconds(value) >= 0
    except InvalidInput:
        return False
