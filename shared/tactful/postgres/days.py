"""Tables by days: the days ahead are made, those that are no longer kept are dropped whole.

A day ahead cannot be made while rows that belong to it are among the strays; they stay there then, and are deleted in time.
"""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from tactful.clock import DAY
from tactful.postgres.database import Postgres

AHEAD: Final = 4  # days that are made ahead
SPAN: Final = 10 * DAY  # of one look: with its indexes, fewer locks than there is room for in each transaction (64)
DROPPED: Final = 2  # days that are dropped together, each with its indexes and what is stored out of line
LOT: Final = 100_000  # rows that are deleted together
# Whoever writes queues behind us while we wait for whoever reads, a back-up say, and a lease ends after ten seconds. Another
# time will do. Vacuum gives way after one second.
_PATIENCE: Final = text("SET LOCAL lock_timeout = 2000")
_PARTS: Final = text(
    """SELECT relname, pg_get_expr(relpartbound, pg_class.oid) FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
       WHERE inhparent = to_regclass(:table)"""
)
# By name, which is an index: to go through all parts takes longer than the look for which it is asked.
_DAY = """(SELECT relname FROM pg_class
    WHERE relname > CAST(:low AS name) AND relname < CAST(:high AS name) AND relkind = 'r' AND relispartition
        AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass(:table))
    ORDER BY relname {} LIMIT 1)"""
_NAMED: Final = text(f"SELECT {_DAY.format('ASC')}, {_DAY.format('DESC')}")
_EVER: Final = 2**62
_END: Final = re.compile(r"TO \('(\d+)'\)")

_logger = logging.getLogger(__name__)


def day_of(instant: int) -> int:
    """The beginning of the day, in UTC."""
    return instant // DAY * DAY


async def spans(database: Postgres, table: str, since: int = 0) -> list[str]:
    """Conditions on `at`, the latest first, one of which holds for each row that is not from before an instant.

    Whoever looks for one customer over all days at once locks every day and its indexes, more than a thousand after a year, and
    a few who do so leave nobody else a lock. Constants, since a parameter would have every day planned, and locked.
    """
    [(first, last)] = await database.ask(_NAMED, table=table, low=f"{table}_0", high=f"{table}_:")
    if first is None:
        return ["TRUE"]
    inner = range(_day_named(first) // SPAN * SPAN + SPAN, _day_named(last) + 1, SPAN)
    bounds = reversed([*pairwise((0, *inner, _EVER))])
    return [f"at >= {start} AND at < {end}" for start, end in bounds if end > since]


async def keep_days(database: Postgres, table: str, now: int, before: int) -> int:
    """Make the parts for the days after `now`; delete rows whose `at` is `before` an instant (ms). How many days were dropped whole.

    Several processes may do it at the same time: one does, the others do nothing. Raises StoreUnavailable while somebody reads the
    table for long: what is done by then stays, and the next time goes on from there.
    """
    if not await database.run(lambda db: _make_ahead(db, table, now)):
        return 0
    count = 0
    while gone := await database.run(lambda db: _drop(db, table, before)):
        count += gone
    for name in (f"{table}_first", f"{table}_stray"):
        await _delete(database, name, before)
    return count


async def days_as_in(source: Postgres, target: Postgres, table: str) -> None:
    """Make the parts for days in `target` as far back as in `source`, before rows are copied. Without them all would go into the one part
    for earlier days, where every query reads everything and no day can be dropped."""
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
    """Let the part for earlier days end at `since`, if it is empty. Where the parts end after that, by name."""
    first = f"{table}_first"
    end = (await _ends(db, table)).get(first, 0)
    if end > since and not await db.scalar(text(f"SELECT EXISTS (SELECT FROM {first})")):
        await db.execute(text(f"ALTER TABLE {table} DETACH PARTITION {first}"))
        await db.execute(text(f"ALTER TABLE {table} ATTACH PARTITION {first} FOR VALUES FROM (MINVALUE) TO ({since})"))
    return await _ends(db, table)


async def _make_ahead(db: AsyncConnection, table: str, now: int) -> bool:
    """Make the parts for the days after `now`; False if another process is at it."""
    if not await _alone(db, table):
        return False
    latest = max((await _ends(db, table)).values(), default=day_of(now))
    new = range(max(latest, day_of(now)), day_of(now) + AHEAD * DAY, DAY)
    if new:
        await _lock(db, table)
    for day in new:
        await _make(db, table, day)
    return True


async def _drop(db: AsyncConnection, table: str, before: int) -> int:
    """Drop some of the parts from before an instant, which takes no time, however much is in them. How many were dropped."""
    if not await _alone(db, table):
        return 0
    old = [name for name, end in (await _ends(db, table)).items() if end <= before][:DROPPED]
    if old:
        await _lock(db, table)
    for name in old:
        await db.execute(text(f"DROP TABLE {name}"))
    return len(old)


async def _alone(db: AsyncConnection, table: str) -> bool:
    return bool(await db.scalar(text("SELECT pg_try_advisory_xact_lock(hashtext(:table))"), {"table": table}))


async def _lock(db: AsyncConnection, table: str) -> None:
    await db.execute(_PATIENCE)
    await db.execute(text(f"LOCK TABLE ONLY {table}"))


async def _delete(database: Postgres, name: str, before: int) -> None:
    """Delete the rows of a part before an instant, a lot at a time: in a part that holds many days one statement would run into its time
    limit."""
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


def _day_named(name: str) -> int:
    return round(datetime.strptime(f"{name[-8:]}+0000", "%Y%m%d%z").timestamp() * 1000)


def _end(bound: str) -> int:
    """Where a part ends; 0 for the one that takes what belongs nowhere else."""
    found = _END.search(bound)
    return int(found[1]) if found else 0
