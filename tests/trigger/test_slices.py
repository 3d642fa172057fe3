"""The outcome is that of the log alone: not of where slices are cut, of how many partitions there are, or of crashes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import msgspec
import pytest
from enginebench import GRAVES, MONDAY, EngineBench, drive, event_record, sent
from hypothesis import given, settings
from hypothesis import strategies as st

from tactful import Ladder, Run, rule
from tactful.clock import HOUR, MINUTE, ManualClock
from tactful.events import CouponDenied, Event, Identify, OrderCompleted, Page, ProductAdded, ProductRemoved
from tactful.identity import is_anonymous
from tactful.log import Stored
from tactful.log.memory import MemoryLog
from tactful.log.partitioning import partition_of
from tactful.partitions.outbox import OutboxRow
from tactful.records import (
    DISPATCH,
    EVENTS,
    BroadcastBody,
    BroadcastRecord,
    CommandBody,
    CommandRecord,
    EraseBody,
    EraseRecord,
    LinkBody,
    LinkRecord,
    MergeBody,
    MergeRecord,
    MessageBody,
    Record,
    TickBody,
    TickRecord,
    decode_dispatch,
    encode,
)
from tactful_trigger.projections import SHIPPED
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.runs.checking import check
from tactful_trigger.store.memory import MemoryTriggerStore
from tactful_trigger.worker import ROWS_IN_MEMORY, TriggerWorker
from tactful_workbench.virtual.driver import Input

EVENTS_BY_NAME: dict[str, Event] = {
    "add": ProductAdded(cart_id="c", product_id="p1"),
    "other": ProductAdded(cart_id="c", product_id="p2"),
    "remove": ProductRemoved(cart_id="c", product_id="p1"),
    "page": Page(name="home"),
    "order": OrderCompleted(order_id="o"),
}


@rule(on=ProductAdded, goal=OrderCompleted, purpose="marketing.cart", uses=("cart",), cooldown="1d", version=1)
async def cart(run: Run, first: ProductAdded) -> str:
    await run.quiet("1h")
    if not (await run.get("cart")).items:
        return "emptied"
    data = lambda customer: {"items": [i.product_id for i in customer.cart.items]} if customer.cart.items else None
    return await Ladder(("email", "3h"), ("push", "1h")).climb(run, "cart", data)


@rule(on=Page, repeat="restart", purpose="marketing.browse", version=1)
async def browse(run: Run, first: Page) -> None:
    got = await run.wait_for(Page, within="20m", where=lambda page: page.name == "home")
    await run.sleep("40m" if got is None else "50m")
    await run.send("email", "browse", looked=got is not None)


@rule(on=ProductAdded, goal=OrderCompleted, purpose="marketing.late", after=("pos",), after_max="4h", version=1)
async def late(run: Run, first: ProductAdded) -> None:
    for step in ("first", "second"):
        await run.sleep("30m")
        await run.send("email", step)


async def doubled(number: int) -> int:
    return 2 * number


@rule(on=Page, goal=OrderCompleted, repeat="restart", purpose="marketing.stepping", version=1)
async def stepping(run: Run, first: Page) -> None:
    number = await run.step("double", doubled, 1)
    await run.sleep("45m")
    await run.send("email", "stepping", number=await run.step("double again", doubled, number))


RULES = (cart, browse, late, stepping)
Script = list[tuple[str, str, int]]
scripts = st.lists(
    st.tuples(st.sampled_from(["u1", "u2", "u3", "u4"]), st.sampled_from(sorted(EVENTS_BY_NAME)), st.integers(0, 90)),
    max_size=25,
)
PEOPLE = {"is u1": "u1", "is u2": "u2"}
ERASED, REGISTERED = "erased", "registered"
scripts_about_people = st.lists(
    st.tuples(
        st.sampled_from(["u1", "u2", "u3", "anon:a", "anon:b"]),
        st.sampled_from([*sorted(EVENTS_BY_NAME), *sorted(PEOPLE), ERASED, REGISTERED]),
        st.integers(0, 90),
    ),
    max_size=25,
)

NEWS = {
    "pause cart": ("Rule Paused", "cart"),
    "resume cart": ("Rule Resumed", "cart"),
    "pause late": ("Rule Paused", "late"),
    "resume late": ("Rule Resumed", "late"),
    "drain browse": ("Rule Drained", "browse"),
    "cancel browse": ("Rule Drained", "browse"),
}
COMMANDS = {"cancel cart": ("cancel", "cart"), "enrol cart": ("enrol", "cart"), "enrol late": ("enrol", "late")}
IMPORTED, TOLD = "imported", "told"
scripts_about_operators = st.lists(
    st.tuples(
        st.sampled_from(["u1", "u2", "anon:a"]),
        st.sampled_from([*sorted(EVENTS_BY_NAME), *sorted(NEWS), *sorted(COMMANDS), IMPORTED, TOLD, TOLD, "is u1"]),
        st.integers(0, 90),
    ),
    max_size=25,
)


def broadcast(id: str, at: int, name: str, **data: object) -> Record:
    return BroadcastRecord(id=id, key="all", at=at, body=BroadcastBody(name, msgspec.Raw(msgspec.json.encode(data))))


def for_everybody(name: str, id: str, at: int) -> Record | None:
    """What is told to every partition, if it is that."""
    if name == TOLD:
        return broadcast(id, at, "Feed Complete", feed="pos", through=at)
    cancels = {"cancels": True} if name.startswith("cancel") else {}
    return broadcast(id, at, NEWS[name][0], rule=NEWS[name][1], **cancels) if name in NEWS else None


def inputs(script: Script, partitions: int) -> list[Input]:
    at, given_inputs = MONDAY, []
    for number, (customer, name, minutes) in enumerate(script):
        at += minutes * 60_000
        if (news := for_everybody(name, f"e{number}", at)) is not None:
            given_inputs.append(Input(at, EVENTS, [(partition, encode(news)) for partition in range(partitions)]))
        else:
            record = for_one(customer, name, f"e{number}", at)
            given_inputs.append(Input(at, EVENTS, [(partition_of(customer, partitions), encode(record))]))
    return given_inputs


def for_one(customer: str, name: str, id: str, at: int) -> Record:
    if name in EVENTS_BY_NAME:
        return event_record(customer, EVENTS_BY_NAME[name], at, id)
    if name == IMPORTED:
        return event_record(customer, EVENTS_BY_NAME["add"], at, id, history=True)
    if name == REGISTERED:
        return event_record(customer, Identify(email=f"{id}@example.test"), at, id)
    if name == ERASED:
        return EraseRecord(id=id, key=customer, at=at, body=EraseBody(at))
    if name in COMMANDS:
        return CommandRecord(id=id, key=customer, at=at, body=CommandBody(*COMMANDS[name]))
    if is_anonymous(customer):
        return LinkRecord(id=id, key=customer, at=at, body=LinkBody(PEOPLE[name]))
    return MergeRecord(id=id, key=customer, at=at, body=MergeBody(PEOPLE[name]))


def requests(bench: EngineBench) -> list[bytes]:
    """Everything that trigger asked for, without where in the log it stands."""
    found = []
    for partition in range(bench.log.partitions):
        for stored in drive(bench.log.read(DISPATCH, partition, 0, 1_000_000)):
            record = decode_dispatch(stored.value)
            found.append(msgspec.json.encode(msgspec.structs.replace(record, origin=None)))
    return sorted(found)


def play(script: Script, partitions: int, slice_limit: int, rows: int = ROWS_IN_MEMORY) -> EngineBench:
    bench = EngineBench(*RULES, partitions=partitions, slice_limit=slice_limit, decide=sent, rows=rows)
    bench.advance("60d", inputs(script, partitions))
    return bench


@settings(max_examples=60)
@given(scripts | scripts_about_people | scripts_about_operators)
def test_slices_and_partitions_make_no_difference_in_virtual_time(script: Script) -> None:
    expected = requests(play(script, 1, 1000))
    for partitions, slice_limit in ((1, 1), (1, 7), (4, 1), (4, 7), (4, 1000)):
        assert requests(play(script, partitions, slice_limit)) == expected


@settings(max_examples=60)
@given(scripts | scripts_about_people | scripts_about_operators)
def test_rows_that_memory_lets_go_come_back_as_they_were(script: Script) -> None:
    assert requests(play(script, 1, 1, rows=0)) == requests(play(script, 1, 1))


@settings(max_examples=60)
@given(scripts | scripts_about_people | scripts_about_operators)
def test_a_restart_after_everything_that_happens_makes_no_difference(script: Script) -> None:
    calm, restarted = play(script, 2, 1000), EngineBench(*RULES, partitions=2, decide=sent)
    for at, together in groupby(inputs(script, 2), key=attrgetter("at")):
        restarted.advance_to(max(restarted.now, at - MINUTE))
        restarted.deploy(*RULES)
        restarted.advance_to(at, together)
        restarted.deploy(*RULES)
    restarted.advance_to(calm.now)
    assert requests(restarted) == requests(calm)
    assert stored_rows(restarted) == stored_rows(calm)


def test_memory_keeps_no_more_customers_than_it_may_beside_those_for_whom_something_near_waits() -> None:
    bench = EngineBench(cart, browse, rows=10)
    for number in range(100):
        bench.emits(f"u{number}", EVENTS_BY_NAME["add"])  # an hour of quiet: near
    bench.advance("1m")
    assert len(bench.partition().rows) == 100
    bench.advance("2h")  # patience with the letter for three hours: far
    for number in range(30):
        bench.emits(f"new{number}", EVENTS_BY_NAME["remove"])
    assert len(bench.partition().rows) < 30
    bench.advance("2h")
    assert bench.sent().count("push cart") == 100


def test_what_fell_due_while_its_rule_was_paused_is_not_let_go() -> None:
    bench = EngineBench(cart, rows=0)
    bench.emits("u1", EVENTS_BY_NAME["add"])
    bench.broadcast("Rule Paused", rule="cart")
    bench.advance("5h")
    bench.emits("u2", EVENTS_BY_NAME["page"])
    assert bench.messages == []
    bench.broadcast("Rule Resumed", rule="cart")
    bench.advance("1m")
    assert bench.sent() == ["email cart"]


@settings(max_examples=60)
@given(scripts | scripts_about_people | scripts_about_operators)
def test_a_recorded_log_read_as_a_backlog_gives_the_same_requests(script: Script) -> None:
    # Who is enrolled is shown what they did under other names, too, and a backlog may be read where they came to before where they were.
    names = {name for _, name, _ in script}
    partitions = 1 if names & PEOPLE.keys() and names & COMMANDS.keys() else 4
    live = play(script, partitions, 1000)
    for slice_limit in (1, 7, 1000):
        again = reread(live, slice_limit)
        assert stored_rows(again) == stored_rows(live)
        assert requests(asked_of(again)) == requests(live)


@settings(max_examples=60)
@given(scripts | scripts_about_people | scripts_about_operators)
def test_every_live_run_is_found_to_fit_the_rules_under_which_it_lives(script: Script) -> None:
    bench, book = EngineBench(*RULES, decide=sent), Rulebook(RULES, SHIPPED)
    for at, together in groupby(inputs(script, 1), key=attrgetter("at")):
        bench.advance_to(max(bench.now, at), together)
        for customer, value in stored_rows(bench).items():
            assert not [run for run in check(customer, value, book) if run.why]


def stored_rows(bench: EngineBench) -> dict[str, bytes]:
    """What the store knows of everybody."""
    rows = dict[str, bytes]()
    for partition in range(bench.log.partitions):
        rows |= drive(bench.store.load(partition, drive(bench.store.everybody(partition, "", 10**6))))
    return rows


def reread(live: EngineBench, slice_limit: int) -> EngineBench:
    """Trigger alone over the recorded events, with nobody answering but the log, and with no more memory than it needs."""
    again = EngineBench(*RULES, partitions=live.log.partitions, slice_limit=slice_limit, start=live.now, rows=0)
    again.log, again.dispatch = live.log, live.dispatch
    again.deploy(*RULES)
    drive(again.worker.settle())
    return again


def asked_of(bench: EngineBench) -> EngineBench:
    """What its outboxes hold for dispatch."""
    rows: list[OutboxRow] = []
    for partition in range(bench.log.partitions):
        rows += [row for row in drive(bench.store.unsent(partition, 1_000_000)) if row.topic == DISPATCH]
    collected = EngineBench(partitions=bench.log.partitions)
    drive(collected.log.append(DISPATCH, [(row.partition, row.value) for row in rows]))
    return collected


@settings(max_examples=100)
@given(scripts_about_people)
def test_a_person_gets_one_message_a_step_of_an_occurrence_and_none_after_their_order(script: Script) -> None:
    bench = play(script, 4, 7)
    assert len({message.message_id for message in bench.messages}) == len(bench.messages)
    now_known_as = {customer: _final(bench, customer) for customer in ("u1", "u2", "u3", "anon:a", "anon:b")}
    orders = [(now_known_as[c], at) for c, name, at in _timed(script) if name == "order" and not is_anonymous(c)]
    for message in (message for message in bench.messages if message.rule == "cart"):
        began = next(at for c, name, at in _timed(script) if at <= message.because_at <= at)
        known = [at for customer, at in orders if customer == now_known_as[message.customer]]
        assert not any(began < at <= message.requested_at for at in known if _one_person_by(script, message, at)), (
            script
        )


def _timed(script: Script) -> list[tuple[str, str, int]]:
    at, timed = MONDAY, []
    for customer, name, minutes in script:
        at += minutes * 60_000
        timed.append((customer, name, at))
    return timed


def _final(bench: EngineBench, customer: str) -> str:
    while (row := bench.row(customer)) is not None and row.linked_to:
        customer = row.linked_to
    return customer


def _one_person_by(script: Script, message: MessageBody, at: int) -> bool:
    """Whether nobody changed hands in the script: a device that two people use belongs to neither."""
    told = {(c, name) for c, name, _ in script if name in PEOPLE}
    return len({c for c, _ in told}) == len(told) and not any(
        name in PEOPLE and when > at for _, name, when in _timed(script)
    )


def test_a_backlog_lets_timers_fire_between_the_events_that_stand_around_them() -> None:
    script: Script = [("u1", "add", 0), ("u1", "order", 61), ("u2", "add", 0), ("u2", "order", 59)]
    live = play(script, 1, 1000)
    assert {m.customer for m in live.messages} == {"u1"}
    assert requests(reread(live, 1000)) == requests(live)


PROGRAM = """
import json, sys
sys.path.insert(0, {support!r}); sys.path.insert(0, {here!r})
from test_slices import play, requests
script = json.loads(sys.stdin.read())
print(json.dumps([r.decode() for r in requests(play([tuple(s) for s in script], 4, 7))]))
"""


def test_a_replay_under_another_hash_seed_gives_the_same_bytes() -> None:
    here = Path(__file__).parent
    script = [(f"u{n % 7}", name, 13 * n % 50) for n, name in enumerate(sorted(EVENTS_BY_NAME) * 8)]
    answers = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM.format(support=str(here.parent / "support"), here=str(here))],
            input=json.dumps(script),
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert answers[0] == answers[1]
    assert len(json.loads(answers[0])) > 5


@pytest.mark.parametrize("customers", [1, 300])
def test_timers_of_one_instant_fire_in_order_of_customers(customers: int) -> None:
    bench = EngineBench(cart)
    for number in reversed(range(customers)):
        bench.emits(f"u{number:03}", EVENTS_BY_NAME["add"])
    bench.advance("1h")
    assert [m.customer for m in bench.messages] == [f"u{number:03}" for number in range(customers)]


def test_a_tick_fires_only_what_is_strictly_earlier_unless_it_closes_the_instant() -> None:
    bench = EngineBench(cart)
    bench.emits("u1", EVENTS_BY_NAME["add"])
    bench.clock.forward_to(MONDAY + 3_600_000)
    bench.append(EVENTS, TickRecord(id="t1", key="", at=bench.now, body=TickBody()))
    assert bench.messages == []
    bench.clock.forward_to(MONDAY + 3_600_001)
    bench.append(EVENTS, TickRecord(id="t2", key="", at=bench.now, body=TickBody()))
    assert [m.requested_at for m in bench.messages] == [MONDAY + 3_600_000]


class SetBack(MemoryLog):
    """From its third record on, another broker stamps: an hour behind the one before it."""

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Stored]:
        stored = await super().read(topic, partition, offset, limit)
        return [each._replace(appended=each.appended - (each.offset >= 2) * HOUR) for each in stored]


@rule(on=Page, purpose="marketing.nap", version=1)
async def nap(run: Run, first: Page) -> None:
    await run.sleep("45m")
    await run.send("email", "nap")


@pytest.mark.parametrize("slice_limit", [1, 1000])
def test_a_log_whose_clock_is_set_back_fires_no_timer_early_and_moves_no_time_back(slice_limit: int) -> None:
    clock, store = ManualClock(MONDAY), MemoryTriggerStore()
    log = SetBack(1, clock)
    book = Rulebook([nap], SHIPPED)
    worker = TriggerWorker(log, store, book, clock, "bench", graves=GRAVES, slice_limit=slice_limit)
    drive(worker.claim())
    seen = []
    for number, minutes in enumerate((0, 30, 31, 91, 120)):  # the last three are stamped an hour earlier
        clock.forward_to(MONDAY + minutes * MINUTE)
        record = event_record(f"u{number}", Page(name="home"), clock.now(), f"e{number}")
        drive(log.append(EVENTS, [(0, encode(record))]))
        while drive(worker.run_once(0)):
            pass
        seen.append(((drive(store.cursor(0)).clock - MONDAY) // MINUTE, worker.timers_fired))
    assert seen == [(0, 0), (30, 0), (30, 0), (31, 0), (60, 1)]


@rule(on=Page, purpose="marketing.nap", version=1)
async def two_naps(run: Run, first: Page) -> None:
    await run.sleep("45m")
    await run.sleep("0s")
    await run.send("push", "two_naps")


@pytest.mark.parametrize("slice_limit", [1, 2, 3, 7])
def test_where_timers_of_one_instant_are_cut_does_not_show(slice_limit: int) -> None:
    told = []
    for limit in (slice_limit, 1000):
        bench = EngineBench(nap, two_naps, slice_limit=limit)
        for customer in ("u1", "u2", "u3"):
            bench.emits(customer, Page(name="home"))
        bench.advance("1h")
        told.append([(message.customer, message.template) for message in bench.messages])
    assert told[0] == told[1] == [(customer, what) for customer in ("u1", "u2", "u3") for what in ("nap", "two_naps")]


def test_an_event_that_nothing_names_does_not_even_ask_the_store_for_its_customer_unless_they_have_a_run() -> None:
    bench = EngineBench(nap)
    bench.emits("u1", Page(name="home"))
    bench.emits("u2", ProductAdded(product_id="p1"))
    bench.advance("1s")
    bench.deploy(nap)  # nothing is in memory
    for customer in ("u1", "u2", "u3"):
        bench.emits(customer, "Coupon Denied")
    bench.advance("1s")
    assert bench.worker.owned[0].rows.keys() == {"u1"}


@rule(on=Page, purpose="marketing.coupon", version=1)
async def coupon(run: Run, first: Page) -> str:
    denied = await run.wait_for(CouponDenied, within="30d")
    return "never" if denied is None else "denied"


def test_whoever_waits_for_an_event_that_nothing_else_names_gets_it_though_they_are_not_in_memory() -> None:
    bench = EngineBench(coupon)
    bench.emits("u1", Page(name="home"))
    bench.advance("1d")
    bench.deploy(coupon)
    bench.emits("u1", CouponDenied())
    bench.advance("1s")
    row = bench.row("u1")
    assert row is not None
    assert row.runs == []
