"""Trigger's store moves to another list of databases: nothing is lost or doubled, whenever the move is interrupted."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
from clusterbench import TACTFUL, Cluster, Shopper, address_of, cluster
from kafkaserver import KafkaServer
from pgserver import PostgresServer
from servers import SERVERS, fresh_topics

from tactful import crashpoints
from tactful.clock import DAY
from tactful.erasure import Erased
from tactful.errors import SettingsError
from tactful.log.kafka import broker
from tactful.partitions.outbox import Cause, OutboxRow
from tactful.postgres import Postgres, opened, upgrade
from tactful_trigger.state.history import HistoryRow
from tactful_trigger.store import ChangedRow, SliceResult, StepRequest
from tactful_trigger.store import moving as store_moving
from tactful_trigger.store.postgres import PostgresTriggerStore
from tactful_trigger.store.spread import SpreadTriggerStore
from tactful_workbench.cluster import moving
from tactful_workbench.cluster.condition import server_findings
from tactful_workbench.cluster.moving import move

pytestmark = list(SERVERS)
_numbers = count(1)
PARTITIONS: Final = 4
PEOPLE: Final = 45  # of a partition
NOW: Final = 1_795_518_000_000


class Struck(BaseException):
    """Where the process would have died."""


def strike() -> None:
    raise Struck


@asynccontextmanager
async def stores(urls: str) -> AsyncIterator[SpreadTriggerStore]:
    async with opened(urls) as databases:
        yield SpreadTriggerStore([PostgresTriggerStore(database) for database in databases])


def people(partition: int) -> list[str]:
    return [f"p{partition}-{number:03}\0x" for number in range(PEOPLE)]


async def fill(store: SpreadTriggerStore, partition: int) -> None:
    """A slice with something of everything."""
    cursor = await store.claim(partition, "somebody", NOW, NOW + 1)
    assert cursor is not None
    after = cursor.copy()
    after.offset, after.clock = 900 + partition, NOW
    names = people(partition)
    written = SliceResult(
        partition,
        cursor.epoch,
        cursor.offset,
        after,
        [ChangedRow(name, b"%d" % n, NOW + n if n % 2 else None, n % 3 == 0) for n, name in enumerate(names)],
        [OutboxRow("events", partition, n, "dispatch", 0, b"r%d" % n, Cause(n, True)) for n in range(1, 6)],
        [HistoryRow(name, NOW, n, k, "note", "cart", "r", b"{}") for n, name in enumerate(names) for k in range(5)],
        [StepRequest(names[0], "r_1", n, "ask", "shop:ask", [n]) for n in range(3)],
        graves=[Erased(f"grave{n}", NOW + n) for n in range(3)],
    )
    await store.commit(written, NOW + 1)


async def everything(store: SpreadTriggerStore) -> list[Any]:
    """All that a store tells."""
    found: list[Any] = []
    for partition in range(PARTITIONS):
        cursor, names = await store.cursor(partition), people(partition)
        found.append(await store.everybody(partition, "", 10_000))
        assert cursor is not None
        found += [cursor.offset, cursor.clock, await store.load(partition, names), await store.busy(partition)]
        found += [await store.due(partition, (0, ""), 2 * NOW, 10_000), await store.earliest_due(partition, 0)]
        found += [await store.unsent(partition, 100), await store.steps(partition, 100), await store.graves(partition)]
        found += [await store.history(name, 100) for name in (names[0], names[-1])]
    return found


@pytest.fixture(autouse=True)
def small_lots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody takes several."""
    monkeypatch.setattr(store_moving, "PEOPLE", 20)
    monkeypatch.setattr(store_moving, "LOT", 30)


@pytest.fixture
async def kafka_url(kafka: KafkaServer) -> str:
    made = await fresh_topics(kafka, PARTITIONS)
    return f"{kafka.url}?prefix={made.prefix}"


@pytest.fixture
async def urls(postgres: PostgresServer) -> list[str]:
    """A store in one database, and two new ones."""
    made = [postgres.create(f"moving_{next(_numbers)}") for _ in range(3)]
    await upgrade(made[0])
    async with stores(made[0]) as store:
        for partition in range(PARTITIONS):
            await fill(store, partition)
    return made


@pytest.mark.parametrize(
    ("point", "nth"),
    [("", 0), ("move: copied", 1), ("move: copied", 2), ("move: closed", 1), ("move: placed", 1), ("move: placed", 2)],
)
async def test_whenever_a_move_was_interrupted_it_goes_on_and_all_is_as_before(
    kafka_url: str, urls: list[str], point: str, nth: int
) -> None:
    before, after = urls[0], " ".join(urls)
    async with stores(before) as store:
        wanted = await everything(store)
    if point:
        crashpoints.arm(point, nth, strike)
        try:
            with pytest.raises(Struck):
                await move(kafka_url, before, after, print)
        finally:
            crashpoints.disarm()
    await move(kafka_url, before, after, print)
    async with stores(after) as store:
        assert await everything(store) == wanted
        assert await store.claim(1, "a trigger with the new list", NOW, NOW + 1) is not None
    async with Postgres.open(urls[0]) as database:
        left = PostgresTriggerStore(database)
        left_there = [await left.everybody(partition, "", 10_000) for partition in range(PARTITIONS)]
        assert left_there == [sorted(people(0)), [], [], sorted(people(3))]
        assert await left.history(people(1)[0], 10) == []
        assert await left.claim(1, "a trigger with the list of before", NOW, NOW + 1) is None


async def test_there_and_back_again_is_where_it_was(kafka_url: str, urls: list[str]) -> None:
    async with stores(urls[0]) as store:
        wanted = await everything(store)
    for before, after in ((1, 2), (2, 1), (1, 3), (3, 2), (2, 1)):
        await move(kafka_url, " ".join(urls[:before]), " ".join(urls[:after]), print)
    async with stores(urls[0]) as store:
        assert await everything(store) == wanted
        assert await store.claim(1, "a trigger", NOW, NOW + 1) is not None


async def test_doctor_sees_that_nobody_owns_what_has_moved(kafka_url: str, urls: list[str]) -> None:
    after = " ".join(urls[:2])
    await move(kafka_url, urls[0], after, print)
    async with opened(after) as databases:
        found = await server_findings(broker(kafka_url), databases, PARTITIONS, 30 * DAY)
    assert any(finding.text.startswith("trigger owns no partition 0, 1, 2, 3:") for finding in found)


async def test_what_a_trigger_works_on_is_not_moved(kafka_url: str, urls: list[str]) -> None:
    async with stores(urls[0]) as store:
        assert await store.claim(3, "a trigger", NOW + 1, 2 * NOW) is not None
        with pytest.raises(SettingsError, match="a trigger works on partition 3; stop every trigger"):
            await move(kafka_url, urls[0], " ".join(urls[:2]), print)
        assert await store.claim(1, "a trigger", NOW + 1, NOW + 2) is not None  # the list of before counts


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ([0], [1, 0], "the first database stays the first"),
        ([0], [0, 1, 1], "a database stands twice"),
        ([0, 1], [0, 1, 2], "run `tactful db upgrade`"),
    ],
)
async def test_a_list_that_cannot_be_meant_is_refused(
    kafka_url: str, urls: list[str], before: list[int], after: list[int], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        await move(kafka_url, " ".join(urls[n] for n in before), " ".join(urls[n] for n in after), print)


async def test_a_database_under_another_url_is_not_taken_for_another_database(
    kafka_url: str, urls: list[str], postgres: PostgresServer
) -> None:
    before, other = " ".join(urls[:2]), urls[1].replace("127.0.0.1", "localhost")
    await move(kafka_url, urls[0], before, print)
    async with stores(before) as store:
        wanted = await everything(store)
    for lists, words in (
        ((before, f"{urls[0]} {other}"), "a database that is new in the list is PostgreSQL 2 of 2"),
        ((before, f"{before} {urls[2]} {urls[2].replace('127.0.0.1', 'localhost')}"), "lead to the same database"),
        ((urls[0], f"{urls[0]} {urls[2]}"), "was moved to another database already"),
    ):
        with pytest.raises(SettingsError, match=words):
            await move(kafka_url, *lists, print)
    async with stores(before) as store:
        assert await everything(store) == wanted


async def test_what_has_moved_stays_closed_whatever_the_renewal_of_its_lease_does(
    kafka_url: str, urls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "RENEWAL", 0.0)
    await move(kafka_url, urls[0], " ".join(urls[:2]), print)
    async with Postgres.open(urls[0]) as database:
        left = PostgresTriggerStore(database)
        assert [await left.claim(number, "a trigger", 2**61, 2**61 + 1) for number in (1, 3)] == [None, None]


@pytest.mark.long
async def test_carts_that_were_left_before_a_move_are_reminded_of_after_it(
    tmp_path: Path, kafka: KafkaServer, postgres: PostgresServer
) -> None:
    async with AsyncExitStack() as stack:
        shop = await stack.enter_async_context(cluster(tmp_path, kafka, postgres, f"moved{next(_numbers)}"))
        names = [f"ann{number}" for number in range(12)]
        for service in ("ingest", "trigger", "dispatch"):
            shop.start(service)
        await shop.ready("ingest", "trigger", "dispatch")
        shopper = Shopper(shop)
        stack.push_async_callback(shopper.close)
        await asyncio.gather(*(shopper.leaves_a_cart(name) for name in names[:4]))
        await shop.until_arrived(set(names[:4]))
        await asyncio.gather(*(shopper.leaves_a_cart(name) for name in names[4:]))
        shop.kill("trigger", signal.SIGTERM)
        before = shop.postgres
        after = f"{before} {postgres.create(f'moved_{next(_numbers)}')}"
        said = await asyncio.to_thread(_moved, shop, after)
        assert re.search(r"partition 1: \d+ customers, \d+ lines\n", said)
        assert "set TACTFUL_POSTGRES to the new list" in said
        refused = await asyncio.to_thread(shop.command, "serve", "trigger")
        assert "PostgreSQL 1 of 1 was 1 of 2 at the first start" in refused.stderr
        shop.use(after)
        shop.start("trigger")
        await shop.ready("trigger")
        await shop.until_arrived(set(names))
        assert shop.mailbox.came == {address_of(name): 1 for name in names}
        for name in (names[0], names[-1]):
            told = await asyncio.to_thread(shop.command, "explain", name)
            assert "abandoned_cart v1 started" in told.stdout
            assert "SENT" in told.stdout


def _moved(shop: Cluster, after: str) -> str:
    command = [*TACTFUL, "db", "move", "--kafka", shop.kafka, "--postgres", shop.postgres, "--to", after]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
