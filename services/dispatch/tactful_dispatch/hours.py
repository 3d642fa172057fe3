"""Hours of the day in which marketing may arrive, in the recipient's local time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from functools import cache, partial
from importlib.resources import files
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from tactful.clock import DAY
from tactful.localtime import change_of_clocks, local_time, zone_of

_ROUNDS: Final = 40  # zones that agree at all do so within a few of their own days
_DAYS: Final = 3  # a window opens every day, but for a day that a zone skips


class Window(NamedTuple):
    """From `start` to before `end`, in minutes of the local day. One that ends before it starts goes on past midnight;
    one that ends where it starts is never shut."""

    start: int
    end: int

    @classmethod
    def parse(cls, text: str) -> Window:
        """`"09:00-21:00"`; 24:00 is the end of the day."""
        start, end = (int(part[:2]) * 60 + int(part[3:]) for part in text.split("-"))
        return cls(start, end)

    def holds(self, moment: datetime) -> bool:
        """Whether a wall time lies inside."""
        return self.has(moment.hour * 60 + moment.minute)

    def has(self, minute: int) -> bool:
        """Whether a minute of the local day lies inside."""
        if self.start < self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end


def is_open(window: Window, zones: Sequence[ZoneInfo], now: int) -> bool:
    """Whether the window is open in every one of the zones."""
    return all(window.holds(local_time(now, zone)) for zone in zones)


def next_opening(window: Window, zones: Sequence[ZoneInfo], now: int) -> int | None:
    """The first instant (ms) from `now` on at which the window is open in every zone; None if they do not agree within
    weeks, as Madrid and Auckland never do."""
    return _agreed([partial(_opening, window, zone) for zone in zones], now)


def first_opening(shop: Window, own: Window | None, zones: Sequence[ZoneInfo], now: int) -> int | None:
    """The first instant from `now` on at which the shop's hours are open in every zone, and with them the recipient's own; these
    in one zone at least, where they never are in all. None if there is no such instant within weeks."""
    if own is None:
        return next_opening(shop, zones, now)
    wanted = next_opening if agree((shop, own), zones, now) else _opening_somewhere
    return _agreed([partial(next_opening, shop, zones), partial(wanted, own, zones)], now)


def agree(windows: Sequence[Window], zones: Sequence[ZoneInfo], now: int) -> bool:
    """Whether there is a time of day at which all windows are open in every zone, as their clocks go now: then one of them opens at
    such a time."""
    offsets = {int((_offset(zone, now) or timedelta()).total_seconds()) // 60 for zone in zones}
    openings = {window.start - offset for offset in offsets for window in windows}
    return any(
        all(window.has((minute + offset) % 1440) for offset in offsets for window in windows) for minute in openings
    )


def _opening_somewhere(window: Window, zones: Sequence[ZoneInfo], now: int) -> int | None:
    found = (_opening(window, zone, now) for zone in zones)
    return min((instant for instant in found if instant is not None), default=None)


def _agreed(openings: Sequence[Callable[[int], int | None]], now: int) -> int | None:
    """The first instant from `now` on that all of them name, each asked for its own first one from an instant on."""
    moment = now
    for _ in range(_ROUNDS):
        found = [opening(moment) for opening in openings]
        later = max((instant for instant in found if instant is not None), default=None)
        if later is None or None in found:
            return None
        if later == moment:
            return moment
        moment = later
    return None


def _opening(window: Window, zone: ZoneInfo, now: int) -> int | None:
    """The first instant from `now` on at which the window is open in one zone."""
    if window.holds(local_time(now, zone)):
        return now
    return min(
        (at for at in _candidates(window, zone, now) if at > now and window.holds(local_time(at, zone))), default=None
    )


def _candidates(window: Window, zone: ZoneInfo, now: int) -> Iterator[int]:
    """A window opens at its first minute, which an autumn day may have twice, or when a change of the clocks leaps into it."""
    today, start = local_time(now, zone).date(), time(window.start // 60 % 24, window.start % 60)
    for days in range(_DAYS):
        for fold in (0, 1):
            local = datetime.combine(today + timedelta(days=days), start, zone).replace(fold=fold)
            yield round(local.astimezone(UTC).timestamp()) * 1000
    if _offset(zone, now) != _offset(zone, now + _DAYS * DAY):
        yield change_of_clocks(now, now + _DAYS * DAY, zone)


def _offset(zone: ZoneInfo, instant: int) -> timedelta | None:
    return local_time(instant, zone).utcoffset()


class Whereabouts(NamedTuple):
    """The zones in which a recipient may be, and how we know: `profile`, or `country` for all that are plausible."""

    zones: tuple[ZoneInfo, ...]
    known_from: str


def whereabouts(zone: str | None, country: str | None, shop_zone: ZoneInfo, shop_country: str) -> Whereabouts:
    """The recipient's own zone; else the shop's and every zone of their country, so that the strictest counts."""
    if (own := zone_of(zone)) is not None:
        return Whereabouts((own,), "profile")
    names = zones_of((country or shop_country).upper())
    return Whereabouts((shop_zone, *(ZoneInfo(name) for name in names if name != shop_zone.key)), "country")


@cache
def zones_of(country: str) -> tuple[str, ...]:
    """The zones of a country (ISO 3166-1 alpha-2, upper case) by the time zone database's `zone.tab`; none for an
    unknown one."""
    lines = files("tzdata.zoneinfo").joinpath("zone.tab").read_text().splitlines()
    rows = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return tuple(row[2] for row in rows if row[0] == country)
