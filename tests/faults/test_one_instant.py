"""Thousands fall due at one instant, as an hour opens: whoever takes so many of them does not read all the others each time."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pgserver import PostgresServer
from servers import DATABASE, fresh_database
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tactful.postgres import Postgres
from tactful_dispatch.store.postgres import PostgresDispatchStore
from tactful_trigger.store.postgres import PostgresTriggerStore

pytestmark = list(DATABASE)
TEN = 1_764_496_800_000
CROWD, LOT = 5_000, 100
FILL = (
    f"""INSERT INTO {{}} SELECT 0, 'u' || lpad(n::text, 4, '0'), '', {TEN}, FALSE FROM generate_series(1, {CROWD}) n"""
)
READ = (
    "SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0) FROM pg_stat_user_tables WHERE relname = :table"
)


@pytest.fixture
async def database(postgres: PostgresServer) -> AsyncIterator[Postgres]:
    async with Postgres.open(await fresh_database(postgres), connections=1) as opened:
        yield opened


async def crowded(database: Postgres, table: str) -> None:
    async def fill(db: AsyncConnection) -> None:
        await db.execute(text(FILL.format(table)))
        await db.execute(text(f"ANALYZE {table}"))

    await database.run(fill)


async def read(database: Postgres, table: str) -> int:
    """Rows, since the beginning."""
    await database.ask(text("SELECT pg_stat_force_next_flush()"))
    [(rows,)] = await database.ask(text(READ), table=table)
    return int(rows)


async def test_trigger_reads_those_alone_whom_it_takes(database: Postgres) -> None:
    await crowded(database, "trigger_row")
    store, before = PostgresTriggerStore(database), await read(database, "trigger_row")
    found = await store.due(0, (TEN, "u2500"), TEN + 1, LOT)
    assert found == [(TEN, f"u{number}") for number in range(2500, 2500 + LOT)]
    assert await read(database, "trigger_row") - before <= 2 * LOT


async def test_dispatch_reads_those_alone_whom_it_takes(database: Postgres) -> None:
    await crowded(database, "dispatch_customer")
    store, before = PostgresDispatchStore(database, 1, bytes), await read(database, "dispatch_customer")
    assert len(await store.due(0, TEN + 1, LOT)) == LOT
    assert await read(database, "dispatch_customer") - before <= 2 * LOT
