"""`tactful doctor`: what keeps it from working as it should."""

from __future__ import annotations

from collections import Counter
from typing import Any

import typer

from tactful.errors import TactfulError
from tactful_workbench.commands.options import HERE, Data, Json, show
from tactful_workbench.office import get


def doctor(data: Data = HERE, as_json: Json = False) -> None:
    """Look at servers, files, clocks, topics, rules, templates, mail and public pages. Exit code 1 if something fails."""
    findings = _findings(data)
    counts = Counter(finding["level"] for finding in findings)
    lines = [f"{finding['level']:<5} {finding['text']}" for finding in findings]
    lines.append(f"{_some(counts['fail'], 'failure')}, {_some(counts['warn'], 'warning')}")
    show({"findings": findings}, "\n".join(lines), as_json)
    if counts["fail"]:
        raise typer.Exit(1)


def _some(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _findings(data: Data) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = get(data, "/admin/doctor")["findings"]
    except TactfulError as error:  # what it stands on is not there
        return [{"level": "fail", "text": str(error)}]
    return found
