"""After a store was restored from a back-up: what it has forgotten is taken from the log, so that dispatch may go on.

What matters is what dispatch itself has said since: what was sent, who opted out on a page. Everything else it reads again by
itself. And what it says next must be counted after what the log has from it already, or its readers would take it for repeats.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple

import msgspec

from tactful.log import Hints, Log, onward
from tactful.partitions.leases import LeaseTime, owned_by_another
from tactful.records import DISPATCH, EVENTS, ConsentRecord, EventRecord, Record, decode_dispatch, decode_events
from tactful_dispatch.applying.consenting import announced
from tactful_dispatch.applying.recalling import recall
from tactful_dispatch.state.addresses import AddressBook
from tactful_dispatch.state.rows import Cursor
from tactful_dispatch.store import DispatchStore, Fence, Workspace

LEASE: Final = 60_000  # ms
LOT: Final = 200  # records a transaction
Work = Callable[[Workspace], Counter[str]]
Decode = Callable[[bytes], Record]


class Reader(NamedTuple):
    """How far trigger has read a partition of events, and the last sequence that it has taken from each origin."""

    offset: int
    taken: Mapping[str, int]


@dataclass
class Forgotten:
    """What a partition of dispatch has said that its store does not know. `sequences`: the last of each target. `coming`: events
    that tell of words on consent which will be read again."""

    events: list[EventRecord] = field(default_factory=list)
    sequences: dict[str, int] = field(default_factory=dict)
    coming: set[str] = field(default_factory=set)

    def note(self, target: str, seq: int, record: Record) -> None:
        self.sequences[target] = max(seq, self.sequences.get(target, 0))
        if isinstance(record, EventRecord):
            self.events.append(record)


class Restoration:
    """Owns every partition of dispatch while it lasts."""

    def __init__(
        self, log: Log, store: DispatchStore, book: AddressBook, hints: Hints, time: LeaseTime, owner: str
    ) -> None:
        self._log, self._store, self._book, self._hints, self._time, self._owner = log, store, book, hints, time, owner

    async def run(self, readers: Mapping[int, Reader]) -> dict[int, Counter[str]]:
        """What was remembered, by partition; see `recall`. Looking begins where trigger reads on, or at the beginning of the log
        where trigger has already read what is forgotten. Raises TactfulError while somebody else owns a partition of dispatch."""
        await self._time.look()
        cursors: list[Cursor] = []
        try:
            for partition in range(self._log.partitions):
                cursors.append(await self._claim(partition))
            told = {}
            for cursor, forgotten in zip(cursors, await self._look(cursors, readers), strict=True):
                told[cursor.partition] = await self._remember(cursor, forgotten)
                await self._hints.mark({cursor.partition: cursor.offset})
            return told
        finally:
            for cursor in cursors:
                await self._store.release(cursor.partition, cursor.epoch)

    async def _claim(self, partition: int) -> Cursor:
        cursor = await self._store.claim(partition, self._owner, self._time.now(), self._time.now() + LEASE)
        if cursor is None:
            raise owned_by_another("dispatch", partition)
        return cursor

    async def _look(self, cursors: Sequence[Cursor], readers: Mapping[int, Reader]) -> list[Forgotten]:
        found = [Forgotten() for _ in cursors]

        def note(target: str, record: Record | None) -> None:
            origin = record.origin if record is not None else None
            if record is None or origin is None or origin.topic != DISPATCH:
                return
            if origin.seq > cursors[origin.partition].sequences.get(target, 0):
                found[origin.partition].note(target, origin.seq, record)

        for partition, cursor in enumerate(cursors):
            async for stored in onward(self._log, EVENTS, partition, _start(partition, cursors, readers)):
                note(f"{EVENTS}/{partition}", _read(decode_events, stored.value))
            async for stored in onward(self._log, DISPATCH, partition, cursor.offset):
                note(f"{DISPATCH}/{partition}", record := _read(decode_dispatch, stored.value))
                if isinstance(record, ConsentRecord):
                    found[partition].coming.add(announced(record))
        return found

    async def _remember(self, cursor: Cursor, forgotten: Forgotten) -> Counter[str]:
        told: Counter[str] = Counter()
        events = [record for record in forgotten.events if record.id not in forgotten.coming]
        for start in range(0, len(events), LOT):
            lot = events[start : start + LOT]
            told.update(await self._transact(cursor, {record.key for record in lot}, partial(self._recall, lot)))
        await self._transact(cursor, (), partial(_go_on_after, forgotten.sequences))
        return +told

    def _recall(self, records: Sequence[EventRecord], space: Workspace) -> Counter[str]:
        return Counter(filter(None, (recall(space, self._book, record) for record in records)))

    async def _transact(self, cursor: Cursor, customers: Collection[str], work: Work) -> Counter[str]:
        until = self._time.now() + LEASE
        return await self._store.transact(
            cursor.partition, sorted(customers), work, fence=Fence(cursor.epoch), lease_until=until
        )


def _start(partition: int, cursors: Sequence[Cursor], readers: Mapping[int, Reader]) -> int:
    if (reader := readers.get(partition)) is None:
        return 0
    target = f"{EVENTS}/{partition}"
    known = {f"{DISPATCH}/{cursor.partition}": cursor.sequences.get(target, 0) for cursor in cursors}
    gone_on = any(seq > known.get(origin, seq) for origin, seq in reader.taken.items())
    return 0 if gone_on else reader.offset


def _go_on_after(sequences: Mapping[str, int], space: Workspace) -> Counter[str]:
    space.go_on_after(sequences)
    return Counter()


def _read(decode: Decode, value: bytes) -> Record | None:
    """What nobody can read says nothing here either; whoever reads the topic puts it into quarantine."""
    try:
        return decode(value)
    except msgspec.MsgspecError:
        return None
