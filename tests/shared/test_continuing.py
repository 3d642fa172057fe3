"""Whoever reads on does so in the log that they have read, or says that it is another one."""

from __future__ import annotations

import pytest

from tactful.clock import ManualClock
from tactful.errors import AnotherLog, DamagedRecord, LogUnavailable, RetentionOverrun
from tactful.log import Stored
from tactful.log.memory import MemoryLog
from tactful.partitions.continuing import Continuing, is_another
from tactful.records import EVENTS


class Moody(MemoryLog):
    """Is away now and then, and may have been replaced by then."""

    away = damaged = cut = False
    later = 0  # ms by which everything is stamped later
    read_from: tuple[int, ...] = ()

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Stored]:
        if self.away:
            raise LogUnavailable("no broker answers")
        if self.cut:
            self.cut = False
            raise RetentionOverrun("the log no longer has what comes next")
        if self.damaged and offset < 2:
            raise DamagedRecord("Invalid CRC")
        self.read_from += (offset,)
        found = await super().read(topic, partition, offset, limit)
        return [stored._replace(appended=stored.appended + self.later) for stored in found]


async def three() -> tuple[Moody, Continuing]:
    log = Moody(1, ManualClock(100))
    await log.append(EVENTS, [(0, b"a"), (0, b"b"), (0, b"c")])
    return log, Continuing(log, EVENTS)


async def test_it_is_looked_at_once_and_again_by_whoever_takes_the_partition_up_or_when_it_was_away() -> None:
    log, reading = await three()
    for _ in range(2):
        assert [stored.value for stored in await reading.read(0, 2, 100, 10)] == [b"c"]
    assert log.read_from == (1, 2, 2)
    reading.take_up(0)
    assert await reading.read(0, 2, 100, 10)
    log.away = True
    with pytest.raises(LogUnavailable):
        await reading.read(0, 2, 100, 10)
    log.away, log.later = False, 1
    for _ in range(2):
        with pytest.raises(AnotherLog, match="events/0: this is not the log that was read"):
            await reading.read(0, 2, 100, 10)


async def test_a_log_that_ends_before_it_was_read_is_not_waited_for_until_it_has_grown_beyond_that() -> None:
    _, reading = await three()
    for _ in range(2):
        with pytest.raises(AnotherLog, match="it ends before offset 5"):
            await reading.read(0, 5, 100, 10)


async def test_a_log_that_was_cut_off_while_it_was_away_and_has_grown_since_is_not_read_on() -> None:
    """Whoever fetches ahead notes the loss before it is asked again, and that is told once."""
    log, reading = await three()
    log.cut = True
    with pytest.raises(RetentionOverrun):
        await reading.read(0, 2, 100, 10)


async def test_what_was_damaged_after_it_was_read_stops_nobody() -> None:
    log, reading = await three()
    log.damaged = True
    assert [stored.value for stored in await reading.read(0, 2, 100, 10)] == [b"c"]


class Sparse(Moody):
    """Nothing stands at its second offset, as where somebody's transaction ended; what stood before that has left with time."""

    async def beginning(self, topic: str, partition: int) -> int:
        return 1

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Stored]:
        return await super().read(topic, partition, max(2, offset), limit)


async def test_where_nothing_is_left_nobody_can_tell() -> None:
    log = Sparse(1, ManualClock(100))
    await log.append(EVENTS, [(0, b"a")] * 3)
    assert [await is_another(log, EVENTS, 0, offset, 0) for offset in range(5)] == [False, False, False, True, True]
