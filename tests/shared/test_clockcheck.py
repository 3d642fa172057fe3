"""How far an owner's clock and the log's may be apart, and when an owner who stood back may go on."""

from __future__ import annotations

import pytest

from tactful.clock import MINUTE
from tactful.errors import ClocksApart, PoisonFlood, StreamStopped
from tactful.partitions.clockcheck import APART, TRY_AGAIN, clocks_are_apart, refuse_to_be_ahead, refuse_what_is_ahead

NOON = 1_795_518_000_000


def test_clocks_may_differ_by_two_minutes_either_way() -> None:
    refuse_what_is_ahead("events/0", NOON + APART, NOON)
    refuse_to_be_ahead("events/0", NOON, NOON + APART)
    assert APART == 2 * MINUTE


def test_a_record_that_is_further_ahead_stops_until_our_clock_has_come_near_it() -> None:
    with pytest.raises(ClocksApart) as stopped:
        refuse_what_is_ahead("events/0", NOON + APART + 1, NOON)
    assert clocks_are_apart({0: stopped.value}, NOON)
    assert not clocks_are_apart({0: stopped.value}, NOON + 1)
    refuse_what_is_ahead("events/0", NOON + APART + 1, NOON + 1)


def test_a_clock_that_is_further_ahead_than_the_log_s_is_asked_again_after_a_minute_or_once_it_is_set_back() -> None:
    now = NOON + APART + 1
    with pytest.raises(ClocksApart) as stopped:
        refuse_to_be_ahead("events/0", NOON, now)
    assert clocks_are_apart({0: stopped.value}, now)
    assert clocks_are_apart({0: stopped.value}, now + TRY_AGAIN - 1)
    assert not clocks_are_apart({0: stopped.value}, now + TRY_AGAIN)
    assert not clocks_are_apart({0: stopped.value}, now - 1)


def test_once_the_clocks_agree_what_they_stopped_goes_on_and_what_else_is_stopped_does_not() -> None:
    apart, flood = ClocksApart("events/0: ahead", 0, NOON), PoisonFlood("events/1: poison")
    stopped: dict[int, StreamStopped] = {0: apart, 1: flood}
    assert clocks_are_apart(stopped, NOON - 1)
    assert stopped == {0: apart, 1: flood}
    assert not clocks_are_apart(stopped, NOON)
    assert stopped == {1: flood}
