"""Wall times and instants, on the two days a year on which they do not fit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tactful.localtime import instant_of, local_day, local_time

ZONES = [
    ZoneInfo(name)
    for name in (
        "Europe/Madrid",
        "America/New_York",
        "Australia/Lord_Howe",  # half an hour
        "Pacific/Apia",  # skipped 30 December 2011
        "America/St_Johns",
        "Africa/Casablanca",  # winter time during Ramadan
        "Asia/Kathmandu",
        "UTC",
    )
]
walls = st.datetimes(datetime(2000, 1, 1), datetime(2035, 12, 31)).map(  # noqa: DTZ001 - a wall time has no zone
    lambda moment: moment.replace(microsecond=0)
)


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def instant(zone: str, wall: str) -> int:
    return instant_of(datetime.fromisoformat(wall), ZoneInfo(zone))


def test_an_ordinary_wall_time_is_the_instant_at_which_clocks_show_it() -> None:
    assert instant("Europe/Madrid", "2026-11-23T14:00") == utc("2026-11-23T13:00")
    assert instant("Asia/Kathmandu", "2026-11-23T14:00") == utc("2026-11-23T08:15")


@pytest.mark.parametrize(
    ("zone", "wall", "expected"),
    [
        ("Europe/Madrid", "2026-03-29T02:00", "2026-03-29T01:00"),
        ("Europe/Madrid", "2026-03-29T02:59:59", "2026-03-29T01:00"),
        ("America/New_York", "2026-03-08T02:30", "2026-03-08T07:00"),
        ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30"),
        ("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00"),
    ],
)
def test_a_wall_time_that_is_skipped_is_the_first_valid_instant(zone: str, wall: str, expected: str) -> None:
    assert instant(zone, wall) == utc(expected)


@pytest.mark.parametrize(
    ("zone", "wall", "expected"),
    [
        ("Europe/Madrid", "2026-10-25T02:30", "2026-10-25T00:30"),
        ("America/New_York", "2026-11-01T01:30", "2026-11-01T05:30"),
        ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45"),
    ],
)
def test_of_a_wall_time_that_comes_twice_the_first_counts(zone: str, wall: str, expected: str) -> None:
    assert instant(zone, wall) == utc(expected)


@given(st.sampled_from(ZONES), walls)
def test_no_clock_shows_a_wall_time_before_its_instant_and_it_is_never_skipped(zone: ZoneInfo, wall: datetime) -> None:
    found = instant_of(wall, zone)
    shown = local_time(found, zone).replace(tzinfo=None)
    assert shown >= wall
    before = local_time(found - 1, zone).replace(tzinfo=None)
    assert before < wall
    assert shown - wall <= timedelta(days=1)


@given(st.sampled_from(ZONES), st.integers(utc("2000-01-01"), utc("2035-12-31")))
def test_the_wall_time_of_an_instant_leads_back_to_it_or_to_its_earlier_twin(zone: ZoneInfo, moment: int) -> None:
    moment -= moment % 1000
    back = instant_of(local_time(moment, zone).replace(tzinfo=None, fold=0), zone)
    assert moment - 2 * 3_600_000 <= back <= moment


@given(st.integers(-(10**12), 4 * 10**12), st.sampled_from([UTC, *ZONES]))
def test_the_day_of_an_instant_is_that_of_its_wall_time(instant: int, zone: tzinfo) -> None:
    assert local_day(instant, zone) == local_time(instant, zone).date()
