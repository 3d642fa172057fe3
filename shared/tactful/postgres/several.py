"""Several databases behind one setting: URLs separated by blanks. The first holds everything but trigger's store, which is
spread over all of them by partition. Each has a row that says which one of how many it is, its place: `tactful db move` alone may
change that."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import combinations
from secrets import randbelow
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tactful import crashpoints
from tactful.errors import SchemaBehind, SettingsError
from tactful.postgres.database import Postgres

_PLACE: Final = text("SELECT number, databases FROM trigger_place")
_TAKE: Final = text(
    """INSERT INTO trigger_place SELECT :number, :databases
       WHERE NOT EXISTS (SELECT FROM trigger_place) RETURNING number"""
)
_ALONE: Final = text("LOCK TABLE trigger_place IN SHARE ROW EXCLUSIVE MODE")
_LEAVE: Final = text("DELETE FROM trigger_place")
_HOLD: Final = text("SELECT pg_advisory_xact_lock(7242, :mine)")
_IS_FREE: Final = text("SELECT pg_try_advisory_xact_lock(7242, :mine)")
_GONE: Final = (-1, 0)  # the place of a database that holds nothing of trigger any more


@asynccontextmanager
async def opened(urls: str) -> AsyncIterator[list[Postgres]]:
    """The databases in their order. Raises as `Postgres.open` does, and SettingsError for one that is not in its place."""
    async with AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(Postgres.open(url)) for url in each(urls)]
        for number, database in enumerate(databases):
            await _check(database, number, len(databases))
        yield databases


async def upgrade(urls: str, tell: Callable[[str], object] = lambda line: None) -> list[tuple[str, str]]:
    """Bring every schema up to date and give each database its place; the revisions before and after. `tell` hears what is waited
    for."""
    names = each(urls)
    revisions = [await Postgres.upgrade(url, tell) for url in names]
    async with AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(Postgres.open(url, connections=1)) for url in names]
        await _refuse_one_twice(databases)
        for number, database in enumerate(databases):
            await _take(database, number, len(names))
            await _check(database, number, len(names))
    return revisions


def each(urls: str) -> Sequence[str]:
    """The URLs in their order."""
    return urls.split() or [urls]


@asynccontextmanager
async def opened_for_a_move(before: str, after: str) -> AsyncIterator[dict[str, Postgres]]:
    """The databases of both lists by URL; the schema is made in those that are new. Raises SettingsError for lists that cannot be
    meant."""
    old, new = each(before), each(after)
    if old[0] != new[0]:
        raise SettingsError("the first database stays the first: consent, dispatch and keys are in it")
    if len({*new}) != len(new):
        raise SettingsError("a database stands twice in the new list")
    async with AsyncExitStack() as stack:
        made: dict[str, Postgres] = {}
        for url in dict.fromkeys([*old, *new]):
            if url not in old:
                await Postgres.upgrade(url)
            made[url] = await stack.enter_async_context(Postgres.open(url))
        yield made


async def check_before_a_move(databases: Mapping[str, Postgres], before: str) -> None:
    """Raises SettingsError unless every database has the place that the list `before` gives it, those that are new in the list have
    none, and no two URLs lead to the same one."""
    for url, database in databases.items():
        was, found = _place(url, each(before)), await _places(database)
        if found != [was] and not (was == _GONE and not found):
            number, count = found[0] if found else _GONE
            raise SettingsError(
                f"a database {'of the list of before' if was != _GONE else 'that is new in the list'} is PostgreSQL {number + 1} of "
                f"{count}. Write each URL in both lists alike; what took the place of another database, with all that was in it, needs "
                "no move, only its URL in the list"
            )
    await _refuse_one_twice(databases.values())


async def take_places(databases: Mapping[str, Postgres], after: str) -> None:
    """From now on the new list counts, and services with the one before are refused."""
    for url, database in databases.items():
        number, count = _place(url, each(after))

        async def put(db: AsyncConnection, number: int = number, count: int = count) -> None:
            await db.execute(_LEAVE)
            await db.execute(_TAKE, {"number": number, "databases": count})

        await database.run(put)
        crashpoints.reach("move: placed")


async def _refuse_one_twice(databases: Iterable[Postgres]) -> None:
    for one, other in combinations(databases, 2):
        if await _are_one(one, other):
            raise SettingsError("two URLs lead to the same database; write it once, and in every list alike")


async def _are_one(one: Postgres, other: Postgres) -> bool:
    """Whether two connections lead to the same database, whatever their URLs say: then a lock that one holds the other cannot have."""
    mine = randbelow(2**31)

    async def held(db: AsyncConnection) -> bool:
        await db.execute(_HOLD, {"mine": mine})
        [(free,)] = await other.ask(_IS_FREE, mine=mine)
        return not free

    return await one.run(held)


async def _take(database: Postgres, number: int, databases: int) -> None:
    """Two who set up at once would each see that there is no place yet."""

    async def alone(db: AsyncConnection) -> None:
        await db.execute(_ALONE)
        await db.execute(_TAKE, {"number": number, "databases": databases})

    await database.run(alone)


def _place(url: str, names: Sequence[str]) -> tuple[int, int]:
    return (names.index(url), len(names)) if url in names else _GONE


async def _places(database: Postgres) -> list[tuple[int, int]]:
    return [(number, databases) for number, databases in await database.ask(_PLACE)]


async def _check(database: Postgres, number: int, databases: int) -> None:
    found = await _places(database)
    if not found:
        raise SchemaBehind("the database does not know its place; run `tactful db upgrade`")
    if found != [(number, databases)]:
        was, of = found[0]
        raise SettingsError(
            f"PostgreSQL {number + 1} of {databases} was {was + 1} of {of} at the first start. Trigger's partitions are spread "
            "over them, so number and order must stay as they were; `tactful db move` alone changes them"
        )
