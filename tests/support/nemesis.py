"""An hour of faults over three brokers, PostgreSQL and two of each service, while shoppers come; then three ledgers are compared:
what clients were told, what the database says, what the mail server got.

    make faults SECONDS=3600        (or: python tests/support/nemesis.py 3600 --seed 7 --every 15 --rate 10)

Every customer leaves a cart in one batch with 27 other events. Six in ten get one message; two in ten order at once and must get
none; two in ten unsubscribe by the link in their message, leave another cart, and must get nothing more. Clients resend whatever
was not acknowledged, with the same ids, and some of what was. Exit code 1 if anything is lost, doubled or sent after an opt-out.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import asyncpg
import msgspec
from clusterbench import address_of, until
from nemesis_faults import FAULTS
from nemesis_stage import Stage, stage

from tactful.clock import SECOND

WANTED: Final = 300.0  # events a second
QUIET: Final = 700.0  # seconds for everything to settle: providers that said "later" are left alone for minutes
LATE: Final = 5.0  # seconds for what nobody waits for any more, and what would be too much

Log = list[tuple[float, float, str]]  # (begin, end, fault)


@dataclass
class Ledgers:
    """What the database says at the end."""

    acts: dict[str, int]
    decided: list[tuple[str, str, str, str, int]]  # (customer, message, verdict, reason, when)
    waiting: int
    quarantined: int


async def ledgers(of: Stage) -> Ledgers:
    connection = await asyncpg.connect(of.postgres.url("nemesis"))
    try:
        acts = {}
        for customer, value in await connection.fetch("SELECT customer, value FROM trigger_row"):
            session = msgspec.json.decode(value).get("states", {}).get("session")
            acts[customer] = session[1].get("acts", 0) if session else 0
        decided, waiting = [], 0
        query = "SELECT customer, message, value, decided_at FROM dispatch_message"
        for customer, message, value, at in await connection.fetch(query):
            if value is None:
                waiting += 1
                continue
            told = msgspec.json.decode(value)
            decided.append((customer, message, told.get("verdict", ""), told.get("reason", ""), at))
        cursors = [
            msgspec.json.decode(value) for (value,) in await connection.fetch("SELECT value FROM trigger_cursor")
        ]
        quarantined = sum(
            cursor["sequences"].get(name, 0)
            for cursor in cursors
            for name in cursor.get("sequences", {})
            if name.startswith("quarantine/")
        )
        return Ledgers(acts, decided, waiting, quarantined)
    finally:
        await connection.close()


async def settled(of: Stage) -> float:
    """Seconds until everybody who is owed a message has its final word."""
    began = time.monotonic()
    owed = {customer for customer, kind in of.shoppers.kinds.items() if kind != "orders"}

    async def everybody() -> bool:
        try:
            found = await ledgers(of)
        except (OSError, asyncpg.PostgresError):
            return False
        return not found.waiting and owed <= {customer for customer, *_ in found.decided}

    with suppress(TimeoutError):
        await until(everybody, QUIET)
    return time.monotonic() - began


@dataclass
class Report:
    """The table, and what is wrong."""

    rows: list[tuple[str, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def add(self, what: str, value: object, *, bad: bool = False) -> None:
        self.rows.append((what, f"{value:,}" if isinstance(value, int) else str(value)))
        if bad:
            self.wrong.append(f"{what}: {value}")


def compare(of: Stage, found: Ledgers, report: Report) -> None:
    """The three ledgers against each other."""
    shoppers, post = of.shoppers, of.post
    lost = [c for c, count in shoppers.acts.items() if found.acts.get(c, 0) < count]
    doubled = [c for c, count in shoppers.acts.items() if found.acts.get(c, 0) > count]
    report.add("customers whose acknowledged events were not all applied (I1, I2)", len(lost), bad=bool(lost))
    report.add("customers with an event applied twice (I2)", len(doubled), bad=bool(doubled))
    report.add("records in quarantine, all of them poison (I11)", found.quarantined, bad=found.quarantined != of.poison)

    words: dict[str, list[tuple[str, str]]] = {}
    for customer, _, verdict, reason, _ in found.decided:
        words.setdefault(customer, []).append((verdict, reason))
    owed = [customer for customer, kind in shoppers.kinds.items() if kind != "orders"]
    without = [c for c in owed if not any(verdict in ("sent", "unknown") for verdict, _ in words.get(c, []))]
    report.add("customers who are owed a message", len(owed))
    report.add("of them without one (I4)", len(without), bad=bool(without))
    hits = Counter(name for _, _, name in post.took)
    twice = [name for name, count in hits.items() if count > 1]
    report.add("messages that the mail server got", len(post.took))
    report.add("of them twice (I5)", len(twice), bad=bool(twice))
    ordered = [address_of(customer) for customer, kind in shoppers.kinds.items() if kind == "orders"]
    after_order = sum(post.came[address] for address in ordered)
    report.add("messages to customers who had ordered", after_order, bad=after_order > 0)
    after = [a for at, a, _ in post.took if at > shoppers.opted_out.get(a, at)]
    report.add("opt-outs by one click", len(shoppers.opted_out))
    report.add("messages that began to leave after an opt-out (I6)", len(after), bad=bool(after))
    delays = sorted(at - shoppers.left[a] for at, a, _ in post.took if a in shoppers.left)
    if delays:
        p50, p99 = delays[len(delays) // 2], delays[len(delays) * 99 // 100]
        report.add(
            "seconds from a cart to its message (the rule waits for 3)",
            f"p50 {p50:.1f}, p99 {p99:.1f}, max {delays[-1]:.0f}",
        )


def unknowns(of: Stage, found: Ledgers, log: Log, report: Report) -> None:
    """Every unknown outcome has a fault that explains it: nobody was told what became of the message."""
    causes: Counter[str] = Counter()
    for _, message, verdict, _, at in found.decided:
        if verdict == "unknown":
            causes[_cause(of, message, at / SECOND, log)] += 1
    report.add("outcomes that are unknown", causes.total())
    for cause, count in causes.most_common():
        report.add(f"  explained by: {cause}" if cause else "  unexplained", count, bad=not cause)


def _cause(of: Stage, message: str, at: float, log: Log) -> str:
    if any(name.startswith(f"<{message}@") for name in of.post.dropped):
        return "mail taken without a word"
    near = [
        name
        for start, end, name in log
        if start <= at <= end + 60 and ("dispatch" in name or "PostgreSQL" in name or "one of each" in name)
    ]
    return near[-1] if near else ""


async def nemesis(seconds: float, seed: int, every: float, rate: float, folder: Path) -> Report:
    """Run it, and say what came of it."""
    async with stage(folder, seed) as of:
        arriving, began = asyncio.create_task(_arrivals(of, rate)), time.monotonic()
        log = await _rotate(of, seconds, every)
        arriving.cancel()
        await asyncio.gather(arriving, return_exceptions=True)
        lasted = time.monotonic() - began
        took = await settled(of)
        await of.shoppers.done()
        took += await settled(of)
        await asyncio.sleep(LATE)
        found, report, shoppers = await ledgers(of), Report(), of.shoppers
        pace = shoppers.acknowledged / lasted
        report.add("seed", str(seed))
        report.add("seconds under fault", round(lasted))
        report.add("faults", len(log))
        report.add("events acknowledged", shoppers.acknowledged)
        report.add("events a second", round(pace), bad=pace < WANTED)
        report.add("events sent again though acknowledged", shoppers.resent)
        report.add("batches refused or unanswered, and sent again", shoppers.refused)
        report.add("seconds until everything had settled (I9)", round(took), bad=took > QUIET)
        compare(of, found, report)
        unknowns(of, found, log, report)
        for name, count in sorted(Counter(name for _, _, name in log).items()):
            report.add(f"fault: {name}", count)
    return report


async def _rotate(of: Stage, seconds: float, every: float) -> Log:
    """All faults in an order of chance, then in another one."""
    log: Log = []
    began, order = time.monotonic(), list[str]()
    while time.monotonic() - began < seconds:
        if not order:
            order = of.draw.sample(list(FAULTS), len(FAULTS))
        name, start = order.pop(), time.time()
        print(f"{time.monotonic() - began:7.0f} s  {name}", flush=True)
        await asyncio.gather(FAULTS[name](of), asyncio.sleep(every))
        log.append((start, time.time(), name))
    return log


async def _arrivals(of: Stage, rate: float) -> None:
    number, next_at = 0, time.monotonic()
    while True:
        of.shoppers.arrive(number)
        number += 1
        next_at += 1 / rate
        await asyncio.sleep(max(0.0, next_at - time.monotonic()))


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("seconds", type=float)
    options.add_argument("--seed", type=int, default=random.randrange(10**6))
    options.add_argument("--every", type=float, default=15.0, help="seconds between two faults")
    options.add_argument("--rate", type=float, default=11.0, help="customers a second; each has about 29 events")
    options.add_argument("--folder", type=Path, help="where logs stay")
    given = options.parse_args()
    print(f"seed {given.seed}", flush=True)
    with TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        report = asyncio.run(nemesis(given.seconds, given.seed, given.every, given.rate, folder))
    width = max(len(what) for what, _ in report.rows)
    for what, value in report.rows:
        print(f"{what:<{width}}  {value}")
    for what in report.wrong:
        print(f"WRONG  {what}")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
