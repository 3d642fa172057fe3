"""History in PostgreSQL by days: what was there before stays readable, days are dropped whole, and nobody has to be told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from pgserver import PostgresServer
from servers import DATABASE, fresh_database
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

import tactful.postgres
from tactful.clock import DAY, WallClock
from tactful.errors import SchemaBehind, StoreTooNew, StoreUnavailable
from tactful.postgres import Postgres, keep_days
from tactful_trigger.store.moving import copy
from tactful_trigger.store.postgres import PostgresTriggerStore

pytestmark = list(DATABASE)
TODAY = WallClock().now() // DAY * DAY
WRITE = text(
    """INSERT INTO trigger_history (customer, at, log_offset, position, kind, rule, run, data)
       VALUES ('u1', :at, 0, 0, 'note', '', '', '')"""
)

NOTING = (
    "CREATE TABLE noted (statement_timeout text)",
    """CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS
       $$ BEGIN INSERT INTO noted VALUES (current_setting('statement_timeout')); END $$""",
    "CREATE EVENT TRIGGER noting ON ddl_command_end EXECUTE FUNCTION note()",
)

SLOW = (
    """CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN RAISE 'canceling statement due to statement timeout' USING ERRCODE = 'query_canceled'; END $$""",
    "CREATE TRIGGER slow BEFORE DELETE ON trigger_history_first FOR EACH ROW EXECUTE FUNCTION slow()",
)


@pytest.fixture
async def database(postgres: PostgresServer) -> AsyncIterator[Postgres]:
    async with Postgres.open(await fresh_database(postgres)) as opened:
        yield opened


async def write(database: Postgres, *days: int) -> None:
    for day in days:
        await database.run(lambda db: db.execute(WRITE, {"at": TODAY + day * DAY + 1}))  # noqa: B023


async def told(database: Postgres, query: str) -> list[Any]:
    return list((await database.run(lambda db: db.execute(text(query)))).scalars())


async def days(database: Postgres) -> list[int]:
    """Of what is kept, from today."""
    return [(at - TODAY) // DAY for at in await told(database, "SELECT at FROM trigger_history ORDER BY at")]


async def test_days_are_made_ahead_and_dropped_whole_once_they_are_old(database: Postgres) -> None:
    await keep_days(database, "trigger_history", TODAY, TODAY - 30 * DAY)
    await write(database, -3, 0, 1, 2, 3)
    assert await days(database) == [-3, 0, 1, 2, 3]
    later = TODAY + 20 * DAY
    assert await keep_days(database, "trigger_history", later, TODAY + 3 * DAY) == 2  # what came first, and one day
    assert await days(database) == [3]
    await write(database, 20)
    assert await keep_days(database, "trigger_history", later, TODAY + 3 * DAY) == 0
    assert await days(database) == [3, 20]


async def test_a_day_that_is_made_has_what_finds_its_customers_and_its_latest_lines(database: Postgres) -> None:
    await keep_days(database, "trigger_history", TODAY + 3 * DAY, TODAY - 30 * DAY)
    day = "(SELECT max(relname) FROM pg_class WHERE relkind = 'r' AND relname LIKE 'trigger\\_history\\_2%')"
    kinds = await told(database, f"SELECT split_part(indexdef, ' USING ', 2) FROM pg_indexes WHERE tablename = {day}")
    assert sorted(kind.split()[0] for kind in kinds) == ["brin", "btree"]


async def test_a_row_that_belongs_to_no_day_is_kept_and_goes_in_its_time(database: Postgres) -> None:
    await write(database, 30)
    await keep_days(database, "trigger_history", TODAY, TODAY)
    assert await days(database) == [30]
    await keep_days(database, "trigger_history", TODAY + 28 * DAY, TODAY)  # that day cannot be made; the others are
    parts = await told(database, "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid")
    assert len([part for part in parts if part.startswith("trigger_history_2")]) >= 3
    await keep_days(database, "trigger_history", TODAY + 60 * DAY, TODAY + 31 * DAY)
    assert await days(database) == []


async def test_days_are_made_though_what_is_old_cannot_be_deleted_yet(database: Postgres) -> None:
    await write(database, -40)
    for statement in SLOW:
        await database.run(lambda db: db.execute(text(statement)))  # noqa: B023
    with pytest.raises(StoreUnavailable, match="statement timeout"):
        await keep_days(database, "trigger_history", TODAY, TODAY - 30 * DAY)
    parts = await told(database, "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid")
    assert len([part for part in parts if part.startswith("trigger_history_2")]) >= 2
    await database.run(lambda db: db.execute(text("DROP TRIGGER slow ON trigger_history_first")))
    await keep_days(database, "trigger_history", TODAY, TODAY - 30 * DAY)
    assert await days(database) == []


async def test_while_somebody_reads_all_of_it_nobody_waits_for_the_days_to_be_made(database: Postgres) -> None:
    async def read(db: AsyncConnection) -> float:
        await db.execute(text("SELECT count(*) FROM trigger_history"))  # as a back-up does, for hours
        making = asyncio.create_task(keep_days(database, "trigger_history", TODAY, TODAY - 30 * DAY))
        while not await db.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
            pass
        began = time.monotonic()
        await write(database, 0)
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            await making
        return time.monotonic() - began

    assert await database.run(read) < 5
    await keep_days(database, "trigger_history", TODAY, TODAY - 30 * DAY)
    await write(database, 3)
    assert await days(database) == [0, 3]
    assert await told(database, "SELECT count(*) FROM trigger_history_stray") == [0]


async def test_what_is_copied_to_another_database_has_its_days_there(
    database: Postgres, postgres: PostgresServer
) -> None:
    for statement in (
        "ALTER TABLE trigger_history DETACH PARTITION trigger_history_first",
        f"ALTER TABLE trigger_history ATTACH PARTITION trigger_history_first FOR VALUES FROM (MINVALUE) TO ({TODAY - 5 * DAY})",
    ):  # as in a database that is older by a week
        await database.run(lambda db: db.execute(text(statement)))  # noqa: B023
    for day in (-5, -1):
        await keep_days(database, "trigger_history", TODAY + day * DAY, TODAY - 30 * DAY)
    await write(database, -6, -5, -1, 0, 2)
    await database.run(lambda db: db.execute(text("INSERT INTO trigger_row VALUES (0, 'u1', '', NULL, FALSE)")))
    await PostgresTriggerStore(database).claim(0, "mover", 0, 1)
    async with Postgres.open(await fresh_database(postgres)) as other:
        for _ in range(2):  # a move that was interrupted does it again
            assert await copy(0, database, other) == (1, 5)
        parts = "SELECT tableoid::regclass::text FROM trigger_history ORDER BY at"
        assert await told(other, parts) == await told(database, parts)
        assert await keep_days(other, "trigger_history", TODAY, TODAY) == 6  # the first part among them
        assert await days(other) == [0, 2]


async def test_an_upgrade_keeps_what_was_there_and_its_order(postgres: PostgresServer) -> None:
    url = postgres.create("before_days")
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"))
    async with engine.begin() as connection:
        await connection.run_sync(_to_the_first_revision)
        await connection.execute(WRITE, {"at": TODAY})
    await engine.dispose()
    assert await Postgres.upgrade(url) == ("0001", tactful.postgres.REVISION)
    async with Postgres.open(url) as database:
        await write(database, 0, 0)
        ids = await told(database, "SELECT id FROM trigger_history ORDER BY id")
        assert len(set(ids)) == 3
        assert await days(database) == [0, 0, 0]


async def test_an_upgrade_takes_as_long_as_there_is_to_do(postgres: PostgresServer) -> None:
    url = postgres.create("much_to_do")
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"))
    async with engine.begin() as connection:
        for statement in NOTING:
            await connection.execute(text(statement))
    await engine.dispose()
    await Postgres.upgrade(url)
    async with Postgres.open(url) as database:
        assert await told(database, "SELECT DISTINCT statement_timeout FROM noted") == ["0"]


def _to_the_first_revision(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(tactful.postgres.__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")


async def test_a_schema_that_is_missing_old_or_newer_is_refused_by_name(postgres: PostgresServer) -> None:
    url = postgres.create("schemas")
    with pytest.raises(SchemaBehind, match=r"has no schema .* `tactful db upgrade`"):
        async with Postgres.open(url):
            pass
    await Postgres.upgrade(url)
    for revision, error in (("0001", SchemaBehind), ("9999", StoreTooNew)):
        engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"))
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": revision})
        await engine.dispose()
        with pytest.raises(error, match=f"has schema {revision}"):
            async with Postgres.open(url):
                pass
    with pytest.raises(StoreTooNew, match=r"has schema 9999.* a database of its own"):  # Alembic is used by many
        await Postgres.upgrade(url)
