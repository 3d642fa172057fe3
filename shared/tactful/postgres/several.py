"""Several databases behind one setting: URLs separated by blanks. The first holds everything but trigger's store, which is
spread over all of them by partition. Each knows which one of how many it is, since that must never change."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from sqlalchemy import text

from tactful.errors import SchemaBehind, SettingsError
from tactful.postgres.database import Postgres

_PLACE: Final = text("SELECT number, databases FROM trigger_place")
_TAKE: Final = text(
    """INSERT INTO trigger_place SELECT :number, :databases
       WHERE NOT EXISTS (SELECT FROM trigger_place) RETURNING number"""
)


@asynccontextmanager
async def opened(urls: str) -> AsyncIterator[list[Postgres]]:
    """All of them, in their order. Raises as `Postgres.open` does, and SettingsError for one that is not in its place."""
    async with AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(Postgres.open(url)) for url in _each(urls)]
        for number, database in enumerate(databases):
            await _check(database, number, len(databases))
        yield databases


async def upgrade(urls: str) -> list[tuple[str, str]]:
    """Bring every schema up to date and give each database its place; the revisions before and after."""
    each = _each(urls)
    revisions = [await Postgres.upgrade(url) for url in each]
    for number, url in enumerate(each):
        async with Postgres.open(url, connections=1) as database:
            await database.ask(_TAKE, number=number, databases=len(each))
            await _check(database, number, len(each))
    return revisions


def _each(urls: str) -> Sequence[str]:
    return urls.split() or [urls]


async def _check(database: Postgres, number: int, databases: int) -> None:
    found = [tuple(row) for row in await database.ask(_PLACE)]
    if not found:
        raise SchemaBehind("the database does not know its place; run `tactful db upgrade`")
    if found != [(number, databases)]:
        was, of = found[0]
        raise SettingsError(
            f"PostgreSQL {number + 1} of {databases} was {was + 1} of {of} at the first start. Trigger's partitions are spread "
            "over them, so number and order must stay as they were"
        )
