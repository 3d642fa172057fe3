"""Making a change of preferences in a customer's row, as `Preferences Changed` tells of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tactful.answers import NO_LONGER
from tactful.records import MessageBody
from tactful_dispatch.preferences import PREFERENCES
from tactful_dispatch.questions import NO_NEED, TOO_OFTEN
from tactful_dispatch.state.rows import RULES_KEPT, TOPICS_KEPT, CustomerRow
from tactful_dispatch.topics import topic_name, topics_of


def change_preference(row: CustomerRow, told: Mapping[str, Any], at: int) -> bool:
    """`told`: `change`, and what it needs to be known by; whether anything is different now. `at` (ms) is when it was said."""
    name, wanted = _wanted(row, told, at)
    if not name or getattr(row, name) == wanted:
        return False
    setattr(row, name, wanted)
    row.look_again()
    return True


def wishes_in(answer: str, message: MessageBody) -> list[dict[str, Any]]:
    """What an answer to a message asks for: one of `questions.ANSWERS`. Changes, as `change_preference` takes them."""
    if answer == TOO_OFTEN:
        return [{"change": "at_most_days", "value": "30"}]
    if answer not in (NO_NEED, NO_LONGER):
        return []
    return [{"change": "topic_muted", "topic": topic} for topic in topics_of(message)] or [
        {"change": "rule_muted", "rule": message.rule}
    ]


def _wanted(row: CustomerRow, told: Mapping[str, Any], at: int) -> tuple[str, Any]:
    change = told["change"]
    if change in ("paused", "resumed"):
        return "paused_until", told["until"]
    if change == "stopped":
        return "stopped_at", at
    if change in ("rule_muted", "rule_unmuted"):
        return "muted_rules", _with(row.muted_rules, told["rule"], change == "rule_muted")[-RULES_KEPT:]
    if change in ("topic_muted", "topic_unmuted"):
        known = [topic_name(topic) for topic in row.muted_topics]
        topics = _with(known, topic_name(told["topic"]), change == "topic_muted")
        return "muted_topics", topics[-TOPICS_KEPT:]
    if change in PREFERENCES:
        return change, int(told["value"]) if change == "at_most_days" else told["value"]
    return "", None


def _with(names: list[str], name: str, muted: bool) -> list[str]:
    if (name in names) == muted:
        return names
    return [*names, name] if muted else [known for known in names if known != name]
