"""Pending timers in SQLite: what popping a due one costs with ten thousand pending, and with a million.

One falls due every minute; the shipped worker reads a tick, fires it, and commits (`synchronous=FULL`). Both files stand side
by side and take turns, so that the disk's mood strikes both.

    python benchmarks/timers.py [--many 1000000] [--rounds 5] [--dir DIR]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from engine import START

from tactful import Run, rule
from tactful.clock import DAY, MINUTE, ManualClock
from tactful.erasure import Graves
from tactful.events import Page
from tactful.log import Position, Stored
from tactful.records import EVENTS, EventBody, EventRecord, TickBody, TickRecord, encode
from tactful.sqlite import Database
from tactful_trigger.projections import SHIPPED
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.state.row import Row, decode
from tactful_trigger.store import ChangedRow, SliceResult, TriggerStore
from tactful_trigger.store.memory import MemoryTriggerStore
from tactful_trigger.store.sqlite import SqliteTriggerStore
from tactful_trigger.worker import TriggerWorker
from tactful_workbench.process import collecting

FEW: Final = 10_000
POPS: Final = 500  # a round
LOT: Final = 10_000


@rule(on=Page, purpose="marketing.other", max_age="5000d", version=1)
async def nap(run: Run, first: Page) -> None:
    await run.sleep("1m")
    await run.sleep("4000d")


class Feed:
    """A log of one partition that holds one record."""

    partitions = 1

    def __init__(self) -> None:
        self.next: list[Stored] = []

    async def append(self, topic: str, entries: Sequence[tuple[int, bytes]]) -> list[Position]:
        return []

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Stored]:
        return [stored for stored in self.next if stored.offset >= offset][:limit]

    async def beginning(self, topic: str, partition: int) -> int:
        return 0

    async def end(self, topic: str, partition: int) -> int:
        return 0

    async def wait(self, topic: str, positions: Mapping[int, int], seconds: float) -> None:
        return None


def worker_over(store: TriggerStore, feed: Feed) -> TriggerWorker:
    book, clock = Rulebook([nap], SHIPPED), ManualClock(START + 4000 * DAY)
    return TriggerWorker(feed, store, book, clock, "bench", graves=Graves(b"bench"))


async def a_row() -> Row:
    """Somebody who naps, as the engine makes them."""
    store, feed = MemoryTriggerStore(), Feed()
    worker = worker_over(store, feed)
    await worker.claim()
    body = EventBody(name="Page", source="web", occurred_at=START, user_id="u")
    feed.next = [Stored(EVENTS, 0, 0, START, encode(EventRecord(id="e", key="u", at=START, body=body)))]
    await worker.run_once(0)
    stored = await store.load(0, ["u"])
    return decode("u", stored["u"], {})


class Pending:
    """A file with so many timers, and a worker that pops them."""

    def __init__(self, store: SqliteTriggerStore) -> None:
        self._store, self._feed = store, Feed()
        self._worker, self._popped = worker_over(store, self._feed), 0

    async def fill(self, count: int) -> None:
        """One due a minute."""
        cursor = await self._store.claim(0, "filler", START, START)
        assert cursor is not None
        row = await a_row()
        (run,) = row.runs
        assert run.wait is not None
        for first in range(0, count, LOT):
            rows = []
            for number in range(first, first + LOT):
                run.wait.due = START + number * MINUTE
                rows.append(ChangedRow(f"cust-{number:08}", row.encode(), run.due))
            offset, cursor.offset = cursor.offset, cursor.offset + 1
            await self._store.commit(SliceResult(0, cursor.epoch, offset, cursor, rows, [], [], []), START)
        await self._worker.claim()

    async def pop(self) -> float:
        """Milliseconds for one timer, the median of a round."""
        spent = []
        for _ in range(POPS):
            at = START + self._popped * MINUTE
            tick = TickRecord(id=f"t{at}", key="", at=at, body=TickBody(closes=at))
            self._feed.next = [Stored(EVENTS, 0, self._worker.owned[0].cursor.offset, at, encode(tick))]
            self._popped += 1
            began = time.perf_counter()
            await self._worker.run_once(0)
            spent.append(time.perf_counter() - began)
        assert self._worker.timers_fired == self._popped
        return 1000 * statistics.median(spent)


async def main() -> None:
    """Print the ratio."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--many", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--dir", type=Path)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(dir=given.dir) as folder:
        files = [await Database.open(Path(folder) / f"{name}.db") for name in ("few", "many")]
        few, many = [Pending(await SqliteTriggerStore.open(file)) for file in files]
        await few.fill(FEW)
        await many.fill(given.many)
        collecting.settle()
        await few.pop(), await many.pop()  # both caches are warm
        costs = [(await few.pop(), await many.pop()) for _ in range(given.rounds)]
        for file in files:
            await file.close()
    for one, other in costs:
        print(
            f"{FEW:,} pending: {one:.3f} ms a timer   {given.many:,} pending: {other:.3f} ms   ratio {other / one:.2f}"
        )
    ratio = statistics.median(other / one for one, other in costs)
    print(f"timers, {given.many:,} pending to {FEW:,}: {ratio:.2f} (goal at most 1.10)")


if __name__ == "__main__":
    asyncio.run(main())
