"""Port: the log. Append-only topics of partitions, read by offset, stamped by the log itself.

Implementations: `tactful.log.memory`, `tactful.log.sqlite`. One contract suite runs against all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol


class Stored(NamedTuple):
    """A record as it stands in the log. `appended` is the append time in ms; it never falls within a partition."""

    topic: str
    partition: int
    offset: int
    appended: int
    value: bytes


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
        """Append `(partition, value)` in order; all or nothing. Returns once they are as durable as the log is configured.

        Raises LogUnavailable: it may or may not have been stored, and the caller answers "resend".
        """
        ...

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Stored]:
        """At most `limit` records from `offset` on; empty at the end. Never waits for more."""
        ...

    async def end(self, topic: str, partition: int) -> int:
        """The offset that the next record will get."""
        ...

    async def wait(self, topic: str, positions: Mapping[int, int], seconds: float) -> None:
        """Return as soon as any of these partitions reaches beyond its position, or after so many seconds."""
        ...


class ClosingLog(Log, Protocol):
    """A log with one writer, in which virtual time may close an instant."""

    async def close_instant(self, topic: str, entries: Sequence[tuple[int, bytes]], instant: int) -> list[Position]:
        """Append ticks that close `instant`: whatever follows in those partitions is stamped strictly later."""
        ...
