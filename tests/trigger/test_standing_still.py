"""A run stands still while its rule is paused, missing or newer than the process: nothing is lost, and nothing is said."""

from __future__ import annotations

from functools import partial
from typing import Literal

import pytest
from enginebench import EngineBench

from tactful import Run, rule
from tactful.clock import HOUR
from tactful.customer import Customer
from tactful.events import (
    ComplaintClosed,
    ComplaintOpened,
    Event,
    OrderCompleted,
    Page,
    ProductAdded,
    ProductShared,
    ProductViewed,
    ShipmentDelivered,
)
from tactful.records import EVENTS, CommandBody, CommandRecord
from tactful.rules import Rule

ADD = ProductAdded(cart_id="c1", product_id="p1")
Why = Literal["paused", "missing"]


def basket(customer: Customer) -> dict[str, int]:
    return {"items": len(customer.cart.items)}


@rule(on=ProductAdded, goal=OrderCompleted, purpose="marketing.test", uses=("cart",), version=1)
async def reminder(run: Run, first: ProductAdded) -> None:
    message = await run.send("email", "letter", data=basket)
    if message.scope == "channel":
        await run.send("sms", "text", hours=int((run.now - run.started).total_seconds()) // 3600)


class Still:
    """A customer who has been asked about by e-mail, and then the rule stands still."""

    def __init__(self, why: Why, rule: Rule = reminder) -> None:
        self.bench, self.why, self.rule = EngineBench(rule, decide=lambda message: None), why, rule
        self.bench.emits("u1", ADD, ProductAdded(cart_id="c1", product_id="p2"))
        if why == "missing":
            self.bench.deploy()
        else:
            self.bench.broadcast("Rule Paused", rule=rule.name)

    def go_on(self) -> None:
        if self.why == "missing":
            self.bench.deploy(self.rule)
        else:
            self.bench.broadcast("Rule Resumed", rule=self.rule.name)
        self.bench.advance("1s")


@pytest.fixture(params=["paused", "missing"])
def still(request: pytest.FixtureRequest) -> Still:
    return Still(request.param)


def test_an_answer_is_kept_and_what_follows_from_it_is_said_when_the_rule_goes_on(still: Still) -> None:
    bench = still.bench
    bench.advance("2h")
    bench.decides(bench.messages[0], verdict="not_sent", reason="no_consent", scope="channel")
    bench.advance("3h")
    assert bench.sent() == ["email letter"]
    still.go_on()
    assert bench.sent() == ["email letter", "sms text"]


def test_a_message_is_asked_for_at_the_instant_at_which_its_rule_is_let_go(still: Still) -> None:
    """A paused rule goes on as of the news. One that was away goes on as of the answer, as every late timer does."""
    bench = still.bench
    bench.advance("2h")
    bench.decides(bench.messages[0], verdict="not_sent", reason="no_consent", scope="channel")
    bench.advance("3h")
    still.go_on()
    hours = 5 if still.why == "paused" else 2
    assert bench.messages[1].data == {"hours": hours}
    assert bench.messages[1].requested_at == bench.runs("u1")[0].started + hours * HOUR


def test_a_hold_that_asks_is_answered_when_the_rule_goes_on(still: Still) -> None:
    bench = still.bench
    bench.decides(bench.messages[0], name="Hold Opened", hold=3)
    bench.advance("2h")
    assert not bench.confirms
    assert not bench.cancelled
    still.go_on()
    assert [(confirm.body.hold, confirm.body.data) for confirm in bench.confirms] == [(3, {"items": 2})]
    bench.deploy(reminder)  # that it was answered is stored
    bench.advance("10d")
    assert len(bench.confirms) == 1


def test_a_hold_of_a_message_that_expired_meanwhile_is_not_answered(still: Still) -> None:
    bench = still.bench
    bench.decides(bench.messages[0], name="Hold Opened", hold=3)
    bench.decides(bench.messages[0], verdict="not_sent", reason="expired", scope="customer")
    still.go_on()
    assert not bench.confirms
    assert not bench.cancelled
    assert bench.endings("u1") == ["done"]


@rule(on=ProductAdded, purpose="marketing.test", version=1)
async def days_later(run: Run, first: ProductAdded) -> None:
    await run.sleep("5d")
    await run.send("push", "days later")


@rule(on=ProductAdded, purpose="marketing.test", version=1)
async def soon(run: Run, first: ProductAdded) -> None:
    await run.sleep("1h")
    await run.send("email", "soon")


def test_the_other_rules_of_a_customer_go_on_however_far_ahead_they_look() -> None:
    bench = EngineBench(soon, days_later)
    bench.emits("u1", ADD)
    bench.broadcast("Rule Paused", rule="soon")
    for _ in range(7):
        bench.advance("1d")
        bench.emits("u2", Page(name="home"))
    assert bench.sent() == ["push days later"]


@pytest.mark.parametrize("later_first", [False, True])
def test_of_several_runs_beside_one_that_stands_still_each_comes_up_in_its_time(later_first: bool) -> None:
    @rule(on=ProductAdded, purpose="marketing.test", version=1)
    async def in_the_evening(run: Run, first: ProductAdded) -> None:
        await run.sleep("4h")
        await run.send("email", "evening")

    bench = EngineBench(soon, *([days_later, in_the_evening] if later_first else [in_the_evening, days_later]))
    bench.emits("u1", ADD)
    bench.broadcast("Rule Paused", rule="soon")
    bench.advance("5h")
    assert bench.sent() == ["email evening"]
    bench.advance("6d")
    assert bench.sent() == ["email evening", "push days later"]


def test_a_run_that_begins_beside_one_that_stands_still_is_not_forgotten() -> None:
    bench = EngineBench(soon, days_later)
    bench.emits("u1", ADD)
    bench.broadcast("Rule Paused", rule="days_later")
    bench.advance("6d")
    bench.emits("u2", Page(name="home"))  # timers are looked for as far as an hour ahead
    bench.advance("30m")
    bench.emits("u1", ADD)
    bench.advance("2h")
    assert bench.sent() == ["email soon", "email soon"]


@rule(on=Page, purpose="marketing.test", version=1)
async def tomorrow(run: Run, first: Page) -> None:
    await run.sleep("1d")
    await run.send("email", "tomorrow")


def test_whoever_comes_up_sooner_is_not_hidden_by_somebody_who_stands_still() -> None:
    bench = EngineBench(soon, days_later, tomorrow)
    bench.emits("u1", ADD)
    bench.broadcast("Rule Paused", rule="soon")
    bench.advance("2h")
    bench.emits("u2", Page(name="home"))
    bench.advance("1d")
    assert [(message.customer, message.requested_at) for message in bench.messages] == [("u2", bench.now)]


def test_a_timer_of_a_run_that_stands_still_has_not_fired() -> None:
    bench = EngineBench(soon)
    bench.emits("u1", ADD)
    bench.broadcast("Rule Paused", rule="soon")
    bench.advance("2h")
    assert bench.worker.timers_fired == 0
    bench.broadcast("Rule Resumed", rule="soon")
    bench.advance("1m")
    assert bench.worker.timers_fired == 1


@rule(on=ProductAdded, purpose="marketing.test", max_age="2d", version=1)
async def for_two_days(run: Run, first: ProductAdded) -> None:
    await run.sleep("1h")


def test_a_run_whose_end_has_passed_while_its_rule_was_paused_ends_when_that_goes_on_and_not_before() -> None:
    bench = EngineBench(for_two_days)
    bench.emits("u1", ADD)
    bench.broadcast("Rule Paused", rule="for_two_days")
    bench.advance("5d")
    bench.broadcast("Rule Resumed", rule="for_two_days")
    at = bench.now
    bench.advance("1s")
    assert [line.at for line in bench.history("u1") if line.kind == "ended"] == [at]


def test_a_goal_ends_a_run_of_a_paused_rule_and_takes_its_message_back() -> None:
    still = Still("paused")
    bench = still.bench
    bench.decides(bench.messages[0], name="Hold Opened", hold=1)
    bench.emits("u1", OrderCompleted(order_id="o1"), Page(name="home"))
    assert bench.cancelled == [bench.messages[0].message_id]
    still.go_on()
    assert bench.confirms == []
    assert bench.endings("u1") == ["goal reached"]


@rule(on=ProductAdded, purpose="marketing.test", version=1)
async def waits_for_an_order(run: Run, first: ProductAdded) -> None:
    await run.send("email", "letter")
    order = await run.wait_for(OrderCompleted, within="2d")
    await run.send("email", "thanks" if order else "forgot")


@pytest.mark.parametrize("why", ["paused", "missing"])
def test_what_comes_after_an_answer_is_kept_until_the_rule_goes_on(why: Why) -> None:
    still = Still(why, waits_for_an_order)
    bench = still.bench
    bench.decides(bench.messages[0], verdict="sent")
    bench.emits("u1", OrderCompleted(order_id="o1"))
    bench.emits("u1", "Something Nobody Names")
    assert [kept.name for kept in bench.runs("u1")[0].inbox[1:]] == ["Order Completed", "Something Nobody Names"]
    still.go_on()
    assert bench.sent() == ["email letter", "email thanks"]


# -- what only the rule could judge


@rule(on=ProductAdded, goal="Seat Taken", purpose="marketing.test", version=1)
async def an_hour_later(run: Run, first: ProductAdded) -> None:
    await run.sleep("1h")
    await run.send("email", "buy")


def test_a_goal_ends_a_run_whose_rule_is_not_installed_and_takes_its_message_back() -> None:
    still = Still("missing")
    bench = still.bench
    bench.emits("u1", OrderCompleted(order_id="o1"))
    assert bench.cancelled == [bench.messages[0].message_id]
    assert bench.endings("u1") == ["ended by Order Completed"]
    still.go_on()
    assert bench.sent() == ["email letter"]


def test_a_goal_that_only_the_missing_rule_names_ends_its_run_too() -> None:
    bench = EngineBench(an_hour_later, soon)
    bench.emits("u1", ADD)
    bench.deploy(soon)
    bench.advance("10m")
    bench.emits("u2", "Seat Taken")
    bench.emits("u1", "Seat Taken")
    assert bench.row("u2") is None
    bench.deploy(an_hour_later, soon)
    bench.advance("2h")
    assert bench.sent() == ["email soon"]


@rule(on=ProductAdded, goal="Seat Taken", purpose="marketing.test", version=1)
async def unless_they_come_back(run: Run, first: ProductAdded) -> None:
    await run.wait_for(Page, within="1h")
    await run.send("email", "buy")


def test_a_goal_ends_a_run_whose_rule_is_missing_also_while_nothing_waits_for_it() -> None:
    bench = EngineBench(unless_they_come_back)
    bench.emits("u1", ADD)
    bench.deploy()
    bench.emits("u1", "Seat Taken")
    bench.deploy(unless_they_come_back)
    bench.advance("2h")
    assert bench.messages == []


for_each_product = partial(
    rule,
    on=ProductAdded,
    key=lambda event: event.product_id,
    match=lambda first, event: first.product_id in event.order_id,
    goal=OrderCompleted,
    purpose="marketing.test",
    version=1,
)


@for_each_product()
async def of_a_product(run: Run, first: ProductAdded) -> None:
    await run.sleep("1h")
    await run.send("email", first.product_id)


def test_whose_goal_it_was_is_asked_once_the_rule_is_back_and_before_it_says_anything() -> None:
    bench = EngineBench(of_a_product)
    bench.emits("u1", ADD, ProductAdded(product_id="p2"))
    bench.deploy()
    bench.advance("3h")
    bench.emits("u1", OrderCompleted(order_id="o1 of p2"))
    bench.advance("3h")
    bench.deploy(of_a_product)
    bench.advance("1m")
    assert bench.sent() == ["email p1"]
    assert "ended by Order Completed" in bench.endings("u1")


def test_an_order_of_another_product_that_came_while_the_rule_was_away_keeps_nothing_from_beginning() -> None:
    bench = EngineBench(of_a_product)
    bench.emits("u1", ADD)
    bench.deploy()
    bench.advance("2h")
    bench.emits("u1", OrderCompleted(order_id="o1 of p1"))
    bench.deploy(of_a_product)
    bench.emits("u1", ProductAdded(product_id="p2"), ago="1h")
    bench.advance("2h")
    assert bench.sent() == ["email p2"]


def test_two_sources_that_number_their_events_alike_are_both_heard_once_the_rule_is_back() -> None:
    bench = EngineBench(of_a_product)
    bench.emits("u1", ADD)
    bench.deploy()
    bench.emits("u1", OrderCompleted(order_id="o1 of p2"), id="1", source="shop")
    bench.emits("u1", OrderCompleted(order_id="o2 of p1"), id="1", source="till")
    bench.deploy(of_a_product)
    bench.advance("3h")
    assert (bench.sent(), bench.endings("u1")) == ([], ["ended by Order Completed"])


@rule(on=ProductAdded, purpose="marketing.test", version=1)
async def two_parcels(run: Run, first: ProductAdded) -> str:
    one = await run.wait_for(ShipmentDelivered, within="2h", where=lambda event: event.order_id == "1")
    two = await run.wait_for(ShipmentDelivered, within="2h", where=lambda event: event.order_id == "2")
    await run.send("email", "parcels")
    return f"{one and one.order_id} {two and two.order_id}"


@pytest.mark.parametrize(("second", "told"), [("90m", "1 2"), ("121m", "1 None")])
def test_what_a_missing_rule_would_have_been_asked_it_is_asked_as_of_its_time(second: str, told: str) -> None:
    bench = EngineBench(two_parcels)
    bench.emits("u1", ADD)
    bench.deploy()
    for wait, order in (("30m", "another"), ("30m", "1"), (second, "2")):
        bench.advance(wait)
        bench.emits("u1", ShipmentDelivered(order_id=order))
    bench.advance("1d")
    bench.deploy(two_parcels)
    bench.advance("1s")
    assert bench.endings("u1") == [told]


def test_what_was_put_by_counts_as_of_the_news_if_the_rule_is_paused_when_it_is_back() -> None:
    bench = EngineBench(two_parcels)
    bench.emits("u1", ADD)
    bench.deploy()
    bench.emits("u1", ShipmentDelivered(order_id="1"), ShipmentDelivered(order_id="2"))
    bench.broadcast("Rule Paused", rule="two_parcels")
    bench.deploy(two_parcels)
    bench.advance("2d")
    assert bench.messages == []
    bench.broadcast("Rule Resumed", rule="two_parcels")
    bench.advance("1s")
    assert [bench.now - m.requested_at for m in bench.messages] == [1000]


def test_a_predicate_that_fails_over_what_was_put_by_parks_the_run_with_its_wait_unanswered() -> None:
    @rule(on=ProductAdded, purpose="marketing.test", version=1)
    async def failing(run: Run, first: ProductAdded) -> None:
        await run.wait_for(ShipmentDelivered, within="2h", where=lambda event: event.order_id > 1)  # type: ignore[operator]
        await run.send("email", "never")

    bench = EngineBench(failing)
    bench.emits("u1", ADD)
    bench.deploy()
    bench.advance("1h")
    bench.emits("u1", ShipmentDelivered(order_id="1"))
    bench.deploy(failing)
    bench.advance("1h")
    assert (bench.messages, [entry.shape for entry in bench.runs("u1")[0].journal]) == ([], [])
    assert "TypeError" in bench.runs("u1")[0].parked


@rule(
    on=ComplaintOpened,
    key=lambda event: event.ticket_id,
    match=lambda first, event: first.ticket_id == event.ticket_id,
    exit_on=ComplaintClosed,
    purpose="service.complaint",
    version=1,
)
async def of_a_ticket(run: Run, first: ComplaintOpened) -> None:
    await run.sleep("2d")
    await run.send("email", "ticket")


@rule(on=ProductAdded, purpose="marketing.test", version=1)
async def for_the_checkout(run: Run, first: ProductAdded) -> None:
    await run.wait_for(Page, within="2d", where=lambda page: page.name == "checkout")
    await run.send("email", "waited")


@pytest.mark.parametrize(
    ("stands", "first", "then"),
    [
        (of_a_ticket, ComplaintOpened(ticket_id="t1"), ComplaintClosed(ticket_id="t2")),
        (for_the_checkout, ADD, Page(name="home")),
    ],
)
def test_what_was_put_by_and_is_none_of_the_runs_concern_leaves_its_timer_alone(
    stands: Rule, first: Event, then: Event
) -> None:
    bench = EngineBench(stands)
    bench.emits("u1", first)
    bench.advance("10m")
    bench.deploy()
    bench.emits("u1", then)
    bench.advance("10m")
    bench.deploy(stands)
    bench.advance("3d")
    assert len(bench.sent()) == 1


@rule(on=ProductAdded, goal=OrderCompleted, purpose="marketing.test", version=1)
async def about_a_cart(run: Run, first: ProductAdded) -> None:
    await run.sleep("1h")
    await run.send("email", "cart")


@pytest.mark.parametrize("away", [False, True])
def test_an_order_from_before_the_link_ends_an_adopted_run_whether_or_not_its_rule_is_there(away: bool) -> None:
    bench = EngineBench(about_a_cart)
    bench.emits("anon:a1", ADD)
    bench.advance("10m")
    if away:
        bench.deploy()
    bench.emits("u1", OrderCompleted(order_id="o1"))
    bench.link("anon:a1", "u1")
    bench.advance("10m")
    bench.deploy(about_a_cart)
    bench.advance("2h")
    assert bench.sent() == []


@pytest.mark.parametrize(("order", "said"), [("o1 of p1", []), ("o1 of p2", ["email p1"])], ids=["its own", "another"])
def test_of_a_run_with_a_key_that_comes_over_while_its_rule_is_away_only_the_rule_can_tell(
    order: str, said: list[str]
) -> None:
    bench = EngineBench(of_a_product)
    bench.emits("anon:a1", ADD)
    bench.deploy()
    bench.advance("10m")
    bench.emits("u1", OrderCompleted(order_id=order))
    bench.link("anon:a1", "u1")
    bench.deploy(of_a_product)
    bench.advance("2h")
    assert bench.sent() == said


def test_an_order_that_a_visitor_placed_and_brought_along_while_the_rule_was_away_ends_the_customers_run() -> None:
    bench = EngineBench(about_a_cart)
    bench.emits("u1", ADD)
    bench.deploy()
    bench.advance("10m")
    bench.emits("anon:a1", OrderCompleted(order_id="o1"))
    bench.link("anon:a1", "u1")
    bench.deploy(about_a_cart)
    bench.advance("2h")
    assert bench.sent() == []


def test_what_is_older_than_an_order_that_came_while_the_rule_was_away_begins_nothing_once_it_is_back() -> None:
    bench = EngineBench(about_a_cart)
    bench.emits("u2", ADD)
    bench.deploy()
    bench.emits("u1", OrderCompleted(order_id="o1"))
    bench.advance("10m")
    bench.deploy(about_a_cart)
    bench.emits("u1", ADD, ago="30m")
    assert bench.endings("u1") == ["superseded"]


def test_a_parked_run_does_not_shut_its_customer_for_other_rules() -> None:
    @rule(on=ProductAdded, purpose="marketing.test", version=1)
    async def broken(run: Run, first: ProductAdded) -> None:
        raise ValueError("oops")

    @rule(on=Page, purpose="marketing.test", uses=("session",), version=1)
    async def greets(run: Run, first: Page) -> None:
        await run.send("email", "hello")

    bench = EngineBench(broken, greets)
    bench.emits("u1", ADD)
    for number in range(80):
        bench.emits("u1", "List Seen", properties={"list": "x" * 4000}, scope="browser")
        bench.emits("u1", ProductViewed(product_id=f"p{number}", name="x" * 4000))
        bench.advance("2m")
    bench.emits("u1", Page(name="home"))
    row = bench.row("u1")
    assert row is not None
    assert (row.blocked, bench.sent()) == ("", ["email hello"])


bad: dict[str, bool] = {}


def sound(what: str) -> bool:
    if bad[what]:
        raise ValueError(what)
    return True


@rule(on=Page, purpose="marketing.test", version=1)
async def two_adds(run: Run, first: Page) -> None:
    await run.wait_for(ProductAdded, within="5d", where=lambda added: sound("where"))
    sound("body")
    await run.send("email", "first")
    second = await run.wait_for(ProductAdded, within="1d")
    await run.send("email", "second", came=second is not None)


@pytest.mark.parametrize("again", [False, True])
def test_what_was_put_by_outlives_another_failure(again: bool) -> None:
    bad.update(where=True, body=again)
    bench = EngineBench(two_adds, decide=lambda message: None if message.template == "first" else {"verdict": "sent"})
    for event in (Page(name="x"), ADD, ProductAdded(cart_id="c1", product_id="p2")):
        bench.emits("u1", event)
        bench.advance("1m")
    bad["where"] = False
    retry(bench, "two_adds")
    if again:
        bad["body"] = False
        retry(bench, "two_adds")
    bench.decides(bench.messages[0], verdict="sent")
    bench.advance("5d")
    assert bench.messages[1].data == {"came": True}


@rule(on=ProductAdded, purpose="marketing.test", version=1)
async def once_it_is_shared(run: Run, first: ProductAdded) -> None:
    await run.send("email", "first")
    sound("body")
    shared = await run.wait_for(ProductShared, within="1d")
    await run.send("email", "second", shared=shared is not None)


def test_a_parked_run_is_kept_what_it_will_wait_for_though_nothing_else_names_it() -> None:
    bad["body"] = True
    bench = EngineBench(once_it_is_shared)
    bench.emits("u1", ADD)
    bench.emits("u1", ProductShared(product_id="p1"))
    bad["body"] = False
    retry(bench, "once_it_is_shared")
    bench.advance("2d")
    assert bench.messages[1].data == {"shared": True}


def retry(bench: EngineBench, name: str) -> None:
    bench.append(
        EVENTS, CommandRecord(id=f"retry-{bench.now}", key="u1", at=bench.now, body=CommandBody("retry", name))
    )
    bench.advance("1m")


def test_trying_what_is_parked_again_leaves_alone_what_goes_on() -> None:
    @rule(
        on=ProductAdded,
        key=lambda event: event.product_id,
        match=lambda first, event: False,
        purpose="marketing.test",
        version=1,
    )
    async def each(run: Run, first: ProductAdded) -> None:
        if first.product_id == "p2":
            sound("body")
        await run.send("email", first.product_id)

    bad["body"] = True
    bench = EngineBench(each, decide=lambda message: None)
    bench.emits("u1", ADD, ProductAdded(product_id="p2"))
    bad["body"] = False
    retry(bench, "each")
    assert (bench.sent(), bench.cancelled) == (["email p1", "email p2"], [])


@rule(on=ProductAdded, purpose="marketing.test", version=1)
async def an_hour_after(run: Run, first: ProductAdded) -> None:
    sound("body")
    await run.sleep("1h")
    await run.send("email", "hello")


@pytest.mark.parametrize("paused", [False, True])
def test_what_is_tried_again_waits_from_then_on_and_while_its_rule_is_paused_for_that(paused: bool) -> None:
    bad["body"] = True
    bench = EngineBench(an_hour_after)
    bench.emits("u1", ADD)
    bad["body"] = False
    if paused:
        bench.broadcast("Rule Paused", rule="an_hour_after")
    retry(bench, "an_hour_after")
    if paused:
        assert bench.runs("u1")[0].wait is None
        bench.broadcast("Rule Resumed", rule="an_hour_after")
    bench.advance("2h")
    assert bench.sent() == ["email hello"]


@rule(on=ProductAdded, purpose="marketing.test", version=1)
async def unless_it_is_shared(run: Run, first: ProductAdded) -> None:
    await run.wait_for(ProductShared, within="1h", where=lambda shared: sound("where") and shared.product_id == "p2")
    await run.send("email", "hello")


def test_what_fell_due_while_a_run_was_parked_happens_when_it_is_tried_again() -> None:
    bad["where"] = True
    bench = EngineBench(unless_it_is_shared)
    bench.emits("u1", ADD, ProductShared(product_id="p1"))
    bench.advance("5h")
    bad["where"] = False
    tried_at = bench.now
    retry(bench, "unless_it_is_shared")
    assert [message.requested_at for message in bench.messages] == [tried_at]


@rule(on=ProductAdded, purpose="marketing.test", version=1)
async def whatever_comes_first(run: Run, first: ProductAdded) -> None:
    viewed = run.wait_for(
        ProductViewed, within="30d", where=lambda viewed: sound("where") and viewed.product_id == "p2"
    )
    await run.wait_any(run.sleep("2h"), run.quiet("3h"), viewed)
    await run.send("email", "hello")


def test_what_fell_due_beside_what_a_later_act_moves_happens_when_the_run_is_tried_again_as_well() -> None:
    bad["where"] = True
    bench = EngineBench(whatever_comes_first)
    bench.emits("u1", ADD, ProductViewed(product_id="p1"))
    bench.advance("48h")
    bad["where"] = False
    tried_at = bench.now
    retry(bench, "whatever_comes_first")
    assert [message.requested_at for message in bench.messages] == [tried_at]


@rule(on=ProductAdded, repeat="debounce", purpose="marketing.test", uses=("cart",), version=1)
async def debounced(run: Run, first: ProductAdded) -> None:
    await run.send("email", "letter", data=basket)


def test_what_would_begin_a_run_anew_while_that_stands_still_with_an_answer_is_known_all_the_same() -> None:
    bench = Still("paused", debounced).bench
    bench.decides(bench.messages[0], verdict="not_sent", reason="no_consent", scope="channel")
    bench.emits("u1", ProductAdded(cart_id="c1", product_id="p3"))
    row = bench.row("u1")
    assert row is not None
    assert len(row.state("cart").items) == 3


def test_a_hold_that_asks_is_answered_for_the_run_whose_message_it_is() -> None:
    bench = EngineBench(reminder, debounced, decide=lambda message: None)
    bench.emits("u1", ADD)
    first, second = bench.messages
    bench.decides(second, name="Hold Opened", hold=1)
    bench.broadcast("Rule Paused", rule="reminder")
    bench.decides(first, verdict="not_sent", reason="no_consent", scope="channel")
    bench.decides(second, name="Hold Opened", hold=2)
    assert [(asked.body.message_id, asked.body.hold) for asked in bench.confirms] == [
        (second.message_id, 1),
        (second.message_id, 2),
    ]


@for_each_product()
async def counts_what_else_is_bought(run: Run, first: ProductAdded) -> str:
    await run.send("email", "held")
    seen = [await run.wait_for(OrderCompleted, within="1h") for _ in range(2)]
    return f"{sum(order is not None for order in seen)} orders"


def test_what_was_put_by_for_a_missing_rule_and_kept_while_it_waited_for_a_message_is_one_event() -> None:
    bench = EngineBench(counts_what_else_is_bought, decide=lambda message: None)
    bench.emits("u1", ADD)
    bench.deploy()
    bench.emits("u1", OrderCompleted(order_id="o1 of p2"))
    bench.deploy(counts_what_else_is_bought)
    bench.advance("1m")
    bench.decides(bench.messages[0], verdict="sent")
    bench.advance("3h")
    assert bench.endings("u1") == ["1 orders"]
