"""The outbox: what a slice wants to say to the log, written in the slice's own transaction and appended afterwards.

Each row carries a sequence per (origin topic, origin partition) -> (target topic, target partition), counted from 1.
The reader keeps the last sequence it took from each origin in its cursor's transaction: a repeat is skipped however
late it comes, a gap stops the partition.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Protocol

import msgspec

from tactful import crashpoints
from tactful.errors import OutboxGap
from tactful.log import Log
from tactful.log.partitioning import partition_of
from tactful.records import Origin, Record, encode


class Cause(msgspec.Struct, frozen=True, array_like=True, order=True):
    """What made a row, in the order in which one partition applies things: a record, or a timer that it let fire.

    `due` is -1 for the record itself, whose effects come after those of the timers before it.
    """

    offset: int
    after_timers: bool
    due: int = -1
    customer: str = ""
    index: int = 0


class OutboxRow(msgspec.Struct, frozen=True):
    """One record on its way."""

    origin_topic: str
    origin_partition: int
    seq: int
    topic: str
    partition: int
    value: bytes
    cause: Cause


class Outbox:
    """Collects the rows of one slice. `sequences` is the cursor's counter per target (`"dispatch/3"` -> last seq)."""

    def __init__(self, topic: str, partition: int, partitions: int, sequences: Mapping[str, int]) -> None:
        self._topic, self.partition, self._partitions = topic, partition, partitions
        self.sequences = dict(sequences)
        self.rows: list[OutboxRow] = []

    def go_on_after(self, sequences: Mapping[str, int]) -> None:
        """The log has these already, from a time that the store has forgotten."""
        for name, seq in sequences.items():
            self.sequences[name] = max(self.sequences.get(name, 0), seq)

    def put(self, topic: str, record: Record, cause: Cause, partition: int | None = None) -> None:
        """Queue a record for `topic`, on its key's partition unless another is given."""
        target = partition_of(record.key, self._partitions) if partition is None else partition
        name = f"{topic}/{target}"
        seq = self.sequences.get(name, 0) + 1
        msgspec.structs.force_setattr(record, "origin", Origin(self._topic, self.partition, seq))  # nobody has seen it
        cause = Cause(cause.offset, cause.after_timers, cause.due, cause.customer, len(self.rows))
        self.rows.append(OutboxRow(self._topic, self.partition, seq, topic, target, encode(record), cause))
        self.sequences[name] = seq  # only now: what cannot be encoded leaves no gap


class Taken:
    """The last sequence taken from each origin: `"events/1"` -> seq. Lives in the reader's cursor."""

    def __init__(self, last: Mapping[str, int]) -> None:
        self.last = dict(last)

    def take(self, origin: Origin | None) -> bool:
        """Whether a record is new. Raises OutboxGap if records of its origin are missing."""
        if origin is None:
            return True
        name = f"{origin.topic}/{origin.partition}"
        last = self.last.get(name, 0)
        if origin.seq <= last:
            return False
        if origin.seq != last + 1:
            missing = f"records {last + 1} to {origin.seq - 1} from {name} are missing"
            raise OutboxGap(f"{missing}; see `Why a partition stops` in docs/how-to/alarms.md")
        self.last[name] = origin.seq
        return True


class _Signed(msgspec.Struct):
    origin: Origin | None = None


_decode_signed = msgspec.json.Decoder(_Signed).decode


def origin_of(value: bytes) -> Origin | None:
    """The origin of a record that cannot be applied, and perhaps not be read; None if it tells none. The reader counts it as taken
    all the same, so that the next one is no gap."""
    try:
        return _decode_signed(value).origin
    except msgspec.MsgspecError:
        return None


class OutboxStore(Protocol):
    """The part of a store that the relay needs."""

    async def unsent(self, partition: int, limit: int) -> list[OutboxRow]:
        """Rows of an origin partition that the log may not have yet, oldest first."""
        ...

    async def forget(self, rows: Sequence[OutboxRow]) -> None:
        """The log has them."""
        ...


async def append_rows(log: Log, rows: Iterable[OutboxRow]) -> None:
    """Append rows in their order; neighbours of one topic share an append."""
    for topic, group in groupby(rows, attrgetter("topic")):
        await log.append(topic, [(row.partition, row.value) for row in group])


async def relay(log: Log, store: OutboxStore, partition: int, limit: int = 2_000) -> int:
    """Append what is unsent and then forget it; returns how many. A crash in between repeats them, and readers skip that."""
    rows = await store.unsent(partition, limit)
    if rows:
        await append_rows(log, rows)
        crashpoints.reach("relay: appended")
        await store.forget(rows)
    return len(rows)
