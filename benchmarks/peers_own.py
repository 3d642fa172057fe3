"""Our side of the comparison: one trigger process over Kafka and PostgreSQL, by the protocol of the peers' harness.

Started by it with BROKER, OUT, GROUP and N in the environment, and POSTGRES beside them. The workload is the peers' own (the same
seed); it is appended in our record format first. `FIRST` is printed before the first read, `LAST` when the last event is
committed and all it asked for is in OUT. Records keep the instants of the workload, as those of the peers do. What dispatch
would decide (a tenth has not consented, one message a day) is decided on the way to OUT.
"""

from __future__ import annotations

import asyncio
import os
import time
from array import array
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Final

import asyncpg
import msgspec
from aiokafka import AIOKafkaProducer
from engine import cart_left, consents, encoded

from tactful.clock import DAY, WallClock
from tactful.erasure import Graves
from tactful.log import Position, Stored
from tactful.log.kafka import KafkaLog, Shape, broker, set_up
from tactful.log.partitioning import partition_of
from tactful.postgres import Postgres
from tactful.records import DISPATCH, EVENTS, MessageRecord, decode_dispatch
from tactful.together import all_done
from tactful_trigger.projections import SHIPPED
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.store.postgres import PostgresTriggerStore
from tactful_trigger.worker import TriggerWorker
from tactful_workbench.process import collecting

PARTITIONS: Final = 4
LOT: Final = 2_000
SLICES: Final = 4


class Out:
    """What leaves: one line of JSON for each message that consent and one a day allow."""

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self._producer, self._topic, self._last = producer, topic, dict[str, int]()

    async def take(self, values: Sequence[bytes]) -> None:
        """Returns once the broker has them."""
        asked = [record.body for value in values if isinstance(record := decode_dispatch(value), MessageRecord)]
        lines = []
        for message in asked:
            customer, due = message.customer, message.requested_at
            if consents(customer) and due - self._last.get(customer, -DAY) >= DAY:
                self._last[customer] = due
                lines.append(msgspec.json.encode({"customer_id": customer, "due": due}))
        await asyncio.gather(*[await self._producer.send(self._topic, line) for line in lines])


class EventTime:
    """The log with the workload's own instants, which a topic that stamps append times does not keep."""

    partitions = PARTITIONS

    def __init__(self, log: KafkaLog, instants: Sequence[Sequence[int]], out: Out) -> None:
        self._log, self._instants, self._out = log, instants, out

    async def append(self, topic: str, entries: Sequence[tuple[int, bytes]]) -> list[Position]:
        assert topic == DISPATCH, "the rule asks for messages and nothing else"
        await self._out.take([value for _, value in entries])
        return []

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Stored]:
        instants = self._instants[partition]
        found = await self._log.read(topic, partition, offset, limit)
        return [Stored(each.topic, partition, each.offset, instants[each.offset], each.value) for each in found]

    async def beginning(self, topic: str, partition: int) -> int:
        return await self._log.beginning(topic, partition)

    async def end(self, topic: str, partition: int) -> int:
        return await self._log.end(topic, partition)

    async def wait(self, topic: str, positions: Mapping[int, int], seconds: float) -> None:
        await self._log.wait(topic, positions, seconds)


async def preload(log: KafkaLog, count: int) -> list[array[int]]:
    """Append the workload; the instants of each partition's records by offset."""
    instants, told = [array("q") for _ in range(PARTITIONS)], encoded(count)
    while lot := list(islice(told, LOT)):
        placed = [(partition_of(customer, PARTITIONS), at, value) for at, customer, value in lot]
        for partition, at, _ in placed:
            instants[partition].append(at)
        await log.append(EVENTS, [(partition, value) for partition, _, value in placed])
    return instants


async def fresh_database(server: str, name: str) -> str:
    """Its URL."""
    connection = await asyncpg.connect(f"{server}/postgres")
    await connection.execute(f'CREATE DATABASE "{name}"')
    await connection.close()
    await Postgres.upgrade(f"{server}/{name}")
    return f"{server}/{name}"


async def run(log: EventTime, database: Postgres, count: int) -> None:
    """As `LiveTrigger`, without ticks: time is that of the events."""
    store = PostgresTriggerStore(database)
    book, graves = Rulebook([cart_left], SHIPPED), Graves(b"bench")
    worker = TriggerWorker(log, store, book, WallClock(), "own", graves=graves, slice_limit=LOT)

    async def move(partition: int) -> None:
        await worker.run_ahead(partition, SLICES)
        while await worker.relay(partition):
            pass

    await worker.claim()
    print(f"FIRST {time.time():f}", flush=True)
    while sum(worker.offsets.values()) < count:
        await worker.claim()
        await all_done(move(partition) for partition in sorted(worker.owned))
    print(f"LAST {time.time():f}", flush=True)


async def main() -> None:
    """Everything, and then wait to be ended."""
    group, count = os.environ["GROUP"], int(os.environ["N"])
    site = broker(f"kafka://{os.environ['BROKER']}?prefix={group}-")
    await set_up(site, Shape(PARTITIONS, replication=1))
    url = await fresh_database(os.environ["POSTGRES"], group)
    async with KafkaLog.open(site) as log, Postgres.open(url) as database:
        instants, producer = await preload(log, count), site.producer()
        await producer.start()
        collecting.settle()
        await run(EventTime(log, instants, Out(producer, os.environ["OUT"])), database, count)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
