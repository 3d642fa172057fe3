"""PostgreSQL is there and does not let us: at a start that is said and has to be mended, later it is waited for."""

from __future__ import annotations

import traceback
from collections.abc import AsyncIterator

import pytest
from dispatchbench import DispatchBench
from pgserver import PostgresServer
from servers import DATABASE, fresh_database
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tactful.errors import SettingsError, StoreUnavailable
from tactful.postgres import Postgres
from tactful.records import QUARANTINE
from tactful_dispatch.store.postgres import PostgresDispatchStore

pytestmark = list(DATABASE)


class Owner:
    """Of a database, in which a service has a user of its own who may do what it needs."""

    def __init__(self, database: Postgres, url: str) -> None:
        self._database, name = database, url.rpartition("/")[2]
        self.user = f"app_of_{name}"
        self.url = url.replace("//tactful@", f"//{self.user}@")

    async def says(self, *statements: str) -> None:
        async def say(db: AsyncConnection) -> None:
            for statement in statements:
                await db.execute(text(statement.replace("app", self.user)))

        await self._database.run(say)

    async def sends_everybody_away(self) -> None:
        await self.says("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'")


@pytest.fixture
async def owner(postgres: PostgresServer) -> AsyncIterator[Owner]:
    url = await fresh_database(postgres)
    async with Postgres.open(url, connections=1) as database:
        made = Owner(database, url)
        await made.says("CREATE ROLE app LOGIN", "GRANT ALL ON ALL TABLES IN SCHEMA public TO app")
        yield made


async def test_a_withdrawal_that_may_not_be_written_yet_waits_and_is_obeyed(owner: Owner) -> None:
    bench = DispatchBench()
    async with Postgres.open(owner.url, connections=2) as database:
        bench.store = store = PostgresDispatchStore(database, 1, lambda: b"0" * 16)  # type: ignore[assignment]
        bench.restart()
        await bench.worker.claim()
        bench.grants(state="granted")
        while await bench.worker.run_once(0):
            pass
        bench.grants(state="withdrawn")
        await owner.says("REVOKE INSERT ON dispatch_ledger FROM app")
        with pytest.raises(StoreUnavailable, match="grant the right"):
            await bench.worker.run_once(0)
        await owner.says("GRANT INSERT ON dispatch_ledger TO app")
        assert await bench.worker.run_once(0)
        assert [b"withdrawn" in (link.entry or b"") for link in await store.ledger(0)] == [False, True]
        assert await bench.log.end(QUARANTINE, 0) == 0


@pytest.mark.parametrize(
    ("taken", "given", "words"),
    [
        ("REVOKE SELECT ON alembic_version FROM app", "GRANT SELECT ON alembic_version TO app", "grant the right"),
        ("ALTER ROLE app NOLOGIN", "ALTER ROLE app LOGIN", "check user and password"),
    ],
)
async def test_whoever_works_already_waits_where_whoever_starts_is_refused(
    owner: Owner, taken: str, given: str, words: str
) -> None:
    async with Postgres.open(owner.url, connections=1) as database:
        look = text("SELECT version_num FROM alembic_version")
        await owner.says(taken)
        await owner.sends_everybody_away()
        with pytest.raises(StoreUnavailable):
            await database.ask(look)  # over the connection that was ended
        with pytest.raises(StoreUnavailable, match=words):
            await database.ask(look)
        with pytest.raises(SettingsError, match=words):
            async with Postgres.open(owner.url):
                pass
        await owner.says(given)
        assert await database.ask(look)


async def test_what_could_not_be_written_for_a_while_is_written_once_it_can(owner: Owner) -> None:
    write = text("INSERT INTO log_shape (partitions) VALUES (4) RETURNING partitions")
    name = owner.url.rpartition("/")[2]
    await owner.says(f"ALTER DATABASE {name} SET default_transaction_read_only = on")  # for connections from now on
    async with Postgres.open(owner.url, connections=1) as database:
        with pytest.raises(StoreUnavailable, match="read-only"):
            await database.ask(write)
        await owner.says(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        assert await database.ask(write)


async def test_an_error_names_no_customer_and_no_address(owner: Owner) -> None:
    address = "anna@example.test"
    async with Postgres.open(owner.url, connections=1) as database:
        with pytest.raises(StoreUnavailable) as raised:
            await database.ask(text("INSERT INTO nowhere VALUES (:address)"), address=address)
    assert address not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("options", ["", "?sslmode=prefer", "?sslmode=disable"])
async def test_a_url_may_say_about_encryption_what_it_says_elsewhere(owner: Owner, options: str) -> None:
    async with Postgres.open(owner.url + options) as database:
        assert await database.ask(text("SELECT 1"))


async def test_a_url_may_name_the_folder_of_the_servers_socket(owner: Owner, postgres: PostgresServer) -> None:
    name = owner.url.rpartition("/")[2]
    async with Postgres.open(f"postgresql://tactful@/{name}?host={postgres.socket}&port={postgres.port}") as database:
        assert await database.ask(text("SELECT 1"))


async def test_who_wants_encryption_gets_none_without_it(owner: Owner) -> None:
    with pytest.raises(StoreUnavailable, match="SSL"):
        async with Postgres.open(f"{owner.url}?sslmode=require"):
            pass


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            "sslmode=perhaps",
            "`sslmode` parameter must be one of: disable, allow, prefer, require, verify-ca, verify-full",
        ),
        ("sslmode=verify-full&sslrootcert=/nowhere.pem", "a file that is not there: sslrootcert=/nowhere.pem"),
        ("pool=5&sslmode=require", "options that are not known: pool; it may have sslmode, sslrootcert, host, port"),
    ],
)
async def test_an_option_of_the_url_that_cannot_be_kept_is_refused_by_name(
    owner: Owner, options: str, words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        async with Postgres.open(f"{owner.url}?{options}"):
            pass
