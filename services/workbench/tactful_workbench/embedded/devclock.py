"""The dev clock: the wall clock plus an offset that only grows and lives in the database."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from tactful.clock import Clock, ShiftedClock
from tactful.errors import SettingsError, TactfulError
from tactful.localtime import instant_of, local_time, wall_time
from tactful.sqlite import Database

MIGRATIONS: Final = ("CREATE TABLE dev_clock (shift INTEGER NOT NULL)",)
LAST: Final = int(datetime(9000, 1, 1, tzinfo=UTC).timestamp()) * 1000  # calendars end soon after, and timers lie ahead


class DevClock(ShiftedClock):
    """A clock that tells, shifts what clients say, and remembers how far it has gone."""

    def __init__(self, wall: Clock, database: Database, offset: int, start_was_used: bool = True) -> None:
        super().__init__(wall, offset)
        self.wall, self._database, self.start_was_used = wall, database, start_was_used

    @classmethod
    async def open(cls, database: Database, wall: Clock, start: int | None) -> DevClock:
        """The clock of a file; `start` (ms) counts only when the file is made."""
        await database.migrate("dev_clock", MIGRATIONS)
        row = await database.read(lambda db: db.execute("SELECT shift FROM dev_clock").fetchone())
        if row is not None:
            return cls(wall, database, row[0], start_was_used=start is None)
        offset = 0 if start is None else start - wall.now()
        await database.write(lambda db: db.execute("INSERT INTO dev_clock VALUES (?)", (offset,)))
        return cls(wall, database, offset)

    async def keep(self) -> None:
        """Remember the offset; it never shrinks."""
        offset = self.offset
        await self._database.write(lambda db: db.execute("UPDATE dev_clock SET shift = max(shift, ?)", (offset,)))

    def client_time(self, instant: int) -> int:
        """Our time for a client's timestamp: shifted only if it is nearer to the wall clock than to ours."""
        ours, wall = self.now(), self.wall.now()
        return instant + self.offset if abs(instant - wall) < abs(instant - ours) else instant


def parse_start(text: str, zone: ZoneInfo, wall: int) -> int:
    """`2026-11-23T14:00+01:00`, a local `2026-11-23T14:00`, or `next-14:00` of the shop's time. Raises SettingsError."""
    try:
        if text.startswith("next-"):
            return next_local(wall, zone, wall_time(text.removeprefix("next-")))
        moment = datetime.fromisoformat(text)
        if not 1970 < moment.year < 9000:
            raise ValueError
    except (ValueError, TactfulError):
        raise SettingsError(f'--at "{text}" is not a time; write it like 2026-11-23T14:00+01:00') from None
    return int(moment.timestamp() * 1000) if moment.tzinfo else instant_of(moment, zone)


def next_local(now: int, zone: ZoneInfo, wanted: time) -> int:
    """The next instant after `now` at which clocks in the zone show `wanted`."""
    today = local_time(now, zone).date()
    days = (instant_of(datetime.combine(today + timedelta(days=n), wanted), zone) for n in range(3))
    return next(instant for instant in days if instant > now)
