"""What waits in an outbox is found without reading past what was told before, which stays in the way while somebody reads for
long: a back-up, a report."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pgserver import PostgresServer
from servers import DATABASE, fresh_database
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tactful.partitions.outbox import Cause, OutboxRow
from tactful.postgres import Postgres
from tactful_trigger.state.cursor import Cursor
from tactful_trigger.store import SliceResult
from tactful_trigger.store.postgres import PostgresTriggerStore

pytestmark = list(DATABASE)
LOT, LOTS = 50, 20
OFTEN = 12  # PostgreSQL makes another plan of what comes often
FILL = """INSERT INTO trigger_outbox (partition, topic, target, seq, value, cause)
          SELECT 2, 'dispatch', 0, n, '', '[0,true]' FROM generate_series(1, 2000) n"""


@pytest.fixture
async def database(postgres: PostgresServer) -> AsyncIterator[Postgres]:
    async with Postgres.open(await fresh_database(postgres), connections=2) as opened:
        yield opened


async def claimed(store: PostgresTriggerStore, partition: int) -> Cursor:
    cursor = await store.claim(partition, "one", 0, 1)
    assert cursor is not None
    return cursor


def letters(partition: int, first: int, count: int = LOT) -> list[OutboxRow]:
    return [
        OutboxRow("events", partition, seq, "dispatch", 0, b"{}", Cause(seq, True))
        for seq in range(first, first + count)
    ]


async def tell(store: PostgresTriggerStore, cursor: Cursor, rows: list[OutboxRow]) -> None:
    given = SliceResult(cursor.partition, cursor.epoch, cursor.offset, cursor, [], rows, [], [])
    await store.commit(given, 1)


async def read(database: Postgres) -> int:
    """Entries of indexes and rows, since the beginning."""
    await database.ask(text("SELECT pg_stat_force_next_flush()"))
    [(count,)] = await database.ask(
        text(
            """SELECT coalesce((SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'trigger_outbox'), 0)
                    + (SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'trigger_outbox')"""
        )
    )
    return int(count)


async def test_what_was_told_is_not_read_again_though_somebody_reads_for_long(database: Postgres) -> None:
    store = PostgresTriggerStore(database)
    busy, calm = await claimed(store, 0), await claimed(store, 1)
    for statement in (FILL, "DELETE FROM trigger_outbox", "ANALYZE trigger_outbox"):  # as after its first hour
        await database.run(lambda db: db.execute(text(statement)))  # noqa: B023

    async def report(db: AsyncConnection) -> int:
        await db.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        await db.execute(text("SELECT 1 FROM trigger_cursor"))
        for lot in range(LOTS):
            await tell(store, busy, letters(0, 1 + lot * LOT))
            await store.forget(await store.unsent(0, 2 * LOT))
        before = await read(database)
        for _ in range(OFTEN):
            assert await store.unsent(0, LOT) == await store.unsent(calm.partition, LOT) == []
        return await read(database) - before

    assert await database.run(report) <= 2 * OFTEN


async def test_who_claims_a_store_that_was_set_back_finds_what_it_has_to_tell(database: Postgres) -> None:
    store = PostgresTriggerStore(database)
    await tell(store, await claimed(store, 0), letters(0, 1))
    await store.forget(await store.unsent(0, LOT))
    back = text("ALTER TABLE trigger_outbox ALTER COLUMN id RESTART WITH 1")
    await database.run(lambda db: db.execute(back))
    await tell(store, await claimed(store, 0), letters(0, 1, 3))
    assert await store.unsent(0, LOT) == letters(0, 1, 3)
