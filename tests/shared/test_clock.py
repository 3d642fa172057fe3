"""Clocks: the machine's, one that is shifted and only goes forward, and one that stands still."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from tactful.clock import DAY, HOUR, MINUTE, SECOND, ManualClock, ShiftedClock, WallClock

instants = st.integers(0, 10**14)


def test_lengths_of_time_are_milliseconds() -> None:
    assert (SECOND, MINUTE, HOUR, DAY) == (1_000, 60_000, 3_600_000, 86_400_000)


def test_the_wall_clock_tells_milliseconds_since_the_epoch() -> None:
    before = time.time_ns() // 1_000_000
    assert before <= WallClock().now() <= time.time_ns() // 1_000_000


def test_a_manual_clock_stands_still_until_it_is_told() -> None:
    clock = ManualClock(5)
    assert (clock.now(), clock.now()) == (5, 5)
    clock.forward_to(9)
    assert clock.now() == 9


@given(instants, st.lists(instants))
def test_a_manual_clock_never_goes_back(start: int, targets: list[int]) -> None:
    clock = ManualClock(start)
    for target in targets:
        before = clock.now()
        clock.forward_to(target)
        assert clock.now() == max(before, target)


@given(instants, st.integers(0, DAY), st.lists(instants))
def test_a_shifted_clock_goes_on_with_the_clock_below_it_and_its_shift_only_grows(
    start: int, offset: int, targets: list[int]
) -> None:
    below = ManualClock(start)
    clock = ShiftedClock(below, offset)
    for target in targets:
        before, shift = clock.now(), clock.offset
        clock.forward_to(target)
        assert (clock.now(), clock.offset >= shift) == (max(before, target), True)
        below.forward_to(below.now() + SECOND)
        assert clock.now() == max(before, target) + SECOND
