"""What was promised about the demo's year, counted from what was recorded. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from tactful.clock import DAY
from tactful.purposes import covers, is_marketing

BROKEN: Final = (
    "marketing within a day of an order",
    "marketing after an opt-out",
    "marketing while a complaint was open",
)


class Line(NamedTuple):
    """One line of a customer's history: an event, a word on consent, or a decision."""

    customer: str
    at: int
    name: str
    told: dict[str, Any]


class _Standing:
    """What bears on speaking to one customer."""

    def __init__(self) -> None:
        self.ordered_at = -DAY
        self.words: list[tuple[str, str, str]] = []  # purpose, channel, state
        self.complaints: set[str] = set()

    def hear(self, line: Line) -> None:
        if line.name == "Order Completed":
            self.ordered_at = line.at
        elif line.name == "Consent Changed":
            self.words.append((line.told["purpose"], line.told["channel"], line.told["state"]))
        elif line.name in ("Complaint Opened", "Complaint Reopened"):
            self.complaints.add(line.told["ticket_id"])
        elif line.name == "Complaint Closed":
            self.complaints.discard(line.told["ticket_id"])

    def broken_by(self, line: Line) -> Iterable[str]:
        told = line.told
        words = [
            state
            for purpose, channel, state in self.words
            if covers(purpose, told["purpose"]) and channel in ("", told["channel"])
        ]
        checks = (line.at - self.ordered_at < DAY, words[-1:] != ["granted"], bool(self.complaints))
        return (name for name, broken in zip(BROKEN, checks, strict=True) if broken)


def broken(lines: Iterable[Line]) -> dict[str, int]:
    """How often each promise was broken by a message that was sent. `lines` in the order in which they happened."""
    people: defaultdict[str, _Standing] = defaultdict(_Standing)
    counts: Counter[str] = Counter()
    for line in lines:
        if line.name != "Message Decided":
            people[line.customer].hear(line)
        elif line.told["verdict"] == "sent" and is_marketing(line.told["purpose"]):
            counts.update(people[line.customer].broken_by(line))
    return {name: counts[name] for name in BROKEN}
