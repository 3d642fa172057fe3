"""Making a change of preferences in a customer's row, as `Preferences Changed` tells of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tactful_dispatch.deciding import look_again
from tactful_dispatch.desk import PREFERENCES
from tactful_dispatch.rows import CustomerRow

TOPICS: Final = 63  # muted ones that are kept beside the latest


def change_preference(row: CustomerRow, told: Mapping[str, Any], at: int) -> bool:
    """`told`: `change`, and what it needs to be known by; whether anything is different now. `at` (ms) is when it was said."""
    name, wanted = _wanted(row, told, at)
    if not name or getattr(row, name) == wanted:
        return False
    setattr(row, name, wanted)
    look_again(row)
    return True


def _wanted(row: CustomerRow, told: Mapping[str, Any], at: int) -> tuple[str, Any]:
    change = told["change"]
    if change in ("paused", "resumed"):
        return "paused_until", told["until"]
    if change == "stopped":
        return "stopped_at", at
    if change in ("rule_muted", "rule_unmuted"):
        return "muted_rules", _with(row.muted_rules, told["rule"], change == "rule_muted")
    if change in ("topic_muted", "topic_unmuted"):
        return "muted_topics", _with(row.muted_topics, told["topic"], change == "topic_muted")[-TOPICS - 1 :]
    if change in PREFERENCES:
        return change, int(told["value"]) if change == "at_most_days" else told["value"]
    return "", None


def _with(names: list[str], name: str, muted: bool) -> list[str]:
    if (name in names) == muted:
        return names
    return [*names, name] if muted else [known for known in names if known != name]
