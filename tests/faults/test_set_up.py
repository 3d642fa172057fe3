"""A database is set up: by several at once, and not whatever it is."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest
from pgserver import PostgresServer
from servers import DATABASE, fresh_database
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tactful.errors import SettingsError
from tactful.postgres import Postgres, opened, upgrade
from tactful_workbench.cluster.condition import database_findings

pytestmark = list(DATABASE)


async def test_of_two_who_set_up_at_once_one_gives_it_its_place(postgres: PostgresServer) -> None:
    url = await fresh_database(postgres)

    async def first(db: AsyncConnection) -> asyncio.Task[object]:
        await db.execute(text("INSERT INTO trigger_place VALUES (0, 1)"))
        second = asyncio.create_task(upgrade(url))
        while not (second.done() or await db.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))):
            pass
        return second

    async with Postgres.open(url) as database:
        second = await database.run(first)
    with suppress(SettingsError):
        await second
    async with opened(url):
        pass


async def test_a_list_that_leads_to_one_database_twice_is_refused_and_leaves_it_as_it_was(
    postgres: PostgresServer,
) -> None:
    url = await fresh_database(postgres)
    with pytest.raises(SettingsError, match="two URLs lead to the same database"):
        await upgrade(f"{url} {url.replace('127.0.0.1', 'localhost')}")
    await upgrade(url)
    async with opened(url):
        pass


async def test_a_database_that_has_no_room_for_every_letter_is_refused(postgres: PostgresServer) -> None:
    url = postgres.create("few_letters", copy_of="template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
    with pytest.raises(SettingsError, match=r"encoded in LATIN1.* ENCODING 'UTF8'"):
        await upgrade(url)


async def test_a_pooler_between_is_refused_with_what_to_do() -> None:
    async def pool(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        said = b"SFATAL\0C08P01\0Munsupported startup parameter: statement_timeout\0\0"  # PgBouncer's word
        writer.write(b"E" + (len(said) + 4).to_bytes(4) + said)
        writer.close()

    async with await asyncio.start_server(pool, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(SettingsError, match=r"pooler .* give the address of PostgreSQL itself"):
            await upgrade(f"postgresql://tactful@127.0.0.1:{port}/tactful?sslmode=disable")


async def test_doctor_sees_a_database_that_may_take_back_what_it_has_committed(postgres: PostgresServer) -> None:
    url = await fresh_database(postgres)

    async def loosen(db: AsyncConnection) -> None:
        await db.execute(text(f"ALTER DATABASE {url.rpartition('/')[2]} SET synchronous_commit = off"))

    async with Postgres.open(url) as database:
        assert {finding.level for finding in await database_findings(database)} == {"ok"}
        await database.run(loosen)
    async with Postgres.open(url) as database:
        failed = [finding.text for finding in await database_findings(database) if finding.level == "fail"]
    assert len(failed) == 1
    assert failed[0].startswith("PostgreSQL has synchronous_commit off: a crash takes back opt-outs")


async def test_doctor_names_whoever_has_been_in_one_transaction_for_long(postgres: PostgresServer) -> None:
    async with Postgres.open(await fresh_database(postgres)) as database:

        async def read(db: AsyncConnection) -> list[str]:
            await db.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            process = await db.scalar(text("SELECT pg_backend_pid()"))
            found = await database_findings(database, timedelta(0))
            return [finding.text.replace(str(process), "N") for finding in found if finding.level == "warn"]

        [told] = await database.run(read)
        assert told.startswith("tactful (process N) has been in one transaction for 0 min")
        assert "pg_terminate_backend(N)" in told
        assert {finding.level for finding in await database_findings(database)} == {"ok"}
