"""What a slice has done so far: rows touched, records to append, history, steps. Nothing of it is real before the commit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tactful.erasure import Erased
from tactful.partitions.outbox import Cause, Outbox
from tactful.records import Record
from tactful_trigger.state.history import HistoryRow
from tactful_trigger.state.row import Row
from tactful_trigger.store import Erasure, StepRequest

_encode = msgspec.json.Encoder().encode


class Effects:
    """Collected in the order in which they happen; `at` is the instant being applied."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self.history: list[HistoryRow] = []
        self.steps: list[StepRequest] = []
        self.decided: list[tuple[str, str, str]] = []
        self.parked: list[tuple[str, str]] = []  # rule and why, without the words of an error
        self.dirty: dict[str, Row] = {}
        self.erasures: list[Erasure] = []
        self.graves: list[Erased] = []
        self.revived: list[str] = []
        self.offset = 0  # of the record being applied
        self._timer: tuple[int, str] | None = None

    def because_of_record(self) -> None:
        """What follows is done by the record itself."""
        self._timer = None

    def because_of_timer(self, due: int, customer: str) -> None:
        """What follows is done by a timer that the current record lets fire."""
        self._timer = (due, customer)

    def put(self, topic: str, record: Record, partition: int | None = None) -> None:
        """Append a record to a topic after the commit, on its key's partition unless another is given."""
        timer = self._timer
        cause = Cause(self.offset, True) if timer is None else Cause(self.offset, False, *timer)
        self.outbox.put(topic, record, cause, partition)

    def put_here(self, topic: str, record: Record) -> None:
        """As `put`, for a customer whose row is here: the topics have partitions alike, and a hash in Python takes 4 µs."""
        self.put(topic, record, self.outbox.partition)

    def place(self) -> int:
        """The place in the record's story at which a line may be left later, ahead of what comes now."""
        return 2 * len(self.history)

    def tell(
        self, row: Row, at: int, kind: str, rule: str, run: str, data: Mapping[str, Any], place: int | None = None
    ) -> None:
        """Leave a line in the customer's history."""
        index = 2 * len(self.history) + 1 if place is None else place
        self.history.append(HistoryRow(row.id, at, self.offset, index, kind, rule, run, _encode(data)))
        self.dirty[row.id] = row

    def erase(self, customer: str, erased: Erased) -> None:
        """Have everything of the customer erased, and store nothing of what this slice has done for them so far."""
        self.dirty.pop(customer, None)
        self.history = [line for line in self.history if line.customer != customer]
        self.steps = [step for step in self.steps if step.customer != customer]
        self.erasures.append(Erasure(customer, erased))
        self.revived = [grave for grave in self.revived if grave != erased.grave]

    def record(self, row: Row, at: int, kind: str, value: bytes) -> None:
        """Leave the record itself in the customer's history, ahead of what it did."""
        self.history.append(HistoryRow(row.id, at, self.offset, -1, kind, "", "", value))
        self.dirty[row.id] = row
