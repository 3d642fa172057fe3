"""Hours of the day in which marketing may arrive, in the recipient's local time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from tactful.localtime import instant_of, local_time

_ROUNDS: Final = 40  # zones of one country agree within a few of their own days


class Window(NamedTuple):
    """From `start` to before `end`, in minutes of the local day."""

    start: int
    end: int

    @classmethod
    def parse(cls, text: str) -> Window:
        """`"09:00-21:00"`; 24:00 is the end of the day."""
        start, end = (int(part[:2]) * 60 + int(part[3:]) for part in text.split("-"))
        return cls(start, end)

    def holds(self, moment: datetime) -> bool:
        """Whether a wall time lies inside."""
        return self.start <= moment.hour * 60 + moment.minute < self.end


def is_open(window: Window, zones: Sequence[ZoneInfo], now: int) -> bool:
    """Whether the window is open in every one of the zones."""
    return all(window.holds(local_time(now, zone)) for zone in zones)


def next_opening(window: Window, zones: Sequence[ZoneInfo], now: int) -> int:
    """The first instant from `now` on at which the window is open in every zone; in the first zone alone if they never
    agree. Raises nothing."""
    moment = now
    for _ in range(_ROUNDS):
        later = max(_opening(window, zone, moment) for zone in zones)
        if later == moment:
            return moment
        moment = later
    return _opening(window, zones[0], now)


def _opening(window: Window, zone: ZoneInfo, now: int) -> int:
    local = local_time(now, zone)
    if window.holds(local):
        return now
    start = time(window.start // 60, window.start % 60)
    for days in range(3):
        opening = instant_of(datetime.combine(local.date() + timedelta(days=days), start), zone)
        if opening >= now:
            return opening
    return now


def recipient_zones(zone: str | None, country: str | None, shop_zone: ZoneInfo, shop_country: str) -> list[ZoneInfo]:
    """The recipient's own zone; else the shop's and every zone of their country, so that the strictest counts."""
    if zone:
        try:
            return [ZoneInfo(zone)]
        except (KeyError, ValueError, OSError):
            pass
    names = zones_of(country or shop_country)
    return [shop_zone, *(ZoneInfo(name) for name in names if name != shop_zone.key)]


@cache
def zones_of(country: str) -> tuple[str, ...]:
    """The zones of a country (ISO 3166-1 alpha-2) by the time zone database's `zone.tab`; none for an unknown one."""
    lines = files("tzdata.zoneinfo").joinpath("zone.tab").read_text().splitlines()
    rows = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return tuple(row[2] for row in rows if row[0] == country.upper())
