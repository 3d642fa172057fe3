"""A run stands still while its rule is paused, missing or newer than the process: nothing is lost, and nothing is said."""

from __future__ import annotations

from typing import Literal

import pytest
from enginebench import EngineBench

from tactful import Run, rule
from tactful.clock import HOUR
from tactful.customer import Customer
from tactful.events import OrderCompleted, Page, ProductAdded

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

    def __init__(self, why: Why) -> None:
        self.bench, self.why = EngineBench(reminder, decide=lambda message: None), why
        self.bench.emits("u1", ADD, ProductAdded(cart_id="c1", product_id="p2"))
        if why == "missing":
            self.bench.deploy()
        else:
            self.bench.broadcast("Rule Paused", rule="reminder")

    def go_on(self) -> None:
        if self.why == "missing":
            self.bench.deploy(reminder)
        else:
            self.bench.broadcast("Rule Resumed", rule="reminder")
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


def test_a_goal_ends_a_run_of_a_paused_rule_and_takes_its_message_back() -> None:
    still = Still("paused")
    bench = still.bench
    bench.decides(bench.messages[0], name="Hold Opened", hold=1)
    bench.emits("u1", OrderCompleted(order_id="o1"), Page(name="home"))
    assert bench.cancelled == [bench.messages[0].message_id]
    still.go_on()
    assert bench.confirms == []
    assert bench.endings("u1") == ["goal reached"]
