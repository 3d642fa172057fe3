"""The trigger engine in memory, one core, full semantics: events per second and the ratio to a bare decode-and-count loop.

Workload: a million customers of which few are busy (Zipf, s = 0.9), 70 % product views, 20 % carts, 4 % orders, 1 % profile
changes, 5 % pages, 50 events per second of event time. Job: a cart, then neither an order nor a newer cart for an hour.
Answers: a tenth of the customers has not consented, and nobody gets two messages within a day. The messages are checked
against an oracle that is a plain loop; a wrong set is exit code 1. The shipped rules then run together over the same events:
their messages must be the same whatever the size of a slice.

What is compared takes the events in turn, a slice each, so that whatever else the machine does strikes all of them alike.

    python benchmarks/engine.py [--events 400000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import bisect
import itertools
import random
import statistics
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from tactful import Run, rule
from tactful.clock import DAY, HOUR, ManualClock
from tactful.erasure import Graves
from tactful.events import CartUpdated, Event, Identify, OrderCompleted, Page, Product, ProductViewed
from tactful.events.model import Meta, Money, decode, name_of
from tactful.log import Position, Stored
from tactful.plugins import load_plugins
from tactful.records import (
    DISPATCH,
    EVENTS,
    EventBody,
    EventRecord,
    MessageRecord,
    decode_dispatch,
    decode_events,
    encode,
)
from tactful_trigger.projections import SHIPPED
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.store.memory import MemoryTriggerStore
from tactful_trigger.worker import TriggerWorker
from tactful_workbench.process import collecting

START = 1_767_225_600_000
CUSTOMERS = 1_000_000
SLICE = 1000
PRODUCTS = (
    Product(product_id="SKU-10021", quantity=1, price=Money(7999, "EUR")),
    Product(product_id="SKU-20412", quantity=2, price=Money(2499, "EUR")),
)
MIX: tuple[tuple[Event, float], ...] = (
    (
        ProductViewed(
            product_id="SKU-10021", name="Blue kettle", price=Money(7999, "EUR"), url="https://shop.example/p/1"
        ),
        0.70,
    ),
    (CartUpdated(cart_id="c-1", currency="EUR", products=PRODUCTS), 0.20),
    (OrderCompleted(order_id="o-1", total=Money(12997, "EUR"), products=PRODUCTS), 0.04),
    (Identify(locale="de-DE"), 0.01),
    (Page(name="Home", url="https://shop.example/"), 0.05),
)


@rule(on=CartUpdated, goal=OrderCompleted, purpose="marketing.cart", version=1)
async def cart_left(run: Run, first: CartUpdated) -> None:
    await run.quiet("1h", of=(CartUpdated,))
    await run.send("email", "cart")


@rule(on="Coupon Denied", goal=OrderCompleted, purpose="marketing.other", version=1)
async def elsewhere(run: Run, first: Any) -> None:
    """Matches no event of the workload but the orders that would end it."""
    await run.sleep("1h")


def consents(customer: str) -> bool:
    return customer[-1] != "7"


def workload(count: int) -> Iterator[tuple[int, str, Event]]:
    """(instant, customer, event), the same for the same count."""
    draw, total, steps = random.Random(1), 0.0, []
    for rank in range(1, CUSTOMERS + 1):
        total += rank**-0.9
        steps.append(total)
    people = list(range(CUSTOMERS))
    draw.shuffle(people)
    kinds = [event for event, _ in MIX]
    shares = list(itertools.accumulate(share for _, share in MIX))
    for number in range(count):
        person = people[min(bisect.bisect_left(steps, draw.random() * total), CUSTOMERS - 1)]
        kind = kinds[min(bisect.bisect_left(shares, draw.random()), len(kinds) - 1)]
        yield START + number * 20, f"cust-{person:08}", kind


def encoded(count: int) -> Iterator[tuple[int, str, bytes]]:
    """(instant, customer, record); every record is about 400 bytes."""
    bodies = {id(event): msgspec.Raw(msgspec.json.encode(event)) for event, _ in MIX}
    context = msgspec.Raw(b'{"ip":"203.0.113.7","userAgent":"Mozilla/5.0","locale":"de-DE"}')
    for number, (at, customer, event) in enumerate(workload(count)):
        body = EventBody(
            name=name_of(type(event)),
            source="web",
            occurred_at=at,
            user_id=customer,
            properties=bodies[id(event)],
            context=context,
        )
        value = encode(EventRecord(id=f"0190f6a2-7c1e-7c0b-{number:016x}", key=customer, at=at, body=body))
        yield at, customer, value


def records(count: int) -> list[Stored]:
    """The workload as it stands in a log of one partition."""
    return [Stored(EVENTS, 0, number, at, value) for number, (at, _, value) in enumerate(encoded(count))]


def oracle(count: int) -> set[tuple[str, int]]:
    """Who gets a message, and when it falls due: an event at the deadline comes before it."""
    due: dict[str, int] = {}
    last: dict[str, int] = {}
    queue: deque[tuple[int, str]] = deque()
    told: set[tuple[str, int]] = set()

    def fire(before: int) -> None:
        while queue and queue[0][0] < before:
            moment, customer = queue.popleft()
            if due.get(customer) == moment:
                del due[customer]
                if consents(customer) and moment - last.get(customer, -DAY) >= DAY:
                    last[customer] = moment
                    told.add((customer, moment))

    for at, customer, event in workload(count):
        fire(at)
        if isinstance(event, CartUpdated):
            due[customer] = at + HOUR
            queue.append((at + HOUR, customer))
        elif isinstance(event, OrderCompleted):
            due.pop(customer, None)
    return told


class Feed:
    """The log of the benchmark: serves a slice of the workload, takes what trigger asks for."""

    partitions = 1

    def __init__(self) -> None:
        self.next: list[Stored] = []
        self.asked: list[bytes] = []

    async def append(self, topic: str, entries: Sequence[tuple[int, bytes]]) -> list[Position]:
        self.asked += [value for _, value in entries] if topic == DISPATCH else []
        return [Position(0, 0, 0)] * len(entries)

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Stored]:
        return [stored for stored in self.next if stored.offset >= offset][:limit]

    async def beginning(self, topic: str, partition: int) -> int:
        return 0

    async def end(self, topic: str, partition: int) -> int:
        return 0

    async def wait(self, topic: str, positions: Mapping[int, int], seconds: float) -> None:
        return None


class Answers:
    """Decides every message at once: consent, and a day between two messages."""

    def __init__(self) -> None:
        self.last: dict[str, int] = {}
        self.told: set[tuple[str, int]] = set()

    def to(self, asked: Sequence[bytes], at: int) -> list[bytes]:
        answers = []
        for value in asked:
            record = decode_dispatch(value)
            if isinstance(record, MessageRecord):
                answers.append(self._answer(record, at))
        return answers

    def _answer(self, record: MessageRecord, at: int) -> bytes:
        message, word = record.body, {"verdict": "sent"}
        customer, due = message.customer, message.requested_at
        if not consents(customer):
            word = {"verdict": "not_sent", "reason": "no_consent", "scope": "channel"}
        elif due - self.last.get(customer, -DAY) < DAY:
            word = {"verdict": "not_sent", "reason": "gap", "scope": "channel"}
        else:
            self.last[customer] = due
            self.told.add((customer, due))
        properties = {"message_id": message.message_id, "run_id": message.run_id, "rule": message.rule, **word}
        properties |= {"channel": message.channel, "contact": message.contact}
        body = EventBody(
            name="Message Decided",
            source="dispatch",
            scope="system",
            occurred_at=at,
            properties=msgspec.Raw(msgspec.json.encode(properties)),
        )
        return encode(EventRecord(id=message.message_id, key=customer, at=at, body=body))


def drive(coroutine: Any) -> Any:
    """Run a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise RuntimeError("a port in memory suspended")


class Side:
    """Trigger with some rules over the events, and the CPU seconds that it has taken."""

    def __init__(self, *rules: Any, slice_limit: int = 2 * SLICE) -> None:
        self._feed, self._answers, self._late, self._offset = Feed(), Answers(), list[bytes](), 0
        self._worker = TriggerWorker(
            self._feed,
            MemoryTriggerStore(keep_history=False),  # what a store would write to its disk
            Rulebook(rules, SHIPPED),
            ManualClock(START + 365 * DAY),
            "bench",
            graves=Graves(b"bench"),
            slice_limit=slice_limit,
        )
        self.spent = 0.0
        drive(self._worker.claim())

    @property
    def told(self) -> set[tuple[str, int]]:
        """The messages that were allowed."""
        return self._answers.told

    def take(self, part: Sequence[Stored]) -> None:
        """The answers to what was asked for, then a part of the events."""
        values = [(part[0].appended, value) for value in self._late] + [(s.appended, s.value) for s in part]
        self._feed.next = [Stored(EVENTS, 0, self._offset + n, at, value) for n, (at, value) in enumerate(values)]
        self._offset += len(values)
        began = time.process_time()
        while drive(self._worker.run_once(0)):
            pass
        drive(self._worker.relay(0))
        self.spent += time.process_time() - began
        self._late, self._feed.asked = self._answers.to(self._feed.asked, part[-1].appended), []


class Bare:
    """Decoding every event, from its record to the typed object, and counting names; and the CPU seconds it has taken."""

    def __init__(self) -> None:
        self.spent, self._counts = 0.0, Counter[str]()

    def take(self, part: Sequence[Stored]) -> None:
        """A part of the events."""
        began = time.process_time()
        for stored in part:
            record = decode_events(stored.value)
            assert isinstance(record, EventRecord)
            body = record.body
            meta = Meta(record.id, body.source, body.occurred_at, stored.appended, body.scope)
            decode(body.name, body.properties, meta)
            self._counts[body.name] += 1
        self.spent += time.process_time() - began


def run(events: Sequence[Stored], *sides: Side | Bare) -> None:
    """Every slice of the events through all sides, each of them first in its turn."""
    for number, start in enumerate(range(0, len(events), SLICE)):
        first = number % len(sides)
        for side in (*sides[first:], *sides[:first]):
            side.take(events[start : start + SLICE])


def main() -> int:
    """Print ratios; 1 if the messages are not the oracle's."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--events", type=int, default=400_000)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    events, expected, shipped = records(given.events), oracle(given.events), load_plugins(None).rules
    collecting.settle()
    ratios, together, costs = [], [], []
    other = Side(*shipped, slice_limit=137)
    run(events, other)
    for _ in range(given.rounds):
        floor, one = Bare(), Side(cart_left)
        run(events, floor, one)
        if one.told != expected:
            print(f"engine: {len(expected - one.told)} messages missing, {len(one.told - expected)} extra")
            return 1
        same, more = Side(cart_left), Side(cart_left, elsewhere)
        run(events, same, more)
        floor_of_all, all_of_them = Bare(), Side(*shipped)
        run(events, floor_of_all, all_of_them)
        if all_of_them.told != other.told:
            differ = len(other.told ^ all_of_them.told)
            print(f"engine: with the shipped rules {differ} messages depend on the size of a slice")
            return 1
        ratios.append(floor.spent / one.spent)
        together.append(floor_of_all.spent / all_of_them.spent)
        costs.append(100 * (more.spent / same.spent - 1))
        print(
            f"bare decode {given.events / floor.spent:,.0f}/s   one rule {given.events / one.spent:,.0f}/s   "
            f"ratio {ratios[-1]:.2f}   a rule that does not match {costs[-1]:+.1f} %   "
            f"the shipped rules {given.events / all_of_them.spent:,.0f}/s, ratio {together[-1]:.3f}"
        )
    print(f"messages as the oracle says: {len(expected)}")
    print(f"engine, one rule, ratio to bare decode: {statistics.median(ratios):.2f} (goal 0.2, aim 0.3)")
    print(f"engine, the shipped rules, ratio to bare decode: {statistics.median(together):.3f} (goal 0.1, aim 0.2)")
    print(f"cost of a rule that does not match: {statistics.median(costs):+.1f} % (goal 2 %)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
