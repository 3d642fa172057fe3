"""What the arguments of `@rule` promise."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from enginebench import MONDAY, EngineBench, refused

from tactful import Ladder, Run, rule
from tactful.clock import DAY, MINUTE
from tactful.errors import PluginError
from tactful.events import (
    CartShared,
    CheckoutStarted,
    Event,
    OrderCompleted,
    Page,
    ProductAdded,
    ProductViewed,
    ShipmentDelivered,
)

ADD = ProductAdded(cart_id="c1", product_id="p1")


def sends_after_an_hour(**terms: Any) -> Any:
    async def r(run: Run, first: ProductAdded) -> None:
        await run.sleep("1h")
        await run.send("email", "cart")
        await run.sleep("1h")

    return rule(**{"on": ProductAdded, "purpose": "marketing.test", "version": 1, **terms})(r)


def test_a_goal_ends_the_run_and_removes_its_timer() -> None:
    bench = EngineBench(sends_after_an_hour(goal=OrderCompleted))
    bench.emits("u1", ADD)
    bench.emits("u1", OrderCompleted(order_id="o1"))
    bench.advance("2h")
    assert bench.messages == []
    assert bench.endings("u1") == ["goal reached"]


def test_exit_on_ends_the_run_without_counting_as_its_goal() -> None:
    bench = EngineBench(sends_after_an_hour(exit_on=CartShared))
    bench.emits("u1", ADD)
    bench.emits("u1", CartShared())
    bench.advance("2h")
    assert bench.messages == []
    assert bench.endings("u1") == ["ended by Cart Shared"]


def test_exit_when_says_which_of_these_events_is_an_exit() -> None:
    bench = EngineBench(sends_after_an_hour(exit_on=CartShared, exit_when=lambda event: event.recipient == "a friend"))
    bench.emits("u1", ADD)
    bench.emits("u1", CartShared(recipient="nobody"))
    assert bench.endings("u1") == []
    bench.emits("u1", CartShared(recipient="a friend"))
    assert bench.endings("u1") == ["ended by Cart Shared"]


def test_a_run_of_which_exit_when_cannot_tell_is_parked() -> None:
    bench = EngineBench(sends_after_an_hour(exit_on=CartShared, exit_when=lambda event: event.nothing))
    bench.emits("u1", ADD)
    bench.emits("u1", CartShared())
    bench.advance("2h")
    assert ("AttributeError" in bench.endings("u1")[0], bench.messages) == (True, [])


def test_a_goal_cancels_the_message_that_dispatch_still_holds() -> None:
    bench = EngineBench(sends_after_an_hour(goal=OrderCompleted), decide=lambda message: None)
    bench.emits("u1", ADD)
    bench.advance("1h")
    bench.emits("u1", OrderCompleted(order_id="o1"))
    assert bench.cancelled == [bench.messages[0].message_id]


def test_the_starting_event_is_never_its_own_goal() -> None:
    bench = EngineBench(sends_after_an_hour(on=OrderCompleted, goal=OrderCompleted))
    bench.emits("u1", OrderCompleted(order_id="o1"))
    bench.advance("1h")
    assert len(bench.messages) == 1


@pytest.mark.parametrize("ago", ["30h", "80h"])
def test_news_of_an_older_order_leaves_the_run_of_a_newer_one(ago: str) -> None:
    """A till that posts at night must not drop whoever has ordered since."""
    bench = EngineBench(sends_after_an_hour(on=OrderCompleted, goal=OrderCompleted))
    bench.emits("u1", OrderCompleted(order_id="new"))
    bench.emits("u1", OrderCompleted(order_id="old"), ago=ago)
    bench.advance("1h")
    assert len(bench.messages) == 1
    assert "goal reached" not in bench.endings("u1")


def test_an_order_that_is_told_late_ends_the_run_of_an_older_one_and_takes_its_place_however_late_it_is() -> None:
    """Nobody is told that their order is missed after it came, and nobody is lost for whom it was the latest."""
    bench = EngineBench(sends_after_an_hour(on=OrderCompleted, goal=OrderCompleted, max_event_age="1h"))
    bench.emits("u1", OrderCompleted(order_id="o1"), ago="50m")
    bench.advance("30m")
    bench.emits("u1", OrderCompleted(order_id="o2"), ago="70m")
    assert bench.endings("u1") == ["goal reached"]
    bench.advance("59m")
    assert bench.messages == []
    bench.advance("1m")
    assert len(bench.messages) == 1


def test_an_event_too_old_to_begin_with_takes_the_place_of_no_run_for_another_key() -> None:
    terms = {"on": OrderCompleted, "exit_on": OrderCompleted, "max_event_age": "1h"}
    of_a_shop = {"key": lambda e: e.affiliation, "match": lambda first, event: True}
    bench = EngineBench(sends_after_an_hour(**terms, **of_a_shop))
    bench.emits("u1", OrderCompleted(order_id="o1", affiliation="north"), ago="50m")
    bench.advance("30m")
    bench.emits("u1", OrderCompleted(order_id="o2", affiliation="south"), ago="70m")
    assert bench.endings("u1") == ["ended by Order Completed", "too_old"]


def test_a_goal_is_remembered_of_whoever_did_nothing_else_yet() -> None:
    seated = sends_after_an_hour(goal="Seat Taken")
    bench = EngineBench(seated)
    bench.advance("2h")
    bench.emits("u1", "Seat Taken")
    bench.deploy(seated)
    bench.emits("u1", ADD, ago="1h")
    assert bench.endings("u1") == ["superseded"]


def test_of_a_rule_with_a_key_the_marks_of_long_ago_are_let_go_and_no_others() -> None:
    terms = {"on": OrderCompleted, "key": lambda e: e.order_id, "match": lambda f, e: False, "cooldown": "1d"}
    bench = EngineBench(sends_after_an_hour(**terms), whatever_they_buy)
    bench.emits("u1", ADD)
    row = bench.row("u1")
    for number in range(120):
        bench.emits("u1", OrderCompleted(order_id=f"o{number}"))
        bench.advance("2d")
        row = bench.row("u1")
        assert row is not None
        assert number < 13 or row.mark_of("r", f"o{number - 13}"), "it is less than thirty days old"
    assert row is not None
    assert 15 <= len(row.marks or ()) <= 40  # goal_within is thirty days
    assert row.mark_of("whatever_they_buy") is not None


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ({"priority": "high"}, "`priority` is a whole number, not 'high'"),
        ({"version": 1.5}, "`version` is a whole number, not 1.5"),
        ({"holdout": "a tenth"}, "`holdout` is a share from 0 to below 1, not 'a tenth'"),
        ({"purpose": None}, "`purpose` is a text, not None"),
        ({"when": "x"}, "`when` is a function, and no `async def`, not 'x'"),
        ({"when": asyncio.sleep}, "`when` is a function, and no `async def`, not <function sleep"),
        ({"after": (7,)}, "`after` is a name or several, not (7,)"),
        ({"on": [[ProductAdded]]}, "`on` takes classes or names of events, not [<class"),
        ({"goal": 7}, "`goal` takes classes or names of events, not 7"),
        ({"exit_on": int}, "`exit_on` takes classes or names of events, not <class 'int'>"),
    ],
)
def test_an_argument_of_another_form_is_refused_by_name_with_file_and_line(terms: dict[str, Any], words: str) -> None:
    with pytest.raises(PluginError) as refusal:
        sends_after_an_hour(**terms)
    assert re.search(r"test_terms\.py:\d+: rule r: ", str(refusal.value))
    assert words in str(refusal.value)


@pytest.mark.parametrize("listed", [lambda one: one, lambda one: [one], lambda one: (one,)])
def test_one_alone_needs_no_tuple_and_a_list_is_as_good(listed: Any) -> None:
    terms = sends_after_an_hour(
        on=listed(ProductAdded),
        goal=listed("Order Completed"),
        exit_on=listed(CartShared),
        uses=listed("cart"),
        after=listed("pos"),
    ).terms
    assert (terms.on, terms.goal, terms.exit_on) == (("Product Added",), ("Order Completed",), ("Cart Shared",))
    assert (terms.uses, terms.after) == (("cart",), ("pos",))


def test_an_older_body_of_the_rules_own_name_leaves_the_name_to_the_rule() -> None:
    newer = sends_after_an_hour(version=3)

    async def r(run: Run, first: ProductAdded) -> None:
        await run.send("email", "as it was")

    async def r_1(run: Run, first: ProductAdded) -> None:
        await r(run, first)

    assert newer.previous(1)(r) is newer
    assert newer.body_for(1) is r
    assert newer.previous(2)(r_1) is r_1
    with pytest.raises(PluginError, match=r"previous\(2\): that version has a body already, r_1"):
        newer.previous(2)(r)
    assert newer.body_for(2) is r_1


@pytest.mark.parametrize("version", [2, 3, 0, "1"])
def test_an_older_body_is_of_an_older_version_than_the_rules_own(version: Any) -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await run.sleep("1h")

    newer = rule(on=ProductAdded, purpose="marketing.test", version=2)(r)
    with pytest.raises(PluginError, match=r"test_terms.py:\d+: rule r, previous.*than the rule's own, 2; raise that"):
        newer.previous(version)(r)
    assert newer.body_for(2) is r


def test_an_older_body_is_as_async_as_the_rules_own() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await run.sleep("1h")

    def plain(run: Run, first: ProductAdded) -> None:
        pass

    with pytest.raises(PluginError, match="async def"):
        rule(on=ProductAdded, purpose="marketing.test", version=2)(r).previous(1)(plain)  # type: ignore[arg-type]


def test_repeat_ignore_lets_a_second_start_pass_by() -> None:
    bench = EngineBench(sends_after_an_hour())
    bench.emits("u1", ADD, ADD)
    bench.advance("1h")
    assert len(bench.messages) == 1


def test_repeat_restart_begins_anew() -> None:
    bench = EngineBench(sends_after_an_hour(repeat="restart"))
    bench.emits("u1", ADD)
    bench.advance("50m")
    bench.emits("u1", ADD)
    bench.advance("50m")
    assert bench.messages == []
    bench.advance("10m")
    assert len(bench.messages) == 1


def sober(customer: Any, event: Any) -> bool:
    return bool(event.product_id != "late")


LATE = ProductAdded(product_id="late")


@pytest.mark.parametrize(
    ("terms", "again", "told"),
    [
        ({}, {"ago": "4d"}, ["too_old"]),
        ({"when": sober}, {}, []),
        ({}, {"paused": True}, []),
        ({}, {"drained": True}, []),
    ],
)
def test_a_run_is_ended_only_for_the_one_that_takes_its_place(
    terms: dict[str, Any], again: dict[str, Any], told: list[str]
) -> None:
    bench = EngineBench(sends_after_an_hour(repeat="restart", **terms))
    bench.emits("u1", ADD)
    bench.advance("50m")
    stands = "Rule Paused" if again.pop("paused", False) else "Rule Drained" if again.pop("drained", False) else ""
    if stands:
        bench.broadcast(stands, rule="r")
    bench.emits("u1", LATE, **again)
    if stands == "Rule Paused":
        bench.broadcast("Rule Resumed", rule="r")
    bench.advance("10m")
    assert (len(bench.messages), bench.endings("u1")[: len(told)]) == (1, told)


def test_repeat_parallel_lets_both_run() -> None:
    bench = EngineBench(sends_after_an_hour(repeat="parallel"))
    bench.emits("u1", ADD, ADD)
    bench.advance("1h")
    assert len(bench.messages) == 2


def test_repeat_debounce_restarts_only_while_nothing_was_sent() -> None:
    bench = EngineBench(sends_after_an_hour(repeat="debounce"))
    bench.emits("u1", ADD)
    bench.advance("50m")
    bench.emits("u1", ADD)
    bench.advance("1h")
    assert len(bench.messages) == 1
    bench.emits("u1", ADD)
    bench.advance("59m")
    assert len(bench.messages) == 1


def test_debounce_max_ends_the_restarting() -> None:
    bench = EngineBench(sends_after_an_hour(repeat="debounce", debounce_max="30m"))
    bench.emits("u1", ADD)
    bench.advance("40m")
    bench.emits("u1", ADD)
    bench.advance("20m")
    assert len(bench.messages) == 1


def test_debounce_max_counts_from_the_first_start_however_often_it_was_put_off() -> None:
    bench = EngineBench(sends_after_an_hour(repeat="debounce", debounce_max="2h"))
    for _ in range(4):
        bench.emits("u1", ADD)
        bench.advance("50m")
    assert [m.requested_at - MONDAY for m in bench.messages] == [(100 + 60) * MINUTE]


def test_a_refused_message_leaves_debounce_free_to_begin_anew() -> None:
    bench = EngineBench(sends_after_an_hour(repeat="debounce"), decide=refused("no_consent", "channel"))
    bench.emits("u1", ADD)
    bench.advance("90m")
    bench.emits("u1", ADD)
    bench.advance("1h")
    assert len(bench.messages) == 2


def test_a_message_that_waits_at_dispatch_is_not_put_off_by_debounce() -> None:
    bench = EngineBench(sends_after_an_hour(repeat="debounce"), decide=lambda message: None)
    bench.emits("u1", ADD)
    bench.advance("90m")
    bench.emits("u1", ADD)
    assert (len(bench.runs("u1")), bench.cancelled) == (1, [])
    assert bench.runs("u1")[0].first.appended_at == MONDAY


def test_a_key_makes_one_run_for_each_of_its_values_and_match_says_which_events_belong() -> None:
    async def r(run: Run, first: ProductViewed) -> None:
        await run.sleep("1h")
        await run.send("email", "look again", product=first.product_id)

    keyed = rule(
        on=ProductViewed,
        key=lambda e: e.product_id,
        match=lambda first, e: any(p.product_id == first.product_id for p in e.products),
        goal=OrderCompleted,
        purpose="marketing.test",
        version=1,
    )(r)
    bench = EngineBench(keyed)
    bench.emits("u1", ProductViewed(product_id="a"), ProductViewed(product_id="b"), ProductViewed(product_id="a"))
    bench.emits("u1", "Order Completed", properties={"order_id": "o1", "products": [{"product_id": "a"}]})
    bench.advance("1h")
    assert [m.data for m in bench.messages] == [{"product": "b"}]


def test_an_event_that_is_resent_after_days_begins_no_second_run_for_itself() -> None:
    @rule(on=ProductAdded, purpose="marketing.test", repeat="parallel", version=1)
    async def ten_days_later(run: Run, first: ProductAdded) -> None:
        await run.sleep("10d")
        await run.send("email", "later")

    bench = EngineBench(ten_days_later)
    bench.emits("u1", ADD, id="resent")
    bench.advance("3d")
    bench.emits("u1", OrderCompleted(order_id="o1"))  # what is older than two days goes from memory
    bench.emits("u1", ADD, id="resent", ago="1d")
    assert len(bench.runs("u1")) == 1
    bench.advance("11d")
    assert len(bench.messages) == 1


def test_when_is_asked_before_a_run_exists() -> None:
    bench = EngineBench(sends_after_an_hour(uses=("cart",), when=lambda customer, e: len(customer.cart.items) > 1))
    bench.emits("u1", ADD)
    assert bench.runs("u1") == []
    bench.emits("u1", ProductAdded(cart_id="c1", product_id="p2"))
    assert len(bench.runs("u1")) == 1


def test_cooldown_counts_from_the_first_message_that_was_sent() -> None:
    bench = EngineBench(sends_after_an_hour(cooldown="3d"))
    bench.emits("u1", ADD)
    bench.advance("1d")
    bench.emits("u1", ADD)
    bench.advance("1d")
    assert len(bench.messages) == 1
    assert "cooldown" in bench.endings("u1")
    bench.advance("2d")
    bench.emits("u1", ADD)
    bench.advance("1h")
    assert len(bench.messages) == 2


@rule(on=ProductAdded, purpose="marketing.test", cooldown="3d", version=1)
async def whatever_they_buy(run: Run, first: ProductAdded) -> None:
    await run.send("email", "whatever")


def test_a_run_that_starts_over_rests_from_what_it_said_before() -> None:
    async def r(run: Run, first: ProductAdded) -> Any:
        await run.send("email", "cart")
        await run.sleep("2d")
        return run.again()

    bench = EngineBench(rule(on=ProductAdded, purpose="marketing.test", cooldown="3d", version=1)(r))
    bench.emits("u1", ADD)
    bench.advance("5d")
    assert (len(bench.messages), bench.endings("u1")) == (1, ["cooldown"])


def test_a_run_that_has_spoken_is_put_off_no_more() -> None:
    bench = EngineBench(sends_after_an_hour(repeat="debounce"))
    bench.emits("u1", ADD)
    bench.advance("90m")
    bench.emits("u1", ADD)
    bench.advance("20m")
    assert (len(bench.messages), len(bench.runs("u1")), bench.endings("u1")) == (1, 1, [])


def test_a_goal_of_one_rule_ends_no_cooldown_of_another() -> None:
    bench = EngineBench(sends_after_an_hour(goal=OrderCompleted), whatever_they_buy)
    bench.emits("u1", ADD)
    bench.advance("90m")
    bench.emits("u1", OrderCompleted(order_id="o1"))
    bench.emits("u1", ADD)
    assert bench.sent() == ["email whatever", "email cart"]
    assert bench.endings("u1")[-1] == "cooldown"


def test_a_goal_of_one_rule_leaves_what_is_known_of_anothers() -> None:
    until_the_checkout = rule(on=ProductAdded, goal=CheckoutStarted, purpose="marketing.test", version=1)
    bench = EngineBench(sends_after_an_hour(goal=OrderCompleted), until_the_checkout(whatever_they_buy.body))
    bench.emits("u1", OrderCompleted(order_id="o1"), CheckoutStarted())
    bench.emits("u1", ADD, ago="10m")
    assert bench.endings("u1") == ["superseded", "superseded"]


def test_a_run_that_reached_nobody_starts_no_cooldown() -> None:
    bench = EngineBench(sends_after_an_hour(cooldown="3d"), decide=refused("no_consent", "channel"))
    bench.emits("u1", ADD)
    bench.advance("3h")
    bench.emits("u1", ADD)
    bench.advance("1h")
    assert len(bench.messages) == 2


def test_cooldown_is_looked_at_again_before_the_first_send() -> None:
    bench = EngineBench(sends_after_an_hour(cooldown="3d", repeat="parallel"))
    bench.emits("u1", ADD)
    bench.advance("30m")
    bench.emits("u1", ADD)
    bench.advance("2h")
    assert len(bench.messages) == 1
    assert "cooldown" in bench.endings("u1")


def test_of_parallel_runs_that_would_ask_at_once_one_asks_within_a_cooldown() -> None:
    bench = EngineBench(sends_after_an_hour(cooldown="3d", repeat="parallel"))
    bench.emits("u1", ADD, ADD)
    bench.advance("1h")
    assert len(bench.messages) == 1
    assert bench.endings("u1") == ["cooldown"]


def test_runs_of_two_keys_that_ask_at_once_both_ask_within_a_cooldown() -> None:
    key, match = (lambda event: event.product_id), (lambda one, other: one.product_id == other.product_id)
    bench = EngineBench(sends_after_an_hour(cooldown="3d", key=key, match=match))
    bench.emits("u1", ADD, ProductAdded(product_id="p2"))
    bench.advance("1h")
    assert len(bench.messages) == 2


def test_a_run_that_is_parked_beside_its_question_keeps_no_other_from_asking() -> None:
    def fails_over(answer: Any) -> Any:
        async def r(run: Run, first: ProductAdded) -> None:
            await (answer(run) if first.product_id == "p1" else run.sleep("1h"))
            await run.send("email", "cart")

        terms: dict[str, Any] = {"on": ProductAdded, "purpose": "marketing.test", "version": 1}
        return rule(**terms, cooldown="3d", repeat="parallel")(r)

    async def asks(run: Run) -> None:
        await run.send("push", "cart")

    async def waits(run: Run) -> None:
        await run.quiet("1h")

    bench = EngineBench(fails_over(asks), decide=lambda message: None)
    bench.emits("u1", ADD, ProductAdded(cart_id="c1", product_id="p2"))
    bench.deploy(fails_over(waits))
    bench.decides(bench.messages[0], name="Hold Opened", hold=1)
    assert [(bool(run.parked), bool(run.message)) for run in bench.runs("u1")] == [(True, True), (False, False)]
    bench.advance("1h")
    assert [message.channel for message in bench.messages] == ["push", "email"]


def test_a_held_out_run_cools_down_like_one_that_was_sent() -> None:
    bench = EngineBench(sends_after_an_hour(cooldown="3d"), decide=refused("holdout"))
    bench.emits("u1", ADD)
    bench.advance("3h")
    bench.emits("u1", ADD)
    bench.advance("3h")
    assert len(bench.messages) == 1


def test_holdout_is_drawn_at_entry_and_travels_with_the_message() -> None:
    bench = EngineBench(sends_after_an_hour(holdout=0.5))
    for number in range(200):
        bench.emits(f"u{number}", ADD)
    bench.advance("1h")
    held_out = sum(m.holdout for m in bench.messages)
    assert len(bench.messages) == 200
    assert 70 < held_out < 130


def test_an_event_that_is_too_old_starts_nothing() -> None:
    bench = EngineBench(sends_after_an_hour())
    bench.emits("u1", ADD, ago="73h")
    assert bench.endings("u1") == ["too_old"]
    bench.emits("u1", ADD, ago="71h")
    assert len(bench.runs("u1")) == 1


def test_an_event_that_happened_before_the_latest_goal_starts_nothing() -> None:
    bench = EngineBench(sends_after_an_hour(goal=OrderCompleted))
    bench.emits("u1", OrderCompleted(order_id="o1"))
    bench.emits("u1", ADD, ago="5m")
    assert bench.endings("u1") == ["superseded"]
    bench.emits("u1", ADD)
    assert len(bench.runs("u1")) == 1


def test_history_folds_and_neither_starts_nor_ends_a_run() -> None:
    bench = EngineBench(sends_after_an_hour(goal=OrderCompleted, uses=("cart", "orders")))
    bench.emits("u1", ADD)
    bench.emits("u1", OrderCompleted(order_id="o1"), ago="700d", history=True)
    bench.emits("u2", ADD, history=True)
    bench.advance("1h")
    assert [m.customer for m in bench.messages] == ["u1"]
    row = bench.row("u1")
    assert row is not None
    assert row.state("orders").count == 1


def test_max_age_ends_a_run_that_waits_for_ever() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await run.wait_for(ShipmentDelivered, within="1000d")

    bench = EngineBench(rule(on=ProductAdded, purpose="marketing.test", max_age="2d", version=1)(r))
    bench.emits("u1", ADD)
    bench.advance("3d")
    assert bench.endings("u1") == ["max_age"]


def test_after_waits_visibly_until_the_feed_has_come_far_enough() -> None:
    bench = EngineBench(sends_after_an_hour(after=("orders",)))
    bench.emits("u1", ADD)
    bench.advance("2h")
    assert bench.messages == []
    assert any(b"source_late" in line.data for line in bench.history("u1"))
    bench.emits("feeds", "Feed Complete", properties={"feed": "orders", "through": bench.now})
    assert len(bench.messages) == 1


def test_no_feed_is_complete_beyond_the_moment_at_which_it_says_so() -> None:
    bench = EngineBench(sends_after_an_hour(after=("orders",)))
    bench.emits("feeds", "Feed Complete", properties={"feed": "orders", "through": bench.now + 365 * DAY})
    bench.emits("u1", ADD)
    bench.advance("2h")
    assert bench.messages == []
    bench.emits("feeds", "Feed Complete", properties={"feed": "orders", "through": bench.now})
    assert len(bench.messages) == 1


def test_a_feed_that_the_program_before_believed_too_far_is_set_right_by_its_next_word() -> None:
    bench = EngineBench(sends_after_an_hour(after=("orders",)))
    bench.broadcast("Feed Complete", feed="orders", through=bench.now + 365 * DAY)
    bench.emits("feeds", "Feed Complete", properties={"feed": "orders", "through": bench.now})
    bench.emits("u1", ADD)
    bench.advance("2h")
    assert bench.messages == []


def test_after_ends_a_feed_that_had_the_order_without_a_message() -> None:
    bench = EngineBench(sends_after_an_hour(after=("orders",), goal=OrderCompleted))
    bench.emits("u1", ADD)
    bench.advance("2h")
    bench.emits("u1", OrderCompleted(order_id="till-1"), ago="90m")
    bench.emits("feeds", "Feed Complete", properties={"feed": "orders", "through": bench.now})
    assert bench.messages == []


def test_after_drops_at_its_deadline() -> None:
    bench = EngineBench(sends_after_an_hour(after=("orders",), after_max="6h"))
    bench.emits("u1", ADD)
    bench.advance("8h")
    assert bench.messages == []
    assert bench.endings("u1") == ["source_late"]


class LevelReached(Event, frozen=True, kw_only=True):
    """Into which nothing is read."""


@pytest.mark.parametrize(
    "wait", [lambda run: run.wait_for(LevelReached, "1h"), lambda run: run.quiet("1h", LevelReached)]
)
def test_an_event_of_one_s_own_is_waited_for_by_its_name(wait: Any) -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await wait(run)

    bench = EngineBench(rule(on=ProductAdded, purpose="marketing.test", version=1)(r))
    bench.emits("u1", ADD)
    assert "LevelReached is none of tactful.events" in bench.endings("u1")[0]


def test_an_unknown_event_can_start_a_rule_by_name() -> None:
    bench = EngineBench(sends_after_an_hour(on="Level Reached"))
    bench.emits("u1", "Level Reached", properties={"level": 7})
    bench.advance("1h")
    assert len(bench.messages) == 1


def test_an_unknown_event_from_a_browser_is_an_act_and_from_a_server_a_fact() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await run.quiet("1h")
        await run.send("email", "quiet")

    bench = EngineBench(rule(on=ProductAdded, purpose="marketing.test", version=1)(r))
    bench.emits("u1", ADD)
    bench.emits("u2", ADD)
    bench.advance("30m")
    bench.emits("u1", "Level Reached", scope="browser")
    bench.emits("u2", "Level Reached", scope="server")
    bench.advance("30m")
    assert [m.customer for m in bench.messages] == ["u2"]


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ({"version": 0}, "`version` counts from 1"),
        ({"key": lambda e: "k"}, "match="),
        ({"holdout": 1.0}, "`holdout` is a share"),
        ({"repeat": "often"}, "`repeat` is one of"),
        ({"purpose": "spam"}, "`purpose` begins with"),
        ({"purpose": "marketing."}, "`purpose` is like marketing.something"),
        ({"purpose": "service..x"}, "`purpose` is like marketing.something"),
        ({"cooldown": "3 fortnights"}, "is not a length of time"),
        ({"max_age": "400000000000d"}, "is longer than 1000000d; write at most that"),
        ({"debounce_max": "1h"}, "needs repeat='debounce'"),
        ({"on": ()}, "`on` names no event"),
        ({"when": lambda event: True}, "`when` is called like lambda customer, event: ..."),
        ({"key": lambda: "k", "match": lambda first, event: True}, "`key` is called like lambda event: ..."),
        ({"key": lambda event: "k", "match": lambda event: True}, "`match` is called like lambda first, event: ..."),
        ({"exit_on": Page, "exit_when": lambda first, event: True}, "`exit_when` is called like lambda event: ..."),
        (
            {"on": LevelReached},
            '`on`: LevelReached is none of tactful.events; write the name of an event of your own, "Level',
        ),
        ({"goal": (LevelReached, Page)}, "`goal`: LevelReached is none"),
    ],
)
def test_a_wrong_argument_names_rule_file_line_and_mend(terms: dict[str, Any], says: str) -> None:
    with pytest.raises(PluginError, match=r"test_terms.py:\d+: rule r: .*") as caught:
        sends_after_an_hour(**terms)
    assert says in str(caught.value)


def test_an_operation_that_nobody_awaits_is_named_before_the_rule_writes_too_early() -> None:
    async def hasty(run: Run, first: Page) -> None:
        ordered = run.wait_for(OrderCompleted, within="2h")
        await run.wait_any(run.sleep("1h"), ordered)
        run.sleep("14d")
        await run.send("email", "a")

    for refuse in (rule(on=Page, purpose="marketing.test", version=2), sends_after_an_hour(version=2).previous(1)):
        with pytest.raises(PluginError, match=r"rule \w+.*: line \d+ asks for it and goes on") as caught:
            refuse(hasty)
        assert f"line {hasty.__code__.co_firstlineno + 3} " in str(caught.value)
        assert "write `await run.sleep(…)`" in str(caught.value)


def test_nor_does_a_reaction_a_ladder_or_a_new_beginning_go_by_unawaited() -> None:
    async def asks_and_goes_on(run: Run, first: Page) -> None:
        message = await run.send("email", "a")
        message.engaged("1d")

    async def climbs_nothing(run: Run, first: Page) -> None:
        Ladder(("email", "1d")).climb(run, "a")  # type: ignore[unused-coroutine]

    async def ends(run: Run, first: Page) -> None:
        await run.sleep("1h")
        run.again()

    for body, mend in (
        (ends, "`return run.again()`"),
        (asks_and_goes_on, "await message.engaged(…)"),
        (climbs_nothing, "await … .climb(run, …)"),
    ):
        with pytest.raises(PluginError, match=re.escape(mend)):
            rule(on=Page, purpose="marketing.test", version=1)(body)


def test_what_is_read_before_it_was_awaited_is_named_before_the_rule_takes_it_for_its_result() -> None:
    async def reads(run: Run, first: Page) -> None:
        run.note(f"{run.get('orders').count}")  # type: ignore[attr-defined]

    async def compares(run: Run, first: Page) -> None:
        run.note(f"{run.wait_for(OrderCompleted, within='2h') is None}")

    async def keeps(run: Run, first: Page) -> None:
        order = run.wait_for(OrderCompleted, within="2h")
        if order is None:
            await run.send("email", "a")

    async def believes(run: Run, first: Page) -> None:
        message = await run.send("email", "a")
        if not message.engaged(within="1d"):
            await run.send("push", "a")

    for body, line, mend in (
        (reads, 1, "`(await run.get(…))`"),
        (compares, 1, "`(await run.wait_for(…))`"),
        (keeps, 1, "`await run.wait_for(…)`"),
        (believes, 2, "`(await message.engaged(…))`"),
    ):
        with pytest.raises(PluginError, match=re.escape(mend)) as caught:
            rule(on=Page, purpose="marketing.test", uses=("orders",), version=1)(body)
        assert f"line {body.__code__.co_firstlineno + line} " in str(caught.value)


def test_an_operation_may_have_a_name_and_be_awaited_later() -> None:
    async def chooses(run: Run, first: Page) -> None:
        ordered, late = run.wait_for(OrderCompleted, within="2h"), run.sleep("1h")
        soon = run.sleep("1m")
        if first.url:
            soon = run.sleep("2m")
        await soon
        which, order = await run.wait_any(ordered, late)
        if order is not None and which:
            await run.send("email", "a")

    rule(on=Page, purpose="marketing.test", version=1)(chooses)


@pytest.mark.parametrize("climbs", [False, True])
def test_what_a_rule_returns_unawaited_parks_it_and_is_not_taken_for_said(climbs: bool) -> None:
    async def hasty(run: Run, first: ProductAdded) -> Any:
        return Ladder(("email", "1d")).climb(run, "a") if climbs else run.send("email", "a")

    bench = EngineBench(rule(on=ProductAdded, purpose="marketing.test", version=1)(hasty))
    bench.emits("u1", ADD)
    (ending,) = bench.endings("u1")
    assert ending.endswith("it returns what nobody awaited; write `return await …`")


def test_a_body_that_does_not_take_the_run_and_the_event_is_refused() -> None:
    async def forgets(run: Run) -> None:
        await run.sleep("1h")

    for refuse in (rule(on=Page, purpose="marketing.test", version=2), sends_after_an_hour(version=2).previous(1)):
        with pytest.raises(PluginError, match=r"rule \w+.*: it is called like async def name\(run, first\): \.\.\."):
            refuse(forgets)


def test_a_rule_that_is_not_async_is_refused() -> None:
    def plain(run: Run, first: Page) -> None:
        return None

    with pytest.raises(PluginError, match="async def"):
        rule(on=Page, purpose="marketing.test", version=1)(plain)  # type: ignore[arg-type]
