"""Records that are not events of a customer: broadcasts, links, ticks, repeats, poison."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from enginebench import EngineBench, drive, event_record

from tactful import Run, rule
from tactful.clock import DAY, HOUR, MINUTE
from tactful.errors import ClocksApart, InvalidInput, NewerRecord, OutboxGap, PoisonFlood
from tactful.events import ComplaintClosed, ComplaintOpened, CustomerFlagged, Event, OrderCompleted, Page, ProductAdded
from tactful.events.model import name_of
from tactful.log import Stored
from tactful.log.memory import MemoryLog
from tactful.log.partitioning import partition_of
from tactful.records import (
    EVENTS,
    QUARANTINE,
    VERSION,
    Origin,
    QuarantineRecord,
    TickBody,
    TickRecord,
    decode_any,
    encode,
)
from tactful.settings import Settings
from tactful_trigger.happening import FORWARDED
from tactful_trigger.projections import SHIPPED
from tactful_trigger.state.row import Row, decode

ADD = ProductAdded(cart_id="c1", product_id="p1")


@rule(on=ProductAdded, goal=OrderCompleted, purpose="marketing.test", uses=("cart",), version=1)
async def after_a_while(run: Run, first: ProductAdded) -> None:
    await run.sleep(run.param("delay", "1h"))
    await run.send("email", "cart")


def settings(**rules: Any) -> dict[str, Any]:
    return Settings.model_validate({"rules": rules}).model_dump(mode="json")


def quarantined(bench: EngineBench) -> list[QuarantineRecord]:
    found = []
    for partition in range(bench.log.partitions):
        for stored in drive(bench.log.read(QUARANTINE, partition, 0, 1000)):
            record = decode_any(stored.value)
            assert isinstance(record, QuarantineRecord)
            found.append(record)
    return found


def test_settings_count_from_their_record_and_are_pinned_by_runs_that_began_before() -> None:
    bench = EngineBench(after_a_while)
    bench.emits("u1", ADD)
    bench.broadcast("Settings Changed", **settings(after_a_while={"mode": "live", "delay": "10m"}))
    bench.emits("u2", ADD)
    bench.advance("10m")
    assert [m.customer for m in bench.messages] == ["u2"]
    bench.advance("50m")
    assert [m.customer for m in bench.messages] == ["u2", "u1"]


def test_what_a_newer_program_may_be_told_does_not_keep_this_one_from_reading_the_rest() -> None:
    bench = EngineBench(after_a_while)
    newer = {"moods": {"best": "calm"}, "guard": {"patience": "1h"}}
    bench.broadcast("Settings Changed", **settings(after_a_while={"mode": "live", "delay": "10m"}) | newer)
    bench.emits("u1", ADD)
    bench.advance("10m")
    assert [m.customer for m in bench.messages] == ["u1"]
    assert newer.items() <= msgspec.json.decode(bench.partition().cursor.settings).items()
    assert quarantined(bench) == []


def test_settings_may_override_an_argument_of_the_decorator() -> None:
    bench = EngineBench(after_a_while)
    bench.broadcast("Settings Changed", **settings(after_a_while={"mode": "live", "cooldown": "3d"}))
    for _ in range(2):
        bench.emits("u1", ADD)
        bench.advance("2h")
    assert len(bench.messages) == 1
    assert "cooldown" in bench.endings("u1")


@pytest.mark.parametrize(
    ("name", "value", "means"),
    [
        ("cooldown", "2d", 2 * DAY),
        ("max_age", "36h", 36 * HOUR),
        ("holdout", 0, 0.0),
        ("holdout", 0.5, 0.5),
        ("priority", 7, 7),
        ("after", ["pos"], ("pos",)),
        ("repeat", "restart", "restart"),
    ],
)
def test_what_settings_say_of_a_term_is_what_it_is_then(name: str, value: object, means: object) -> None:
    assert getattr(after_a_while.under({name: value}), name) == means


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cooldown", 3),
        ("holdout", 1),
        ("holdout", -0.1),
        ("holdout", "a tenth"),
        ("priority", "high"),
        ("after", "pos"),
        ("after", [1]),
        ("repeat", "sometimes"),
    ],
)
def test_what_settings_may_not_say_of_a_term_is_refused_by_its_name(name: str, value: object) -> None:
    with pytest.raises(InvalidInput) as refused:
        after_a_while.under({name: value})
    assert refused.value.field == name


def test_settings_survive_a_restart_in_the_cursor() -> None:
    bench = EngineBench(after_a_while)
    bench.broadcast("Settings Changed", **settings(after_a_while={"mode": "live", "delay": "10m"}))
    bench.deploy(after_a_while)
    bench.emits("u1", ADD)
    bench.advance("10m")
    assert len(bench.messages) == 1


def test_settings_that_do_not_fit_a_rule_go_to_quarantine_and_change_nothing() -> None:
    bench = EngineBench(after_a_while)
    bench.broadcast("Settings Changed", **settings(after_a_while={"mode": "live", "cooldown": "often"}))
    assert [record.body.reason for record in quarantined(bench)] == ["cannot_apply"]
    bench.emits("u1", ADD)
    bench.advance("1h")
    assert len(bench.messages) == 1


def test_a_rule_that_is_off_starts_nothing() -> None:
    bench = EngineBench(after_a_while)
    bench.broadcast("Settings Changed", **settings(after_a_while={"mode": "off"}))
    bench.emits("u1", ADD)
    assert bench.runs("u1") == []


def test_a_paused_rule_keeps_its_timers_due_and_starts_nothing() -> None:
    bench = EngineBench(after_a_while)
    bench.emits("u1", ADD)
    bench.broadcast("Rule Paused", rule="after_a_while")
    bench.emits("u2", ADD)
    bench.advance("3h")
    assert bench.messages == []
    bench.broadcast("Rule Resumed", rule="after_a_while")
    bench.advance("1s")
    assert [(m.customer, m.requested_at) for m in bench.messages] == [("u1", bench.now - 1000)]


def test_a_held_run_does_not_hold_up_the_others_of_its_customer() -> None:
    @rule(on=ProductAdded, purpose="marketing.test", version=1)
    async def other(run: Run, first: ProductAdded) -> None:
        await run.sleep("2h")
        await run.send("email", "other")

    bench = EngineBench(after_a_while, other)
    bench.emits("u1", ADD)
    bench.deploy(other)
    bench.advance("3h")
    assert bench.sent() == ["email other"]


def from_outbox(seq: int, at: int, customer: str = "u1") -> Any:
    record = event_record(customer, ADD, at, f"from-{seq}")
    return msgspec.structs.replace(record, origin=Origin("dispatch", 0, seq))


def test_a_repeat_from_an_outbox_is_skipped_however_late_it_comes() -> None:
    bench = EngineBench(after_a_while)
    bench.append(EVENTS, from_outbox(1, bench.now))
    bench.advance("100d")
    bench.append(EVENTS, from_outbox(1, bench.now))
    assert len(bench.messages) == 1
    assert bench.runs("u1") == []


def test_a_gap_in_the_sequence_of_an_outbox_stops_the_partition() -> None:
    bench = EngineBench(after_a_while)
    bench.append(EVENTS, from_outbox(1, bench.now))
    with pytest.raises(OutboxGap, match="2 to 2 from dispatch/0"):
        bench.append(EVENTS, from_outbox(3, bench.now))
    assert bench.partition().cursor.taken == {"dispatch/0": 1}


def test_what_stands_before_a_gap_in_one_slice_is_applied() -> None:
    bench = EngineBench(after_a_while)
    values = [(0, encode(from_outbox(seq, bench.now, f"u{seq}"))) for seq in (1, 2, 4)]
    drive(bench.log.append(EVENTS, values))
    with pytest.raises(OutboxGap, match="3 to 3 from dispatch/0"):
        drive(bench.worker.run_once(0))
    assert (bench.partition().cursor.offset, bench.partition().cursor.taken) == (2, {"dispatch/0": 2})
    assert sorted(drive(bench.store.running("after_a_while"))) == ["u1", "u2"]
    with pytest.raises(OutboxGap):
        drive(bench.worker.run_ahead(0, 3))
    assert bench.partition().cursor.offset == 2


def test_sequences_count_from_one_for_each_target_and_go_on_after_a_restart() -> None:
    bench = EngineBench(after_a_while)
    for customer in ("u1", "u2"):
        bench.emits(customer, ADD)
        bench.advance("1h")
        bench.deploy(after_a_while)
    origins = [record.origin for record in bench.dispatch.records]
    assert [origin.seq for origin in origins if origin] == list(range(1, len(origins) + 1))


def test_a_record_far_ahead_of_the_clock_stops_the_partition() -> None:
    bench = EngineBench(after_a_while)
    bench.clock.forward_to(bench.now + 10 * MINUTE)
    drive(bench.log.append(EVENTS, [(0, encode(event_record("u1", ADD, bench.now, "ahead")))]))
    bench.clock._now -= 1 * MINUTE
    drive(bench.worker.run_once(0))
    assert len(bench.runs("u1")) == 1
    bench.clock.forward_to(bench.now + 30 * MINUTE)
    drive(bench.log.append(EVENTS, [(0, encode(event_record("u2", ADD, bench.now, "far")))]))
    bench.clock._now -= 3 * MINUTE
    with pytest.raises(ClocksApart):
        drive(bench.worker.run_once(0))


class Brittle:
    """A projection that one event breaks, in the place of one that dispatch goes by."""

    name, version, state = "segments", 1, Event
    events = (Page,)

    def fold(self, state: Any, event: Any) -> Any:
        if event.name == "poison":
            raise ZeroDivisionError("a bug")
        return state

    def merge(self, mine: Any, theirs: Any) -> Any:
        return mine

    def migrate(self, version: int, old: Any) -> Any:
        return Event()


@rule(on=Page, purpose="marketing.test", uses=("segments",), repeat="parallel", version=1)
async def reads_brittle(run: Run, first: Page) -> None:
    await run.send("email", first.name)


def brittle_bench() -> EngineBench:
    return EngineBench(reads_brittle, projections=(*(each for each in SHIPPED if each.name != "segments"), Brittle()))


def test_poison_is_found_by_slices_of_one_and_quarantined_with_its_reason() -> None:
    bench = brittle_bench()
    entries = [(0, encode(event_record("u1", Page(name=name), bench.now, name))) for name in ("a", "poison", "b")]
    drive(bench.log.append(EVENTS, entries))
    bench.advance("1s")
    assert [m.template for m in bench.messages] == ["a", "b"]
    (record,) = quarantined(bench)
    fold = Brittle.fold.__code__
    assert record.body.message == f"{__file__}:{fold.co_firstlineno + 2}: ZeroDivisionError: a bug"
    assert record.body.came_from == (EVENTS, 0, 1)
    assert bench.partition().cursor.poison == 0


def test_time_passes_with_a_record_that_cannot_be_applied_as_with_any_other() -> None:
    bench = brittle_bench()
    bench.emits("u1", Page(name="poison"))
    assert bench.partition().cursor.clock == bench.now


def test_a_record_that_is_no_record_of_ours_is_quarantined_too() -> None:
    bench = brittle_bench()
    drive(bench.log.append(EVENTS, [(0, b'{"kind":"riddle"}'), (0, b"\xff\x00")]))
    bench.emits("u1", Page(name="a"))
    assert bench.sent() == ["email a"]
    assert len(quarantined(bench)) == 2


def test_what_comes_after_a_quarantined_record_of_an_outbox_is_no_gap() -> None:
    bench = brittle_bench()
    poison = event_record("u1", Page(name="poison"), bench.now, "poison")
    poison = msgspec.structs.replace(poison, origin=Origin("dispatch", 0, 1))
    good = msgspec.structs.replace(event_record("u1", Page(name="a"), bench.now, "a"), origin=Origin("dispatch", 0, 2))
    drive(bench.log.append(EVENTS, [(0, encode(poison)), (0, encode(good)), (0, encode(poison))]))
    bench.advance("1s")
    assert (bench.sent(), len(quarantined(bench))) == (["email a"], 1)


@pytest.mark.parametrize("kind", ["mood", "event"])
def test_a_record_for_a_newer_program_waits_for_it_and_what_stood_before_it_is_done(kind: str) -> None:
    bench = brittle_bench()
    before, after = (encode(event_record("u1", Page(name=name), bench.now, name)) for name in ("a", "b"))
    newer = msgspec.json.encode({**msgspec.json.decode(after), "id": "c", "kind": kind, "v": VERSION + 1})
    drive(bench.log.append(EVENTS, [(0, before), (0, newer), (0, after)]))
    with pytest.raises(NewerRecord, match=f"events/0: a record of version {VERSION + 1}, and this program"):
        drive(bench.worker.run_once(0))
    assert (bench.partition().cursor.offset, quarantined(bench)) == (1, [])
    assert drive(bench.store.cursor(0)).offset == 1


@pytest.mark.parametrize("ticks", [0, 1], ids=["by itself", "with time passing between"])
def test_a_flood_of_poison_stops_the_partition_rather_than_drain_it(ticks: int) -> None:
    bench = brittle_bench()
    tick = encode(TickRecord(id="t", key="", at=bench.now, body=TickBody()))
    for number in range(50):
        poison = event_record("u1", Page(name="poison"), bench.now, f"p{number}")
        drive(bench.log.append(EVENTS, [(0, encode(poison)), *[(0, tick)] * ticks]))
    with pytest.raises(PoisonFlood, match=r"test_slice_records.py:\d+: ZeroDivisionError$"):
        bench.advance("1s")
    cursor = bench.partition().cursor
    assert (cursor.poison, cursor.offset) == (20, 20 * (1 + ticks))


def test_what_a_flood_of_poison_says_is_not_for_the_log_since_it_may_name_a_person() -> None:
    bench = brittle_bench()
    drive(bench.log.append(EVENTS, [(0, b'{"kind":"anna@shop.example"}')] * 30))
    with pytest.raises(PoisonFlood, match=r"\.py:\d+: InvalidInput$"):
        bench.advance("1s")


def test_a_customer_with_a_row_beyond_the_limit_is_counted_and_not_applied() -> None:
    bench = EngineBench(after_a_while)
    for number in range(60):
        bench.advance("2m")
        bench.emits("u1", ProductAdded(cart_id="c1", product_id=f"p{number}", name="x" * 8000))
    row = bench.row("u1")
    assert row is not None
    assert "limit 262144" in row.blocked
    assert bench.partition().cursor.counted > 20


def test_when_a_customer_is_beyond_the_limit_does_not_depend_on_where_slices_are_cut() -> None:
    applied = []
    for slice_limit in (1, 7, 1000):
        bench = EngineBench(after_a_while, slice_limit=slice_limit)
        for number in range(60):
            bench.clock.forward_to(bench.now + 120_000)
            added = ProductAdded(cart_id="c1", product_id=f"p{number}", name="x" * 8000)
            record = event_record("u1", added, bench.now, f"e{number}")
            drive(bench.log.append(EVENTS, [(0, encode(record))]))
        bench.advance("1m")
        applied.append((bench.partition().cursor.counted, len(bench.history("u1"))))
    assert applied[0][0] > 20
    assert len(set(applied)) == 1


def test_a_customer_beyond_the_limit_still_hears_what_became_of_a_message() -> None:
    """Otherwise their run would wait for the answer until it dies of age."""
    bench = EngineBench(after_a_while, decide=lambda message: None)
    bench.emits("u1", ADD)
    bench.advance("2h")
    for number in range(60):
        bench.advance("2m")
        bench.emits("u1", ProductAdded(cart_id="c1", product_id=f"p{number}", name="x" * 8000))
    row = bench.row("u1")
    assert row is not None
    assert row.blocked
    bench.decides(bench.messages[0], verdict="sent")
    assert bench.endings("u1") == ["done"]


def test_a_customer_is_heard_again_once_half_of_the_limit_is_free() -> None:
    bench = EngineBench(after_a_while)
    for number in range(60):
        bench.advance("2m")
        bench.emits("u1", ProductAdded(cart_id="c1", product_id=f"p{number}", name="x" * 8000))
    row = bench.row("u1")
    assert row is not None
    assert row.blocked
    bench.emits("u1", OrderCompleted(order_id="o1"))  # the cart is empty
    before = bench.partition().cursor.counted
    bench.emits("u1", ProductAdded(cart_id="c1", product_id="again"))
    assert (row.blocked, bench.partition().cursor.counted) == ("", before)


def test_a_customer_who_floods_is_counted_and_not_applied_for_the_rest_of_the_minute() -> None:
    bench = EngineBench(after_a_while)
    for number in range(300):
        bench.emits("u1", ProductAdded(product_id=f"p{number % 9}"))
    assert bench.partition().cursor.counted == 300 - 256
    [said] = [line for line in bench.history("u1") if line.kind == "note"]
    assert b"more than 256 events within a minute" in said.data
    bench.advance("2m")
    bench.emits("u1", ProductAdded(product_id="later"))
    assert bench.partition().cursor.counted == 300 - 256


@pytest.mark.parametrize(
    "event",
    [
        OrderCompleted(order_id="o1"),
        CustomerFlagged(reason="deceased"),
        ComplaintOpened(ticket_id="t1"),
    ],
)
def test_orders_and_facts_of_a_customer_who_floods_are_applied_all_the_same(event: Event) -> None:
    bench = EngineBench(after_a_while)
    for number in range(300):
        bench.emits("u1", ProductAdded(product_id=f"p{number % 9}"))
    before = bench.partition().cursor.counted
    bench.emits("u1", event)
    assert bench.partition().cursor.counted == before
    assert any(name_of(type(event)).encode() in line.data for line in bench.history("u1"))


@rule(on=OrderCompleted, exit_on=ProductAdded, purpose="marketing.test", version=1)
async def until_they_are_back(run: Run, first: OrderCompleted) -> None:
    await run.sleep("30d")


def test_what_ends_a_rule_that_does_not_run_is_no_way_around_the_limit() -> None:
    """Adding to a cart ends `missed_order`, and adding is what a crawler does."""
    bench = EngineBench(after_a_while, until_they_are_back)
    for number in range(300):
        bench.emits("u1", ProductAdded(product_id=f"p{number % 9}"))
    assert bench.partition().cursor.counted == 300 - 256
    bench.emits("u1", OrderCompleted(order_id="o1"), ProductAdded(product_id="p1"), ProductAdded(product_id="p2"))
    assert "ended by Product Added" in bench.endings("u1")
    assert bench.partition().cursor.counted == 300 - 256 + 1


def test_a_goal_of_a_rule_that_does_not_run_is_noted_however_much_comes() -> None:
    seated = rule(on=ProductAdded, goal="Seat Taken", purpose="marketing.test", repeat="parallel", version=1)
    bench = EngineBench(after_a_while, seated(after_a_while.body).named("seated"))
    bench.broadcast("Rule Paused", rule="seated")
    for number in range(300):
        bench.emits("u1", ProductAdded(product_id=f"p{number % 9}"))
    bench.emits("u1", "Seat Taken", scope="browser")
    row = bench.row("u1")
    assert row is not None
    assert row.goals is not None
    assert "seated" in row.goals


def test_of_imported_history_nothing_is_passed_over() -> None:
    bench = EngineBench(after_a_while)
    for number in range(400):
        bench.emits("u1", OrderCompleted(order_id=f"o{number}"), ago=f"{number}h", history=True)
    row = bench.row("u1")
    assert row is not None
    assert (row.state("orders").count, bench.partition().cursor.counted) == (400, 0)


def test_a_row_comes_back_from_its_stored_form_as_it_was() -> None:
    bench = EngineBench(after_a_while)
    bench.emits("u1", "Identify", properties={"email": "u1@example.test"})
    bench.emits("u1", ADD, OrderCompleted(order_id="o1"), ADD)
    row = bench.row("u1")
    assert isinstance(row, Row)
    book = bench.partition().book
    value = row.encode()
    again = decode("u1", value, book.projections)
    assert again.encode() == value
    assert again.trail == row.trail
    assert again.states == row.states
    assert again.weight == row.weight > 0
    assert again.goals == row.goals is not None
    assert again.recipient == row.recipient != ""


def test_a_row_beyond_the_limit_is_so_for_the_next_owner_as_well() -> None:
    row = Row("u1", blocked="row of 300000 bytes", limited=7, linked_to="u0", device_of="u2", absorbed=("anon:a1",))
    again = decode("u1", row.encode(), {})
    told = (again.blocked, again.limited, again.linked_to, again.device_of, again.absorbed)
    assert told == ("row of 300000 bytes", 7, "u0", "u2", ("anon:a1",))


def test_an_event_is_recognised_by_an_entry_of_its_own_and_not_by_parts_of_two() -> None:
    row, across = Row("u1"), b"EFGH" + bytes(4)
    row.remember(b"ABCDEFGH", 0)
    row.remember(b"IJKLMNOP", 0)
    assert [row.has_seen(event) for event in (b"ABCDEFGH", b"IJKLMNOP", across)] == [True, True, False]
    row.remember(across, 0)
    assert row.has_seen(across)


def test_an_event_is_recognised_for_48_hours() -> None:
    row, age = Row("u1"), 48 * HOUR
    row.remember(b"ABCDEFGH", 0)
    row.remember(b"IJKLMNOP", age)
    assert row.has_seen(b"ABCDEFGH")
    row.remember(b"QRSTUVWX", age + MINUTE)
    assert [row.has_seen(event) for event in (b"ABCDEFGH", b"IJKLMNOP")] == [False, True]


def test_an_event_is_recognised_among_the_latest_256() -> None:
    row = Row("u1")
    for number in range(256):
        row.remember(number.to_bytes(8), number * MINUTE)
    assert row.has_seen(bytes(8))
    row.remember((256).to_bytes(8), 256 * MINUTE)
    assert [row.has_seen(number.to_bytes(8)) for number in (0, 1, 256)] == [False, True, True]


@rule(on=ProductAdded, purpose="marketing.test", version=1)
async def until_seated(run: Run, first: ProductAdded) -> None:
    await run.wait_for("Seat Taken", within="60d")
    await run.send("email", "seated")


def test_whoever_waits_for_what_nothing_names_is_found_though_their_row_has_left_memory() -> None:
    bench = EngineBench(until_seated, rows=1)
    bench.emits("u1", ADD)
    for number in range(20):
        bench.emits(f"other{number}", "Identify", properties={"email": f"{number}@example.test"})
    assert bench.row("u1") is None
    bench.emits("u1", "Seat Taken")
    assert bench.sent() == ["email seated"]


def test_an_event_that_concerns_no_rule_and_no_projection_touches_no_row() -> None:
    bench = EngineBench(after_a_while)
    bench.emits("u1", Page(name="home"), "Level Reached")
    assert bench.row("u1") is None
    assert bench.history("u1") == []


def test_what_dispatch_knows_of_a_customer_is_told_only_when_it_changes() -> None:
    bench = EngineBench(after_a_while)
    bench.emits("u1", "Identify", properties={"email": "u1@example.test", "first_name": "Uma"})
    bench.emits("u1", "Identify", properties={"email": "u1@example.test"})
    bench.emits("u1", "Identify", properties={"last_name": "Ulm"})  # no letter says it
    assert [record.body.addresses for record in bench.recipients] == [{"email": "u1@example.test"}]


def test_what_the_settings_make_of_it_is_for_dispatch_to_see_and_is_not_told_again() -> None:
    bench = EngineBench(after_a_while)
    bench.emits("u1", OrderCompleted(order_id="o1"))
    ordered_at = bench.now
    bench.emits("u1", ADD)
    bench.broadcast("Settings Changed", resting={"order": "3d"})
    bench.advance("2h")
    assert bench.sent()
    (told,) = bench.recipients
    assert [rest.since for rest in told.body.rests] == [ordered_at]


def test_what_a_door_whose_clock_is_ahead_has_taken_hides_nothing_that_comes_after_it() -> None:
    bench, ahead = EngineBench(after_a_while), timedelta(days=-1)
    bench.emits("u1", ComplaintClosed(ticket_id="t1"), OrderCompleted(order_id="o1"), ago=ahead)
    bench.advance("10m")
    bench.emits("u1", ComplaintOpened(ticket_id="t1"), ADD)
    assert bench.recipients[-1].body.complaint_open
    assert bench.recipients[-1].body.rests[0].since == bench.now - 10 * MINUTE
    assert len(bench.runs("u1")) == 1


@pytest.mark.parametrize("reason", ["legal", ""])
def test_a_flag_that_is_posted_again_is_told_again(reason: str) -> None:
    bench = EngineBench(after_a_while)
    for _ in range(2):
        bench.emits("u1", CustomerFlagged(reason=reason))
    assert [record.body.do_not_contact for record in bench.recipients] == [reason, reason]


def test_an_address_that_a_browser_claims_is_never_told_to_dispatch() -> None:
    bench = EngineBench(after_a_while)
    bench.emits("u1", "Identify", properties={"email": "else@example.test", "first_name": "Eve"}, scope="browser")
    assert [record.body.addresses for record in bench.recipients] == [{}]


def test_after_three_claims_without_a_commit_records_are_taken_one_by_one() -> None:
    bench = EngineBench(after_a_while)
    entries = [(0, encode(event_record(f"u{n}", ADD, bench.now, f"e{n}"))) for n in range(3)]
    drive(bench.log.append(EVENTS, entries))
    for _ in range(3):
        bench.deploy(after_a_while)
    assert drive(bench.worker.run_once(0))
    assert bench.partition().cursor.offset == 1
    assert drive(bench.worker.run_once(0))
    assert bench.partition().cursor.offset == 3


class OpenLog(MemoryLog):
    """A log into which anybody may write."""

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Stored]:
        return [stored._replace(foreign=True) for stored in await super().read(topic, partition, offset, limit)]


def elsewhere(customer: str) -> int:
    """A partition of four that is not the customer's."""
    return (partition_of(customer, 4) + 1) % 4


def test_what_a_foreign_producer_put_on_the_wrong_partition_goes_on_to_the_right_one_once() -> None:
    bench = EngineBench(after_a_while, partitions=4, log=OpenLog)
    for _ in range(2):
        record = event_record("u1", ADD, bench.now, "theirs")
        drive(bench.log.append(EVENTS, [(elsewhere("u1"), encode(record))]))
    bench.advance("1m")
    assert [run.rule for run in bench.runs("u1")] == ["after_a_while"]
    assert bench.partition(elsewhere("u1")).rows.get("u1") is None
    bench.emits("u1", OrderCompleted(order_id="o1"))
    bench.advance("2h")
    assert (bench.messages, bench.endings("u1")) == ([], ["goal reached"])


def test_what_is_too_large_to_go_on_is_passed_over_and_stands_in_no_outbox() -> None:
    bench = EngineBench(after_a_while, partitions=4, log=OpenLog)
    page = event_record("u1", "Page", bench.now, "e1", properties={"name": "x" * FORWARDED})
    drive(bench.log.append(EVENTS, [(elsewhere("u1"), encode(page))]))
    bench.advance("1m")
    refused = [stored for partition in range(4) for stored in drive(bench.log.read("quarantine", partition, 0, 10))]
    assert [b"bytes is too large to be forwarded" in stored.value for stored in refused] == [True]


def test_nor_does_it_go_on_from_a_visitor_to_whoever_they_are() -> None:
    bench = EngineBench(after_a_while)
    bench.link("anon:a1", "u1")
    page = event_record("anon:a1", "Page", bench.now, "e1", properties={"name": "x" * FORWARDED})
    drive(bench.log.append(EVENTS, [(0, encode(page))]))
    bench.advance("1m")
    assert drive(bench.log.end("quarantine", 0)) == 1


def test_an_event_that_no_rule_names_goes_on_too_since_somebody_may_wait_for_it() -> None:
    bench = EngineBench(left_in_peace, partitions=4, log=OpenLog)
    bench.emits("u1", ADD)
    bench.advance("50m")
    page = event_record("u1", "Wheel Spun", bench.now, "e9", scope="browser")
    drive(bench.log.append(EVENTS, [(elsewhere("u1"), encode(page))]))
    bench.advance("50m")
    assert bench.messages == []
    bench.advance("10m")
    assert [message.customer for message in bench.messages] == ["u1"]


@rule(on=ProductAdded, purpose="marketing.test", version=1)
async def left_in_peace(run: Run, first: ProductAdded) -> None:
    await run.quiet("1h")
    await run.send("email", "cart")
