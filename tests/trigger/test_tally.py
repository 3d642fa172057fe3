"""Whether a rule helps: goals that follow what it said, and what it held out."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from enginebench import Decide, EngineBench, refused, sent

from tactful import Run, rule
from tactful.events import CartShared, OrderCompleted, ProductAdded
from tactful_trigger.state.row import Mark
from tactful_trigger.state.tally import Tally, totals

ADD, ORDER = ProductAdded(cart_id="c1", product_id="p1"), OrderCompleted(order_id="o1")


def reminding(decide: Decide = sent, partitions: int = 1, **terms: Any) -> EngineBench:
    @rule(**{"on": ProductAdded, "goal": OrderCompleted, "purpose": "marketing.test", "version": 1, **terms})
    async def reminder(run: Run, first: ProductAdded) -> None:
        await run.sleep("1h")
        await run.send("email", "cart")
        await run.sleep("1d")
        await run.send("push", "cart")

    return EngineBench(reminder, decide=decide, partitions=partitions)


def tally(bench: EngineBench) -> Tally:
    cursors = [bench.partition(number).cursor for number in range(bench.log.partitions)]
    return totals(cursor.tallies for cursor in cursors).get("reminder", Tally())


def goals(bench: EngineBench) -> int:
    return sum(line.kind == "goal" for line in bench.history("u1"))


def test_an_order_after_a_reminder_counts_for_it_once() -> None:
    bench = reminding()
    bench.emits("u1", ADD)
    bench.advance("2h")
    assert tally(bench) == Tally(sent=1, first_sent=1)
    bench.emits("u1", ORDER)
    bench.emits("u1", OrderCompleted(order_id="o2"))
    assert (tally(bench), goals(bench)) == (Tally(sent=1, sent_reached=1, first_sent=1, first_sent_reached=1), 1)


def test_what_only_ends_a_run_is_no_goal_that_was_reached() -> None:
    bench = reminding(exit_on=CartShared)
    bench.emits("u1", ADD)
    bench.advance("2h")
    bench.emits("u1", CartShared())
    assert bench.runs("u1") == []
    assert (tally(bench), goals(bench)) == (Tally(sent=1, first_sent=1), 0)


def test_what_was_decided_is_counted_by_rule_word_and_reason() -> None:
    words = iter([sent, refused("no_consent", "channel"), sent])
    bench = reminding(lambda message: next(words)(message))
    for customer in ("u1", "u2"):
        bench.emits(customer, ADD)
    bench.advance("2h")
    assert bench.worker.decisions == {("reminder", "sent", ""): 1, ("reminder", "not_sent", "no_consent"): 1}


def test_a_ladder_counts_once() -> None:
    bench = reminding()
    bench.emits("u1", ADD)
    bench.advance("3d")
    assert (len(bench.messages), tally(bench)) == (2, Tally(sent=1, first_sent=1))


@pytest.mark.parametrize(("days", "reached"), [(30, 1), (31, 0)])
def test_an_order_counts_within_thirty_days_after_the_first_message(days: int, reached: int) -> None:
    bench = reminding()
    bench.emits("u1", ADD)
    bench.advance("1h")
    bench.advance(f"{days}d")
    bench.emits("u1", ORDER)
    assert tally(bench) == Tally(sent=1, sent_reached=reached, first_sent=1, first_sent_reached=reached)


@pytest.mark.parametrize(("ago", "reached"), [("26h", 0), ("20h", 1)], ids=["before the reminder", "after it"])
def test_an_order_of_which_a_till_tells_later_counts_by_when_it_was(ago: str, reached: int) -> None:
    bench = reminding()
    bench.emits("u1", ADD)
    bench.advance("26h")
    bench.emits("u1", OrderCompleted(order_id="till", channel="store"), ago=ago)
    assert (tally(bench), goals(bench)) == (
        Tally(sent=1, sent_reached=reached, first_sent=1, first_sent_reached=reached),
        reached,
    )


def test_the_operator_sets_within_what_time_a_goal_counts() -> None:
    bench = reminding(goal_within="7d")
    bench.emits("u1", ADD)
    bench.advance("8d")
    bench.emits("u1", ORDER)
    assert tally(bench) == Tally(sent=1, first_sent=1)


def test_who_was_held_out_is_counted_by_the_same_measure() -> None:
    bench = reminding(decide=refused("holdout"))
    bench.emits("u1", ADD)
    bench.advance("2h")
    bench.emits("u1", ORDER)
    assert (tally(bench), goals(bench)) == (
        Tally(held_out=1, held_out_reached=1, first_held_out=1, first_held_out_reached=1),
        1,
    )


def test_who_was_not_written_to_for_another_reason_counts_for_nothing() -> None:
    bench = reminding(decide=refused("no_consent"))
    bench.emits("u1", ADD)
    bench.advance("2h")
    bench.emits("u1", ORDER)
    assert (tally(bench), goals(bench)) == (Tally(), 0)


def test_an_order_without_a_message_before_it_counts_for_nothing() -> None:
    bench = reminding()
    bench.emits("u1", ADD)
    bench.emits("u1", ORDER)
    bench.advance("2h")
    assert tally(bench) == Tally()


def test_the_next_reminder_is_measured_by_itself() -> None:
    bench = reminding()
    for number in range(2):
        bench.emits("u1", ADD)
        bench.advance("3d")
        bench.emits("u1", OrderCompleted(order_id=f"o{number}"))
    assert tally(bench) == Tally(sent=2, sent_reached=2, first_sent=1, first_sent_reached=1)


def test_who_is_held_out_again_and_again_is_compared_by_the_first_time_alone() -> None:
    bench = reminding(decide=refused("holdout"))
    for number in range(3):
        bench.emits("u1", ADD)
        bench.advance("2h")
        bench.emits("u1", OrderCompleted(order_id=f"o{number}"))
        bench.advance("40d")
    assert tally(bench) == Tally(held_out=3, held_out_reached=3, first_held_out=1, first_held_out_reached=1)


@pytest.mark.parametrize(("apart", "in_time"), [("10d", 1), ("20d", 0)])
def test_a_goal_after_the_second_reminder_counts_for_the_first_as_well_if_it_is_in_time(
    apart: str, in_time: int
) -> None:
    bench = reminding()
    for _ in range(2):
        bench.emits("u1", ADD)
        bench.advance(apart)
    bench.emits("u1", ORDER)
    assert tally(bench) == Tally(sent=2, sent_reached=1, first_sent=1, first_sent_reached=in_time)


def test_a_customer_to_whom_the_program_before_has_written_is_not_met_for_the_first_time() -> None:
    mark = msgspec.msgpack.decode(msgspec.msgpack.encode(["r.1", 1, False, False, False]), type=Mark)
    assert mark.first is None


@pytest.mark.parametrize("partitions", [1, 4])
def test_every_partition_counts_its_own_customers(partitions: int) -> None:
    bench = reminding(partitions=partitions)
    for number in range(8):
        bench.emits(f"u{number}", ADD)
    bench.advance("2h")
    for number in range(3):
        bench.emits(f"u{number}", ORDER)
    assert tally(bench) == Tally(sent=8, sent_reached=3, first_sent=8, first_sent_reached=3)


def test_who_turns_out_to_be_somebody_else_is_still_measured() -> None:
    bench = reminding(partitions=4)
    bench.emits("u2", ADD)
    bench.advance("2h")
    bench.merge("u2", "u1")
    bench.emits("u1", ORDER)
    assert tally(bench) == Tally(sent=1, sent_reached=1, first_sent=1, first_sent_reached=1)
