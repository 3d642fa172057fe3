"""Changing values of one section of a settings file and leaving the rest, comments included, as people wrote it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from tactful.errors import SettingsError


def with_values(text: str, section: str, values: Mapping[str, Any]) -> str:
    """The file with other values (strings, numbers, lists of strings) in one section, which is made if there is none. What is no
    TOML stays as it is. Raises SettingsError if the section is written in a way that is left to people."""
    if _read(text) is None:
        return text
    here: list[str] = []
    found, place = False, section.split(".")
    result: list[str] = []
    wanted = {name: json.dumps(value) for name, value in values.items()}
    for statement in _statements(text):
        said = _read(statement) or {}
        if statement.lstrip().startswith("["):
            if here == place:
                _add(result, wanted)
            here = _header(said)
            found = found or here == place
        elif here == place and len(said) == 1 and (name := next(iter(said))) in wanted:
            statement = f"{name} = {wanted.pop(name)}{_comment(statement, said)}"
        result.append(statement)
    if not found:
        result += ["", f"[{section}]"]
    _add(result, wanted)
    return _sure("\n".join(result) + "\n", section, values)


def _read(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _statements(text: str) -> Iterator[str]:
    """Lines, those of one value together."""
    lines: list[str] = []
    for line in text.removesuffix("\n").split("\n"):
        lines.append(line.removesuffix("\r"))
        if _read("\n".join(lines)) is not None:
            yield "\n".join(lines)
            lines.clear()


def _header(said: dict[str, Any]) -> list[str]:
    """The names in `[a.b]`."""
    path = []
    while said:
        name, inner = next(iter(said.items()))
        path.append(name)
        said = inner if isinstance(inner, dict) else {}
    return path


def _comment(statement: str, said: dict[str, Any]) -> str:
    """What stands behind the value, with the blanks before it."""
    marks = (at for at, letter in enumerate(statement) if letter == "#")
    value = next((statement[:at] for at in marks if _read(statement[:at]) == said), statement)
    return statement[len(value.rstrip()) :].rstrip()


def _add(lines: list[str], wanted: dict[str, str]) -> None:
    """What the section lacks, behind its last line that says anything."""
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    lines[end:end] = [f"{name} = {value}" for name, value in wanted.items()]
    wanted.clear()


def _sure(text: str, section: str, values: Mapping[str, Any]) -> str:
    """The text, if it says now what was wanted. Raises SettingsError: inline tables and dotted keys are left to people."""
    said: Any = _read(text) or {}
    for name in section.split("."):
        said = said.get(name, {})
    if any(said.get(name) != value for name, value in values.items()):
        lines = ", ".join(f"{name} = {json.dumps(value)}" for name, value in values.items())
        raise SettingsError(
            f"settings.toml says [{section}] in a way that only people change; write there {lines}. Nothing was changed."
        )
    return text
