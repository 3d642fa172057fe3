"""Port: trigger's store. One transaction per slice; everything of a partition is written by its owner alone.

Implementations: `tactful_trigger.store.memory`, `tactful_trigger.store.sqlite`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Protocol

import msgspec

from tactful.outbox import OutboxRow, OutboxStore
from tactful_trigger.cursor import Cursor
from tactful_trigger.history import HistoryRow


class StepRequest(msgspec.Struct, frozen=True):
    """A step that a run waits for; run after the commit, answered by a `Step Finished` event."""

    customer: str
    run_id: str
    number: int
    name: str
    function: str  # module:qualified name
    arguments: list[Any]


class ChangedRow(msgspec.Struct, frozen=True):
    """A customer's row after the slice. `due` is the earliest instant at which something happens by itself."""

    customer: str
    value: bytes
    due: int | None


class SliceResult(msgspec.Struct, frozen=True):
    """All that one slice changes."""

    partition: int
    epoch: int
    before: int  # the offset that the cursor must still have
    cursor: Cursor
    rows: list[ChangedRow]
    outbox: list[OutboxRow]
    history: list[HistoryRow]
    steps: list[StepRequest]


class TriggerStore(OutboxStore, Protocol):
    """Durable when a call returns. Raises Transient when it cannot be reached: retry the whole call."""

    async def claim(self, partition: int, owner: str, now: int, until: int) -> Cursor | None:
        """Take the lease until `until` (ms), raise the epoch and count the attempt; None while another's lease runs."""
        ...

    async def release(self, partition: int, epoch: int) -> None:
        """Give the lease up, so that somebody else may claim at once."""
        ...

    async def load(self, partition: int, customers: Collection[str]) -> dict[str, bytes]:
        """Rows by customer; customers without a row are left out."""
        ...

    async def due(self, partition: int, start: int, before: int) -> list[tuple[int, str]]:
        """`(due, customer)` with `start <= due < before`, in order."""
        ...

    async def earliest_due(self, partition: int, start: int) -> int | None:
        """The earliest due instant that is not before `start`."""
        ...

    async def commit(self, result: SliceResult, until: int) -> None:
        """Apply a slice and renew the lease. Raises Fenced when epoch or offset are not the expected ones."""
        ...

    async def cursor(self, partition: int) -> Cursor | None:
        """The stored cursor: tells whether a commit whose reply was lost took place."""
        ...

    async def steps(self, partition: int, limit: int) -> list[StepRequest]:
        """Steps that have no answer yet, oldest first."""
        ...

    async def forget_steps(self, partition: int, done: Sequence[StepRequest]) -> None:
        """Their answers are in the log."""
        ...

    async def history(self, customer: str, limit: int) -> list[HistoryRow]:
        """The latest rows of a customer, oldest first."""
        ...

    async def customers(self, text: str, limit: int) -> list[str]:
        """Customers whose id begins with `text`, those with the latest history first when it is empty."""
        ...

    async def live_runs(self) -> dict[str, int]:
        """How many runs each rule has, parked ones included."""
        ...
