"""Going on behind what the log has lost: looked at, told, agreed to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from dispatchbench import DispatchBench
from enginebench import EngineBench, drive, event_record

from tactful import Run, rule
from tactful.errors import AnotherLog, InvalidInput, LogUnavailable, OutboxGap, RetentionOverrun, TactfulError
from tactful.events import ProductAdded
from tactful.log import Stored
from tactful.log.memory import MemoryHints, MemoryLog
from tactful.partitions.gap import Gap
from tactful.partitions.leases import OwnTime
from tactful.records import DISPATCH, EVENTS, MessageRecord, Origin, encode
from tactful_workbench.operating.accepting import Accepting
from tactful_workbench.virtual.driver import Ordinals

ADD = ProductAdded(product_id="p1")


class LosingLog(MemoryLog):
    """As Kafka, whose retention waits for nobody."""

    lost = 4

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Stored]:
        if topic == EVENTS and offset < self.lost:
            raise RetentionOverrun("gone")
        return await super().read(topic, partition, offset, limit)

    async def beginning(self, topic: str, partition: int) -> int:
        return self.lost if topic == EVENTS else 0


@rule(on=ProductAdded, purpose="marketing.test", version=1)
async def at_once(run: Run, first: ProductAdded) -> None:
    await run.send("email", "hello")


def of_trigger(bench: EngineBench) -> Accepting:
    return Accepting(bench.log, bench.store, DispatchBench().store, OwnTime(bench.clock), "operator")


def of_dispatch(bench: DispatchBench) -> Accepting:
    return Accepting(bench.log, EngineBench().store, bench.store, OwnTime(bench.clock), "operator")


def overrun() -> EngineBench:
    """Four of five records were gone before anybody read them, and three of an outbox are among them."""
    bench = EngineBench(at_once, log=LosingLog)
    drive(bench.worker.release())
    for seq in range(5):
        record = event_record(f"u{seq}", ADD, bench.now, f"e{seq}")
        value = encode(msgspec.structs.replace(record, origin=Origin(DISPATCH, 7, seq)) if seq else record)
        drive(bench.log.append(EVENTS, [(0, value)]))
    return bench


def test_reading_goes_on_behind_what_is_lost_once_somebody_agrees() -> None:
    bench, asked = overrun(), list[Gap]()

    def agree(gap: Gap) -> bool:
        asked.append(gap)
        return True

    assert drive(of_trigger(bench).loss("events/0", agree)) == Gap(0, 4, {"dispatch/7": (1, 3)})
    assert len(asked) == 1
    bench.deploy(at_once)
    bench.advance("1s")
    assert [message.customer for message in bench.messages] == ["u4"]


def test_who_does_not_agree_changes_nothing() -> None:
    bench = overrun()
    assert drive(of_trigger(bench).loss("events/0", lambda gap: False))
    assert (drive(bench.store.cursor(0)).offset, drive(bench.store.cursor(0)).taken) == (0, {})
    bench.deploy(at_once)
    with pytest.raises(RetentionOverrun):
        bench.advance("1s")


def test_a_dispatch_goes_on_behind_messages_that_are_missing() -> None:
    bench = DispatchBench()
    bench.consenting()

    def asked(seq: int, name: str) -> MessageRecord:
        wish = bench.wish(name, purpose="service.order")
        return MessageRecord(id=name, key="u1", at=bench.now, body=wish, origin=Origin(EVENTS, 0, seq))

    bench.append(asked(1, "m1"), asked(4, "m4"))
    with pytest.raises(OutboxGap):
        bench.settle()
    assert bench.sent == []
    drive(bench.worker.attempt(0))
    assert bench.sent == ["m1"]  # what stands before the gap is applied
    drive(bench.worker.release())
    before = drive(bench.store.cursor(0))
    assert drive(of_dispatch(bench).loss("dispatch/0", lambda gap: False))
    after = drive(bench.store.cursor(0))
    assert (after.offset, after.taken) == (before.offset, before.taken)
    gap = drive(of_dispatch(bench).loss("dispatch/0", lambda gap: True))
    assert (gap.start, gap.end, gap.missing) == (gap.end, gap.start, {"events/0": (2, 3)})
    bench.restart()
    bench.settle()
    assert bench.sent == ["m1", "m4"]


def test_a_dispatch_goes_on_in_a_topic_that_was_made_anew() -> None:
    bench, hints = DispatchBench(), MemoryHints()
    bench.consenting()
    bench.settle()
    drive(bench.worker.release())
    stood = drive(bench.store.cursor(0)).offset
    drive(hints.mark({0: stood}))
    anew = MemoryLog(1, bench.clock)
    wish = MessageRecord(id="m1", key="u1", at=bench.now, body=bench.wish("m1"), origin=Origin(EVENTS, 0, 1))
    drive(anew.append(DISPATCH, [(0, encode(wish))] * (stood - 1)))
    accepting = Accepting(anew, EngineBench().store, bench.store, OwnTime(bench.clock), "operator", hints)
    assert drive(accepting.loss("dispatch/0", lambda gap: True)) == Gap(stood, 0, {})
    assert (drive(bench.store.cursor(0)).offset, drive(hints.marked(0))) == (0, 0)


class AwayOnce(MemoryHints):
    """Who keeps marks cannot be reached at first."""

    away = False

    async def mark(self, offsets: Mapping[int, int]) -> None:
        if self.away:
            self.away = False
            raise LogUnavailable("the group has no coordinator")
        await super().mark(offsets)


def test_a_loss_that_could_be_noted_only_in_part_can_be_accepted_again_and_is_no_store_from_the_past() -> None:
    hints = AwayOnce()
    bench = DispatchBench(hints=hints)
    bench.consenting()
    bench.settle()
    drive(bench.worker.mark())
    drive(bench.worker.release())
    anew = bench.log = Ordinals(MemoryLog(1, bench.clock))
    accepting = Accepting(anew, EngineBench().store, bench.store, OwnTime(bench.clock), "operator", hints)
    hints.away = True
    with pytest.raises(LogUnavailable):
        drive(accepting.loss("dispatch/0", lambda gap: True))
    assert drive(accepting.loss("dispatch/0", lambda gap: True))
    bench.restart()
    bench.settle()
    assert not bench.worker.stopped


def test_who_reads_a_topic_that_was_made_anew_and_has_grown_beyond_them_stands_still_until_somebody_agrees() -> None:
    bench = EngineBench(at_once)
    bench.emits("u1", ADD)
    bench.advance("1m")
    drive(bench.worker.release())
    bench.log = Ordinals(MemoryLog(1, bench.clock))
    for customer in ("u2", "u3", "u4"):
        drive(bench.log.append(EVENTS, [(0, encode(event_record(customer, ADD, bench.now, customer)))]))
    bench.deploy(at_once)
    with pytest.raises(AnotherLog, match="events/0: this is not the log that was read"):
        drive(bench.worker.run_once(0))
    drive(bench.worker.release())
    stood = drive(bench.store.cursor(0)).offset
    assert drive(of_trigger(bench).loss("events/0", lambda gap: True)) == Gap(stood, 0, {})
    bench.deploy(at_once)
    while drive(bench.worker.run_once(0)):
        pass
    assert drive(bench.store.cursor(0)).offset == 3
    assert bench.row("u2") is not None


def test_a_dispatch_sends_nothing_of_a_topic_that_was_made_anew_and_has_grown_beyond_it_until_somebody_agrees() -> None:
    bench = DispatchBench()
    bench.consenting()
    bench.settle()
    drive(bench.worker.release())
    stood = drive(bench.store.cursor(0)).offset
    bench.clock.forward_to(bench.now + 1000)
    bench.log = Ordinals(MemoryLog(1, bench.clock))
    for n in range(stood + 1):
        wish = bench.wish(f"m{n}", purpose="service.order")
        bench.append(MessageRecord(id=f"m{n}", key="u1", at=bench.now, body=wish, origin=Origin(EVENTS, 0, n + 1)))
    bench.restart()
    with pytest.raises(AnotherLog, match="dispatch/0: this is not the log that was read"):
        bench.settle()
    assert bench.sent == []
    drive(bench.worker.release())
    assert drive(of_dispatch(bench).loss("dispatch/0", lambda gap: True)) == Gap(stood, 0, {})
    bench.restart()
    bench.settle()
    assert bench.sent == [f"m{n}" for n in range(stood + 1)]


def test_who_takes_a_partition_up_again_looks_once_more_whether_it_is_the_log_that_was_read() -> None:
    bench = EngineBench(at_once)
    bench.emits("u1", ADD)
    drive(bench.worker.release())
    assert drive(bench.worker.earliest_due(0)) is None
    stood = drive(bench.store.cursor(0)).offset
    bench.clock.forward_to(bench.now + 1000)
    bench.log._log = MemoryLog(1, bench.clock)
    drive(bench.log.append(EVENTS, [(0, b"{}")] * (stood + 1)))
    drive(bench.worker.claim())
    with pytest.raises(AnotherLog, match="events/0: this is not the log that was read"):
        drive(bench.worker.run_once(0))


def test_where_nothing_is_missing_nobody_is_asked() -> None:
    bench = EngineBench(at_once)
    bench.emits("u1", ADD)
    drive(bench.worker.release())
    assert not drive(of_trigger(bench).loss("events/0", lambda gap: pytest.fail("asked")))
    dispatch = DispatchBench()
    drive(dispatch.worker.release())
    assert not drive(of_dispatch(dispatch).loss("dispatch/0", lambda gap: pytest.fail("asked")))


def test_nobody_moves_a_partition_under_its_owner() -> None:
    bench = EngineBench(at_once)
    with pytest.raises(TactfulError, match="a trigger owns partition 0; stop every trigger"):
        drive(of_trigger(bench).loss("events/0", lambda gap: True))
    dispatch = DispatchBench()
    with pytest.raises(TactfulError, match="a dispatch owns partition 0; stop every dispatch"):
        drive(of_dispatch(dispatch).loss("dispatch/0", lambda gap: True))


@pytest.mark.parametrize("place", ["events", "events/1", "quarantine/0", "events/-1", "", "dispatch/x"])
def test_what_is_no_place_is_named(place: str) -> None:
    bench: Any = EngineBench(at_once)
    with pytest.raises(InvalidInput, match="is none of events/0 to events/0, dispatch/0 to dispatch/0"):
        drive(of_trigger(bench).loss(place, lambda gap: True))
