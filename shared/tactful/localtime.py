"""Local wall times and instants. A wall time in the spring gap becomes the first valid instant; of two in autumn, the first."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from tactful.clock import DAY
from tactful.errors import TactfulError

_EPOCH: Final = date(1970, 1, 1).toordinal()
zone_names: Final = cache(available_timezones)  # it walks the file system
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)


def instant_of(local: datetime, zone: tzinfo) -> int:
    """The instant (ms) of a naive wall time in a zone."""
    early, late = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if early.utcoffset() == late.utcoffset() or _exists(early):
        return _milliseconds(early)
    return change_of_clocks(_milliseconds(late), _milliseconds(early), zone)


def zone_of(name: str | None) -> ZoneInfo | None:
    """The zone of a name, which may come from a browser and be anything, a folder included; None if there is none."""
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):
        return None


def first_instant(moment: datetime) -> int:
    """The first instant (ms) that is not before a moment with a zone, which may lie between two."""
    return -((_BEGINNING - moment) // timedelta(milliseconds=1))


def local_time(instant: int, zone: tzinfo) -> datetime:
    """The wall time of an instant (ms) in a zone."""
    return datetime.fromtimestamp(instant / 1000, zone)


def dated(instant: int, zone: tzinfo) -> str:
    """`2026-11-23 15:00 +0100`, for an operator who goes by it."""
    return f"{local_time(instant, zone):%Y-%m-%d %H:%M %z}"


def local_day(instant: int, zone: tzinfo) -> date:
    """The day of an instant (ms) in a zone. Without a calendar where the zone needs none."""
    if zone is UTC or str(zone) == "UTC":
        return date.fromordinal(_EPOCH + instant // DAY)
    return local_time(instant, zone).date()


def wall_time(text: str) -> time:
    """`10:00`, in whichever zone it is read. Raises TactfulError for what is none, or brings a zone of its own."""
    try:
        read = time.fromisoformat(text)
    except ValueError:
        read = None
    if read is None or read.tzinfo is not None:
        raise TactfulError(f"a wall time is written like 10:00 and has no zone of its own, unlike {text}")
    return read


def change_of_clocks(before: int, after: int, zone: tzinfo) -> int:
    """The instant (ms) at which a zone's offset changes, between two others at which it is not the same."""
    old = local_time(before, zone).utcoffset()
    while after - before > 1:
        middle = (before + after) // 2
        if local_time(middle, zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after


def _exists(moment: datetime) -> bool:
    back = moment.astimezone(UTC).astimezone(moment.tzinfo)
    return back.replace(tzinfo=None) == moment.replace(tzinfo=None)


def _milliseconds(moment: datetime) -> int:
    seconds = moment.astimezone(UTC).timestamp()
    return round(seconds * 1000)
