"""Instants (ms) as people read them, in one time zone."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from tactful.clock import DAY
from tactful.localtime import local_time, zone_of

# Not strftime: names of days must not depend on the locale of the process.
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Moments:
    """Says instants in `zone`."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone

    @classmethod
    def of(cls, name: str, otherwise: str) -> Moments:
        """Says instants in the zone of that name, or in the other one if there is no such zone."""
        return cls(zone_of(name) or ZoneInfo(otherwise))

    @property
    def zone(self) -> str:
        """`Europe/Madrid`"""
        return self._zone.key

    def clock(self, at: int) -> str:
        """`14:00`"""
        moment = self._local(at)
        return f"{moment.hour:02}:{moment.minute:02}"

    def short(self, at: int) -> str:
        """`Mon 14:00`"""
        return f"{_DAYS[self._local(at).weekday()]} {self.clock(at)}"

    def day(self, at: int) -> str:
        """`Mon 23 Nov 2026`"""
        moment = self._local(at)
        return f"{_DAYS[moment.weekday()]} {moment.day} {_MONTHS[moment.month - 1]} {moment.year}"

    def full(self, at: int) -> str:
        """`Mon 23 Nov 2026 14:00`"""
        return f"{self.day(at)} {self.clock(at)}"

    def near(self, at: int, other: int) -> str:
        """An instant as short as it can be said beside another one and still be clear."""
        if self.day(at) == self.day(other):
            return self.clock(at)
        return self.short(at) if abs(at - other) < 6 * DAY else self.full(at)

    def iso(self, at: int) -> str:
        """`2026-11-23T14:00:00+01:00`"""
        return self._local(at).isoformat(timespec="seconds")

    def _local(self, at: int) -> datetime:
        return local_time(at, self._zone)
