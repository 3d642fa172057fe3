"""Reading the log: repeats, gaps, poison, clocks."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from dispatchbench import DispatchBench
from enginebench import drive

from tactful.clock import HOUR, MINUTE, ManualClock
from tactful.errors import ClocksApart, NewerRecord, OutboxGap, PoisonFlood, SettingsError
from tactful.records import (
    DISPATCH,
    EVENTS,
    VERSION,
    MessageRecord,
    Origin,
    QuarantineRecord,
    TickBody,
    TickRecord,
    decode_any,
)
from tactful_dispatch.sending.gathering import settings_of

TICK = b'{"kind":"tick","id":"t","key":"t","at":1,"body":{}}'


def test_the_same_message_asked_for_again_is_a_duplicate_and_is_answered(bench: DispatchBench) -> None:
    bench.asks("m1")
    bench.asks("m1")
    assert bench.words == ["sent", "duplicate"]
    assert bench.sent == ["m1"]


def test_nothing_is_sent_for_a_log_that_has_not_been_read_for_a_minute(bench: DispatchBench) -> None:
    bench.asks("m1", not_before=bench.now + HOUR)
    row = bench.row()
    assert row.deliveries["m1"].state == "held"

    def wake(space: Any) -> None:
        space.customer("u1").deliveries["m1"].state = "pending"

    bench.clock.forward_to(bench.now + 2 * HOUR)
    drive(bench.store.transact(0, ["u1"], wake))
    drive(bench.worker.attempt(0))
    assert bench.delivery().held_for == "log_not_read"
    assert bench.sent == []


def test_a_cancellation_of_a_decided_message_says_nothing_about_its_repeat(bench: DispatchBench) -> None:
    bench.asks("m1")
    bench.cancels("m1")
    bench.asks("m1")
    assert bench.words == ["sent", "duplicate"]


def test_nor_does_one_that_was_read_together_with_both(bench: DispatchBench) -> None:
    wish = bench.wish()
    asked = MessageRecord(id=wish.message_id, key="u1", at=bench.now, body=wish)
    bench.append(asked, bench.cancellation("m1"), asked)
    assert (bench.words, bench.sent) == (["cancelled", "duplicate"], [])


def test_what_had_expired_before_the_cancellation_came_is_expired(bench: DispatchBench) -> None:
    bench.trigger.fresh = None  # the run says nothing when the hold opens
    bench.asks("m1", not_before=bench.now + HOUR, expires_at=bench.now + 2 * HOUR)
    bench.clock.forward_to(bench.now + 3 * HOUR)
    bench.cancels("m1")
    (decision,) = bench.decisions
    assert (decision.reason, decision.decided_at) == ("expired", bench.now - HOUR)


def test_a_repeat_is_refused_however_many_messages_came_between(bench: DispatchBench) -> None:
    bench.asks("m1")
    for number in range(2, 100):
        bench.asks(f"m{number}", channel="sms")
    bench.advance("60d")
    bench.asks("m1")
    assert (bench.words[-1], bench.sent) == ("duplicate", ["m1"])


def test_a_log_whose_clock_is_ahead_of_ours_decides_what_time_it_is(bench: DispatchBench) -> None:
    bench.advance("20h 59m")  # 08:59 in Madrid
    bench.append(TickRecord(id="t", key="", at=bench.now, body=TickBody()))
    bench.settle()
    bench.clock.forward_to(bench.now + MINUTE)
    bench.asks("first")
    behind = ManualClock(bench.now - MINUTE)
    bench.restart(clock=behind)
    bench.asks("second", contact="run-first.0", channel="push")
    assert bench.words == ["sent", "sent"]


def test_while_our_clock_is_hours_ahead_of_the_log_nothing_leaves_nothing_expires_and_nothing_is_held_for_long(
    bench: DispatchBench,
) -> None:
    bench.restart(clock=ManualClock(bench.now + 30 * HOUR))
    bench.asks(expires_at=bench.now + 24 * HOUR)
    delivery = bench.delivery()
    assert (bench.words, bench.sent, delivery.held_for) == ([], [], "log_not_read")
    assert delivery.due is not None
    assert delivery.due <= bench.now + MINUTE
    bench.restart()
    bench.advance("2m")
    assert bench.words == ["sent"]


def test_a_record_that_cannot_be_applied_is_quarantined_and_the_rest_goes_on(bench: DispatchBench) -> None:
    drive(bench.log.append(DISPATCH, [(0, b'{"kind":"message"}')]))
    bench.broadcast("Settings Changed", b'{"caps":{"grace":"soon"}}')
    bench.asks()
    assert bench.words == ["sent"]
    found = [decode_any(stored.value) for stored in drive(bench.log.read("quarantine", 0, 0, 10))]
    assert [r.body.came_from for r in found if isinstance(r, QuarantineRecord)] == [
        ("dispatch", 0, 3),
        ("dispatch", 0, 4),
    ]


def test_what_comes_after_a_quarantined_record_of_an_outbox_is_no_gap(bench: DispatchBench) -> None:
    poison, good = b'{"kind":"message","origin":["events",0,1]}', TICK
    good = good[:-1] + b',"origin":["events",0,2]}'
    drive(bench.log.append(DISPATCH, [(0, poison), (0, good), (0, poison)]))
    bench.asks()
    assert bench.words == ["sent"]
    assert drive(bench.store.cursor(0)).taken == {"events/0": 2}


def test_what_a_newer_program_may_be_told_does_not_keep_this_one_from_reading_the_rest(bench: DispatchBench) -> None:
    newer = {"shop": {"name": "Tea house", "motto": "Tea"}, "sending": {"mode": "live"}, "moods": {"best": "calm"}}
    bench.broadcast("Settings Changed", msgspec.json.encode(newer))
    bench.asks(purpose="service.order")
    told = drive(bench.store.cursor(0)).settings
    assert (settings_of(told).shop.name, msgspec.json.decode(told)) == ("Tea house", newer)
    assert drive(bench.log.read("quarantine", 0, 0, 10)) == []


@pytest.mark.parametrize("kind", ["mood", "tick"])
def test_a_record_for_a_newer_program_waits_for_it(bench: DispatchBench, kind: str) -> None:
    tick = msgspec.to_builtins(TickRecord(id="t", key="", at=bench.now, body=TickBody()))
    drive(bench.log.append(DISPATCH, [(0, msgspec.json.encode({**tick, "kind": kind, "v": VERSION + 1}))]))
    before = drive(bench.store.cursor(0)).offset
    with pytest.raises(NewerRecord, match="dispatch/0"):
        bench.settle()
    assert drive(bench.store.cursor(0)).offset == before
    assert drive(bench.log.read("quarantine", 0, 0, 10)) == []


def test_settings_that_have_to_be_mended_are_no_reason_to_pass_over_a_record(bench: DispatchBench) -> None:
    bench.grants(state="withdrawn")
    written, refusals = bench.store.transact, 2

    async def transact(*given: Any, **more: Any) -> Any:
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise SettingsError("grant the right")
        return await written(*given, **more)

    with patch.object(bench.store, "transact", transact):
        while refusals:
            with pytest.raises(SettingsError):
                bench.settle()
        bench.settle()
    bench.asks()
    assert bench.words == ["withdrawn"]


@pytest.mark.parametrize("between", [(), (TICK,)], ids=["by itself", "with time passing between"])
def test_a_flood_of_poison_stops_the_partition(bench: DispatchBench, between: tuple[bytes, ...]) -> None:
    drive(bench.log.append(DISPATCH, [(0, value) for value in (b'{"kind":"anna@shop.example"}', *between)] * 30))
    with pytest.raises(PoisonFlood, match=r"\.py:\d+: InvalidInput$"):  # for the log: its words name a person
        bench.settle()


def test_a_repeated_record_of_an_outbox_is_skipped_and_a_missing_one_stops_the_partition(bench: DispatchBench) -> None:
    def record(seq: int, name: str) -> MessageRecord:
        wish = bench.wish(name, purpose="service.order")
        return MessageRecord(id=name, key="u1", at=bench.now, body=wish, origin=Origin(EVENTS, 0, seq))

    bench.append(record(1, "m1"), record(1, "m2"))
    assert bench.words == ["sent"]
    bench.append(record(3, "m3"))
    with pytest.raises(OutboxGap):
        bench.settle()


def test_a_record_far_in_the_future_stops_the_partition(bench: DispatchBench) -> None:
    bench.restart(clock=ManualClock(bench.now - 3 * MINUTE))
    bench.append(TickRecord(id="t", key="", at=bench.now, body=TickBody()))
    with pytest.raises(ClocksApart):
        bench.settle()
