"""What every key ring keeps: a secret opens what its key may, and nothing else opens anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from math import inf, nan
from pathlib import Path
from sqlite3 import Connection
from typing import Final, TypeVar

import pytest
from pgserver import PostgresServer
from servers import DATABASE, fresh_database
from tcpproxy import proxy

from tactful.errors import InvalidInput, StoreUnavailable
from tactful.keys import FixedKeys, Key, KeyRing
from tactful.postgres import Postgres
from tactful.sqlite import Database
from tactful_workbench.keyring import Keys
from tactful_workbench.keyring.postgres import PostgresKeyTable
from tactful_workbench.keyring.sqlite import SqliteKeyTable

T = TypeVar("T")
KNOWN: Final = (("s3cret", Key("shop", "server")), ("public", Key("web", "browser")))


@asynccontextmanager
async def fixed(folder: Path) -> AsyncIterator[KeyRing]:
    yield FixedKeys(KNOWN)


@asynccontextmanager
async def stored(folder: Path) -> AsyncIterator[Keys]:
    database = await Database.open(folder / "keys.db")
    yield Keys(await SqliteKeyTable.open(database), KNOWN)
    await database.close()


@pytest.fixture(params=[fixed, stored])
async def ring(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[KeyRing]:
    async with request.param(tmp_path) as made:
        yield made


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=DATABASE)])
async def keys(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Keys]:
    if request.param == "sqlite":
        async with stored(tmp_path) as made:
            yield made
        return
    async with Postgres.open(await fresh_database(request.getfixturevalue("postgres"))) as database:
        yield Keys(PostgresKeyTable(database), KNOWN)


async def test_a_key_that_another_process_revoked_opens_nothing_after_half_a_minute(tmp_path: Path) -> None:
    async with stored(tmp_path) as made:
        table, seconds = made._table, [0.0]
        here, there = Keys(table, (), lambda: seconds[0]), Keys(table, ())
        secret = await there.create("pos", "server")
        assert await here.find(secret) is not None
        await there.revoke("pos")
        seconds[0] = 31.0
        assert await here.find(secret) is None


async def test_a_key_knocks_as_often_as_it_was_made_for_until_that_is_changed(keys: Keys) -> None:
    secret = await keys.create("web", "browser", 50)
    assert await keys.find(secret) == Key("web", "browser", 50.0)
    await keys.limit("web", 0.5)
    assert await keys.find(secret) == Key("web", "browser", 0.5)
    await keys.limit("web", None)
    assert (await keys.find(secret), await keys.listed()) == (Key("web", "browser"), [(Key("web", "browser"), False)])


@pytest.mark.parametrize("rate", [0.0, -1.0, inf, nan])
async def test_a_rate_of_nothing_is_refused(keys: Keys, rate: float) -> None:
    secret = await keys.create("web", "browser")
    with pytest.raises(InvalidInput, match="revoked"):
        await keys.limit("web", rate)
    with pytest.raises(InvalidInput, match="revoked"):
        await keys.create("app", "browser", rate)
    assert await keys.find(secret) == Key("web", "browser")


async def test_there_is_no_limit_for_a_key_that_nobody_has(keys: Keys) -> None:
    with pytest.raises(InvalidInput, match='no key called "web"'):
        await keys.limit("web", 5)


def found_in_files(text: str, folder: Path) -> bool:
    return any(text.encode() in file.read_bytes() for file in folder.iterdir())


async def test_a_key_is_found_by_its_secret(ring: KeyRing) -> None:
    assert [await ring.find(secret) for secret, _ in KNOWN] == [key for _, key in KNOWN]


@pytest.mark.parametrize("secret", ["", "shop", "S3CRET", "s3cret ", "s3cret\x00", "'; --", "\ud800", "ключ"])
async def test_anything_else_opens_nothing_however_often_it_is_tried(ring: KeyRing, secret: str) -> None:
    assert [await ring.find(secret), await ring.find(secret)] == [None, None]


@pytest.mark.parametrize("scope", ["server", "browser"])
async def test_a_new_key_opens_at_once_what_its_kind_may(keys: Keys, scope: str) -> None:
    assert await keys.find(secret := await keys.create("pos", scope)) == Key("pos", scope)
    assert await keys.listed() == [(Key("pos", scope), False)]
    assert secret.startswith("tk_live_")


async def test_no_two_secrets_are_alike_and_none_can_be_guessed(keys: Keys) -> None:
    secrets = {await keys.create(f"pos-{number}", "server") for number in range(50)}
    assert len(secrets) == 50
    assert all(len(secret.removeprefix("tk_live_")) * 6 >= 128 for secret in secrets)  # bits; 64 letters to choose from


async def test_a_revoked_key_opens_nothing_and_the_others_still_do(keys: Keys) -> None:
    revoked, other = await keys.create("pos", "server"), await keys.create("app", "browser")
    assert await keys.find(revoked) is not None
    await keys.revoke("pos")
    assert (await keys.find(revoked), await keys.find(other)) == (None, Key("app", "browser"))
    assert await keys.listed() == [(Key("app", "browser"), False), (Key("pos", "server"), True)]


class Away(SqliteKeyTable):
    """A table that somebody takes away."""

    away = False

    async def find(self, mark: bytes) -> Key | None:
        if self.away:
            raise StoreUnavailable("away")
        return await super().find(mark)


async def test_while_the_table_is_away_a_key_opens_what_it_opened_before_and_a_new_one_nothing(tmp_path: Path) -> None:
    async with stored(tmp_path) as made:
        assert isinstance(made._table, SqliteKeyTable)
        table, seconds = Away(made._table._database), [0.0]
        keys = Keys(table, (), lambda: seconds[0])
        secret, unseen = await keys.create("pos", "server"), await keys.create("app", "browser")
        assert await keys.find(secret) == Key("pos", "server")
        table.away, seconds[0] = True, 31.0
        assert await keys.find(secret) == Key("pos", "server")
        with pytest.raises(StoreUnavailable):
            await keys.find(unseen)


async def test_while_the_table_is_away_for_long_a_key_that_was_seldom_used_still_opens(tmp_path: Path) -> None:
    async with stored(tmp_path) as made:
        assert isinstance(made._table, SqliteKeyTable)
        table, seconds = Away(made._table._database), [0.0]
        keys = Keys(table, (), lambda: seconds[0])
        secret, gone = await keys.create("pos", "server"), await keys.create("old", "server")
        for each in (secret, gone):
            assert await keys.find(each) is not None
        await keys.revoke("old")
        table.away = True
        for seconds[0] in (31.0, 62.0, 93.0, 3600.0):
            with pytest.raises(StoreUnavailable):
                await keys.find(gone)
        assert await keys.find(secret) == Key("pos", "server")


async def test_what_the_table_no_longer_has_opens_nothing_once_it_is_away(tmp_path: Path) -> None:
    async with stored(tmp_path) as there:
        assert isinstance(there._table, SqliteKeyTable)
        table, seconds = Away(there._table._database), [0.0]
        here = Keys(table, (), lambda: seconds[0])
        secret = await there.create("pos", "server")
        assert await here.find(secret) is not None
        await there.revoke("pos")
        seconds[0] = 31.0
        assert await here.find(secret) is None
        table.away, seconds[0] = True, 62.0
        with pytest.raises(StoreUnavailable):
            await here.find(secret)


@DATABASE[0]
@DATABASE[1]
async def test_while_the_database_is_frozen_the_door_knows_within_two_seconds_whom_to_let_in(
    postgres: PostgresServer,
) -> None:
    url = await fresh_database(postgres)
    async with proxy(postgres.port) as way:
        way_there = url.replace(f":{postgres.port}/", f":{way.port}/")
        async with Postgres.open(way_there) as database:
            seconds = [0.0]
            keys = Keys(PostgresKeyTable(database), (), lambda: seconds[0])
            known, unseen = await keys.create("pos", "server"), await keys.create("app", "browser")
            assert await keys.find(known) == Key("pos", "server")
            way.swallows, seconds[0] = "replies", 31.0
            async with asyncio.timeout(2.0):
                found, refused = await asyncio.gather(keys.find(known), keys.find(unseen), return_exceptions=True)
            assert (found, type(refused)) == (Key("pos", "server"), StoreUnavailable)
            way.heal()
            assert await keys.find(unseen) == Key("app", "browser")


class LateAnswers(Database):
    """Says that an answer has been read, and holds it back as a busy machine does."""

    hold: tuple[asyncio.Event, asyncio.Event] | None = None

    async def read(self, job: Callable[[Connection], T]) -> T:
        answer = await super().read(job)
        if self.hold is not None:
            was_read, may_go = self.hold
            was_read.set()
            await may_go.wait()
        return answer


async def test_a_key_that_is_revoked_while_it_is_looked_up_is_not_remembered(tmp_path: Path) -> None:
    database = await LateAnswers.open(tmp_path / "keys.db")
    keys = Keys(await SqliteKeyTable.open(database), ())
    secret = await keys.create("pos", "server")
    database.hold = was_read, may_go = asyncio.Event(), asyncio.Event()
    looking_up = asyncio.create_task(keys.find(secret))
    await was_read.wait()
    await keys.revoke("pos")
    may_go.set()
    assert await looking_up == Key("pos", "server")
    assert await keys.find(secret) is None
    await database.close()


async def test_keys_outlive_the_process_and_only_their_hash_is_in_the_file(tmp_path: Path) -> None:
    async with stored(tmp_path) as keys:
        secret, gone = await keys.create("pos", "server"), await keys.create("old", "server")
        await keys.revoke("old")
    assert not found_in_files(secret, tmp_path)
    assert found_in_files("pos", tmp_path)
    async with stored(tmp_path) as keys:
        assert (await keys.find(secret), await keys.find(gone)) == (Key("pos", "server"), None)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda keys: keys.create("pos", "server"), 'a key called "pos" already; choose another name'),
        (lambda keys: keys.create("dispatch", "server"), 'Tactful itself speaks as "dispatch"; choose another name'),
        (lambda keys: keys.create("x", "admin"), 'one of: server, browser, operator; not "admin"'),
        (lambda keys: keys.create("a:b", "server"), "without a colon"),
        (lambda keys: keys.create("a\0b", "server"), "characters that can be printed"),
        (lambda keys: keys.create("a\ud800", "server"), "characters that can be printed"),
        (lambda keys: keys.create("", "server"), "needs a name"),
        (lambda keys: keys.revoke("nobody"), 'no key called "nobody"'),
    ],
)
async def test_what_cannot_be_is_refused_with_the_mend(
    keys: Keys, wrong: Callable[[Keys], Awaitable[object]], says: str
) -> None:
    await keys.create("pos", "server")
    with pytest.raises(InvalidInput, match=says):
        await wrong(keys)
    assert await keys.listed() == [(Key("pos", "server"), False)]
