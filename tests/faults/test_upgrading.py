"""The schema of PostgreSQL is brought up to date while the program before goes on working."""

from __future__ import annotations

import asyncio
import time

import pytest
from pgserver import PostgresServer
from servers import DATABASE, fresh_database
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tactful.errors import StoreUnavailable
from tactful.postgres import REVISION, Postgres
from tactful_trigger.store import ChangedRow, SliceResult
from tactful_trigger.store.postgres import PostgresTriggerStore

pytestmark = list(DATABASE)
BEFORE = (
    "DROP INDEX trigger_row_due_order, dispatch_customer_due_order",
    "CREATE INDEX trigger_row_due ON trigger_row (partition, due) WHERE due IS NOT NULL",
    "CREATE INDEX dispatch_customer_due ON dispatch_customer (partition, due) WHERE due IS NOT NULL",
    "UPDATE alembic_version SET version_num = '0007'",
)
WAITS = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
WHOLE = text(
    """SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
       WHERE relname LIKE '%\\_due%' AND indisvalid ORDER BY relname"""
)


async def put_back(database: Postgres, *statements: str) -> None:
    for statement in (*BEFORE, *statements):
        await database.run(lambda db: db.execute(text(statement)))  # noqa: B023


async def indexes(database: Postgres) -> list[str]:
    return [name for (name,) in await database.ask(WHOLE)]


async def test_slices_are_committed_while_an_index_is_built(postgres: PostgresServer) -> None:
    async with Postgres.open(url := await fresh_database(postgres)) as database:
        await put_back(database)
        store = PostgresTriggerStore(database)
        cursor = await store.claim(0, "one", 0, 1)
        assert cursor is not None

        async def write_for_long(db: AsyncConnection) -> asyncio.Task[tuple[str, str]]:
            await db.execute(text("INSERT INTO trigger_row VALUES (0, 'u0', '', 5, TRUE)"))
            upgrading = asyncio.create_task(Postgres.upgrade(url))
            while not (upgrading.done() or await db.scalar(WAITS)):
                pass
            await store.commit(SliceResult(0, cursor.epoch, 0, cursor, [ChangedRow("u1", b"{}", 7)], [], [], []), 1)
            assert not upgrading.done()
            return upgrading

        assert await (await database.run(write_for_long)) == ("0007", REVISION)
        assert await store.due(0, (0, ""), 9, 9) == [(5, "u0"), (7, "u1")]
        assert await indexes(database) == ["dispatch_customer_due_order", "trigger_row_due_order"]


async def test_whoever_keeps_an_upgrade_waiting_is_named(postgres: PostgresServer) -> None:
    async with Postgres.open(url := await fresh_database(postgres)) as database:
        await put_back(database)
        heard = asyncio.Queue[str]()

        async def write_for_long(db: AsyncConnection) -> asyncio.Future[tuple[tuple[str, str], tuple[str, str]]]:
            pid = await db.scalar(text("SELECT pg_backend_pid()"))
            await db.execute(text("INSERT INTO trigger_row VALUES (0, 'u0', '', 5, TRUE)"))
            first = asyncio.create_task(Postgres.upgrade(url, heard.put_nowait, 0.01))
            told = await asyncio.wait_for(heard.get(), 30)
            assert told.startswith(f"waiting for the transaction of tactful (process {pid}, begun at 20")
            second = asyncio.create_task(Postgres.upgrade(url, heard.put_nowait))
            assert await asyncio.wait_for(heard.get(), 30) == "waiting for another upgrade to end"
            return asyncio.gather(first, second)

        assert list(await (await database.run(write_for_long))) == [("0007", REVISION), (REVISION, REVISION)]


async def test_a_step_that_would_wait_for_a_back_up_lets_others_go_first(postgres: PostgresServer) -> None:
    async with Postgres.open(url := await fresh_database(postgres)) as database:
        for statement in (
            "ALTER TABLE write_key DROP COLUMN per_second",
            "UPDATE alembic_version SET version_num = '0006'",
        ):
            await database.run(lambda db: db.execute(text(statement)))  # noqa: B023

        async def back_up(db: AsyncConnection) -> float:
            await db.execute(text("SELECT count(*) FROM write_key"))
            upgrading = asyncio.create_task(Postgres.upgrade(url))
            while not (upgrading.done() or await db.scalar(WAITS)):
                pass
            began = time.monotonic()
            await database.ask(text("SELECT count(*) FROM write_key"))
            with pytest.raises(StoreUnavailable, match="lock timeout"):
                await upgrading
            return time.monotonic() - began

        assert await database.run(back_up) < 5
        assert await Postgres.upgrade(url) == ("0006", REVISION)


async def test_rows_are_packed_by_what_costs_least_where_the_server_knows_it(postgres: PostgresServer) -> None:
    async with Postgres.open(await fresh_database(postgres)) as database:
        [(ways,)] = await database.ask(
            text("SELECT enumvals FROM pg_settings WHERE name = 'default_toast_compression'")
        )
        rows = text(
            "SELECT attcompression FROM pg_attribute WHERE attrelid = 'trigger_row'::regclass AND attname = 'value'"
        )
        assert await database.ask(rows) == [(b"l" if "lz4" in ways else b"\0",)]


@pytest.mark.parametrize("valid", [True, False])
async def test_an_upgrade_that_was_interrupted_is_taken_up(postgres: PostgresServer, valid: bool) -> None:
    async with Postgres.open(url := await fresh_database(postgres)) as database:
        await put_back(
            database,
            "CREATE INDEX trigger_row_due_order ON trigger_row (partition, due, customer) WHERE due IS NOT NULL",
            f"UPDATE pg_index SET indisvalid = {valid} WHERE indexrelid = 'trigger_row_due_order'::regclass",
            "DROP INDEX trigger_row_due",
        )
        assert await Postgres.upgrade(url) == ("0007", REVISION)
        assert await indexes(database) == ["dispatch_customer_due_order", "trigger_row_due_order"]


async def test_two_who_upgrade_at_once_do_not_wait_for_each_other_for_ever(postgres: PostgresServer) -> None:
    async with Postgres.open(url := await fresh_database(postgres)) as database:
        await put_back(database)
        went = await asyncio.gather(*[Postgres.upgrade(url) for _ in range(3)])
        assert sorted(went) == [("0007", REVISION), (REVISION, REVISION), (REVISION, REVISION)]
        assert await indexes(database) == ["dispatch_customer_due_order", "trigger_row_due_order"]
