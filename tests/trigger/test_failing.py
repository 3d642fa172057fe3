"""A rule that fails takes a few down and not everybody; once it is mended, those go on as well."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from enginebench import EngineBench, drive, event_record

from tactful import Run, rule
from tactful.customer import Customer
from tactful.events import Event, OrderCompleted, Page, ProductAdded, ShipmentDelivered
from tactful.log.partitioning import partition_of
from tactful.records import EVENTS, encode
from tactful.rules import Rule
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.runs.replay import NoWatch, TooSlow
from tactful_trigger.state.cursor import PAUSE_AFTER_FAILURES
from tactful_workbench.operating.conducting import Conductor
from tactful_workbench.virtual.driver import Input

ADD, ORDER = ProductAdded(product_id="p1"), OrderCompleted(order_id="o1")
PEOPLE = [f"u{number:02}" for number in range(12)]


@rule(on=ProductAdded, goal=OrderCompleted, purpose="marketing.test", max_age="30d", version=1)
async def reminder(run: Run, first: ProductAdded) -> None:
    await run.quiet(run.param("delay", "1h"))
    await run.send("email", "cart")


def broken() -> Rule:
    """The same rule with a fault behind its wait."""

    @rule(on=ProductAdded, goal=OrderCompleted, purpose="marketing.test", max_age="30d", version=1)
    async def reminder(run: Run, first: ProductAdded) -> None:
        await run.quiet(run.param("delay", "1h"))
        raise ZeroDivisionError("a fault")

    return reminder


def conductor(bench: EngineBench, *rules: Rule) -> Conductor:
    return Conductor(bench.log, bench.store, Rulebook(rules or [reminder], []), bench.clock)


def parked(bench: EngineBench) -> list[str]:
    return [name for name in PEOPLE if any(run.parked for run in bench.runs(name))]


def everybody_adds(bench: EngineBench) -> None:
    for name in PEOPLE:
        bench.emits(name, ADD)


def settings(bench: EngineBench, **parameters: object) -> None:
    bench.broadcast("Settings Changed", rules={"reminder": {"mode": "live", **parameters}})


@pytest.mark.parametrize("slice_limit", [1, 7, 1000])
def test_after_five_failures_in_a_row_nobody_else_is_parked(slice_limit: int) -> None:
    bench = EngineBench(broken(), slice_limit=slice_limit)
    everybody_adds(bench)
    bench.advance("2h")
    assert parked(bench) == PEOPLE[:PAUSE_AFTER_FAILURES]
    cursor = bench.partition().cursor
    assert cursor.paused == {"reminder"}
    assert cursor.paused_why["reminder"].startswith("5 runs in a row could not go on, the last: ")
    assert cursor.paused_why["reminder"].endswith("ZeroDivisionError"), "words may name a person"
    assert bench.worker.parked == {"reminder": 5}


def refuses(customer: str) -> None:
    raise ValueError(f"no such address: {customer}@example.test")


def test_what_a_step_has_failed_of_is_for_the_customers_own_story() -> None:
    @rule(on=ProductAdded, purpose="marketing.test", version=1)
    async def asks(run: Run, first: ProductAdded) -> None:
        await run.step("look up", refuses, run.param("who", "uma"))

    bench = EngineBench(asks)
    everybody_adds(bench)
    told = f"{__file__}:{asks.line + 2}: StepFailed"
    assert bench.endings(PEOPLE[0]) == [f"{told}: step look up: ValueError: no such address: uma@example.test"]
    assert bench.worker.failures == {"asks": told}
    assert bench.partition().cursor.paused_why["asks"].endswith(told)


@rule(on=ProductAdded, purpose="marketing.test", version=1)
async def endless(run: Run, first: ProductAdded) -> None:
    raise TooSlow  # as the watch does


def test_a_rule_that_did_not_come_back_three_times_is_paused_in_each_partition() -> None:
    bench = EngineBench(endless, reminder, partitions=4)
    here = [name for name in PEOPLE + [f"more{n}" for n in range(20)] if partition_of(name, 4) == 0][:3]
    for name in here[:2]:
        bench.emits(name, ADD)
    assert bench.partition().cursor.paused == set()
    bench.emits(here[2], ADD)
    cursors = [bench.partition(number).cursor for number in range(4)]
    assert [cursor.paused for cursor in cursors] == [{"endless"}] * 4
    assert {cursor.paused_why["endless"] for cursor in cursors} == {"too slow"}


def test_what_a_when_may_not_read_is_told_with_the_mend_wherever_it_is_told() -> None:
    @rule(on=ProductAdded, purpose="marketing.test", when=lambda customer, _: bool(customer.profile.email), version=1)
    async def forgets(run: Run, first: ProductAdded) -> None:
        await run.sleep("1h")

    bench = EngineBench(forgets)
    everybody_adds(bench)
    mend = "rule forgets reads 'profile', which its `uses` does not name; add it there"
    assert bench.worker.failures == {"forgets": f"{__file__}:{forgets.line}: {mend}"}
    assert bench.partition().cursor.paused_why["forgets"].endswith(mend)


class Noting(NoWatch):
    """Whose time it would be."""

    def __init__(self) -> None:
        self.running = ""

    def enter(self, rule: str) -> None:
        self.running = rule

    def leave(self) -> None:
        self.running = ""


@pytest.mark.parametrize("fails", [False, True])
def test_whatever_a_rule_was_asked_the_watch_is_left_since_the_rest_is_not_its_time(fails: bool) -> None:
    def says(*_: Any) -> Any:
        whose.append(watch.running)
        return 1 / 0 if fails else "p1"

    @rule(on=ProductAdded, purpose="marketing.test", key=says, match=says, when=says, version=1)
    async def reminder(run: Run, first: ProductAdded) -> None:
        says()

    bench, watch, whose = EngineBench(reminder), Noting(), list[str]()
    bench.worker._watch = watch
    bench.emits("u1", ADD)
    assert len(bench.endings("u1")) == 1
    assert (set(whose), watch.running) == ({"reminder"}, "")


def of_the_first_line(customer: Customer, event: ProductAdded) -> bool:
    first, *_ = list[str]()  # nothing is there
    return bool(first)


def test_a_condition_that_fails_is_named_by_the_line_on_which_it_did() -> None:
    bench = EngineBench(
        rule(on=ProductAdded, purpose="marketing.test", when=of_the_first_line, version=1)(reminder.body)
    )
    bench.emits("u1", ADD)
    assert bench.endings("u1")[0].startswith(f"{__file__}:{of_the_first_line.__code__.co_firstlineno + 1}: ValueError")


def test_what_fails_in_one_partition_is_paused_in_each() -> None:
    bench = EngineBench(broken(), partitions=4)
    everybody_adds(bench)
    for number in range(40):
        bench.emits(f"more{number}", ADD)
    bench.advance("2h")
    assert [bench.partition(number).cursor.paused for number in range(4)] == [{"reminder"}] * 4


def test_once_it_is_mended_everybody_goes_on() -> None:
    bench = EngineBench(broken())
    everybody_adds(bench)
    bench.advance("2h")
    bench.deploy(reminder)
    bench.advance("1h")
    assert bench.messages == []
    assert drive(conductor(bench).resume("reminder")) == PAUSE_AFTER_FAILURES
    bench.advance("1m")
    assert sorted(message.customer for message in bench.messages) == PEOPLE
    assert (parked(bench), bench.partition().cursor.failing) == ([], {})
    assert [line.kind for line in bench.history("u00") if line.rule][:4] == ["started", "parked", "note", "asked"]


def test_a_rule_fails_no_more_once_it_is_cancelled_or_gone() -> None:
    bench = EngineBench(broken())
    bench.emits("u1", ADD)
    bench.advance("2h")
    here, gone = conductor(bench), Conductor(bench.log, bench.store, Rulebook([], []), bench.clock)
    assert ([*drive(here.failing())], drive(gone.failing())) == (["reminder"], {})
    drive(here.cancel("reminder"))
    bench.advance("1m")
    assert drive(here.failing()) == {}


def test_a_value_that_cannot_be_used_is_taken_anew_when_it_is_mended() -> None:
    bench = EngineBench(reminder)
    settings(bench, delay=60)
    everybody_adds(bench)
    assert parked(bench) == PEOPLE[:PAUSE_AFTER_FAILURES]
    assert "[rules.reminder] delay = 60 must be a str, like '1h'" in bench.endings("u00")[0]
    settings(bench, delay="2h")
    assert drive(conductor(bench).resume("reminder")) == PAUSE_AFTER_FAILURES
    bench.advance("119m")
    assert bench.messages == []
    bench.advance("1m")
    assert sorted(message.customer for message in bench.messages) == PEOPLE[:PAUSE_AFTER_FAILURES], (
        "others began nothing"
    )


def test_a_run_that_goes_on_between_two_failures_begins_the_count_anew() -> None:
    @rule(on=ProductAdded, purpose="marketing.test", version=1)
    async def choosy(run: Run, first: ProductAdded) -> None:
        if first.product_id == "bad":
            raise ValueError("a fault")
        await run.sleep("1h")

    bench = EngineBench(choosy)
    for number in range(20):
        bench.emits(f"u{number}", ProductAdded(product_id="good" if number % 5 == 4 else "bad"))
    assert bench.partition().cursor.paused == set()
    assert bench.worker.parked == {"choosy": 16}


def test_who_only_begins_between_two_failures_does_not_begin_the_count_anew() -> None:
    bench = EngineBench(broken())
    for name in PEOPLE:
        bench.emits(name, ADD)
        bench.advance("30m")
    bench.advance("2h")
    assert parked(bench) == PEOPLE[:PAUSE_AFTER_FAILURES]


def test_a_message_that_was_asked_for_does_not_begin_the_count_of_what_fails_at_its_hold_anew() -> None:
    @rule(on=ProductAdded, purpose="marketing.test", version=1)
    async def asks(run: Run, first: ProductAdded) -> None:
        await run.send("email", "a", data=lambda customer: {"price": 1 / (0 if stale else 1)})

    bench, stale = EngineBench(asks, decide=lambda message: None), False
    bench.emits(PEOPLE[0], ADD)
    for name, after in pairwise(PEOPLE[: PAUSE_AFTER_FAILURES + 1]):
        bench.emits(after, ADD)
        stale = True
        bench.decides(next(m for m in bench.messages if m.customer == name), name="Hold Opened", hold=1)
        stale = False
    assert bench.partition().cursor.paused == {"asks"}


def test_a_parked_run_ends_with_its_age_or_its_goal() -> None:
    bench = EngineBench(broken())
    bench.emits("u00", ADD)
    bench.emits("u01", ADD)
    bench.advance("2h")
    bench.deploy(reminder)
    bench.emits("u01", ORDER)
    bench.advance("31d")
    assert (bench.runs("u00"), bench.endings("u00")[-1]) == ([], "max_age")
    assert (bench.runs("u01"), bench.endings("u01")[-1]) == ([], "goal reached")
    assert bench.messages == []


def test_a_parked_run_makes_room_for_a_new_one() -> None:
    bench = EngineBench(broken())
    bench.emits("u00", ADD)
    bench.advance("2h")
    bench.deploy(reminder)
    bench.emits("u00", ADD)
    bench.advance("1h")
    assert [message.customer for message in bench.messages] == ["u00"]
    assert bench.endings("u00")[1] == "was parked, and made room"


def test_a_parked_run_whose_message_was_taken_back_is_not_asked_again() -> None:
    @rule(on=ProductAdded, purpose="marketing.test", version=1)
    async def reminder(run: Run, first: ProductAdded) -> None:
        def data(customer: object) -> dict[str, int]:
            return {"n": 1 // (not bench.messages)}

        await run.send("email", "cart", data=data)

    bench = EngineBench(reminder, decide=lambda message: None)
    bench.emits("u00", ADD)
    [message] = bench.messages
    bench.decides(message, name="Hold Opened", hold=1)
    assert (parked(bench), bench.cancelled) == (["u00"], [message.message_id])
    drive(conductor(bench).resume("reminder"))
    bench.advance("1m")
    assert (bench.runs("u00"), bench.endings("u00")[-1]) == ([], "its message was taken back")


# -- what a rule gives beside its body


def fails(*_: Any) -> Any:
    raise KeyError("sku")


def leaves(*_: Any) -> Any:
    sys.exit("sku")


def beside(**terms: Any) -> EngineBench:
    """A rule with a fault in one of its terms, and one that is sound."""

    @rule(**{"on": ProductAdded, "goal": OrderCompleted, "purpose": "marketing.test", "version": 1, **terms})
    async def bad(run: Run, first: ProductAdded) -> None:
        await run.sleep("1h")
        await run.send("email", "bad")

    @rule(on=ProductAdded, purpose="marketing.test", version=1)
    async def good(run: Run, first: ProductAdded) -> None:
        await run.send("email", "good")

    return EngineBench(bad, good)


def same(first: Event, event: Event) -> bool:
    return True


@pytest.mark.parametrize("given", [7, None])
def test_a_key_that_is_no_text_is_the_rules_failure_and_is_not_stored(given: Any) -> None:
    bench = beside(key=lambda event: given, match=same)
    bench.emits("u00", ADD)
    assert bench.endings("u00")[0].endswith(f"`key` must give a str, not {type(given).__name__}")
    assert [run.rule for run in bench.runs("u00")] == []


def test_a_rule_that_wants_the_program_to_end_has_failed_and_nothing_more() -> None:
    bench = beside(when=leaves)
    bench.emits("u00", ADD)
    assert [message.template for message in bench.messages] == ["good"]
    assert bench.endings("u00")[0].endswith("SystemExit: sku")


@pytest.mark.parametrize("terms", [{"when": fails}, {"key": fails, "match": same}])
def test_a_rule_that_fails_before_it_begins_costs_nobody_else_the_event(terms: dict[str, Any]) -> None:
    bench = beside(**terms)
    everybody_adds(bench)
    assert [message.template for message in bench.messages] == ["good"] * len(PEOPLE)
    assert [drive(bench.log.end("quarantine", 0)), bench.partition().cursor.paused] == [0, {"bad"}]
    assert "test_failing.py" in bench.endings("u00")[0]
    assert bench.endings("u00")[0].endswith("KeyError: 'sku'")


def test_a_goal_of_which_nobody_can_tell_whose_it_is_parks_the_run_rather_than_let_it_speak() -> None:
    bench = beside(key=lambda event: event.product_id, match=fails)
    bench.emits("u00", ADD, ORDER, ORDER)
    bench.advance("2h")
    assert [message.template for message in bench.messages] == ["good"]
    assert [line.kind for line in bench.history("u00") if line.rule == "bad"] == ["started", "parked"]
    assert (drive(bench.log.end("quarantine", 0)), bench.worker.parked) == (0, {"bad": 1})


# -- what happens while a run is parked


DELIVERED = ShipmentDelivered(order_id="o1")


def tries_again(bench: EngineBench, *rules: Rule) -> None:
    """The rule is mended, and what was parked is tried again."""
    bench.deploy(*rules)
    drive(conductor(bench, *rules).resume(rules[0].name))
    bench.advance("1s")


def delivery(where: Callable[[ShipmentDelivered], bool]) -> Rule:
    @rule(on=ProductAdded, purpose="marketing.test", version=1)
    async def delivery(run: Run, first: ProductAdded) -> None:
        got = [await run.wait_for(ShipmentDelivered, within="5d", where=where) for _ in range(2)]
        await run.send("email", " ".join(event.order_id if event else "never" for event in got))

    return delivery


def test_the_event_at_which_a_run_failed_and_those_after_it_are_seen_once_it_is_mended() -> None:
    bench = EngineBench(delivery(fails))
    bench.emits("u00", ADD)
    bench.advance("1h")
    bench.emits("u00", DELIVERED, Page(name="home"), ShipmentDelivered(order_id="o2"))
    assert parked(bench) == ["u00"]
    bench.advance("9d")
    tries_again(bench, delivery(lambda event: True))
    assert bench.sent() == ["email o1 o2"]
    assert bench.messages[0].requested_at == bench.now - 1000


def test_a_run_that_fails_again_at_the_same_event_still_has_it() -> None:
    bench = EngineBench(delivery(fails))
    bench.emits("u00", ADD, DELIVERED)
    tries_again(bench, delivery(fails))
    assert parked(bench) == ["u00"]
    tries_again(bench, delivery(lambda event: event.order_id == "o1"))
    bench.advance("6d")
    assert bench.sent() == ["email o1 never"]


def reaction(match: Callable[..., bool]) -> Rule:
    @rule(
        on=ProductAdded,
        key=lambda event: event.product_id,
        match=match,
        goal=OrderCompleted,
        purpose="marketing.test",
        version=1,
    )
    async def reaction(run: Run, first: ProductAdded) -> str:
        message = await run.send("email", "letter")
        return "reacted" if await message.engaged(within="1d") else "no reaction"

    return reaction


def unlike(first: ProductAdded, event: OrderCompleted) -> bool:
    return event.order_id == first.product_id


def test_a_reaction_to_a_message_of_a_parked_run_is_a_reaction_once_it_is_mended() -> None:
    bench = EngineBench(reaction(fails))
    bench.emits("u00", ADD, ORDER)
    bench.decides(bench.messages[0], name="Message Clicked")
    assert parked(bench) == ["u00"]
    tries_again(bench, reaction(unlike))
    assert bench.endings("u00")[-1] == "reacted"


def test_the_goal_at_which_a_run_failed_ends_it_once_it_is_mended() -> None:
    bench = EngineBench(reaction(fails))
    bench.emits("u00", ADD, ORDER, Page(name="home"))
    bench.decides(bench.messages[0], name="Message Clicked")
    tries_again(bench, reaction(same))
    assert bench.endings("u00")[-1] == "ended by Order Completed"


async def counted(things: list[int]) -> int:
    """A step."""
    return len(things)


def counting(match: Callable[..., bool]) -> Rule:
    @rule(
        on=ProductAdded,
        key=lambda event: event.product_id,
        match=match,
        goal=OrderCompleted,
        purpose="marketing.test",
        version=1,
    )
    async def counting(run: Run, first: ProductAdded) -> str:
        number = await run.step("count", counted, [1, 2])
        page = await run.wait_for(Page, within="1d")
        return f"{number} {page and page.name}"

    return counting


def test_the_answer_of_a_step_is_kept_for_a_parked_run() -> None:
    bench = EngineBench(counting(fails))
    events = (ADD, ORDER, Page(name="home"))
    records = [event_record("u00", event, bench.now, f"s{number}") for number, event in enumerate(events)]
    bench.advance("1s", [Input(bench.now, EVENTS, [(0, encode(record)) for record in records])])
    assert parked(bench) == ["u00"]
    tries_again(bench, counting(unlike))
    assert bench.endings("u00")[-1] == "2 home"


def test_a_message_that_was_taken_back_does_not_count_as_refused() -> None:
    bench = EngineBench(reaction(fails), decide=lambda message: None)
    bench.emits("u00", ADD, ORDER)
    bench.decides(bench.messages[0], verdict="not_sent", reason="cancelled", scope="customer")
    tries_again(bench, reaction(unlike))
    assert bench.endings("u00")[-1] == "its message was taken back"
