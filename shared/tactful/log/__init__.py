"""Port: the log. Append-only topics of partitions, read by offset, stamped by the log itself.

Implementations: `tactful.log.memory`, `tactful.log.sqlite`, `tactful.log.kafka`. One contract suite runs against all of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

PAGE: Final = 500  # records read at a time by whoever looks through a log


class Stored(NamedTuple):
    """A record as it stands in the log. `appended` is the append time in ms, as the log stamped it; `foreign` says that a
    producer of somebody else may have chosen the partition; `trace` is the traceparent that it carries, where the log keeps one."""

    topic: str
    partition: int
    offset: int
    appended: int
    value: bytes
    foreign: bool = False
    trace: str = ""


class Position(NamedTuple):
    """Where an appended record landed."""

    partition: int
    offset: int
    appended: int


class Log(Protocol):
    """Bytes in, the same bytes out, in order."""

    @property
    def partitions(self) -> int:
        """The partition count of every topic, fixed when the log was made."""
        ...

    async def append(self, topic: str, entries: Sequence[tuple[int, bytes]]) -> list[Position]:
        """Append `(partition, value)` in order. Returns once they are as durable as the log is configured.

        Raises LogUnavailable: all, some or none may have been stored, and the caller answers "resend". Raises RecordTooLarge
        before anything is stored, where a log has such a limit.
        """
        ...

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Stored]:
        """At most `limit` records from `offset` on; empty at the end. Never waits for more."""
        ...

    async def beginning(self, topic: str, partition: int) -> int:
        """The offset of the oldest record that has not left by retention; that of the next one if none is left."""
        ...

    async def end(self, topic: str, partition: int) -> int:
        """The offset that the next record will get."""
        ...

    async def wait(self, topic: str, positions: Mapping[int, int], seconds: float) -> None:
        """Return as soon as any of these partitions reaches beyond its position, or after so many seconds."""
        ...


async def onward(log: Log, topic: str, partition: int, offset: int) -> AsyncIterator[Stored]:
    """All records from an offset to the end, read a page at a time; what has left by retention is skipped."""
    offset = max(offset, await log.beginning(topic, partition))
    while records := await log.read(topic, partition, offset, PAGE):
        for stored in records:
            yield stored
        offset = records[-1].offset + 1


def check_entries(topic: str, entries: Sequence[tuple[int, bytes]], partitions: int) -> None:
    """Raises ValueError for a partition that does not exist, or a value that is not bytes."""
    for partition, value in entries:
        if not 0 <= partition < partitions or not isinstance(value, bytes):
            raise ValueError(f"{topic}/{partition}: a log of {partitions} partitions takes bytes")


def rising(records: Sequence[Stored], clock: int) -> Sequence[Stored]:
    """The same records, none stamped before the latest that stands before it; `clock` is the latest before them all.

    A log's clock may be set back, or another broker lead a partition. Time does not go back for it: what was stamped
    earlier than what stands before it happened no earlier.
    """
    for place, stored in enumerate(records):
        if stored.appended < clock:
            return [*records[:place], *_raised(records[place:], clock)]
        clock = stored.appended
    return records


def _raised(records: Sequence[Stored], clock: int) -> Iterator[Stored]:
    for stored in records:
        clock = max(clock, stored.appended)
        yield stored._replace(appended=clock)


class Hints(Protocol):
    """How far one topic was read, noted beside the log. The cursor in the store decides; this only follows it."""

    async def mark(self, offsets: Mapping[int, int]) -> None:
        """The store has committed up to these offsets, by partition. Raises LogUnavailable."""
        ...

    async def marked(self, partition: int) -> int:
        """The latest mark; 0 if there is none. Raises LogUnavailable."""
        ...


class ClosingLog(Log, Protocol):
    """A log with one writer, in which virtual time may close an instant."""

    async def close_instant(self, topic: str, entries: Sequence[tuple[int, bytes]], instant: int) -> list[Position]:
        """Append ticks that close `instant`: whatever follows in those partitions is stamped strictly later."""
        ...
