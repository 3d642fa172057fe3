"""Changing one section of a settings file and leaving the rest, comments included, as people wrote it."""

from __future__ import annotations

import json
import re


def with_sending(text: str, mode: str, allow: list[str] | None) -> str:
    """The file with another `[sending]` mode, and another allow-list if one is given."""
    lines, section, found, result = text.splitlines(), "", False, []
    wanted = {"mode": json.dumps(mode)} | ({"allow": json.dumps(allow)} if allow is not None else {})
    for line in lines:
        header = re.fullmatch(r"\s*\[([^\]]+)\]\s*(#.*)?", line)
        if header:
            if section == "sending":
                result += [f"{name} = {value}" for name, value in wanted.items()]
                wanted = {}
            section = header[1].strip()
            found = found or section == "sending"
        name = line.split("=")[0].strip()
        if section == "sending" and name in wanted:
            comment = re.search(r"\s+#[^\"]*$", line)
            line = f"{name} = {wanted.pop(name)}" + (comment[0] if comment else "")
        result.append(line)
    if not found:
        result += ["", "[sending]"]
    return "\n".join([*result, *(f"{name} = {value}" for name, value in wanted.items())]) + "\n"
