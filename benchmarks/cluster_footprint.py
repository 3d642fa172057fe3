"""What the services of many machines cost at rest, how soon they are there, and how soon one takes over from another that is killed,
with a million customers in the store.

    python benchmarks/cluster_footprint.py [--customers 1000000]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Final

from cluster import servers
from cluster_latency import RULE, SETTINGS, records, stamped
from clusterbench import Cluster, Mailbox, until
from idle import family_of, proportional, resident
from sqlalchemy import text
from timers import a_row, nap

from tactful.log.kafka import KafkaLog, broker
from tactful.postgres import Postgres
from tactful.records import DISPATCH, EVENTS
from tactful_trigger.projections import SHIPPED
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.state.row import decode

SERVICES: Final = ("ingest", "trigger", "dispatch", "console")
LEASE: Final = 10.0  # seconds
LOT: Final = 2_000
SETTLING: Final = 5.0  # seconds
FILL: Final = text(
    """INSERT INTO trigger_row SELECT :partition, 'c' || lpad(n::text, 9, '0'), :value, :due, TRUE
       FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) n"""
)


def whole(pid: int) -> int:
    """Bytes of a process and its children."""
    return sum(resident(each) for each in family_of(pid))


async def cached(count: int) -> float:
    """MB that so many customers take in a trigger's memory, each with a live run."""
    row = await a_row()
    projections = Rulebook([nap], SHIPPED).projections
    value = row.encode()
    before = whole(os.getpid())
    rows = {name: decode(name, value, projections) for name in (f"customer-{n:09}" for n in range(count))}
    assert len(rows) == count
    return (whole(os.getpid()) - before) / 2**20


async def fill(database: Postgres, customers: int, partitions: int) -> None:
    """So many who wait for long."""
    value = (await a_row()).encode()
    each = customers // partitions
    for partition in range(partitions):
        first, last = partition * each, (partition + 1) * each - 1
        given = {"partition": partition, "value": value, "due": 4_000_000_000_000, "first": first, "last": last}
        await database.run(lambda db: db.execute(FILL, given))  # noqa: B023


async def takeover(shop: Cluster, log: KafkaLog, rules: str) -> float:
    """Seconds from the end of the lease of a trigger that is killed until every partition has a new message."""
    told = iter(records(3 * LOT, log.partitions))
    for name in ("trigger-1", "trigger-2"):
        shop.start("trigger", name, options=("--rules", rules))
        await shop.ready(name)

    async def shared() -> bool:
        return [await shop.owned("trigger-1"), await shop.owned("trigger-2")] == [2, 2]

    await until(shared)
    shop.kill("trigger-1")
    killed = time.monotonic()
    before = {partition: await log.end(DISPATCH, partition) for partition in range(log.partitions)}
    await log.append(EVENTS, stamped(islice(told, LOT)))

    async def everywhere() -> bool:
        return all([await log.end(DISPATCH, partition) > end for partition, end in before.items()])

    await until(everywhere)
    return time.monotonic() - killed - LEASE


async def at_rest(shop: Cluster) -> None:
    """Start everything; print how soon it is there and what it takes."""
    starts = {}
    for name in SERVICES:
        began = time.monotonic()
        shop.start(name)
        await shop.ready(name)
        starts[name] = time.monotonic() - began
    await asyncio.sleep(SETTLING)
    memory = sum(whole(shop.pid(name)) for name in SERVICES) / 2**20
    shared = sum(proportional(pid) for name in SERVICES for pid in family_of(shop.pid(name))) / 2**20
    print(f"all services at rest: {shared:,.0f} MB together (goal 250); {memory:,.0f} if shared pages count each time")
    told = ", ".join(f"{name} {seconds:.1f}" for name, seconds in starts.items())
    print(f"cold start: {max(starts.values()):.1f} s (goal 2): {told}", flush=True)


async def main() -> int:
    """Print each figure beside its goal."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--customers", type=int, default=1_000_000)
    given = options.parse_args()
    print(f"{given.customers:,} cached customers: {await cached(given.customers):,.0f} MB (goal 300)", flush=True)
    with servers() as (kafka, postgres), tempfile.TemporaryDirectory() as folder:
        (rules := Path(folder) / "rules").mkdir()
        (rules / "at_once.py").write_text(RULE)
        url = f"{kafka.url}?prefix=foot-"
        database = postgres.create("foot")
        shop = Cluster(Path(folder), url, database, Mailbox(), SETTINGS)
        await asyncio.to_thread(shop.set_up)
        try:
            await at_rest(shop)
            for name in SERVICES:
                shop.kill(name)
            async with KafkaLog.open(broker(url)) as log, Postgres.open(database, deadline=600) as filling:
                await fill(filling, given.customers, log.partitions)
                seconds = await takeover(shop, log, str(rules))
            print(f"killed trigger, first message after its lease has ended: {seconds:.1f} s (goal 5)")
        finally:
            shop.stop()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
