"""Reading ahead from Kafka: as much as memory has room for, however large records are."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka.structs import TopicPartition

from tactful.log.kafka.broker import Broker
from tactful.log.kafka.reading import AHEAD, HEAVY, Reader


@dataclass
class Fetched:
    offset: int
    value: bytes
    key: bytes = b""
    timestamp: int = 0
    timestamp_type: int = 1
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True)
class Backlog(Broker):
    """A topic of one partition with no end of records of one size; it is its own consumer."""

    size: int = 0
    given: list[Fetched] = field(default_factory=list)
    paused: set[TopicPartition] = field(default_factory=set)

    def consumer(self, group: str | None = None) -> Any:
        return self

    async def started(self, client: Any) -> Any:
        return client

    async def stop(self) -> None:
        """Nothing is open."""

    def assign(self, partitions: list[TopicPartition]) -> None:
        self.paused.clear()

    def seek(self, tp: TopicPartition, offset: int) -> None:
        assert offset == len(self.given)

    def pause(self, tp: TopicPartition) -> None:
        self.paused.add(tp)

    def resume(self, tp: TopicPartition) -> None:
        self.paused.discard(tp)

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 10**9)

    async def position(self, tp: TopicPartition) -> int:
        return len(self.given)

    async def getmany(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Fetched]]:
        await asyncio.sleep(0)
        if self.paused:
            return {}
        records = [Fetched(len(self.given) + n, bytes(self.size)) for n in range(10)]
        self.given.extend(records)
        return {TopicPartition("tactful-events", 0): records}


@pytest.mark.parametrize(("size", "most"), [(1_000, AHEAD), (100_000, HEAVY // 100_000)])
async def test_no_more_is_fetched_than_memory_has_room_for(size: int, most: int) -> None:
    backlog = Backlog(("nowhere:9092",), size=size)
    reader = Reader(backlog, "events")
    await reader.start()
    position = len(await reader.read(0, 0, 1))
    for _ in range(3):
        while not backlog.paused:  # noqa: ASYNC110 - it fetches in a task of its own
            await asyncio.sleep(0)
        assert most <= len(backlog.given) - position <= most + 10
        while backlog.paused:
            taken = await reader.read(0, position, 100)
            assert [stored.offset for stored in taken] == list(range(position, position + len(taken)))
            position += len(taken)
    await reader.stop()
