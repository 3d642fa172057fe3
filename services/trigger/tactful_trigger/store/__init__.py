"""Port: trigger's store. One transaction per slice; everything of a partition is written by its owner alone.

Implementations: `tactful_trigger.store.memory`, `tactful_trigger.store.sqlite`, `tactful_trigger.store.postgres`;
`tactful_trigger.store.spread` puts several together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, Protocol

import msgspec

from tactful.erasure import Erased
from tactful.partitions.leases import LeaseStore
from tactful.partitions.outbox import OutboxRow, OutboxStore
from tactful_trigger.state.cursor import Cursor
from tactful_trigger.state.history import HistoryRow

BEYOND: Final = "\U0010ffff"  # behind an id, what comes after everything that begins with it
PAST: Final = 1000  # lines of each name


async def cursors(store: TriggerStore, partitions: int) -> list[Cursor]:
    """The cursors of all partitions that were ever claimed."""
    found = [await store.cursor(partition) for partition in range(partitions)]
    return [cursor for cursor in found if cursor is not None]


async def past_of(store: TriggerStore, names: Iterable[str], since: int = 0) -> list[HistoryRow]:
    """What customers did since an instant (ms), as far as whoever comes to them, or is enrolled for it, is shown: their latest lines,
    one name after the other."""
    return [line for name in names for line in await store.history(name, PAST, since)]


class StepRequest(msgspec.Struct, frozen=True):
    """A step that a run waits for; run after the commit, answered by a `Step Finished` event."""

    customer: str
    run_id: str
    number: int
    name: str
    function: str  # module:qualified name
    arguments: list[Any]


class ChangedRow(msgspec.Struct, frozen=True):
    """A customer's row after the slice. `due` is the earliest instant at which something happens by itself; `busy`: whether
    events that no rule or projection names may matter to it: a run may wait for them, or they are somebody else's."""

    customer: str
    value: bytes
    due: int | None
    busy: bool = True


class Erasure(msgspec.Struct, frozen=True):
    """A customer who goes: row, history, steps that wait. What stays is the grave."""

    customer: str
    erased: Erased


class SliceResult(msgspec.Struct, frozen=True):
    """All that one slice changes, and, of no concern to a store, what is counted once that is committed."""

    partition: int
    epoch: int
    before: int  # the offset that the cursor must still have
    cursor: Cursor
    rows: list[ChangedRow]
    outbox: list[OutboxRow]
    history: list[HistoryRow]
    steps: list[StepRequest]
    erasures: list[Erasure] = []  # done first: what else is here of the same customers came afterwards
    graves: list[Erased] = []  # of customers whose rows are not here
    revived: list[str] = []  # graves that are none any more
    fired: int = 0  # timers
    decided: list[tuple[str, str, str]] = []  # (rule, verdict, reason) of every final word that was heard
    parked: list[tuple[str, str]] = []  # (rule, why) of every run that could not go on


class TriggerStore(OutboxStore, LeaseStore, Protocol):
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

    async def busy(self, partition: int) -> set[str]:
        """Customers whose rows are busy."""
        ...

    async def due(self, partition: int, start: tuple[int, str], before: int, most: int) -> list[tuple[int, str]]:
        """The first so many `(due, customer)` from `start` on with `due < before`, in order."""
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

    async def graves(self, partition: int) -> dict[str, int]:
        """The hashes (`Graves.of`) of erased customers, and when each was erased (ms)."""
        ...

    async def steps(self, partition: int, limit: int) -> list[StepRequest]:
        """Steps that have no answer yet, oldest first."""
        ...

    async def forget_steps(self, partition: int, done: Sequence[StepRequest]) -> None:
        """Their answers are in the log."""
        ...

    async def history(self, customer: str, limit: int, since: int = 0) -> list[HistoryRow]:
        """The latest rows of a customer, none of them from before an instant, oldest first."""
        ...

    async def forget_history(self, now: int, before: int) -> int:
        """Let go of history from before an instant. How much went, in rows or, where a day is a table, in days."""
        ...

    async def everybody(self, partition: int, after: str, limit: int) -> list[str]:
        """At most `limit` customers of a partition who come behind `after`, in order of id."""
        ...

    async def customers(self, text: str, limit: int) -> list[str]:
        """Customers whose id begins with `text`, in order of id."""
        ...

    async def active(self, limit: int) -> list[str]:
        """Customers with the latest history, the latest first. What is older than a month need not be looked at."""
        ...

    async def running(self, rule: str, *, parked: bool = False) -> list[str]:
        """Customers who have a run of a rule, in order of id; `parked`: one that is parked."""
        ...

    async def live_runs(self, *, parked: bool = False) -> dict[str, int]:
        """How many runs each rule has, parked ones included; `parked`: only those."""
        ...
