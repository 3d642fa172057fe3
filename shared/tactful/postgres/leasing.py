"""The time by which leases in PostgreSQL are counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from sqlalchemy import text

from tactful.postgres.database import Postgres

_TIME: Final = text("SELECT CAST(1000 * extract(epoch FROM clock_timestamp()) AS bigint)")


class DatabaseTime:
    """The database's time, carried on by our monotonic clock between two looks: a step of either machine's wall clock neither
    lengthens a lease nor ends one. Implements `tactful.partitions.leases.LeaseTime`."""

    def __init__(self, database: Postgres, seconds: Callable[[], float] = time.monotonic) -> None:
        self._database, self._seconds = database, seconds
        self._apart = 0  # ms from our clock to the database's; until the first look, `now` is long past

    def now(self) -> int:
        return round(1000 * self._seconds()) + self._apart

    async def look(self) -> None:
        began = self._seconds()
        [(there,)] = await self._database.ask(_TIME)
        self._apart = there - round(1000 * (began + self._seconds()) / 2)


async def database_now(database: Postgres) -> int:
    """The database's time (ms), for whoever asks once."""
    await (time := DatabaseTime(database)).look()
    return time.now()
