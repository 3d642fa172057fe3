"""The due instants of one partition, as far ahead as the horizon. What lies beyond it stays in the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heappop, heappush
from typing import Final

from tactful_trigger.state.row import Row

NEVER: Final = 2**63


class Timers:
    """A heap of (due, customer). An entry may be stale: a row's own due instant decides when it comes up."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []
        self.nearest = NEVER  # the first entry's instant: one comparison tells that nothing comes up
        self.horizon = 0, ""  # (due, customer): what falls due from there on stands in the store alone

    @property
    def know_more(self) -> bool:
        """Whether something that is known to fall due has not come up."""
        return bool(self._heap) and self._heap[0] < self.horizon

    def extend(self, dues: Iterable[tuple[int, str]], horizon: tuple[int, str]) -> None:
        """Take in what the store has up to a new horizon."""
        for entry in dues:
            self._push(entry)
        self.horizon = horizon

    def watch(self, row: Row) -> None:
        """Make sure that the row comes up in time. Only an earlier instant than the one that stands needs an entry. A row with a
        held run has one beyond the horizon too: the store, which keeps one instant a row, has that of the held run."""
        due = row.next_due
        if due is not None and (row.pushed is None or due < row.pushed) and ((due, row.id) < self.horizon or row.held):
            row.pushed = due
            self._push((due, row.id))

    def next_before(self, end: tuple[int, str]) -> tuple[int, str] | None:
        """Take the first entry before `end`."""
        return self._pop() if self._heap and self._heap[0] < end else None

    def customers(self) -> set[str]:
        """The customers whose rows have to be in memory."""
        return {customer for _, customer in self._heap}

    def earliest(self, rows: Mapping[str, Row | None]) -> int | None:
        """The earliest due instant within the horizon; stale entries are put right on the way."""
        while self._heap:
            due, customer = self._heap[0]
            row = rows.get(customer)
            if row is not None and row.next_due == due:
                return due
            self._pop()
            if row is not None:
                row.pushed = None
                self.watch(row)
        return None

    def _push(self, entry: tuple[int, str]) -> None:
        heappush(self._heap, entry)
        self.nearest = self._heap[0][0]

    def _pop(self) -> tuple[int, str]:
        entry = heappop(self._heap)
        self.nearest = self._heap[0][0] if self._heap else NEVER
        return entry
