"""Leases in PostgreSQL: the same for every service's cursors."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tactful.postgres.database import Postgres

_HERE: Final = text(
    """INSERT INTO worker VALUES (:service, :owner, :until)
       ON CONFLICT (service, owner) DO UPDATE SET until = excluded.until"""
)
_GONE: Final = text("DELETE FROM worker WHERE service = :service AND until <= :now AND owner <> :owner")
_ALIVE: Final = text("SELECT count(*) FROM worker WHERE service = :service")
_RENEW: Final = """UPDATE {}_cursor SET lease_until = :until
    FROM unnest(CAST(:partitions AS integer[]), CAST(:epochs AS bigint[])) AS mine (number, own)
    WHERE partition = mine.number AND epoch = mine.own RETURNING partition"""

_TIME: Final = text("SELECT CAST(1000 * extract(epoch FROM clock_timestamp()) AS bigint)")
_RELEASE: Final = "UPDATE {}_cursor SET lease_until = 0 WHERE partition = :partition AND epoch = :epoch RETURNING epoch"


class DatabaseTime:
    """The database's time, carried on by our monotonic clock between two looks: a step of either machine's wall clock neither
    lengthens a lease nor ends one. Implements `tactful.leases.LeaseTime`."""

    def __init__(self, database: Postgres, seconds: Callable[[], float] = time.monotonic) -> None:
        self._database, self._seconds = database, seconds
        self._apart = 0  # ms between both; before the first look every lease has ended

    def now(self) -> int:
        return round(1000 * self._seconds()) + self._apart

    async def look(self) -> None:
        began = self._seconds()
        [(there,)] = await self._database.ask(_TIME)
        self._apart = there - round(1000 * (began + self._seconds()) / 2)


async def present(database: Postgres, service: str, owner: str, now: int, until: int) -> int:
    """As `LeaseStore.present`."""

    async def say(db: AsyncConnection) -> int:
        given = {"service": service, "owner": owner, "now": now, "until": until}
        await db.execute(_HERE, given)
        await db.execute(_GONE, given)
        return int((await db.execute(_ALIVE, given)).scalar_one())

    return await database.run(say)


async def renew(database: Postgres, service: str, epochs: Mapping[int, int], until: int) -> frozenset[int]:
    """As `LeaseStore.renew`."""
    numbers = sorted(epochs)
    query, own = text(_RENEW.format(service)), [epochs[number] for number in numbers]
    return frozenset(
        partition for (partition,) in await database.ask(query, until=until, partitions=numbers, epochs=own)
    )


async def release(database: Postgres, service: str, partition: int, epoch: int) -> None:
    """As the stores' `release`."""
    await database.ask(text(_RELEASE.format(service)), partition=partition, epoch=epoch)
