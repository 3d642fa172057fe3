"""Reading ahead from Kafka: as much as memory has room for, however large records are."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka.errors import CorruptRecordException, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from tactful.errors import DamagedRecord, LogUnavailable, RetentionOverrun, UnstampedRecord
from tactful.log.kafka.broker import Broker
from tactful.log.kafka.reading import AHEAD, FORGOTTEN, HEAVY, Reader


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
    """A topic whose first partition has no end of records of one size, and the others none; it is its own consumer."""

    size: int = 0
    assigned: list[TopicPartition] = field(default_factory=list)
    at: dict[int, int] = field(default_factory=dict)  # by partition
    paused: set[TopicPartition] = field(default_factory=set)
    gone: list[dict[TopicPartition, int]] = field(default_factory=list)  # what the broker will say next

    def consumer(self, group: str | None = None) -> Any:
        return self

    async def started(self, client: Any) -> Any:
        return client

    async def stop(self) -> None:
        """Nothing is open."""

    def assign(self, partitions: list[TopicPartition]) -> None:
        self.paused.clear()
        self.assigned[:] = partitions

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self.at[tp.partition] = offset

    def pause(self, tp: TopicPartition) -> None:
        self.paused.add(tp)

    def resume(self, tp: TopicPartition) -> None:
        self.paused.discard(tp)

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 10**9)

    async def position(self, tp: TopicPartition) -> int:
        return self.at[tp.partition]

    async def getmany(
        self, *only: TopicPartition, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[Fetched]]:
        await asyncio.sleep(0)
        if self.gone:
            raise OffsetOutOfRangeError(self.gone.pop())
        if self.paused or 0 not in self.at:
            return {}
        records = [Fetched(self.at[0] + n, bytes(self.size)) for n in range(10)]
        self.at[0] += len(records)
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
        assert most <= backlog.at[0] - position <= most + 10
        while backlog.paused:
            taken = await reader.read(0, position, 100)
            assert [stored.offset for stored in taken] == list(range(position, position + len(taken)))
            position += len(taken)
    await reader.stop()


async def test_what_nobody_asks_for_any_more_is_let_go() -> None:
    backlog, now = Backlog(("nowhere:9092",), size=100), [1000.0]
    reader = Reader(backlog, "events", lambda: now[0])
    await reader.start()
    position = len(await reader.read(0, 0, 1))
    await reader.wait({1: 0}, 0)
    assert {tp.partition for tp in backlog.assigned} == {0, 1}
    for _ in range(3):
        now[0] += FORGOTTEN / 2
        position += len(await reader.read(0, position, 1))
        for _ in range(10):
            await asyncio.sleep(0)
    assert {tp.partition for tp in backlog.assigned} == {0}
    assert await reader.read(0, position, 1)
    await reader.stop()


async def test_what_was_gone_where_nobody_reads_any_more_stops_nobody() -> None:
    backlog = Backlog(("nowhere:9092",), size=100)
    reader = Reader(backlog, "events")
    await reader.start()
    position = len(await reader.read(0, 0, 1))
    for stale in ({0: position - 1}, {1: 0}):
        backlog.gone.append({TopicPartition("tactful-events", partition): at for partition, at in stale.items()})
        while backlog.gone:  # noqa: ASYNC110 - it fetches in a task of its own
            await asyncio.sleep(0)
        assert (await reader.read(0, position, 1))[0].offset == position
        position += 1
    backlog.gone.append({TopicPartition("tactful-events", 0): backlog.at[0]})
    with pytest.raises(RetentionOverrun):
        await read_on(reader, position)
    await reader.stop()


async def read_on(reader: Reader, position: int) -> None:
    while True:
        position += len(await reader.read(0, position, 1000))


@dataclass(frozen=True)
class Headless(Backlog):
    """One partition has no leader before it is led: aiokafka waits for the end of it, and tells no other meanwhile."""

    led: asyncio.Event = field(default_factory=asyncio.Event)

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        if TopicPartition("tactful-events", 1) in partitions:
            await self.led.wait()
        return await super().end_offsets(partitions)


async def test_a_partition_without_a_leader_hides_the_end_of_no_other() -> None:
    reader = Reader(Headless(("nowhere:9092",), size=100), "events", together=0.02)
    await reader.start()
    await reader.wait({1: 0}, 0)
    async with asyncio.timeout(1):
        for partition in (0, 2):
            assert await reader.end(partition) == 10**9
    await reader.stop()


async def test_who_reads_where_no_broker_leads_is_told_so_soon_and_goes_on_once_one_does() -> None:
    """The other partitions of a service wait for each look."""
    headless = Headless(("nowhere:9092",), size=100)
    reader = Reader(headless, "events", together=0.02)
    await reader.start()
    await reader.wait({0: 0}, 0)
    async with asyncio.timeout(1):
        for _ in range(3):
            for answer in await asyncio.gather(reader.read(1, 0, 1), reader.end(1), return_exceptions=True):
                assert "tactful-events/1: no broker says where it ends: it may have no leader, or they are away" in str(
                    answer
                )
        headless.led.set()
        await asyncio.sleep(0.01)
        assert await reader.end(1) == 10**9
    await reader.stop()


async def test_what_no_broker_leads_is_assigned_to_nobody_before_one_does() -> None:
    """aiokafka would ask for a leader without a pause as long as it is."""
    headless = Headless(("nowhere:9092",), size=100)
    reader = Reader(headless, "events", together=0.02)
    await reader.start()
    for _ in range(2):
        with pytest.raises(LogUnavailable, match="it may have no leader"):
            await asyncio.wait_for(reader.read(1, 0, 1), 1)
        await reader.wait({1: 0}, 0)
        assert headless.assigned == []
    headless.led.set()
    await asyncio.sleep(0.01)
    await reader.wait({1: 0}, 0)
    assert [tp.partition for tp in headless.assigned] == [1]
    await reader.stop()


async def test_two_who_read_one_partition_at_different_places_both_come_on() -> None:
    backlog = Backlog(("nowhere:9092",), size=100)
    reader = Reader(backlog, "events")
    await reader.start()

    async def some(start: int) -> list[int]:
        found: list[int] = []
        while len(found) < 30:
            taken = await reader.read(0, start + len(found), 10)
            assert taken, "an empty answer is the end of the log"
            found += [stored.offset for stored in taken]
        return found[:30]

    first, other = await asyncio.gather(some(0), some(5_000))
    assert (first, other) == (list(range(30)), list(range(5_000, 5_030)))
    await reader.stop()


@dataclass(frozen=True)
class Rotten(Backlog):
    """What stands in its first partition cannot be unpacked, and aiokafka does not say where that was."""

    async def getmany(
        self, *only: TopicPartition, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[Fetched]]:
        await asyncio.sleep(0)
        asked = {tp.partition for tp in only or self.assigned}
        if 0 in asked:
            raise CorruptRecordException("Invalid CRC")
        if 1 not in asked:
            return {}
        self.at[1] += 1
        return {TopicPartition("tactful-events", 1): [Fetched(self.at[1] - 1, b"whole")]}


async def test_what_is_damaged_in_one_partition_stops_no_other() -> None:
    reader = Reader(Rotten(("nowhere:9092",)), "events")
    await reader.start()
    for position in range(3):
        with pytest.raises(DamagedRecord, match="tactful-events/0: what comes next cannot be unpacked, at offset 0"):
            await reader.read(0, 0, 1)
        async with asyncio.timeout(1):
            assert [stored.offset for stored in await reader.read(1, position, 1)] == [position]
    await reader.stop()


@dataclass(frozen=True)
class Spoilt(Backlog):
    """The fourth record in its first partition cannot be unpacked: aiokafka hands nothing out of what it fetches with that. The others
    have nothing new, which takes it a while to find out."""

    looks: list[tuple[int, ...]] = field(default_factory=list)  # at partitions by themselves

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: 5 if tp.partition == 0 else 0 for tp in partitions}

    async def getmany(
        self, *only: TopicPartition, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[Fetched]]:
        await asyncio.sleep(0)
        if only:
            self.looks.append(tuple(tp.partition for tp in only))
        first = TopicPartition("tactful-events", 0)
        if first in self.paused or first not in self.assigned or (only and first not in only):
            return {}
        records = [Fetched(offset, b"value") for offset in range(self.at[0], 5)][:max_records]
        if any(record.offset == 3 for record in records):
            raise CorruptRecordException("Invalid CRC")
        self.at[0] += len(records)
        return {first: records}


async def test_what_stands_before_damage_is_read_first_and_where_nothing_is_new_nobody_looks_for_it() -> None:
    spoilt = Spoilt(("nowhere:9092",))
    reader = Reader(spoilt, "events")
    await reader.start()
    await reader.wait({partition: 0 for partition in (1, 2, 0)}, 0)
    async with asyncio.timeout(1):
        assert [stored.offset for stored in await reader.read(0, 0, 2)] == [0, 1]
        assert [stored.offset for stored in await reader.read(0, 2, 2)] == [2]
        for _ in range(2):
            with pytest.raises(DamagedRecord, match="at offset 3"):
                await reader.read(0, 3, 2)
    assert set(spoilt.looks) == {(0,)}
    await reader.stop()


@dataclass(frozen=True)
class Overtaken(Rotten):
    """While one partition is fetched by itself, somebody begins to read another one; what is damaged comes again a fetch later."""

    meanwhile: list[Coroutine[Any, Any, None]] = field(default_factory=list)
    later: list[None] = field(default_factory=lambda: [None])  # fetches before that

    async def getmany(
        self, *only: TopicPartition, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[Fetched]]:
        if self.meanwhile and [tp.partition for tp in only] == [1]:
            await self.meanwhile.pop()
        elif self.later and not (only or self.meanwhile):
            self.later.pop()
            only = (TopicPartition("tactful-events", 1),)
        return await super().getmany(*only, timeout_ms=timeout_ms, max_records=max_records)


async def test_what_was_fetched_while_damage_was_looked_for_is_read_all_the_same() -> None:
    rotten = Overtaken(("nowhere:9092",))
    reader = Reader(rotten, "events")
    await reader.start()
    rotten.meanwhile.append(reader.wait({2: 0}, 0))
    whole, damaged = await asyncio.gather(reader.read(1, 0, 1), reader.read(0, 0, 1), return_exceptions=True)
    assert isinstance(damaged, DamagedRecord)
    assert not isinstance(whole, BaseException)
    assert ([stored.offset for stored in whole], rotten.meanwhile) == ([0], [])
    await reader.stop()


@dataclass(frozen=True)
class Unstamping(Backlog):
    """Whoever appended the fourth record had the topic stamp nothing."""

    async def getmany(
        self, *only: TopicPartition, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[Fetched]]:
        await asyncio.sleep(0)
        if self.paused or not self.assigned:
            return {}
        records = [Fetched(offset, b"value", timestamp_type=int(offset != 3)) for offset in range(self.at[0], 5)]
        self.at[0] = 5
        return {TopicPartition("tactful-events", 0): records}


async def test_what_stands_before_a_record_without_an_append_time_is_read_first() -> None:
    reader = Reader(Unstamping(("nowhere:9092",)), "events")
    await reader.start()
    assert [stored.offset for stored in await reader.read(0, 0, 2)] == [0, 1]
    assert [stored.offset for stored in await reader.read(0, 2, 2)] == [2]
    with pytest.raises(UnstampedRecord, match="the record at offset 3"):
        await reader.read(0, 3, 2)
    await reader.stop()


@dataclass(frozen=True)
class Cut(Backlog):
    """A topic that ends where it is told to, and has nothing behind what was read."""

    ends: list[int] = field(default_factory=lambda: [0])

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, self.ends[0])


async def test_what_was_appended_and_lost_before_it_was_read_is_waited_for_by_nobody() -> None:
    """As where another broker leads that has not got it: ticks are appended only where everything is read."""
    cut = Cut(("nowhere:9092",))
    reader = Reader(cut, "events")
    await reader.start()
    reader.known(1, 5)
    async with asyncio.timeout(1):
        assert await reader.read(1, 0, 10) == []
        assert await reader.end(1) == 0
    await reader.stop()
