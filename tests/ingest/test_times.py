"""Which instant an event keeps."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tactful.clock import DAY, HOUR, MINUTE, SECOND
from tactful.events.instants import instant
from tactful_ingest.times import AHEAD, occurred_at

MONDAY = 1_795_442_400_000  # Mon 23 Nov 2026 14:00 UTC


def unshifted(at: int) -> int:
    return at


@pytest.mark.parametrize(
    "spelling",
    [
        "2026-11-23T14:00:00Z",
        "2026-11-23T14:00:00z",
        "2026-11-23T14:00:00.000Z",
        "2026-11-23T15:00:00+01:00",
        "2026-11-23T15:00:00+0100",
        "2026-11-23T14:00:00.000000+00:00",
        "2026-11-23T14:00:00.000000123Z",
        "2026-11-23 14:00:00",
        "2026-11-23T14:00:00",
        "20261123T140000Z",
        MONDAY,
        MONDAY // 1000,
        float(MONDAY // 1000),
        str(MONDAY),
        str(MONDAY // 1000),
        f"{MONDAY // 1000}.0",
        f"{MONDAY}.4",
    ],
)
def test_an_instant_may_be_spelled_in_many_ways(spelling: Any) -> None:
    assert instant(spelling) == MONDAY


def test_a_time_without_an_offset_is_utc_wherever_the_server_stands() -> None:
    program = "from tactful.events.instants import instant; print(instant('2026-11-23T14:00:00'))"
    environment = {**os.environ, "TZ": "Asia/Tokyo"}
    said = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert int(said.stdout) == MONDAY


def test_milliseconds_survive() -> None:
    assert instant("2026-11-23T14:00:00.123+00:00") == instant(f"{MONDAY // 1000}.1234") == MONDAY + 123


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        "",
        "yesterday",
        "0",
        "1970-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "2026-13-01",
        True,
        0,
        -5,
        1e300,
        float("nan"),
        float("inf"),
        [],
        {},
        "9" * 400,
        "\uff12\uff10\uff12\uff16-11-23",
        "\u0662\u0660\u0662\u0666" * 3,
    ],
)
def test_nonsense_and_clocks_that_were_never_set_are_no_time(nonsense: Any) -> None:
    assert instant(nonsense) is None


@given(st.datetimes(datetime(1981, 1, 1), datetime(2100, 1, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001
def test_every_offset_gives_the_same_instant(at: datetime, minutes: int) -> None:
    local = at.replace(tzinfo=UTC).astimezone(timezone(timedelta(minutes=minutes)))
    assert instant(local.isoformat()) == round(at.replace(tzinfo=UTC).timestamp() * 1000)


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans()))
def test_nothing_that_is_posted_as_a_time_is_an_error(value: Any) -> None:
    read = instant(value)
    assert read is None or read > 0


def test_a_clock_that_is_five_minutes_ahead_is_believed_and_clamped_to_the_arrival() -> None:
    told = MONDAY + AHEAD - HOUR
    assert occurred_at(told, MONDAY + AHEAD, MONDAY, unshifted) == told
    assert occurred_at(MONDAY + AHEAD, MONDAY + AHEAD, MONDAY, unshifted) == MONDAY


def test_a_clock_further_ahead_is_corrected_by_what_it_said_when_it_sent() -> None:
    ahead = 2 * HOUR
    happened = MONDAY - 10 * MINUTE
    assert occurred_at(happened + ahead, MONDAY + ahead, MONDAY, unshifted) == happened


def test_a_sent_time_of_another_clock_moves_nothing_to_before_there_were_clocks() -> None:
    sent = instant("9999-12-31T00:00:00Z")
    assert occurred_at(MONDAY - MINUTE, sent, MONDAY, unshifted) == MONDAY - MINUTE


def test_a_sent_time_in_the_past_moves_nothing_because_clients_freeze_it_at_their_first_attempt() -> None:
    happened = MONDAY - DAY
    assert occurred_at(happened, happened + SECOND, MONDAY, unshifted) == happened


def test_an_event_that_tells_no_time_happened_when_it_arrived() -> None:
    assert occurred_at(None, None, MONDAY, unshifted) == MONDAY


def test_a_client_of_the_wall_clock_is_shifted_into_our_time_before_it_is_judged() -> None:
    def dev(at: int) -> int:
        return at + 30 * DAY

    wall = MONDAY - 30 * DAY
    assert occurred_at(wall - MINUTE, wall, MONDAY, dev) == MONDAY - MINUTE


@given(st.integers(0, 2**42), st.one_of(st.none(), st.integers(0, 2**42)), st.integers(0, 2**42))
def test_no_event_happens_after_its_arrival(told: int, sent: int | None, received: int) -> None:
    assert occurred_at(told, sent, received, unshifted) <= received
