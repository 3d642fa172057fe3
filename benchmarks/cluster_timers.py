"""Pending timers in PostgreSQL: what popping, scheduling and moving cost with one million pending, and with ten; and how many due
timers a second one trigger fires through to the outbox.

Rows are made by the server and are those of customers who wait; each lot is a transaction of the shipped store. The server is
given the memory that so many rows deserve (`SERVER`). Both databases are filled first, then measured in turn.

    python benchmarks/cluster_timers.py [--few 1000000] [--many 10000000] [--lots 40] [--rounds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from cluster import servers
from engine import START
from pgserver import PostgresServer
from servers import fresh_database
from sqlalchemy import text
from timers import Feed, a_row, worker_over

from tactful.clock import DAY, MINUTE
from tactful.log import Stored
from tactful.postgres import Postgres
from tactful.records import EVENTS, TickBody, TickRecord, encode
from tactful_trigger.live import SLICES
from tactful_trigger.state.cursor import Cursor
from tactful_trigger.store import ChangedRow, SliceResult
from tactful_trigger.store.postgres import PostgresTriggerStore

LOT: Final = 1000
SPREAD: Final = 30 * DAY  # in which the pending ones fall due
DUE: Final = 200_000  # timers that fall due at once
GOALS: Final = {"pop": 0.9, "schedule": 0.75, "move": 0.75}
# As somebody would set it who keeps millions of customers: ten million rows and their indexes (5.6 GB) stay in memory, and a page is not
# written whole at nearly every touch, as it is in the first minutes after each checkpoint.
SERVER: Final = {"shared_buffers": "7GB", "max_wal_size": "16GB", "checkpoint_timeout": "30min"}
FILL: Final = text(
    """INSERT INTO trigger_row SELECT 0, 'c' || lpad(n::text, 9, '0'), :value,
           CAST(:start AS bigint) + (hashint8(n)::bigint + 2147483648) % CAST(:spread AS bigint), TRUE FROM 
           generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) n"""
)


class Pending:
    """A database with so many timers."""

    def __init__(self, database: Postgres, count: int, value: bytes) -> None:
        self.store, self._database, self.count, self.value = PostgresTriggerStore(database), database, count, value
        self.cursor = Cursor(partition=0)
        self._draw, self._fresh, self._start = random.Random(1), count, START + DAY

    async def fill(self) -> None:
        cursor = await self.store.claim(0, "bench", 0, 2**62)
        assert cursor is not None
        self.cursor = cursor
        for first in range(1, self.count + 1, 250_000):
            given = {"value": self.value, "start": self._start, "spread": SPREAD}
            last = min(first + 249_999, self.count)
            await self._database.run(lambda db: db.execute(FILL, {**given, "first": first, "last": last}))  # noqa: B023
        await self._database.run(lambda db: db.execute(text("ANALYZE trigger_row")))

    async def pop(self) -> None:
        """A lot that is due: found, loaded, and moved to the far future."""
        dues = await self.store.due(0, (self._start, ""), self._start + SPREAD, LOT)
        self._start = dues[-1][0] + 1
        await self.store.load(0, [customer for _, customer in dues])
        await self._commit([customer for _, customer in dues], self._start + 300 * DAY)

    async def schedule(self) -> None:
        """A lot of new customers, due at any time."""
        names = [f"n{self._fresh + n:09}" for n in range(LOT)]
        self._fresh += LOT
        await self._commit(names, 0)

    async def move(self) -> None:
        """A lot of customers whose timers fall due at another time."""
        await self._commit(sorted({f"c{self._draw.randrange(1, self.count):09}" for _ in range(LOT)}), 0)

    async def _commit(self, customers: list[str], due: int) -> None:
        cursor = self.cursor.copy()
        cursor.offset += 1
        rows = [
            ChangedRow(name, self.value, due or START + DAY + self._draw.randrange(SPREAD), busy=True)
            for name in customers
        ]
        await self.store.commit(SliceResult(0, cursor.epoch, self.cursor.offset, cursor, rows, [], [], []), 2**62)
        self.cursor = cursor


async def rate(work: Callable[[], Awaitable[None]], lots: int) -> float:
    """Timers a second: the median lot."""
    spent = []
    for _ in range(lots):
        began = time.perf_counter()
        await work()
        spent.append(time.perf_counter() - began)
    return LOT / statistics.median(spent)


async def fired(database: Postgres, value: bytes) -> float:
    """Due timers a second, by the shipped worker: found, run, stored, asked for."""
    store, feed = PostgresTriggerStore(database), Feed()
    given = {"value": value, "start": START + MINUTE, "spread": 1, "first": 1, "last": DUE}
    await database.run(lambda db: db.execute(FILL, given))
    worker = worker_over(store, feed)
    await worker.claim()
    tick = encode(TickRecord(id="t", key="", at=START + DAY, body=TickBody()))
    feed.next = [Stored(EVENTS, 0, 0, START + DAY, tick)]
    began = time.perf_counter()
    while await worker.run_ahead(0, SLICES):
        pass
    return worker.timers_fired / (time.perf_counter() - began)


async def main() -> int:
    """Print rates, and ratios beside their goals."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--few", type=int, default=1_000_000)
    options.add_argument("--many", type=int, default=10_000_000)
    options.add_argument("--lots", type=int, default=40)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    row = await a_row()
    value = row.encode()
    with servers() as (_, postgres):
        postgres.configure(**SERVER)
        async with AsyncExitStack() as opened:
            few, many = [
                await opened.enter_async_context(filled(postgres, count, value)) for count in (given.few, given.many)
            ]
            for name, goal in GOALS.items():
                rates = [
                    [await rate(getattr(pending, name), given.lots) for pending in (few, many)]
                    for _ in range(given.rounds)
                ]
                small, large = zip(*rates, strict=True)
                ratio = statistics.median(large) / statistics.median(small)
                print(f"{name}: {few.count:,} pending {told(small)}   {many.count:,} pending {told(large)}")
                print(f"{name}, {many.count:,} pending against {few.count:,}: {ratio:.2f} (goal {goal})", flush=True)
        async with Postgres.open(await fresh_database(postgres), deadline=600) as database:
            print(f"due timers fired through to the outbox: {await fired(database, value):,.0f}/s (goal 50,000)")
    return 0


@asynccontextmanager
async def filled(server: PostgresServer, count: int, value: bytes) -> AsyncIterator[Pending]:
    """A database of its own with so many timers."""
    async with Postgres.open(await fresh_database(server), deadline=600) as database:
        pending = Pending(database, count, value)
        await pending.fill()
        yield pending


def told(rates: Sequence[float]) -> str:
    """Median and range."""
    return f"{statistics.median(rates):,.0f}/s ({min(rates):,.0f} to {max(rates):,.0f})"


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
