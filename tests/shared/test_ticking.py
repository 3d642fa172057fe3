"""Ticks are seldom, and no clock that is set back keeps them away."""

from __future__ import annotations

from tactful.clock import ManualClock
from tactful.log.memory import MemoryLog
from tactful.partitions.ticking import Ticker
from tactful.records import EVENTS


async def test_a_partition_ticks_at_most_once_in_a_tenth_of_a_second_also_once_the_clock_was_set_back() -> None:
    ticker = Ticker(MemoryLog(2, ManualClock(1000)), EVENTS)
    await ticker.tick(0, 1000)
    assert [ticker.has_just_ticked(0, now) for now in (999, 1000, 1099, 1100)] == [False, True, True, False]
    assert not ticker.has_just_ticked(1, 1000)
