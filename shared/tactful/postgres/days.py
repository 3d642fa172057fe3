"""Tables by days: the days ahead are made, those that are no longer kept are dropped whole.

A day ahead cannot be made while rows that belong to it are among the strays; they stay there then, and are deleted in time.
"""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from tactful.clock import DAY
from tactful.postgres.database import Postgres

AHEAD: Final = 4  # days that are made ahead
LOT: Final = 100_000  # rows that are deleted together
# Whoever writes queues behind us while we wait for whoever reads, a back-up say, and a lease ends after ten seconds. Another
# time will do. Vacuum gives way after one second.
_PATIENCE: Final = text("SET LOCAL lock_timeout = 2000")
_PARTS: Final = text(
    """SELECT relname, pg_get_expr(relpartbound, pg_class.oid) FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
       WHERE inhparent = to_regclass(:table)"""
)
_END: Final = re.compile(r"TO \('(\d+)'\)")

_logger = logging.getLogger(__name__)


def day_of(instant: int) -> int:
    """The beginning of the day, in UTC."""
    return instant // DAY * DAY


async def keep_days(database: Postgres, table: str, now: int, before: int) -> int:
    """Make the days ahead of `now`; let go of rows whose `at` is before an instant. How many days were dropped whole.

    Several processes may do it at the same time: one does, the others do nothing. Raises StoreUnavailable, and changes nothing,
    while somebody reads the table for long.
    """
    dropped = await database.run(lambda db: _arrange(db, table, now, before))
    if dropped is None:
        return 0
    for name in (f"{table}_first", f"{table}_stray"):
        await _delete(database, name, before)
    return dropped


async def days_as_in(source: Postgres, target: Postgres, table: str) -> None:
    """As far back as in `source`, before what is there is copied: in one part for all the days before, nothing would be found
    without reading all of it, and no day could be dropped."""
    known = await source.run(lambda db: _ends(db, table))
    if not known:
        return
    since = min(known.values())
    ends = await target.run(lambda db: _shorten(db, table, since))
    there = {end - DAY for end in ends.values()}
    for day in range(max(since, ends.get(f"{table}_first", since)), max(known.values()), DAY):
        if day not in there:
            await target.run(lambda db: _make(db, table, day))  # noqa: B023 - it is awaited here


async def _ends(db: AsyncConnection, table: str) -> dict[str, int]:
    """Where each part ends, by its name."""
    return {name: end for name, bound in await db.execute(_PARTS, {"table": table}) if (end := _end(bound))}


async def _shorten(db: AsyncConnection, table: str, since: int) -> dict[str, int]:
    """The part for all the days before ends there, if it is empty. Where the parts end."""
    first = f"{table}_first"
    end = (await _ends(db, table)).get(first, 0)
    if end > since and not await db.scalar(text(f"SELECT EXISTS (SELECT FROM {first})")):
        await db.execute(text(f"ALTER TABLE {table} DETACH PARTITION {first}"))
        await db.execute(text(f"ALTER TABLE {table} ATTACH PARTITION {first} FOR VALUES FROM (MINVALUE) TO ({since})"))
    return await _ends(db, table)


async def _arrange(db: AsyncConnection, table: str, now: int, before: int) -> int | None:
    """The days alone, which takes no time, however much is to be deleted afterwards. None: somebody else is at it."""
    if not await db.scalar(text("SELECT pg_try_advisory_xact_lock(hashtext(:table))"), {"table": table}):
        return None
    ends = await _ends(db, table)
    old = [name for name, end in ends.items() if end <= before]
    latest = max(ends.values(), default=day_of(now))
    new = range(max(latest, day_of(now)), day_of(now) + AHEAD * DAY, DAY)
    if old or new:
        await db.execute(_PATIENCE)
        await db.execute(text(f"LOCK TABLE ONLY {table}"))
    for name in old:
        await db.execute(text(f"DROP TABLE {name}"))
    for day in new:
        await _make(db, table, day)
    return len(old)


async def _delete(database: Postgres, name: str, before: int) -> None:
    """A lot at a time: of a part that holds many days, one statement could not delete all within its limit."""
    [(there,)] = await database.ask(text("SELECT to_regclass(:name)"), name=name)
    if there is None:
        return
    some = f"SELECT ctid FROM {name} WHERE at < :before LIMIT {LOT}"
    lot = f"DELETE FROM {name} WHERE ctid = ANY(ARRAY({some})) AND at < :before RETURNING 1"
    query, count = text(f"WITH gone AS ({lot}) SELECT count(*) FROM gone"), 1
    while count:
        [(count,)] = await database.ask(query, before=before)


async def _make(db: AsyncConnection, table: str, day: int) -> None:
    name = f"{table}_{datetime.fromtimestamp(day / 1000, UTC):%Y%m%d}"
    try:
        async with db.begin_nested():
            await db.execute(text(f"CREATE TABLE {name} PARTITION OF {table} FOR VALUES FROM ({day}) TO ({day + DAY})"))
    except DBAPIError as error:
        _logger.warning("%s could not be made: %s", name, error.orig)


def _end(bound: str) -> int:
    """Where a part ends; 0 for the one that takes what belongs nowhere else."""
    found = _END.search(bound)
    return int(found[1]) if found else 0
