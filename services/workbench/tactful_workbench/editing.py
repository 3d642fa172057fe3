"""Changing values of one section of a settings file and leaving the rest, comments included, as people wrote it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any


def with_values(text: str, section: str, values: Mapping[str, Any]) -> str:
    """The file with other values (strings, numbers, lists of strings) in one section, which is made if there is none."""
    lines, here, found = text.splitlines(), "", False
    result: list[str] = []
    wanted = {name: json.dumps(value) for name, value in values.items()}
    for line in lines:
        header = re.fullmatch(r"\s*\[([^\]]+)\]\s*(#.*)?", line)
        if header:
            if here == section:
                _add(result, wanted)
            here = header[1].strip()
            found = found or here == section
        name = line.split("=")[0].strip()
        if here == section and name in wanted:
            comment = re.search(r"\s+#[^\"]*$", line)
            line = f"{name} = {wanted.pop(name)}" + (comment[0] if comment else "")
        result.append(line)
    if not found:
        result += ["", f"[{section}]"]
    _add(result, wanted)
    return "\n".join(result) + "\n"


def _add(lines: list[str], wanted: dict[str, str]) -> None:
    """What the section lacks, behind its last line that says anything."""
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    lines[end:end] = [f"{name} = {value}" for name, value in wanted.items()]
    wanted.clear()
