"""From an event handed to Kafka until the message that it asks for stands in the topic `dispatch`: one `serve trigger`, over real
servers, at several loads with the same settings.

Both instants are the broker's or this machine's clock, in ms; the time until the event is acknowledged counts too. Every
order, one event in 25, starts a run that asks for a message at once.

    python benchmarks/cluster_latency.py [--saturation 60000 | --rates 3000 6000] [--seconds 10]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from cluster import servers
from clusterbench import Cluster, Mailbox
from engine import workload

from tactful.log import onward
from tactful.log.kafka import KafkaLog, broker
from tactful.log.partitioning import partition_of
from tactful.records import DISPATCH, EVENTS, MessageRecord, decode_dispatch, encode
from tactful_workbench.virtual.simulation import event_record

LOADS: Final = ((0.01, 10, 10), (0.25, 15, 50), (0.5, 15, 100))  # share of saturation, goals for p50 and p99 in ms
STAMP: Final = 1_111_111_111_111  # stands for the instant at which a record is handed over
BEAT: Final = 0.005  # seconds between two appends
SETTLE: Final = 3.0  # seconds for what is on its way
RULE: Final = """
from tactful import Run, rule
from tactful.events import OrderCompleted

@rule(on=OrderCompleted, purpose="service.test", repeat="parallel", version=1)
async def at_once(run: Run, first: OrderCompleted) -> None:
    await run.send("email", "cart")
"""
SETTINGS: Final = "[rules.at_once]\nmode = 'live'\n" + "".join(
    f"[rules.{name}]\nmode = 'off'\n"
    for name in ("abandoned_cart", "missed_order", "churn_risk", "complaint_followup", "confirm_consent", "canary")
)


def records(count: int, partitions: int) -> list[tuple[int, bytes]]:
    """The workload of `engine.py`, to be stamped when it is handed over."""
    told = enumerate(workload(count))
    return [
        (partition_of(customer, partitions), encode(event_record(customer, event, STAMP, f"e{number}")))
        for number, (_, customer, event) in told
    ]


def stamped(given: Iterable[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Happened now."""
    old, now = str(STAMP).encode(), str(time.time_ns() // 1_000_000).encode()
    return [(partition, value.replace(old, now)) for partition, value in given]


async def hand_over(log: KafkaLog, given: Iterator[tuple[int, bytes]], rate: float, seconds: float) -> float:
    """Open loop: so many records a second, a lot every few ms, whether or not the last one is acknowledged; records a second."""
    began, sent, tasks = time.perf_counter(), 0, set[asyncio.Task[object]]()
    while (passed := time.perf_counter() - began) < seconds:
        if lot := stamped(islice(given, int(rate * passed) - sent)):
            sent += len(lot)
            task = asyncio.create_task(log.append(EVENTS, lot))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.sleep(BEAT)
    await asyncio.gather(*tasks)
    return sent / seconds


async def delays(log: KafkaLog, since: Sequence[int]) -> list[int]:
    """ms, of every message that was asked for behind these offsets."""
    found = []
    for partition, offset in enumerate(since):
        async for stored in onward(log, DISPATCH, partition, offset):
            record = decode_dispatch(stored.value)
            if isinstance(record, MessageRecord):
                found.append(stored.appended - record.body.because_at)
    return sorted(found)


async def under(
    log: KafkaLog, told: Iterator[tuple[int, bytes]], load: float, seconds: float
) -> tuple[float, list[int]]:
    """The rate that was reached, and the delays of what was asked for meanwhile."""
    await asyncio.sleep(SETTLE)
    since = [await log.end(DISPATCH, partition) for partition in range(log.partitions)]
    rate = await hand_over(log, told, load, seconds)
    await asyncio.sleep(SETTLE)
    return rate, await delays(log, since)


async def main() -> int:
    """Print p50 and p99 beside their goals; 1 if nothing was asked for."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--saturation", type=float, default=60_000, help="events a second; see benchmarks/cluster.py")
    options.add_argument("--rates", type=float, nargs="+", help="events a second, instead of shares of saturation")
    options.add_argument("--seconds", type=float, default=10.0)
    given = options.parse_args()
    loads = [(given.saturation * share, f" (goal {middle})", f" (goal {most})") for share, middle, most in LOADS]
    loads = [(rate, "", "") for rate in given.rates] if given.rates else loads
    told = iter(records(int(given.seconds * sum(rate for rate, _, _ in loads)) + 50_000, 4))
    with servers() as (kafka, postgres), tempfile.TemporaryDirectory() as folder:
        (rules := Path(folder) / "rules").mkdir()
        (rules / "at_once.py").write_text(RULE)
        shop = Cluster(Path(folder), f"{kafka.url}?prefix=latency-", postgres.create("latency"), Mailbox(), SETTINGS)
        await asyncio.to_thread(shop.set_up)
        shop.start("trigger", options=("--rules", str(rules)))
        try:
            await shop.ready("trigger")
            async with KafkaLog.open(broker(f"{kafka.url}?prefix=latency-")) as log:
                await hand_over(log, told, 500, 5)  # warm
                for load, middle, most in loads:
                    rate, found = await under(log, told, load, given.seconds)
                    if not found:
                        print("nothing was asked for")
                        return 1
                    p50, p99 = found[len(found) // 2], found[len(found) * 99 // 100]
                    print(f"event to message at {rate:,.0f} events/s, p50: {p50} ms{middle}")
                    print(f"event to message at {rate:,.0f} events/s, p99: {p99} ms{most}", flush=True)
        finally:
            shop.stop()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
