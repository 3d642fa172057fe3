"""The log in memory: for virtual time, and the twin that the contract suite holds against the others.

It holds bytes, so that nobody can change what was logged. Appending and reading never suspend.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence

from tactful.clock import Clock
from tactful.log import Position, Stored, check_entries


class _Partition:
    def __init__(self) -> None:
        self.records: list[Stored] = []
        self.floor = 0  # no later record may be stamped earlier


class MemoryLog:
    """Implements `tactful.log.ClosingLog`."""

    def __init__(self, partitions: int, clock: Clock) -> None:
        self._count, self._clock = partitions, clock
        self._partitions: defaultdict[tuple[str, int], _Partition] = defaultdict(_Partition)
        self._grown = asyncio.Event()

    @property
    def partitions(self) -> int:
        return self._count

    async def append(self, topic: str, entries: Sequence[tuple[int, bytes]]) -> list[Position]:
        check_entries(topic, entries, self._count)
        now = self._clock.now()
        positions = [self._put(topic, partition, value, now) for partition, value in entries]
        self._grown.set()
        return positions

    async def close_instant(self, topic: str, entries: Sequence[tuple[int, bytes]], instant: int) -> list[Position]:
        positions = await self.append(topic, entries)
        for partition, _ in entries:
            held = self._partitions[topic, partition]
            held.floor = max(held.floor, instant + 1)
        return positions

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Stored]:
        return self._partitions[topic, partition].records[offset : offset + limit]

    async def beginning(self, topic: str, partition: int) -> int:
        return 0

    async def end(self, topic: str, partition: int) -> int:
        return len(self._partitions[topic, partition].records)

    async def wait(self, topic: str, positions: Mapping[int, int], seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not self._has_grown(topic, positions):
                    self._grown.clear()
                    await self._grown.wait()
        except TimeoutError:
            return

    def _has_grown(self, topic: str, positions: Mapping[int, int]) -> bool:
        return any(len(self._partitions[topic, p].records) > position for p, position in positions.items())

    def _put(self, topic: str, partition: int, value: bytes, now: int) -> Position:
        held = self._partitions[topic, partition]
        held.floor = max(held.floor, now)
        held.records.append(Stored(topic, partition, len(held.records), held.floor, value))
        return Position(partition, len(held.records) - 1, held.floor)


class MemoryHints:
    """Implements `tactful.log.Hints`."""

    def __init__(self) -> None:
        self._marks: dict[int, int] = {}

    async def mark(self, offsets: Mapping[int, int]) -> None:
        self._marks |= offsets

    async def marked(self, partition: int) -> int:
        return self._marks.get(partition, 0)
