"""History in PostgreSQL after many days: whoever looks for one customer, or erases one, takes as few locks as on the first day, so
that a few who do leave the others some."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

import pytest
from pgserver import PostgresServer
from servers import DATABASE, fresh_database
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from tactful.clock import DAY, WallClock
from tactful.erasure import Erased
from tactful.errors import Fenced
from tactful.postgres import Postgres, keep_days
from tactful_trigger.state.cursor import Cursor
from tactful_trigger.state.history import HistoryRow
from tactful_trigger.store import Erasure, SliceResult
from tactful_trigger.store.postgres import PostgresTriggerStore

T = TypeVar("T")

pytestmark = list(DATABASE)
TODAY = WallClock().now() // DAY * DAY
DAYS = 40
ROOM = 64  # locks that a server has for each transaction, unless it is told otherwise
HELD = text("SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()")
MAKE = (
    "ALTER TABLE trigger_history DETACH PARTITION trigger_history_first",
    f"""ALTER TABLE trigger_history ATTACH PARTITION trigger_history_first
        FOR VALUES FROM (MINVALUE) TO ({TODAY - DAYS * DAY})""",
    f"""DO $$ BEGIN FOR day IN 0..{DAYS} LOOP EXECUTE format(
        'CREATE TABLE trigger_history_%s PARTITION OF trigger_history FOR VALUES FROM (%s) TO (%s)',
        to_char(to_timestamp({TODAY // 1000} - CAST(86400 AS bigint) * day) AT TIME ZONE 'UTC', 'YYYYMMDD'),
        {TODAY} - CAST({DAY} AS bigint) * day, {TODAY} - CAST({DAY} AS bigint) * (day - 1)); END LOOP; END $$""",
)
EVERY_OTHER = [
    TODAY + day * DAY + 1 for day in range(-DAYS - 9, 12, 2)
]  # before, within, and beyond the days that are made


class Watched(Postgres):
    """Knows the most locks that a transaction held at its end."""

    most = 0

    async def run(self, work: Callable[[AsyncConnection], Awaitable[T]], *, durable: bool = True) -> T:
        async def counted(db: AsyncConnection) -> T:
            result = await work(db)
            self.most = max(self.most, await db.scalar(HELD) or 0)
            return result

        return await super().run(counted, durable=durable)

    async def ask(self, statement: TextClause, **given: Any) -> Sequence[Any]:
        async def fetch(db: AsyncConnection) -> Sequence[Any]:
            return (await db.execute(statement, given)).all()

        return await self.run(fetch)


@pytest.fixture
async def database(postgres: PostgresServer) -> AsyncIterator[Watched]:
    url = await fresh_database(postgres)
    async with Postgres.open(url) as opened:
        for statement in MAKE:
            await opened.run(lambda db: db.execute(text(statement)))  # noqa: B023
        await commit(opened, history=[line(name, at) for at in EVERY_OTHER for name in ("u1", "u2")])
    async with Watched.open(url, connections=1) as watched:
        assert isinstance(watched, Watched)
        yield watched


def line(customer: str, at: int) -> HistoryRow:
    return HistoryRow(customer, at, 0, 0, "event", "", "", b"{}")


async def commit(database: Postgres, **changes: Any) -> Cursor:
    store = PostgresTriggerStore(database)
    cursor = await store.claim(0, "one", 0, 1)
    assert cursor is not None
    cursor.clock = TODAY
    given: dict[str, Any] = {"rows": [], "outbox": [], "history": [], "steps": [], **changes}
    await store.commit(SliceResult(0, cursor.epoch, cursor.offset, cursor, **given), 1)
    return cursor


async def test_a_look_for_one_customer_locks_few_of_the_days(database: Watched) -> None:
    store = PostgresTriggerStore(database)
    for _ in range(8):  # PostgreSQL makes another plan of what comes often
        assert [told.at for told in await store.history("u1", 10**9)] == EVERY_OTHER
        assert [told.at for told in await store.history("u1", 15)] == EVERY_OTHER[-15:]
        assert [told.at for told in await store.history("u1", 99, EVERY_OTHER[-9])] == EVERY_OTHER[-9:]
        assert [told.at for told in await store.history("u1", 99, EVERY_OTHER[3])] == EVERY_OTHER[3:][-99:]
        assert {*await store.active(9)} <= {"u1", "u2"}
    assert database.most <= ROOM


async def test_an_erasure_locks_few_of_the_days_and_leaves_none(database: Watched) -> None:
    await commit(database, erasures=[Erasure("u1", Erased("5f", TODAY))], history=[line("u1", TODAY + 5)])
    assert database.most <= ROOM
    store = PostgresTriggerStore(database)
    assert await store.history("u1", 10**9) == [line("u1", TODAY + 5)]
    assert [told.at for told in await store.history("u2", 10**9)] == EVERY_OTHER


async def test_who_has_lost_the_partition_takes_no_history_of_any_day(database: Watched) -> None:
    cursor, store = await commit(database), PostgresTriggerStore(database)
    assert await store.claim(0, "another", 1, 2)
    gone = [Erasure("u1", Erased("5f", TODAY))]
    with pytest.raises(Fenced):
        await store.commit(SliceResult(0, cursor.epoch, 0, cursor, [], [], [], [], erasures=gone), 1)
    assert [told.at for told in await store.history("u1", 10**9)] == EVERY_OTHER


async def test_days_that_retention_lets_go_of_together_lock_few_at_once(database: Watched) -> None:
    assert await keep_days(database, "trigger_history", TODAY, TODAY - 10 * DAY) == DAYS - 9
    assert database.most <= ROOM
