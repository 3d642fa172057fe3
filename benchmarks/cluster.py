"""One trigger process over Kafka and PostgreSQL: events per second, durable, exactly once in effect.

The workload of `benchmarks/engine.py` is appended to a topic first, by `append` (its own figure). Then the shipped worker reads
it, computes, commits state, timers, outbox and cursor, and relays what it asks for. What it asked for is compared, byte for
byte, with what a worker over memory makes of the same log. Beside it: a reader that does nothing.

    python benchmarks/cluster.py [--events 200000] [--rounds 3] [--partitions 4]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from engine import workload
from kafkaserver import KafkaServer, kafka_server
from pgserver import PostgresServer, postgres_server
from servers import fresh_database, fresh_topics

from tactful import Run, rule
from tactful.clock import WallClock
from tactful.erasure import Graves
from tactful.events import CartUpdated, OrderCompleted
from tactful.events.model import Event
from tactful.log.kafka import KafkaLog
from tactful.log.partitioning import partition_of
from tactful.postgres import Postgres
from tactful.records import DISPATCH, EVENTS, encode
from tactful_trigger.live import LiveTrigger
from tactful_trigger.projections import SHIPPED
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.store.memory import MemoryTriggerStore
from tactful_trigger.store.postgres import PostgresTriggerStore
from tactful_trigger.worker import TriggerWorker
from tactful_workbench.process import collecting
from tactful_workbench.virtual.simulation import event_record

LOT: Final = 2_000
Entries = Sequence[tuple[int, bytes]]


@rule(on=CartUpdated, goal=OrderCompleted, purpose="marketing.cart", version=1)
async def cart_left_for_a_second(run: Run, first: CartUpdated) -> None:
    """The broker stamps append times, so hours of the workload pass in seconds."""
    await run.quiet("1s", of=(CartUpdated,))
    await run.send("email", "cart")


def entries(count: int, partitions: int) -> list[tuple[int, bytes]]:
    """The workload as the door would append it."""

    def entry(number: int, at: int, customer: str, event: Event) -> tuple[int, bytes]:
        return partition_of(customer, partitions), encode(event_record(customer, event, at, f"e{number}"))

    return [entry(number, *each) for number, each in enumerate(workload(count))]


async def append_all(log: KafkaLog, given: Entries) -> float:
    """Records per second, acknowledged."""
    began = time.perf_counter()
    for start in range(0, len(given), LOT):
        await log.append(EVENTS, given[start : start + LOT])
    return len(given) / (time.perf_counter() - began)


async def only_read(log: KafkaLog, count: int) -> float:
    """Records per second of somebody who does nothing with them."""
    began, read = time.perf_counter(), 0
    offsets = dict.fromkeys(range(log.partitions), 0)
    while read < count:
        for partition, offset in offsets.items():
            found = await log.read(EVENTS, partition, offset, LOT)
            offsets[partition] += len(found)
            read += len(found)
    return count / (time.perf_counter() - began)


async def trigger(log: KafkaLog, database: Postgres, count: int) -> float:
    """Events per second, from the first read to the last commit and append."""
    store = PostgresTriggerStore(database)
    book = Rulebook([cart_left_for_a_second], SHIPPED)
    worker = TriggerWorker(log, store, book, WallClock(), "bench", graves=Graves(b"bench"), slice_limit=LOT)
    live = LiveTrigger(worker, log, WallClock())
    began, read = time.perf_counter(), 0
    while read < count:
        await live.round()
        read = sum(held.cursor.offset for held in worker.owned.values())
    return count / (time.perf_counter() - began)


async def asked(log: KafkaLog) -> list[bytes]:
    """Everything that was asked for."""
    return sorted([s.value for p in range(log.partitions) for s in await log.read(DISPATCH, p, 0, 10**9)])


async def expected(log: KafkaLog) -> list[bytes]:
    """What the same log asks for over memory."""
    store, rules = MemoryTriggerStore(keep_history=False), Rulebook([cart_left_for_a_second], SHIPPED)
    worker = TriggerWorker(log, store, rules, WallClock(), "calm", graves=Graves(b"bench"))
    await worker.claim()
    for partition in range(log.partitions):
        while await worker.run_once(partition):
            pass
    rows = [row for partition in range(log.partitions) for row in await store.unsent(partition, 10**9)]
    return sorted(row.value for row in rows if row.topic == DISPATCH)


@contextmanager
def servers() -> Iterator[tuple[KafkaServer, PostgresServer]]:
    """Both, in folders that their own users may enter."""
    with tempfile.TemporaryDirectory() as folder:
        places = [Path(folder) / name for name in ("kafka", "postgres")]
        for place in (Path(folder), *places):
            place.mkdir(exist_ok=True)
            place.chmod(0o755)
        with kafka_server(places[0]) as kafka, postgres_server(places[1]) as postgres:
            yield kafka, postgres


async def main() -> int:
    """Print medians; 1 if anything but the expected messages was asked for."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--events", type=int, default=200_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--partitions", type=int, default=4)
    given = options.parse_args()
    told = entries(given.events, given.partitions)
    collecting.settle()
    figures: dict[str, list[float]] = {"append": [], "read": [], "trigger": []}
    with servers() as (kafka, postgres):
        for _ in range(given.rounds):
            topics = await fresh_topics(kafka, given.partitions)
            async with KafkaLog.open(topics) as log:
                figures["append"].append(await append_all(log, told))
                figures["read"].append(await only_read(log, len(told)))
                async with Postgres.open(await fresh_database(postgres)) as database:
                    figures["trigger"].append(await trigger(log, database, len(told)))
                wanted, found = await expected(log), await asked(log)
                if found != wanted:
                    print(f"{len(wanted)} messages were to be asked for, {len(found)} were")
                    return 1
            print("   ".join(f"{name} {values[-1]:,.0f}/s" for name, values in figures.items()), flush=True)
    medians = {name: statistics.median(values) for name, values in figures.items()}
    print(f"one trigger process, durable: {medians['trigger']:,.0f} events/s, messages as over memory: {len(found)}")
    print(f"ratio to a reader that does nothing: {medians['trigger'] / medians['read']:.2f} (goal 0.25)")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
