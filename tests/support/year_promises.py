"""What must hold after a year, one function a promise, and a program that lives a year of many customers.

python tests/support/year_promises.py [--customers 20000] [--seed 1]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Final

import msgspec
from adversary_promises import asked_by, taken_once
from enginebench import GRAVES, drive
from shopyear import shop_year
from yearworld import PARTITIONS, POISON, RULEBOOK, World

from tactful.clock import DAY, HOUR, MINUTE
from tactful.log import Stored
from tactful.log.partitioning import partition_of
from tactful.purposes import is_marketing
from tactful.records import DISPATCH, EVENTS, QUARANTINE, EventRecord, MessageRecord, decode_any
from tactful_console.explain import explain_text
from tactful_console.timeline import timeline
from tactful_dispatch.channels import Accepted, Retry, Unknown
from tactful_dispatch.state.ledger import broken_at
from tactful_trigger.happening import is_forwarded
from tactful_trigger.runs.checking import check
from tactful_trigger.store.memory import MemoryTriggerStore
from tactful_trigger.worker import TriggerWorker
from tactful_workbench.operating.notebook import LogRemembers
from tactful_workbench.operating.personal import Personal
from tactful_workbench.operating.story import Story

OPENING, CLOSING = 9, 21
WEEKLY: Final = 3  # contacts with the most loyal customer
GRACE: Final = MINUTE  # so that daily sends at the same hour do not refuse each other
GAPS: Final = {"email": 16 * HOUR, "sms": 24 * HOUR, "push": 24 * HOUR}


class Past:
    """The logs after a year, and every decision and request in them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.taken: dict[tuple[str, int], list[tuple[Stored, Any]]] = {}
        for topic in (EVENTS, DISPATCH):
            for partition in range(PARTITIONS):
                log = drive(world.log.read(topic, partition, 0, 10**9))
                self.taken[topic, partition] = list(taken_once(stored for stored in log if stored.value != POISON))
        self.decisions: defaultdict[str, list[str]] = defaultdict(list)
        for _, record in self.records(EVENTS):
            if isinstance(record, EventRecord) and record.body.name == "Message Decided" and not is_forwarded(record):
                word = msgspec.json.decode(record.body.properties)
                self.decisions[word["message_id"]].append(word["verdict"])
        self.asked = [r.body for _, r in self.records(DISPATCH) if isinstance(r, MessageRecord)]

    def records(self, topic: str) -> Iterator[tuple[Stored, Any]]:
        for partition in range(PARTITIONS):
            yield from self.taken[topic, partition]

    @property
    def gone(self) -> set[str]:
        """Erased, and nobody has heard of them since, under any of their names."""
        erased = {name for name, standing in self.world.standing.items() if standing.erased}
        return erased | {name for name in self.world.became if self.world.who(name) in erased}


def nothing_stops_and_everything_is_read(past: Past) -> None:
    """I1, I10: both services stand at the end of their topics, nothing waits in an outbox."""
    world = past.world
    assert not world.trigger_worker.stopped
    assert not world.dispatch_worker.stopped
    for partition in range(PARTITIONS):
        cursor = drive(world.trigger.cursor(partition))
        assert cursor.offset == drive(world.log.end(EVENTS, partition))
        assert drive(world.dispatch.cursor(partition)).offset == drive(world.log.end(DISPATCH, partition))
        assert drive(world.trigger.unsent(partition, 1)) == drive(world.dispatch.unsent(partition, 1)) == []


def every_event_counts_once(past: Past) -> None:
    """I1, I2: in the history of whoever they turned out to be, and an order is never missing."""
    world, applied = past.world, Counter[str]()
    for name in {world.who(record.key) for record in world.posted}:
        for row in drive(world.trigger.history(name, 10**9)):
            if row.kind == "event":
                applied[msgspec.json.decode(row.data)["id"]] += 1
    assert not [name for name, times in applied.items() if times > 1]
    erased = {name for name, _ in _erasures(past)}
    orders = {r.id for r in world.posted if r.body.name == "Order Completed" and r.key not in erased}
    assert orders <= applied.keys()


def _erasures(past: Past) -> Iterator[tuple[str, int]]:
    for _, record in past.records(EVENTS):
        if type(record).__name__ == "EraseRecord":
            yield past.world.who(record.key), record.body.at


def customers_keep_their_order(past: Past) -> None:
    """I7: what was posted one after the other is applied in that order."""
    for name in past.world.standing:
        offsets = [row.offset for row in drive(past.world.trigger.history(name, 10**9))]
        assert offsets == sorted(offsets)


def requests_are_those_of_a_calm_year(past: Past) -> None:
    """I3, I4: read in peace in slices of a thousand, the same log gives the same records, byte for byte."""
    world, calm = past.world, MemoryTriggerStore(keep_history=True)
    worker = TriggerWorker(world.log, calm, RULEBOOK, world.clock, "calm", graves=GRAVES, slice_limit=1000)
    drive(worker.claim())
    for partition in range(PARTITIONS):
        while drive(worker.run_once(partition)):
            pass
        rows = drive(calm.unsent(partition, 10**9))
        for topic in (EVENTS, DISPATCH):
            for target in range(PARTITIONS):
                asked = asked_by(partition, past.taken[topic, target])
                assert asked == [row.value for row in rows if (row.topic, row.partition) == (topic, target)]


def every_message_gets_one_word(past: Past) -> None:
    """I5: one message, one final word; nobody is left waiting but who was erased."""
    assert len({message.message_id for message in past.asked}) == len(past.asked)
    assert all(len(words) == 1 for words in past.decisions.values())
    erased = {name for name, _ in _erasures(past)}
    waiting = {m.message_id for m in past.asked if past.world.who(m.customer) not in erased} - past.decisions.keys()
    assert not waiting


def what_left_is_what_was_decided(past: Past) -> None:
    """I5: another attempt only where nothing was sent; every unknown outcome is one that nobody could know."""
    world, outcomes = past.world, defaultdict(list)
    for left in world.left:
        outcomes[left.message_id].append(left.outcome)
        assert left.committed
    for message, said in outcomes.items():
        assert all(isinstance(outcome, Retry) for outcome in said[:-1])
        if isinstance(said[-1], Accepted | Unknown) and message in past.decisions:
            assert past.decisions[message][0] in ("sent", "unknown")
    unknown = {message for message, words in past.decisions.items() if words == ["unknown"]}
    told = {message for message, said in outcomes.items() if isinstance(said[-1], Unknown)}
    lost = sum(times for why, times in world.happened.items() if "written" in why)
    assert len(unknown - told) <= lost


def no_promise_is_broken_at_any_first_byte(past: Past) -> None:
    """I6: after an opt-out, within a day of an order, while a complaint is open, while paused, to whoever was erased."""
    broken = [left for left in past.world.left if left.broken]
    assert not broken, broken[:3]


def nobody_is_disturbed_at_night(past: Past) -> None:
    """I8: marketing between nine and nine by the clock on their wall; no timer is early."""
    assert past.world.trigger.early == []
    assert all(OPENING <= left.hour < CLOSING for left in past.world.left if is_marketing(left.purpose))


def seldom_is_seldom(past: Past) -> None:
    """At most three contacts in seven days, and the gaps of each channel, for each address."""
    contacts: defaultdict[str, dict[str, int]] = defaultdict(dict)
    addresses: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for left in past.world.left:
        if is_marketing(left.purpose) and isinstance(left.outcome, Accepted | Unknown):
            contacts[left.customer].setdefault(left.contact, left.at)
            addresses[left.channel, left.address].append(left.at)
    for customer, times in contacts.items():
        begun = sorted(times.values())
        for first, later in zip(begun, begun[WEEKLY:], strict=False):
            assert later - first >= 7 * DAY, (customer, begun)
    for (channel, address), begun in addresses.items():
        for first, later in pairwise(begun):
            assert later - first >= GAPS[channel] - GRACE, (channel, address, first, later)


def poison_is_set_aside(past: Past) -> None:
    """I11: quarantine holds what could not be read, and nothing else; an outbox may tell it twice."""
    logs = [drive(past.world.log.read(QUARANTINE, partition, 0, 10**9)) for partition in range(PARTITIONS)]
    quarantined = {decode_any(stored.value).id for log in logs for stored in log}
    assert len(quarantined) == past.world.poison > 0


def the_ledger_is_whole_and_the_erased_are_gone(past: Past) -> None:
    """I12: the chain verifies; row, history, address and name of the erased are in no store."""
    world = past.world
    for partition in range(PARTITIONS):
        ledger = drive(world.dispatch.ledger(partition))
        assert broken_at(ledger) is None
        told = {msgspec.json.decode(link.entry)["customer"] for link in ledger if link.entry}
        assert not told & past.gone
    for name in past.gone:
        partition = partition_of(name, PARTITIONS)
        assert drive(world.trigger.load(partition, [name])) == {}
        assert drive(world.trigger.history(name, 10)) == []
        row = drive(world.dispatch.customer(partition, name))
        assert (row.recipient, row.deliveries, row.words) == (None, {}, [])
        assert drive(world.dispatch.sent(name, 10)) == []


def every_run_under_way_could_go_on(past: Past) -> None:
    """What is stored of a run is enough to rebuild it."""
    store = past.world.trigger
    for partition in range(PARTITIONS):
        everybody = drive(store.everybody(partition, "", 10**6))
        for customer, value in drive(store.load(partition, everybody)).items():
            misfits = [run for run in check(customer, value, RULEBOOK) if run.why]
            assert not misfits, misfits


def everything_can_be_explained(past: Past) -> None:
    """Every message that was asked for has its word in the story of whoever it was for, with a reason if it did not leave;
    and of everybody who was not erased there is a copy."""
    world, erased = past.world, {name for name, _ in _erasures(past)}
    book = RULEBOOK.under(world.settings)
    told = Story(world.trigger, world.dispatch, book, world.addresses, PARTITIONS)
    stories = {name: timeline(drive(told.timeline(name)), "Europe/Madrid") for name in {*world.standing, *world.became}}
    for message in past.asked:
        who = world.who(message.customer)
        if who not in erased:
            words = [word for name in (who, message.customer) if (word := stories[name].decision(message.message_id))]
            assert words, message
            assert words[0].chip, message
            assert words[0].chip.word == "sent" or words[0].sentences or words[0].about, (message, words)
    for story in stories.values():
        assert story.customer in erased or explain_text(story, world.clock.now())
    personal = Personal(
        world.log,
        world.trigger,
        world.dispatch,
        book,
        GRAVES,
        LogRemembers(),
        world.clock,
        lambda: world.settings,
        world.addresses,
    )
    for name in world.humans.keys() - erased:
        assert msgspec.json.decode(drive(personal.export(name)))["customer"] == world.who(name)


PROMISES: Final[tuple[Callable[[Past], None], ...]] = (
    nothing_stops_and_everything_is_read,
    every_event_counts_once,
    customers_keep_their_order,
    requests_are_those_of_a_calm_year,
    every_message_gets_one_word,
    what_left_is_what_was_decided,
    no_promise_is_broken_at_any_first_byte,
    nobody_is_disturbed_at_night,
    seldom_is_seldom,
    poison_is_set_aside,
    the_ledger_is_whole_and_the_erased_are_gone,
    every_run_under_way_could_go_on,
    everything_can_be_explained,
)


def lived(customers: int, seed: int) -> World:
    """Live a year and hold it against every promise. Raises AssertionError that names the seed."""
    everybody, acts = shop_year(customers, seed)
    world = World(everybody, seed)
    try:
        world.live(acts)
        past = Past(world)
        for promise in PROMISES:
            promise(past)
    except Exception as error:
        error.add_note(f"{customers} customers, seed {seed}")
        raise
    return world


def in_words(world: World) -> str:
    """What happened, on one line."""
    said = Counter(type(left.outcome).__name__.lower() for left in world.left)
    rules = Counter(left.rule for left in world.left if isinstance(left.outcome, Accepted))
    parts = (
        f"{len(world.humans):,} customers, {len(world.posted):,} events",
        ", ".join(f"{times:,} x {what}" for what, times in sorted(world.happened.items())),
        "attempts: " + ", ".join(f"{times:,} {what}" for what, times in said.most_common()),
        "sent: " + ", ".join(f"{times:,} {rule}" for rule, times in rules.most_common()),
    )
    return "; ".join(parts)


def main() -> int:
    """Print what happened in a year in which every promise was kept."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--customers", type=int, default=20_000)
    options.add_argument("--seed", type=int, default=1)
    given, began = options.parse_args(), time.monotonic()
    world = lived(given.customers, given.seed)
    print(f"seed {given.seed}: {in_words(world)}; every promise kept; {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
