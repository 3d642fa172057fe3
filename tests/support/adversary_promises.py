"""What must hold after any play of the adversary, one function a promise, and a program that plays many seeds.

python tests/support/adversary_promises.py FIRST LAST
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
from adversary import CUSTOMERS, DEVICES, PARTITIONS, SKEW, Play
from adversary_world import GRAVES, QUIET, RULEBOOK

from tactful.events import MessageDecided
from tactful.events.model import is_act
from tactful.identity import run_id
from tactful.log import Stored
from tactful.log.partitioning import partition_of
from tactful.partitions.outbox import OutboxRow
from tactful.records import (
    DISPATCH,
    EVENTS,
    BroadcastRecord,
    ConfirmRecord,
    EventRecord,
    MessageBody,
    MessageRecord,
    Record,
    decode_any,
    decode_events,
)
from tactful_dispatch.channels import Accepted, Retry, Unknown
from tactful_dispatch.gates.standing import FRESH
from tactful_dispatch.state.ledger import ConsentEntry, broken_at
from tactful_trigger.happening import is_forwarded
from tactful_trigger.state.history import HistoryRow
from tactful_trigger.store.memory import MemoryTriggerStore
from tactful_trigger.worker import TriggerWorker

R = TypeVar("R", bound=Record)


EVERYBODY: Final = (*CUSTOMERS, *DEVICES)


class Posted(NamedTuple):
    """One event of a customer, where it stands in the log first."""

    offset: int
    appended: int
    record: EventRecord


def taken_once(log: Iterable[Stored]) -> Iterator[tuple[Stored, Any]]:
    """One partition as a reader takes it: repeats of an outbox are skipped."""
    last: dict[tuple[str, int], int] = {}
    for stored in log:
        record = decode_any(stored.value)
        if record.origin is not None:
            origin = (record.origin.topic, record.origin.partition)
            if record.origin.seq <= last.get(origin, 0):
                continue
            last[origin] = record.origin.seq
        yield stored, record


def asked_by(partition: int, taken: Iterable[tuple[Stored, Any]]) -> list[bytes]:
    """What trigger's outbox of a partition has brought."""
    origin = (EVENTS, partition)
    return [s.value for s, r in taken if r.origin is not None and (r.origin.topic, r.origin.partition) == origin]


class Aftermath:
    """The logs and stores after a play, and what a calm trigger makes of the same events."""

    def __init__(self, play: Play, logs: dict[tuple[str, int], list[Stored]], calm: MemoryTriggerStore) -> None:
        self.play, self.logs, self.calm = play, logs, calm
        self.messages = [record.body for _, record in self.news(DISPATCH, MessageRecord)]
        self.posted: dict[str, list[Posted]] = {customer: [] for customer in EVERYBODY}
        self.decisions: list[tuple[Stored, str, MessageDecided]] = []  # with the customer
        self.opened: dict[str, int] = {}  # message -> offset of its last `Hold Opened`
        known: set[str] = set()
        for stored, record in self.news(EVENTS, EventRecord):
            if is_forwarded(record):
                continue
            if record.body.source == "shop" and record.id not in known:
                known.add(record.id)
                self.posted[record.key].append(Posted(stored.offset, stored.appended, record))
            elif record.body.name == "Message Decided":
                word = msgspec.json.decode(record.body.properties, type=MessageDecided)
                self.decisions.append((stored, record.key, word))
            elif record.body.name == "Hold Opened":
                message = msgspec.json.decode(record.body.properties)["message_id"]
                self.opened[message] = stored.offset

    @classmethod
    async def of(cls, play: Play) -> Aftermath:
        logs = {
            (topic, partition): await play.log.read(topic, partition, 0, 10**9)
            for topic in (EVENTS, DISPATCH)
            for partition in range(PARTITIONS)
        }
        calm = MemoryTriggerStore()
        worker = TriggerWorker(play.log, calm, RULEBOOK, play.clock, "calm", graves=GRAVES, slice_limit=1000)
        await worker.claim()
        for partition in range(PARTITIONS):
            while await worker.run_once(partition):
                pass
        return cls(play, logs, calm)

    def news(self, topic: str, kind: type[R]) -> Iterator[tuple[Stored, R]]:
        """Records of one kind as a reader takes them."""
        for partition in range(PARTITIONS):
            for stored, record in taken_once(self.logs[topic, partition]):
                if isinstance(record, kind):
                    yield stored, record

    def orders(self, customer: str) -> list[Posted]:
        return [each for each in self.posted[customer] if each.record.body.name == "Order Completed"]

    def beginning(self, message: MessageBody) -> Posted:
        """The event that started the message's run."""
        return next(
            each
            for posted in self.posted.values()
            for each in posted
            if run_id(message.rule, message.subject, "", "shop", each.record.id) == message.run_id
        )

    def may_have_arrived(self, message: MessageBody) -> bool:
        answers = self.play.provider.answers.get(message.message_id)
        return answers is not None and isinstance(answers[-1], Accepted | Unknown)

    async def asked(self) -> dict[str, int]:
        """By message: the offset of the record that made its run ask, or that let the timer fire that did."""
        return {
            msgspec.json.decode(row.data)["message_id"]: row.offset
            for customer in EVERYBODY
            for row in await self.history(self.play.trigger, customer)
            if row.kind == "asked"
        }

    async def history(self, store: MemoryTriggerStore, customer: str) -> list[HistoryRow]:
        return [msgspec.structs.replace(row, index=0) for row in await store.history(customer, 10**9)]


async def no_partition_stops(after: Aftermath) -> None:
    """Nothing that an adversary does to processes and clocks damages what they read."""
    assert after.play.stopped == []


async def everything_is_read(after: Aftermath) -> None:
    """In the end both services stand at the end of their topics, and nothing waits in an outbox."""
    for partition in range(PARTITIONS):
        trigger = await after.play.trigger.cursor(partition)
        dispatch = await after.play.dispatch.cursor(partition)
        assert trigger is not None
        assert trigger.offset == len(after.logs[EVENTS, partition])
        assert dispatch.offset == len(after.logs[DISPATCH, partition])
        assert await after.play.trigger.unsent(partition, 1) == []
        assert await after.play.dispatch.unsent(partition, 1) == []


async def every_event_is_applied_once(after: Aftermath) -> None:
    """What was posted and answered is in the customer's history once, however often it was posted."""
    for customer in EVERYBODY:
        applied = Counter(
            decode_events(row.data).id
            for row in await after.history(after.play.trigger, customer)
            if row.kind == "event"
        )
        assert not {name: times for name, times in applied.items() if times > 1}
        assert {order.record.id for order in after.orders(customer)} <= applied.keys()


async def requests_are_those_of_a_calm_run(after: Aftermath) -> None:
    """The same events, read in peace in slices of a thousand, give the same records, byte for byte."""
    for partition in range(PARTITIONS):
        rows: list[OutboxRow] = await after.calm.unsent(partition, 10**9)
        for topic in (EVENTS, DISPATCH):
            for target in range(PARTITIONS):
                asked = asked_by(partition, taken_once(after.logs[topic, target]))
                assert asked == [row.value for row in rows if (row.topic, row.partition) == (topic, target)]


async def customers_are_those_of_a_calm_run(after: Aftermath) -> None:
    """Rows, cursors and histories too."""
    for customer in EVERYBODY:
        partition = partition_of(customer, PARTITIONS)
        mine, calm = [await store.load(partition, {customer}) for store in (after.play.trigger, after.calm)]
        assert mine == calm
        assert await after.history(after.play.trigger, customer) == await after.history(after.calm, customer)
    for partition in range(PARTITIONS):
        cursors = [await store.cursor(partition) for store in (after.play.trigger, after.calm)]
        assert len({(c.offset, c.clock, c.duplicates, c.counted) for c in cursors if c is not None}) == 1


async def every_message_is_decided_once(after: Aftermath) -> None:
    """One message, one final word."""
    assert Counter(word.message_id for _, _, word in after.decisions) == Counter(
        message.message_id for message in after.messages
    )
    assert len({message.message_id for message in after.messages}) == len(after.messages)


async def every_message_is_sent_at_most_once(after: Aftermath) -> None:
    """Another attempt follows only if the provider said that nothing was sent; and what may have arrived is not denied."""
    words = {word.message_id: word.verdict for _, _, word in after.decisions}
    for answers in after.play.provider.answers.values():
        assert all(isinstance(answer, Retry) for answer in answers[:-1]), answers
    for message in filter(after.may_have_arrived, after.messages):
        assert words[message.message_id] in ("sent", "unknown"), message


async def nothing_is_sent_after_a_withdrawal(after: Aftermath) -> None:
    """No first byte leaves once the ledger's latest word is a withdrawal, or that of somebody who shares the address."""
    assert not [departure for departure in after.play.provider.departures if departure.withdrawn]


async def nothing_is_sent_after_a_cancellation(after: Aftermath) -> None:
    """No first byte leaves once dispatch has read that the run no longer wants it."""
    assert not [departure for departure in after.play.provider.departures if departure.cancelled]


async def sending_is_committed_before_the_first_byte(after: Aftermath) -> None:
    """Whoever dies now leaves a trace."""
    assert all(departure.committed for departure in after.play.provider.departures)


async def nothing_is_sent_for_a_log_that_nobody_reads(after: Aftermath) -> None:
    """A minute by the sender's own clock, whose skew is bounded."""
    assert all(departure.unread_for <= FRESH + SKEW for departure in after.play.provider.departures)


async def what_leaves_is_what_was_said_last(after: Aftermath) -> None:
    """The data of the last confirmation, if a hold asked for one."""
    data = {message.message_id: message.data for message in after.messages}
    data |= {record.body.message_id: record.body.data for _, record in after.news(DISPATCH, ConfirmRecord)}
    left = {departure.message_id: departure.subject for departure in after.play.provider.departures}
    for message in filter(after.may_have_arrived, after.messages):
        assert left[message.message_id] == f"about {data[message.message_id]}"


async def consent_is_recorded_once(after: Aftermath) -> None:
    """A repeat adds nothing to the ledger, and the chain is whole."""
    for partition in range(PARTITIONS):
        links = await after.play.dispatch.ledger(partition)
        assert broken_at(links) is None
        entries = [msgspec.json.decode(link.entry or b"", type=ConsentEntry) for link in links]
        assert len({(entry.source, entry.record_id) for entry in entries}) == len(entries)


async def nobody_is_reminded_within_the_cooldown(after: Aftermath) -> None:
    """A run does not begin to write while another one's first message, sent, unknown or held out, is too recent."""
    asked = await after.asked()
    firsts = {message.run_id: message for message in reversed(after.messages)}
    marks: dict[str, tuple[int, int, str, str]] = {}  # run -> offset and instant of its first mark, customer, rule
    for stored, customer, word in after.decisions:
        if word.verdict != "not_sent" or word.reason == "holdout":
            marks.setdefault(word.run_id, (stored.offset, stored.appended, customer, word.rule))
    for message in firsts.values():
        cooldown = RULEBOOK.terms[message.rule].cooldown
        for run, (offset, marked, customer, rule) in marks.items():
            if run != message.run_id and (customer, rule) == (message.customer, message.rule):
                early = offset < asked[message.message_id] and marked <= message.requested_at < marked + cooldown
                assert not early, message


async def nothing_is_sent_after_an_order(after: Aftermath) -> None:
    """No message arrives for an order that was acknowledged before the run asked, or before the last hold was opened."""
    asked = await after.asked()
    for message in filter(after.may_have_arrived, after.messages):
        began, opened = after.beginning(message), after.opened.get(message.message_id, -1)
        for order in after.orders(message.customer):
            if follows(order, began):
                assert order.offset > asked[message.message_id] or order.appended > message.requested_at, message
                assert order.offset > opened, message


def follows(one: Posted, other: Posted) -> bool:
    """Whether one stands behind the other in the log; what a stranger did may stand in another partition, so time decides."""
    if one.record.key == other.record.key:
        return one.offset > other.offset
    return one.appended > other.appended


async def nothing_begins_for_what_an_order_settled(after: Aftermath) -> None:
    """An event that happened before an order, and arrived after it, starts no run."""
    for message in after.messages:
        first = after.beginning(message)
        for order in after.orders(message.customer):
            settled = order.record.body.occurred_at > first.record.body.occurred_at
            assert not (follows(first, order) and settled), message


async def timers_are_never_early(after: Aftermath) -> None:
    """A timer fires when a strictly later append time was read; the first reminder follows an hour without an act."""
    assert after.play.trigger.early == []
    reminded = set()
    for message in (m for m in after.messages if m.rule == "abandoned_cart" and m.run_id not in reminded):
        reminded.add(message.run_id)
        for each in after.posted[message.customer]:
            if is_act(each.record.body.name, "server"):
                assert not message.requested_at - QUIET < each.appended <= message.requested_at


async def origins_have_no_gaps(after: Aftermath) -> None:
    """Sequences of an origin count up by one, however often parts of them come again."""
    for stored_records in after.logs.values():
        last: dict[tuple[str, int], int] = {}
        for origin in (decode_any(stored.value).origin for stored in stored_records):
            if origin is not None:
                source = (origin.topic, origin.partition)
                before = last.get(source, 0)
                assert origin.seq <= before + 1
                last[source] = max(before, origin.seq)


async def an_ended_run_asks_for_nothing(after: Aftermath) -> None:
    """After its end a run is silent."""
    for customer in EVERYBODY:
        ended = set()
        for row in await after.history(after.play.trigger, customer):
            assert row.run not in ended or row.kind == "goal", row  # what followed is said of it, not by it
            if row.kind == "ended":
                ended.add(row.run)


async def a_paused_rule_says_nothing(after: Aftermath) -> None:
    """It neither asks nor confirms what it has asked, from the news of its pause to that of its end."""
    news: dict[int, list[tuple[int, str, bool]]] = {partition: [] for partition in range(PARTITIONS)}
    for stored, record in after.news(EVENTS, BroadcastRecord):
        if record.body.name in ("Rule Paused", "Rule Resumed"):
            rule = msgspec.json.decode(record.body.data)["rule"]
            news[stored.partition].append((stored.offset, rule, record.body.name == "Rule Paused"))
    for customer in EVERYBODY:
        for row in await after.history(after.play.trigger, customer):
            if row.kind in ("asked", "confirmed"):
                told = [
                    paused
                    for at, rule, paused in news[partition_of(customer, PARTITIONS)]
                    if rule == row.rule and at < row.offset
                ]
                assert not told or not told[-1], row


PROMISES: Final[tuple[Callable[[Aftermath], Any], ...]] = (
    no_partition_stops,
    everything_is_read,
    origins_have_no_gaps,
    every_event_is_applied_once,
    requests_are_those_of_a_calm_run,
    customers_are_those_of_a_calm_run,
    timers_are_never_early,
    nothing_begins_for_what_an_order_settled,
    an_ended_run_asks_for_nothing,
    a_paused_rule_says_nothing,
    every_message_is_decided_once,
    every_message_is_sent_at_most_once,
    sending_is_committed_before_the_first_byte,
    consent_is_recorded_once,
    nothing_is_sent_after_a_withdrawal,
    nothing_is_sent_after_a_cancellation,
    nothing_is_sent_for_a_log_that_nobody_reads,
    what_leaves_is_what_was_said_last,
    nobody_is_reminded_within_the_cooldown,
    nothing_is_sent_after_an_order,
)


async def played(seed: int) -> Play:
    """Play a seed and hold it against every promise. Raises AssertionError that names the seed."""
    play = Play(seed)
    try:
        await play.run()
        after = await Aftermath.of(play)
        for promise in PROMISES:
            await promise(after)
    except Exception as error:
        error.add_note(f"the adversary's seed is {seed}")
        raise
    return play


def main() -> int:
    """Play the seeds from FIRST to before LAST; 1 at the first that breaks a promise."""
    first, last = map(int, sys.argv[1:])
    for seed in range(first, last):
        asyncio.run(played(seed))
    print(f"{last - first} seeds played, every promise kept")
    return 0


if __name__ == "__main__":
    sys.exit(main())
