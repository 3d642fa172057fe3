"""A rule that people object to takes itself back, and only that one, and not by chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from enginebench import EngineBench, drive, refused
from msgspec.structs import replace

from tactful import Run, rule
from tactful.clock import DAY
from tactful.errors import LogUnavailable
from tactful.events import CartUpdated, ConsentChanged, PreferencesChanged, ProductAdded
from tactful.log import Position
from tactful.purposes import SPAM_REPORT
from tactful.settings import Guard as Limits
from tactful.settings import Settings
from tactful_trigger.guarding import Guard, objection, taken_back
from tactful_trigger.state.cursor import Cursor, LetGo
from tactful_trigger.state.tally import Tally, totals
from tactful_workbench.virtual.driver import Ordinals

ADD = ProductAdded(cart_id="c1", product_id="p1")
OUT = ConsentChanged(purpose="marketing", channel="email", state="withdrawn")


@rule(on=ProductAdded, purpose="marketing.test", version=1)
async def reminder(run: Run, first: ProductAdded) -> None:
    await run.send("email", "cart")
    await run.sleep("10d")


@rule(on=CartUpdated, purpose="marketing.test", version=1)
async def other(run: Run, first: CartUpdated) -> None:
    await run.send("email", "other")


def tallies(bench: EngineBench) -> dict[str, Tally]:
    """But for first contacts, by which nobody objects."""
    counted = totals(bench.partition(number).cursor.tallies for number in range(bench.log.partitions))
    return {rule: replace(tally, first_sent=0, first_held_out=0) for rule, tally in counted.items()}


def written_to(*customers: str, **more: Any) -> EngineBench:
    bench = EngineBench(reminder, other, **more)
    for customer in customers:
        bench.emits(customer, ADD)
    return bench


# -- what counts


@pytest.mark.parametrize(
    ("said", "counted"),
    [
        (OUT, 1),
        (ConsentChanged(purpose="marketing.cart", channel="", state="withdrawn"), 1),
        (PreferencesChanged(change="stopped"), 1),
        (PreferencesChanged(change="rule_muted", rule="reminder"), 1),
        (PreferencesChanged(change="rule_muted", rule="other"), 0),
        (PreferencesChanged(change="rule_unmuted", rule="reminder"), 0),
        (PreferencesChanged(change="paused", until=1), 0),
        (ConsentChanged(purpose="marketing", channel="email", state="granted"), 0),
        (ConsentChanged(purpose="service", channel="email", state="withdrawn"), 0),
    ],
)
def test_an_opt_out_soon_after_a_contact_counts_once(said: Any, counted: int) -> None:
    bench = written_to("u1")
    bench.advance("6d")
    bench.emits("u1", said)
    bench.emits("u1", said)
    assert tallies(bench)["reminder"] == Tally(sent=1, opted_out=counted)


def test_an_opt_out_long_after_it_does_not_count_nor_one_that_is_imported() -> None:
    bench = written_to("u1", "u2")
    bench.emits("u2", OUT, history=True)
    bench.advance("8d")
    bench.emits("u1", OUT)
    assert tallies(bench)["reminder"] == Tally(sent=2)


def test_of_parallel_runs_that_speak_in_turn_each_is_one_contact() -> None:
    @rule(on=ProductAdded, purpose="marketing.test", repeat="parallel", version=1)
    async def twice(run: Run, first: ProductAdded) -> None:
        for _ in range(2):
            await run.send("email", "cart")
            await run.sleep("2h")

    bench = EngineBench(twice)
    bench.emits("u1", ADD)
    bench.advance("1h")
    bench.emits("u1", ADD)
    bench.advance("5h")
    assert (len(bench.messages), tallies(bench)["twice"]) == (4, Tally(sent=2))


@pytest.mark.parametrize("last", ["reminder", "other"])
def test_an_opt_out_counts_for_the_last_rule_that_wrote(last: str) -> None:
    bench = written_to()
    events = [ADD, CartUpdated(cart_id="c1")]
    for event in events if last == "other" else reversed(events):
        bench.emits("u1", event)
        bench.advance("1d")
    bench.emits("u1", OUT)
    bench.emits("u1", PreferencesChanged(change="stopped"))
    counted = dict.fromkeys(("reminder", "other"), Tally(sent=1)) | {last: Tally(sent=1, opted_out=1)}
    assert tallies(bench) == counted


def test_a_spam_report_counts_for_the_rule_whose_message_it_was() -> None:
    bench = written_to("u1")
    bench.advance("1d")
    bench.emits("u1", CartUpdated(cart_id="c1"))
    bench.emits("u1", ConsentChanged(purpose="marketing", channel="email", state="withdrawn", via=SPAM_REPORT))
    bench.decides(bench.messages[0], name="Message Complained")
    assert tallies(bench) == {"reminder": Tally(sent=1, complained=1), "other": Tally(sent=1)}


def test_who_was_held_out_has_nothing_to_object_to() -> None:
    bench = written_to("u1", decide=refused("holdout"))
    bench.emits("u1", OUT)
    assert tallies(bench)["reminder"] == Tally(held_out=1)


# -- when it is too much


@pytest.mark.parametrize(
    ("tally", "why"),
    [
        (Tally(sent=49, opted_out=20, complained=20), ""),
        (Tally(sent=50), ""),
        (Tally(sent=50, opted_out=1), ""),
        (Tally(sent=50, opted_out=2), "2 of 50 who were written to opted out"),
        (Tally(sent=50, complained=1), "1 of 50 who were written to reported it as spam"),
        (Tally(sent=1000, opted_out=8), ""),
        (Tally(sent=1000, opted_out=10), "10 of 1,000 who were written to opted out"),
        (Tally(sent=1000, complained=1), ""),
        (Tally(sent=100_000, opted_out=520, complained=105), ""),
        (Tally(sent=50, opted_out=60), "60 of 50 who were written to opted out"),
    ],
)
def test_a_rule_is_taken_back_when_it_is_not_chance(tally: Tally, why: str) -> None:
    assert objection(tally, Limits()) == why
    assert objection(tally, Limits(opt_outs=1, spam_reports=1)) == ""


@pytest.mark.parametrize("partitions", [1, 4])
def test_what_all_partitions_counted_pauses_the_rule_everywhere(partitions: int) -> None:
    people = [f"u{number:03}" for number in range(60)]
    bench = written_to(*people, partitions=partitions)
    guard = Guard(bench.log, bench.store, bench.clock)
    assert drive(guard.look()) == {}
    for customer in people[:3]:
        bench.emits(customer, OUT)
    assert drive(guard.look()) == {}, "a minute has not passed"
    bench.advance("1m")
    assert drive(guard.look()) == {"reminder": "3 of 60 who were written to opted out"}
    bench.advance("1m")
    assert drive(guard.look()) == {}, "it is paused already"
    cursors = [bench.partition(number).cursor for number in range(partitions)]
    assert [cursor.paused for cursor in cursors] == [{"reminder"}] * partitions
    assert {cursor.paused_why["reminder"] for cursor in cursors} == {"3 of 60 who were written to opted out"}
    bench.emits("late", ADD)
    assert "late" not in {message.customer for message in bench.messages}


class Halfway(Ordinals):
    """Takes the first record of an append and then none, while it is `broken`."""

    broken = False

    async def append(self, topic: str, entries: Sequence[tuple[int, bytes]]) -> list[Position]:
        if self.broken:
            await super().append(topic, entries[:1])
            raise LogUnavailable("a broker is away")
        return await super().append(topic, entries)


def half_told(people: int, opting_out: int = 20) -> tuple[EngineBench, Guard]:
    """One of four partitions has heard of a pause, and the broker is back."""
    names = [f"u{number:03}" for number in range(people)]
    bench = written_to(*names, partitions=4)
    for customer in names[:opting_out]:
        bench.emits(customer, OUT)
    log = Halfway(bench.log)
    guard = Guard(log, bench.store, bench.clock)
    log.broken = True
    with pytest.raises(LogUnavailable):
        drive(guard.look())
    log.broken = False
    bench.advance("1m")
    return bench, guard


def test_a_pause_that_not_every_partition_could_be_told_is_told_again() -> None:
    bench, guard = half_told(60, 3)
    assert [bench.partition(number).cursor.paused for number in range(4)] == [{"reminder"}, set(), set(), set()]
    assert drive(guard.look()) == {"reminder": "3 of 60 who were written to opted out"}
    bench.advance("1m")
    assert [bench.partition(number).cursor.paused for number in range(4)] == [{"reminder"}] * 4
    assert drive(guard.look()) == {}


def test_whoever_looks_next_tells_of_a_pause_that_not_every_partition_has_heard_of() -> None:
    bench, _ = half_told(100)
    assert drive(Guard(bench.log, bench.store, bench.clock).look()).keys() == {"reminder"}
    bench.advance("1m")
    assert [bench.partition(number).cursor.paused for number in range(4)] == [{"reminder"}] * 4
    assert drive(Guard(bench.log, bench.store, bench.clock).look()) == {}


def test_a_pause_that_could_not_be_told_is_none_any_more_once_an_operator_lets_the_rule_go_on() -> None:
    bench, guard = half_told(100)
    bench.broadcast("Rule Resumed", rule="reminder")
    bench.advance("1m")
    assert drive(guard.look()) == {}


def test_a_partition_that_stands_still_does_not_overrule_an_operator() -> None:
    much = {"reminder": Tally(sent=100, opted_out=10)}
    still = Cursor(partition=1, clock=1000, tallies=much)
    assert taken_back([Cursor(partition=0, clock=2000), still], 2000, {}).keys() == {"reminder"}
    let_go = Cursor(partition=0, clock=2000, let_go={"reminder": LetGo(2000)})
    assert taken_back([let_go, still], 2000, {}) == {}


def test_an_operator_who_lets_it_go_on_is_heard() -> None:
    people = [f"u{number:03}" for number in range(60)]
    bench = written_to(*people)
    guard = Guard(bench.log, bench.store, bench.clock)
    for customer in people[:3]:
        bench.emits(customer, OUT)
    assert drive(guard.look())
    bench.advance("1m")
    bench.broadcast("Rule Resumed", rule="reminder")
    assert bench.partition().cursor.paused_why == {}
    for customer in people[3:9]:
        bench.emits(customer, OUT)  # to what was written before
    bench.advance("1m")
    for number in range(60):
        bench.emits(f"v{number:03}", ADD)
    assert drive(guard.look()) == {}
    for number in range(2):
        bench.emits(f"v{number:03}", OUT)
    bench.advance("1m")
    assert drive(guard.look()) == {"reminder": "2 of 60 who were written to opted out"}
    assert tallies(bench)["reminder"] == Tally(sent=120, opted_out=5)


def test_a_shop_that_wants_no_guard_has_none() -> None:
    people = [f"u{number:03}" for number in range(60)]
    bench = written_to(*people)
    settings = Settings.model_validate({"guard": {"opt_outs": 1, "spam_reports": 1}})
    bench.broadcast("Settings Changed", **settings.model_dump(mode="json"))
    for customer in people[:30]:
        bench.emits(customer, OUT)
    assert drive(Guard(bench.log, bench.store, bench.clock).look()) == {}


class Wall:
    """A clock that may be set back."""

    def __init__(self, instant: int) -> None:
        self.instant = instant

    def now(self) -> int:
        return self.instant


def test_a_clock_that_is_set_back_does_not_keep_it_from_looking() -> None:
    people = [f"u{number:03}" for number in range(60)]
    bench = written_to(*people)
    wall = Wall(bench.now + DAY)
    guard = Guard(bench.log, bench.store, wall)
    assert drive(guard.look()) == {}
    for customer in people[:3]:
        bench.emits(customer, OUT)
    wall.instant = bench.now
    assert drive(guard.look()) == {"reminder": "3 of 60 who were written to opted out"}
