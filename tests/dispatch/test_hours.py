"""Quiet hours against an oracle that walks through local time minute by minute."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tactful.clock import DAY, HOUR, MINUTE
from tactful.localtime import local_time
from tactful_dispatch.hours import Window, agree, first_opening, is_open, next_opening, whereabouts, zones_of

DAYTIME = Window.parse("09:00-21:00")
MADRID, AUCKLAND = ZoneInfo("Europe/Madrid"), ZoneInfo("Pacific/Auckland")
ZONES = sorted(name for name in available_timezones() if "/" in name and not name.startswith(("posix", "right")))


def instant(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp()) * 1000  # type: ignore[misc, arg-type]


def walk(window: Window, zones: list[ZoneInfo], now: int) -> int:
    """The first minute from `now` on at which the window is open everywhere, by looking at each."""
    moment = now
    while not is_open(window, zones, moment):
        moment = moment // MINUTE * MINUTE + MINUTE
    return moment


def changes(zone: ZoneInfo, year: int) -> Iterator[int]:
    """The hours of a year before which the zone's clocks were set otherwise."""
    for day in range(366):
        start = instant(year, 1, 1) + day * DAY
        if local_time(start, zone).utcoffset() != local_time(start + DAY, zone).utcoffset():
            hours = range(start + HOUR, start + DAY + HOUR, HOUR)
            yield next(h for h in hours if local_time(h, zone).utcoffset() != local_time(h - HOUR, zone).utcoffset())


@cache
def all_changes() -> tuple[tuple[ZoneInfo, int], ...]:
    """Every change of clocks of 2026 in the world, once however many names its zone has."""
    seen: dict[object, tuple[ZoneInfo, int]] = {}
    for name in ZONES:
        zone = ZoneInfo(name)
        for at in changes(zone, 2026):
            seen[at, local_time(at, zone).utcoffset(), local_time(at - HOUR, zone).utcoffset()] = zone, at
    return tuple(seen.values())


@pytest.mark.parametrize("text", ["09:00-21:00", "02:30-03:30", "01:00-02:15", "22:00-06:00"])
def test_the_next_opening_is_the_first_open_minute_around_every_change_of_clocks_in_the_world(text: str) -> None:
    window = Window.parse(text)
    assert len(all_changes()) > 20
    for zone, change in all_changes():
        for now in (change - 7 * HOUR - 1, change - 40 * MINUTE, change + 20 * MINUTE):
            assert next_opening(window, [zone], now) == walk(window, [zone], now), (zone, now)


@given(
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    now=st.integers(instant(2009, 1, 1), instant(2037, 1, 1)),
    start=st.integers(0, 23 * 60),
    length=st.integers(30, 12 * 60),
)
@example(ZoneInfo("Australia/Lord_Howe"), instant(2026, 4, 4, 14, 40), 105, 30)  # half an hour back
@example(ZoneInfo("Pacific/Apia"), instant(2011, 12, 30, 9), 9 * 60, 60)  # a day that never was
@example(ZoneInfo("Africa/Casablanca"), instant(2026, 2, 15, 1, 50), 150, 60)
def test_the_next_opening_is_the_first_open_minute(zone: ZoneInfo, now: int, start: int, length: int) -> None:
    window = Window(start, start + length if start + length <= 1440 else start + length - 1440)
    assert next_opening(window, [zone], now) == walk(window, [zone], now)


def test_samoa_waits_over_the_day_that_it_skipped() -> None:
    apia = ZoneInfo("Pacific/Apia")
    opening = next_opening(DAYTIME, [apia], instant(2011, 12, 30, 8))  # 22:00 on the 29th
    assert opening is not None
    assert f"{local_time(opening, apia):%Y-%m-%d %H:%M}" == "2011-12-31 09:00"


def test_a_window_inside_the_spring_gap_waits_for_the_next_day() -> None:
    opening = next_opening(Window.parse("02:15-02:45"), [MADRID], instant(2026, 3, 28, 23))
    assert opening is not None
    assert f"{local_time(opening, MADRID):%Y-%m-%d %H:%M}" == "2026-03-30 02:15"


def test_a_window_that_the_spring_gap_swallows_in_part_opens_at_the_first_valid_instant() -> None:
    opening = next_opening(Window.parse("02:30-05:00"), [MADRID], instant(2026, 3, 28, 23))
    assert opening == instant(2026, 3, 29, 1)  # 03:00 in summer time


def test_of_two_openings_in_autumn_the_first_counts() -> None:
    opening = next_opening(Window.parse("02:30-05:00"), [MADRID], instant(2026, 10, 24, 22))
    assert opening == instant(2026, 10, 25, 0, 30)


def test_the_edges_of_a_window_are_its_first_minute_and_the_minute_after_its_last() -> None:
    at_nine = instant(2026, 11, 24, 8)
    assert not is_open(DAYTIME, [MADRID], at_nine - 1)
    assert is_open(DAYTIME, [MADRID], at_nine)
    assert is_open(DAYTIME, [MADRID], at_nine + 12 * HOUR - 1)
    assert not is_open(DAYTIME, [MADRID], at_nine + 12 * HOUR)


def test_a_window_may_go_on_past_midnight_or_never_shut() -> None:
    night, always = Window.parse("21:00-09:00"), Window.parse("00:00-24:00")
    assert is_open(night, [MADRID], instant(2026, 11, 24, 23))
    assert not is_open(night, [MADRID], instant(2026, 11, 24, 12))
    assert all(is_open(always, [MADRID], instant(2026, 11, 24) + hour * HOUR) for hour in range(24))
    assert is_open(Window.parse("09:00-09:00"), [MADRID], instant(2026, 11, 24, 3))


def test_an_unknown_zone_gets_what_is_open_in_the_shops_and_in_all_of_the_country() -> None:
    zones = whereabouts(None, "us", MADRID, "ES").zones
    assert {"America/New_York", "America/Los_Angeles", "Pacific/Honolulu"} <= {zone.key for zone in zones}
    opening = next_opening(DAYTIME, zones, instant(2026, 11, 24, 9))
    assert opening == instant(2026, 11, 24, 19)  # nine in Honolulu is eight in the evening in Madrid
    assert all(DAYTIME.holds(local_time(opening, zone)) for zone in zones)


def test_without_a_country_the_shops_country_counts() -> None:
    known = whereabouts(None, None, MADRID, "ES")
    assert [zone.key for zone in known.zones] == ["Europe/Madrid", "Africa/Ceuta", "Atlantic/Canary"]
    assert known.known_from == "country"


def test_zones_that_never_agree_have_no_opening() -> None:
    assert next_opening(DAYTIME, [MADRID, AUCKLAND], instant(2026, 11, 24)) is None


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "America", "/etc", "", "a\0b"])
def test_a_zone_that_is_none_is_no_zone(zone: str) -> None:
    assert whereabouts(zone, None, MADRID, "ES").known_from == "country"


@pytest.mark.parametrize(
    ("country", "shop"), [("US", "America/New_York"), ("RU", "Europe/Moscow"), ("BR", "Europe/Madrid")]
)
@pytest.mark.parametrize("text", ["09:00-12:00", "12:00-17:00", "17:00-21:00"])
def test_hours_of_ones_own_that_never_are_in_all_plausible_zones_count_in_one_and_the_shops_in_all(
    country: str, shop: str, text: str
) -> None:
    zones, own = whereabouts(None, country, ZoneInfo(shop), country).zones, Window.parse(text)
    opening = first_opening(DAYTIME, own, zones, instant(2026, 11, 24))
    assert opening is not None
    assert opening < instant(2026, 11, 25, 1)
    assert is_open(DAYTIME, zones, opening), "nobody is written to at night"
    assert any(is_open(own, [zone], opening) for zone in zones)
    assert first_opening(DAYTIME, own, zones, opening) == opening


@given(st.sampled_from(ZONES), st.sampled_from(ZONES), st.integers(0, 364))
def test_hours_of_ones_own_that_there_are_in_all_plausible_zones_count_in_all(one: str, two: str, day: int) -> None:
    zones, own = [ZoneInfo(one), ZoneInfo(two)], Window.parse("09:00-12:00")
    now = instant(2026, 1, 1) + day * DAY
    opening = first_opening(DAYTIME, own, zones, now)
    if opening is not None and agree((DAYTIME, own), zones, now):
        assert is_open(own, zones, opening)


@given(
    st.lists(st.builds(Window, st.integers(0, 1439), st.integers(0, 1440)), min_size=1, max_size=3),
    st.lists(st.sampled_from(ZONES), min_size=1, max_size=2),
)
@example([Window.parse("20:50-23:00"), Window.parse("17:00-21:00")], ["Europe/Madrid"])
def test_windows_agree_if_there_is_a_minute_at_which_all_are_open(windows: list[Window], names: list[str]) -> None:
    zones, now = [ZoneInfo(name) for name in names], instant(2026, 11, 24)
    offsets = [local_time(now, zone).hour * 60 + local_time(now, zone).minute for zone in zones]
    minutes = [all(w.has((minute + at) % 1440) for w in windows for at in offsets) for minute in range(1440)]
    assert agree(windows, zones, now) == any(minutes)


def test_the_recipients_own_zone_stands_alone() -> None:
    assert whereabouts("Asia/Tokyo", "ES", MADRID, "ES") == ((ZoneInfo("Asia/Tokyo"),), "profile")


def test_every_country_of_the_table_has_zones_that_exist() -> None:
    assert zones_of("XX") == ()
    for country in ("ES", "RU", "US", "DE", "IN", "AU"):
        assert all(ZoneInfo(name) for name in zones_of(country))
    assert len(zones_of("RU")) > 10


@given(st.sampled_from(ZONES), st.sampled_from(ZONES), st.integers(0, 364))
def test_an_opening_is_open_everywhere_and_nothing_before_it_is(one: str, two: str, day: int) -> None:
    zones, now = [ZoneInfo(one), ZoneInfo(two)], instant(2026, 1, 1) + day * DAY
    opening = next_opening(DAYTIME, zones, now)
    if opening is not None:
        assert is_open(DAYTIME, zones, opening)
        assert not any(is_open(DAYTIME, zones, at) for at in range(now, opening, 15 * MINUTE))
    assert timedelta(milliseconds=(opening or now) - now) < timedelta(days=40)


def test_where_the_zones_never_agree_in_one_window_there_is_no_instant_whatever_the_other_windows_say() -> None:
    never, always = Window.parse("09:00-12:00"), Window.parse("00:00-24:00")
    zones = [MADRID, ZoneInfo("Pacific/Auckland")]
    assert first_opening(never, None, zones, instant(2026, 11, 24, 12)) is None
    assert first_opening(never, always, zones, instant(2026, 11, 24, 12)) is None
