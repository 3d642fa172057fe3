"""What goes to quarantine in place of a record of the log that cannot be applied."""

from __future__ import annotations

from typing import Final

from tactful.identity import digest
from tactful.log import Stored
from tactful.records import QuarantineBody, QuarantineRecord

FLOOD: Final = 20  # records in a row that cannot be applied: behind them a partition stops


def passed_over(stored: Stored, why: str) -> QuarantineRecord:
    """What quarantine keeps of it: its value as text, and why. If it is passed over again, this has the same id."""
    body = QuarantineBody(
        reason="cannot_apply",
        message=why[:4000],
        raw=stored.value[:32768].decode(errors="replace"),
        came_from=(stored.topic, stored.partition, stored.offset),
    )
    name = digest("poison", stored.topic, str(stored.partition), str(stored.offset))
    return QuarantineRecord(id=name, key=name, at=stored.appended, body=body)
