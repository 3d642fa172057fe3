"""Other producers write into the topics what the door would refuse. An id that no index of PostgreSQL takes stops nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import shake_256

import pytest
from dispatchbench import DispatchBench
from enginebench import GRAVES, MONDAY, event_record
from pgserver import PostgresServer
from servers import DATABASE, fresh_database

from tactful import Run, rule
from tactful.clock import ManualClock
from tactful.events import ProductAdded
from tactful.log.memory import MemoryLog
from tactful.postgres import Postgres
from tactful.records import EVENTS, QUARANTINE, encode
from tactful_dispatch.store.postgres import PostgresDispatchStore
from tactful_trigger.projections import SHIPPED
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.store.postgres import PostgresTriggerStore
from tactful_trigger.worker import TriggerWorker

pytestmark = list(DATABASE)
LONG = shake_256(b"").hexdigest(4_000)  # of what cannot be made shorter, an index takes 2,704 bytes


@rule(on=ProductAdded, purpose="marketing.cart", version=1)
async def nap(run: Run, first: ProductAdded) -> None:
    """Keeps a row."""
    await run.sleep("1d")


@pytest.fixture
async def database(postgres: PostgresServer) -> AsyncIterator[Postgres]:
    async with Postgres.open(await fresh_database(postgres), connections=2) as opened:
        yield opened


async def test_trigger_puts_it_into_quarantine_and_goes_on(database: Postgres) -> None:
    clock, store = ManualClock(MONDAY), PostgresTriggerStore(database)
    log, book = MemoryLog(1, clock), Rulebook([nap], SHIPPED)
    worker = TriggerWorker(log, store, book, clock, "bench", graves=GRAVES)
    await worker.claim()
    for name in ("u1", LONG, "u2"):
        added = event_record(name, ProductAdded(product_id="p"), MONDAY, f"of {name}")
        await log.append(EVENTS, [(0, encode(added))])
    while await worker.run_once(0):
        pass
    assert await store.everybody(0, "", 99) == ["u1", "u2"]
    assert await worker.relay(0)
    assert await log.end(QUARANTINE, 0) == 1


async def test_dispatch_puts_it_into_quarantine_and_goes_on(database: Postgres) -> None:
    bench = DispatchBench()
    bench.store = store = PostgresDispatchStore(database, 1, lambda: b"0" * 16)  # type: ignore[assignment]
    bench.restart()
    await bench.worker.claim()
    for name in ("u1", LONG, "u2"):
        bench.grants(name, state="withdrawn")
    while await bench.worker.run_once(0):
        pass
    assert await store.everybody(0, "", 99) == ["u1", "u2"]
    await bench.worker.relay(0)
    assert await bench.log.end(QUARANTINE, 0) == 1
