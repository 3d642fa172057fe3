"""Runs that must not go on, code that changed, and bodies that do what a rule may not."""

from __future__ import annotations

import asyncio
import gc
import linecache
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from enginebench import MONDAY, EngineBench, drive

from tactful import Run, rule
from tactful.events import Event, OrderCompleted, ProductAdded, ShipmentDelivered
from tactful.journal import Entry, Wait
from tactful.partitions.outbox import Outbox
from tactful.rules import Rule
from tactful_trigger.effects import Effects
from tactful_trigger.projections import SHIPPED
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.runs.replay import Execution, NoWatch, TooSlow, line_in
from tactful_trigger.runs.stage import Stage
from tactful_trigger.state.row import Run as Stored
from tactful_trigger.watch import SignalWatch
from tactful_workbench.operating.conducting import Conductor

ADD = ProductAdded(cart_id="c1", product_id="p1")


def named(body: Any, version: int = 1, **terms: Any) -> Rule:
    body.__name__ = "journey"
    return rule(**{"on": ProductAdded, "purpose": "marketing.test", "version": version, **terms})(body)


async def two_mails(run: Run, first: ProductAdded) -> None:
    await run.sleep("1h")
    await run.send("email", "a")
    await run.sleep("1h")
    await run.send("email", "b")


def test_a_foreign_await_fails_at_once_and_names_the_line() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await asyncio.sleep(1)

    bench = EngineBench(named(r))
    bench.emits("u1", ADD)
    (why,) = bench.endings("u1")
    assert why.startswith(f"{__file__}:{r.__code__.co_firstlineno + 1}: ")
    assert "run.sleep" in why


def test_a_bare_yield_is_a_foreign_await_too() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await asyncio.sleep(0)

    bench = EngineBench(named(r))
    bench.emits("u1", ADD)
    assert "only operations of the run" in bench.endings("u1")[0]


def test_an_error_in_a_rule_parks_its_run_and_names_the_line() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await run.sleep("1h")
        raise KeyError("colour")

    bench = EngineBench(named(r))
    bench.emits("u1", ADD)
    bench.emits("u2", ADD)
    bench.advance("2h")
    (why,) = bench.endings("u1")
    assert why == f"{__file__}:{r.__code__.co_firstlineno + 2}: KeyError: 'colour'"
    assert bench.runs("u1")[0].parked == why
    assert bench.runs("u2")[0].parked


def test_a_journal_that_does_not_fit_the_same_version_parks_the_run_and_sends_nothing() -> None:
    async def edited(run: Run, first: ProductAdded) -> None:
        await run.sleep("1h")
        await run.send("push", "new")
        await run.send("email", "b")

    bench = EngineBench(named(two_mails))
    bench.emits("u1", ADD)
    bench.advance("90m")
    bench.deploy(named(edited))
    bench.advance("2h")
    assert bench.sent() == ["email a"]
    assert "raise the version" in bench.endings("u1")[0]


async def until_it_came(run: Run, first: ProductAdded) -> str:
    came = await run.wait_for(ShipmentDelivered, within="5d", where=lambda e: e.order_id == "o1")
    return "never came" if came is None else "came"


def test_what_only_another_operation_could_judge_parks_the_run_and_is_seen_once_the_rule_fits_again() -> None:
    async def edited(run: Run, first: ProductAdded) -> str:
        await run.sleep("1h")
        return await until_it_came(run, first)

    bench = EngineBench(named(until_it_came))
    bench.emits("u1", ADD)
    bench.deploy(named(edited))
    bench.emits("u1", ShipmentDelivered(order_id="o1"))
    assert "raise the version" in bench.runs("u1")[0].parked
    bench.deploy(named(until_it_came))
    drive(Conductor(bench.log, bench.store, Rulebook([named(until_it_came)], []), bench.clock).resume("journey"))
    bench.advance("0s")
    assert bench.endings("u1")[-1] == "came"


def test_what_another_message_says_now_is_not_said_in_the_name_of_one_that_waits() -> None:
    async def asks(run: Run, first: ProductAdded) -> None:
        await run.send("email", "a", words="of a")

    async def edited(run: Run, first: ProductAdded) -> None:
        await run.send("push", "new", words="of another")
        await asks(run, first)

    bench = EngineBench(named(asks), decide=lambda message: None)
    bench.emits("u1", ADD)
    bench.deploy(named(edited))
    bench.decides(bench.messages[0], name="Hold Opened", hold=1)
    assert (bench.confirms, bench.cancelled) == ([], [bench.messages[0].message_id])


def test_a_run_goes_on_with_the_body_of_its_own_version() -> None:
    async def second(run: Run, first: ProductAdded) -> None:
        await run.send("push", "new")

    bench = EngineBench(named(two_mails))
    bench.emits("u1", ADD)
    bench.advance("90m")
    newer = named(second, version=2)
    newer.previous(1)(two_mails)
    bench.deploy(newer)
    bench.emits("u2", ADD)
    bench.advance("2h")
    assert [(m.customer, m.rule_version, m.template) for m in bench.messages] == [
        ("u1", 1, "a"),
        ("u2", 2, "new"),
        ("u1", 1, "b"),
    ]


def test_since_tells_old_runs_from_new_ones() -> None:
    async def first_version(run: Run, first: ProductAdded) -> None:
        await run.sleep("1h")
        await run.send("email", "a")

    async def second_version(run: Run, first: ProductAdded) -> None:
        await run.sleep("1h")
        await run.send("email", "b" if run.since(2) else "a")

    bench = EngineBench(named(first_version))
    bench.emits("u1", ADD)
    bench.deploy(named(second_version, version=2))
    bench.emits("u2", ADD)
    bench.advance("1h")
    assert [(m.customer, m.template) for m in bench.messages] == [("u1", "a"), ("u2", "b")]


@pytest.mark.parametrize("gone", ["missing", "newer"])
def test_a_run_whose_rule_is_missing_or_newer_is_held_and_its_timer_stays_due(gone: str) -> None:
    bench = EngineBench(named(two_mails, version=2))
    bench.emits("u1", ADD)
    bench.deploy(*([] if gone == "missing" else [named(two_mails, version=1)]))
    bench.advance("5h")
    assert bench.messages == []
    assert bench.endings("u1") == []
    bench.deploy(named(two_mails, version=2))
    bench.advance("1s")
    assert bench.sent() == ["email a"]


class Before(msgspec.Struct, frozen=True):
    """What the first version of a projection counts."""

    orders: int = 0


class After(msgspec.Struct, frozen=True):
    """The same under another name."""

    count: int = 0


class Points:
    """A projection in either version."""

    name, events = "points", (ProductAdded,)

    def __init__(self, version: int) -> None:
        self.version, self.state = version, (Before if version == 1 else After)

    def fold(self, state: Any, event: Event) -> Any:
        return Before(state.orders + 1) if self.version == 1 else After(state.count + 1)

    def merge(self, mine: Any, theirs: Any) -> Any:
        return mine

    def migrate(self, version: int, old: Any) -> Any:
        return After(version * old["orders"])  # there is no version 0


async def reads_points(run: Run, first: ProductAdded) -> None:
    points = await run.get("points")
    await run.sleep("1h")
    await run.send("email", "points", n=points.orders if hasattr(points, "orders") else points.count)


def points_bench() -> EngineBench:
    bench = EngineBench(named(reads_points, uses=("points",)), projections=(*SHIPPED, Points(1)))
    bench.emits("u1", ADD)
    return bench


def test_what_a_run_has_read_is_migrated_with_the_projection() -> None:
    bench = points_bench()
    bench.deploy(named(reads_points, uses=("points",)), projections=(*SHIPPED, Points(2)))
    bench.advance("1h")
    assert [message.data for message in bench.messages] == [{"n": 1}]


def test_what_a_run_has_read_before_versions_were_kept_is_read_as_it_is() -> None:
    bench = points_bench()
    bench.runs("u1")[0].journal[:] = [msgspec.json.decode(b'["get points",%d,{"orders":7}]' % MONDAY, type=Entry)]
    bench.advance("1h")
    assert [message.data for message in bench.messages] == [{"n": 7}]


def test_a_message_id_knows_nothing_of_the_rules_version() -> None:
    ids = []
    for version in (1, 2):
        bench = EngineBench(named(two_mails, version=version))
        bench.emits("u1", ADD, id="the same event")
        bench.advance("3h")
        ids.append([m.message_id for m in bench.messages])
    assert ids[0] == ids[1]


def test_an_event_that_comes_again_after_a_month_asks_for_the_same_messages() -> None:
    bench = EngineBench(named(two_mails))
    bench.emits("u1", ADD, id="e-again")
    bench.advance("30d")
    bench.emits("u1", OrderCompleted(order_id="o1"))
    bench.emits("u1", ADD, id="e-again")
    bench.advance("3h")
    ids = [m.message_id for m in bench.messages]
    assert ids[:2] == ids[2:]


def test_the_same_event_within_two_days_is_recognised_and_changes_nothing() -> None:
    bench = EngineBench(named(two_mails, repeat="restart"))
    bench.emits("u1", ADD, id="once")
    bench.advance("30m")
    bench.emits("u1", ADD, id="once")
    bench.advance("30m")
    assert bench.sent() == ["email a"]
    assert bench.partition().cursor.duplicates == 1


def test_a_journal_that_grows_for_ever_parks_the_run() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        while True:
            await run.sleep("1m")

    bench = EngineBench(named(r))
    bench.emits("u1", ADD)
    bench.advance("10h")
    assert "the journal is full" in bench.endings("u1")[0]


def test_a_parked_run_withdraws_the_message_it_waits_for() -> None:
    def broken(customer: Any) -> dict[str, Any]:
        raise ValueError("no price")

    async def asks(run: Run, first: ProductAdded) -> None:
        await run.send("email", "a", data=broken if bench.messages else None)

    bench = EngineBench(named(asks), decide=lambda message: None)
    bench.emits("u1", ADD)
    bench.decides(bench.messages[0], name="Hold Opened", hold=1)
    assert "no price" in bench.endings("u1")[0]
    assert bench.cancelled == [bench.messages[0].message_id]


def test_a_rule_that_does_not_come_back_within_a_second_is_interrupted_and_parked() -> None:
    async def endless(run: Run, first: ProductAdded) -> None:
        while True:
            pass

    bench = EngineBench(named(endless))
    with SignalWatch() as watch:
        bench.worker._watch = watch
        began = time.monotonic()
        bench.emits("u1", ADD)
        took = time.monotonic() - began
    assert "longer than a second" in bench.endings("u1")[0]
    assert took < 5


@pytest.mark.parametrize("in_when", [True, False])
def test_who_swallows_the_interruption_has_not_come_back_all_the_same(in_when: bool) -> None:
    def takes_two_seconds(*asked: Any) -> bool:
        for _ in range(2):
            try:
                for _ in range(5):
                    signal.raise_signal(signal.SIGALRM)
            except BaseException:  # noqa: BLE001
                swallowed.append(1)
        return True

    @rule(on=ProductAdded, purpose="marketing.test", when=takes_two_seconds if in_when else None, version=1)
    async def swallows(run: Run, first: ProductAdded) -> None:
        if not in_when:
            takes_two_seconds()
        await run.send("email", "late")

    swallowed = list[int]()
    bench = EngineBench(swallows)
    with SignalWatch() as watch:
        bench.worker._watch = watch
        bench.emits("u1", ADD)
    assert len(swallowed) == 2
    assert "longer than a second" in bench.endings("u1")[0]
    assert [message.message_id for message in bench.messages] == bench.cancelled  # what it asked for is taken back


def test_nobody_is_interrupted_who_has_come_back_or_has_not_run_for_a_second() -> None:
    with SignalWatch() as watch:
        watch.enter("endless")
        watch.leave()
        for _ in range(10):
            signal.raise_signal(signal.SIGALRM)  # a beat; what takes its time now is our own work
        watch.enter("slow")
        for _ in range(3):
            signal.raise_signal(signal.SIGALRM)
        watch.enter("another")
        for _ in range(3):
            signal.raise_signal(signal.SIGALRM)
        watch.leave()


async def awaits_in_finally(run: Run, first: ProductAdded) -> None:
    await run.sleep("1m")
    try:
        await run.sleep("1h")
    finally:
        await run.send("email", "x")


async def swallows_its_end(run: Run, first: ProductAdded) -> None:
    await run.sleep("1m")
    try:
        await run.sleep("1h")
    except BaseException:  # noqa: BLE001
        await run.send("email", "x")


@pytest.mark.parametrize("body", [awaits_in_finally, swallows_its_end])
def test_a_run_that_cannot_be_closed_is_parked_and_costs_nobody_else_anything(body: Any) -> None:
    bench = EngineBench(named(body))
    bench.emits("u1", ADD)
    bench.advance("2h")
    (why,) = bench.endings("u1")
    assert why.startswith(f"{__file__}:{body.__code__.co_firstlineno + 5}: awaits in `finally`")
    assert (bench.messages, drive(bench.log.end("quarantine", 0))) == ([], 0)


def test_what_a_rule_notes_in_finally_stands_in_the_story_once_it_has_come_to_it() -> None:
    async def farewell(run: Run, first: ProductAdded) -> None:
        try:
            await run.sleep("1h")
            await run.sleep("1h")
        finally:
            run.note("over")

    bench, notes = EngineBench(named(farewell)), list[int]()
    bench.emits("u1", ADD)
    for _ in range(2):
        notes.append(sum(line.kind == "note" for line in bench.history("u1")))
        bench.advance("1h")
    assert [*notes, sum(line.kind == "note" for line in bench.history("u1"))] == [0, 0, 1]


def test_a_message_that_was_asked_for_by_a_run_that_cannot_be_closed_is_taken_back() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        try:
            await run.send("email", "x")
        finally:
            await run.sleep("1h")

    bench = EngineBench(named(r), decide=lambda message: None)
    bench.emits("u1", ADD)
    assert bench.cancelled == [message.message_id for message in bench.messages]
    assert bench.runs("u1")[0].parked


@pytest.mark.parametrize("slip", [SystemExit(3), asyncio.CancelledError(), GeneratorExit()])
def test_whatever_a_rule_raises_parks_its_run_and_nothing_more(slip: BaseException) -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await run.sleep("1h")
        raise slip

    bench = EngineBench(named(r))
    bench.emits("u1", ADD)
    bench.advance("2h")
    (why,) = bench.endings("u1")
    assert why.startswith(f"{__file__}:{r.__code__.co_firstlineno + 2}: {type(slip).__name__}")


def test_where_an_error_was_raised_is_told_without_a_look_into_any_file() -> None:
    """Which took a tenth of a second for a rule that calls itself without end, and everybody waits meanwhile."""
    linecache.clearcache()
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - it has no words
        raise ValueError
    assert line_in(__file__, raised.value) == raised.tb.tb_lineno
    assert __file__ not in linecache.cache


class Wordless(Exception):
    def __init__(self, slip: BaseException) -> None:
        super().__init__()
        self.slip = slip

    def __str__(self) -> str:
        raise self.slip


@pytest.mark.parametrize("slip", [TooSlow(), SystemExit(3), asyncio.CancelledError(), ValueError()])
def test_an_error_whose_words_cannot_be_had_parks_its_run_like_any_other(slip: BaseException) -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        raise Wordless(slip)

    bench = EngineBench(named(r))
    bench.emits("u1", ADD)
    assert "Wordless" in bench.endings("u1")[0]


async def interrupted(run: Run, first: ProductAdded) -> None:
    raise KeyboardInterrupt  # as the handler of SIGINT does, wherever the program stands


def test_a_runtime_error_of_a_rule_s_own_is_named_as_that() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        raise RuntimeError("out of paper")

    bench = EngineBench(named(r))
    bench.emits("u1", ADD)
    assert bench.endings("u1")[0].endswith("RuntimeError: out of paper")


def test_ctrl_c_ends_a_program_in_virtual_time_while_a_rule_runs() -> None:
    bench = EngineBench(named(interrupted))
    with pytest.raises(KeyboardInterrupt):
        bench.emits("u1", ADD)


def test_a_server_has_handlers_of_its_own_so_what_a_rule_raises_there_is_the_rules() -> None:
    bench = EngineBench(named(interrupted))
    with SignalWatch() as watch:
        bench.worker._watch = watch
        bench.emits("u1", ADD)
    assert bench.endings("u1")[0].endswith("KeyboardInterrupt")


@pytest.mark.parametrize("raised", [True, False])
def test_words_that_cannot_be_stored_cost_nobody_the_event(raised: bool) -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        if raised:
            raise ValueError("\ud800")
        return "\ud800"

    bench = EngineBench(named(r))
    bench.emits("u1", ADD)
    assert bench.endings("u1")[0].endswith("ValueError: ?" if raised else "?")


def test_every_cut_of_a_journal_replays_to_the_same_state() -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        cart = await run.get("cart")
        await run.sleep("1h")
        message = await run.send("email", "a", n=len(cart.items))
        if await message.engaged(within="2h"):
            return "engaged"
        await run.sleep_until_local("10:00", days=1)
        await run.send("push", "b")
        await run.sleep("30d")
        return "done"

    bench = EngineBench(named(r, uses=("cart",)))
    bench.emits("u1", ADD)
    bench.advance("2d")
    (run,) = bench.runs("u1")
    assert len(run.journal) == 6
    before = msgspec.json.encode(run)
    for cut in range(len(run.journal) + 1):
        again = msgspec.json.decode(before, type=Stored)
        again.journal, again.wait = run.journal[:cut], None
        again.sends = sum(entry.shape.startswith("send") for entry in again.journal)
        wait = _carry_on(bench, again)
        while len(again.journal) < len(run.journal):
            entry = run.journal[len(again.journal)]
            assert wait is not None
            assert wait.shape == entry.shape
            again.journal.append(entry)
            wait = _carry_on(bench, again)
        assert again.journal == run.journal
        assert wait == run.wait


def _carry_on(bench: EngineBench, run: Stored) -> Wait | None:
    row = bench.row("u1")
    assert row is not None
    now = run.journal[-1].at if run.journal else run.started
    partition = bench.partition()
    effects = Effects(Outbox("events", 0, 1, {}))
    stage = Stage(row, run, now, partition.book, effects, NoWatch(), {})
    outcome = Execution(partition.book.rules["journey"], run, stage, fresh=len(run.journal)).carry_on()
    return outcome if isinstance(outcome, Wait) else None


def test_drive_is_for_ports_in_memory_only() -> None:
    async def suspends() -> None:
        await asyncio.sleep(0)

    with pytest.raises(AssertionError):
        drive(suspends())


async def hours(run: Run) -> AsyncIterator[int]:
    for hour in range(3):
        await run.sleep("1h")
        yield hour


async def test_an_async_generator_of_a_rule_is_no_business_of_the_loop_around() -> None:
    async def counts(run: Run, first: ProductAdded) -> None:
        async for hour in hours(run):
            await run.send("email", "hour", hour=hour)

    said = list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    bench = EngineBench(named(counts))
    bench.emits("u1", ADD)
    bench.advance("4h")
    assert [message.data for message in bench.messages] == [{"hour": 0}, {"hour": 1}, {"hour": 2}]
    for _ in range(3):
        await asyncio.sleep(0)
    gc.collect()
    assert (len(asyncio.all_tasks()), said) == (1, [])
