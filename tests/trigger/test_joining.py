"""Two customers turn out to be one (DESIGN, identity): the stranger who logs in, and the two accounts of one person."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from enginebench import EngineBench, drive, event_record

from tactful import Run, rule
from tactful.clock import HOUR
from tactful.customer import Cart, Profile
from tactful.events import (
    CheckoutStarted,
    ComplaintClosed,
    ComplaintOpened,
    CustomerRecognised,
    Identify,
    OrderCompleted,
    Page,
    ProductAdded,
)
from tactful.log.partitioning import partition_of
from tactful.records import (
    EVENTS,
    AbsorbBody,
    AbsorbRecord,
    BroadcastBody,
    BroadcastRecord,
    CancelRecord,
    ConfirmRecord,
    LinkBody,
    LinkedRecord,
    LinkRecord,
    Origin,
    encode,
)
from tactful_trigger.applying.joining import adopters
from tactful_trigger.projections import SHIPPED
from tactful_trigger.rules.abandoned_cart import abandoned_cart
from tactful_trigger.rules.churn_risk import churn_risk

STRANGER = "anon:a1"
ADD = ProductAdded(product_id="p1", name="Pan")


@rule(on=ProductAdded, goal=OrderCompleted, purpose="marketing.test", uses=("cart",), version=1)
async def an_hour_later(run: Run, first: ProductAdded) -> str:
    await run.sleep("1h")
    await run.send("email", "hello", variant=run.variant("wording", ["plain", "warm"]), product=first.product_id)
    return "said"


@rule(on=ProductAdded, goal=OrderCompleted, purpose="marketing.test", cooldown="3d", repeat="parallel", version=1)
async def every_time(run: Run, first: ProductAdded) -> None:
    await run.sleep("1h")
    await run.send("email", "every", product=first.product_id)


@rule(
    on=ComplaintOpened,
    key=lambda event: event.ticket_id,
    match=lambda first, event: first.ticket_id == event.ticket_id,
    exit_on=ComplaintClosed,
    purpose="service.complaint",
    version=1,
)
async def about_a_ticket(run: Run, first: ComplaintOpened) -> None:
    await run.sleep("2h")
    await run.send("email", "ticket", ticket=first.ticket_id)


def to_dispatch(bench: EngineBench, kind: type[Any]) -> list[Any]:
    return [record for record in bench.dispatch.records if isinstance(record, kind)]


@pytest.fixture(params=[1, 4])
def partitions(request: pytest.FixtureRequest) -> int:
    count: int = request.param
    return count


# -- the stranger who logs in


def test_what_a_stranger_put_into_the_cart_is_in_the_customers(partitions: int) -> None:
    bench = EngineBench(an_hour_later, partitions=partitions)
    bench.emits(STRANGER, ADD)
    bench.link(STRANGER, "u1")
    row, stranger = bench.row("u1"), bench.row(STRANGER)
    assert row is not None
    assert stranger is not None
    assert [item.product_id for item in row.state("cart").items] == ["p1"]
    assert row.absorbed == (STRANGER,)
    assert (stranger.states, stranger.runs, stranger.linked_to) == ({}, [], "u1")


def test_a_strangers_run_goes_on_as_the_customers_at_its_own_time_under_its_own_name(partitions: int) -> None:
    alone, bench = EngineBench(an_hour_later), EngineBench(an_hour_later, partitions=partitions)
    for each in (alone, bench):
        each.emits(STRANGER, ADD, id="first")
    bench.advance("30m")
    bench.link(STRANGER, "u1")
    for each in (alone, bench):
        each.advance("29m")
    assert bench.messages == []
    for each in (alone, bench):
        each.advance("1h")
    [message], [without] = bench.messages, alone.messages
    assert (message.customer, message.subject) == ("u1", STRANGER)
    assert (message.message_id, message.run_id, message.variant) == (
        without.message_id,
        without.run_id,
        without.variant,
    )


def test_an_order_that_the_customer_placed_before_the_link_arrived_ends_the_strangers_run(partitions: int) -> None:
    bench = EngineBench(an_hour_later, partitions=partitions)
    bench.emits(STRANGER, ADD)
    bench.advance("50m")
    bench.emits("u1", OrderCompleted(order_id="o1"))
    bench.link(STRANGER, "u1")
    bench.advance("2h")
    assert bench.messages == []
    assert bench.endings("u1") == ["ended by Order Completed"]


def test_an_order_that_the_stranger_placed_before_they_logged_in_ends_the_customers_run(partitions: int) -> None:
    bench = EngineBench(an_hour_later, partitions=partitions)
    bench.emits("u1", ADD)
    bench.advance("30m")
    bench.emits(STRANGER, OrderCompleted(order_id="o1"))
    bench.link(STRANGER, "u1")
    bench.advance("2h")
    assert bench.messages == []
    assert bench.endings("u1") == ["superseded"]


def test_an_order_that_the_stranger_placed_before_the_customers_cart_ends_nothing(partitions: int) -> None:
    bench = EngineBench(an_hour_later, partitions=partitions)
    bench.emits(STRANGER, OrderCompleted(order_id="o1"))
    bench.advance("30m")
    bench.emits("u1", ADD)
    bench.link(STRANGER, "u1")
    bench.advance("2h")
    assert [message.customer for message in bench.messages] == ["u1"]


def test_of_two_orders_the_later_one_is_waited_for_whoever_placed_it(partitions: int) -> None:
    bench = EngineBench(churn_risk, partitions=partitions)
    bench.broadcast("Settings Changed", rules={"churn_risk": {"holdout": 0.0}})
    bench.emits("u1", OrderCompleted(order_id="o1"))
    bench.advance("30d")
    bench.emits(STRANGER, OrderCompleted(order_id="o2"))
    bench.link(STRANGER, "u1")
    [run] = bench.runs("u1")
    assert msgspec.json.decode(run.first.properties)["order_id"] == "o2"


def test_a_run_that_the_customers_order_ends_takes_no_other_run_along(partitions: int) -> None:
    bench = EngineBench(an_hour_later, partitions=partitions)
    bench.emits(STRANGER, ADD)
    bench.advance("10m")
    bench.emits("u1", OrderCompleted(order_id="o1"))
    bench.advance("10m")
    bench.emits("u1", ProductAdded(product_id="p2"))
    bench.link(STRANGER, "u1")
    bench.advance("2h")
    assert [message.data["product"] for message in bench.messages] == ["p2"]


@rule(on=ProductAdded, goal=CheckoutStarted, purpose="marketing.test", version=1)
async def until_the_checkout(run: Run, first: ProductAdded) -> None:
    await run.sleep("1h")
    await run.send("email", "checkout")


def test_what_ends_the_runs_of_one_rule_ends_no_adopted_run_of_another(partitions: int) -> None:
    bench = EngineBench(an_hour_later, until_the_checkout, partitions=partitions)
    bench.emits(STRANGER, ADD)
    bench.advance("10m")
    bench.emits("u1", OrderCompleted(order_id="o1"))
    bench.link(STRANGER, "u1")
    bench.advance("2h")
    assert bench.sent() == ["email checkout"]


def test_what_happened_before_an_order_and_arrived_late_at_the_stranger_reminds_of_nothing() -> None:
    bench = EngineBench(an_hour_later)
    bench.advance("1h")
    bench.emits("u1", OrderCompleted(order_id="o1"), ago="5m")
    bench.advance("1m")
    bench.emits(STRANGER, ADD, ago="30m")
    bench.link(STRANGER, "u1")
    bench.advance("2h")
    assert bench.messages == []
    assert bench.endings("u1") == ["superseded"]


def test_what_happened_before_a_strangers_order_and_arrives_late_at_the_customer_starts_nothing(
    partitions: int,
) -> None:
    bench = EngineBench(an_hour_later, partitions=partitions)
    bench.emits(STRANGER, OrderCompleted(order_id="o1"))
    bench.link(STRANGER, "u1")
    bench.emits("u1", ADD, ago="30m")
    assert bench.endings("u1") == ["superseded"]


def test_a_link_between_known_customers_never_ends_the_smaller_id() -> None:
    bench = EngineBench(an_hour_later)
    bench.emits("u1", ADD)
    bench.link("u1", "u2")
    row = bench.row("u1")
    assert row is not None
    assert row.linked_to == ""


def test_an_order_from_before_the_strangers_run_does_not_end_it(partitions: int) -> None:
    bench = EngineBench(an_hour_later, partitions=partitions)
    bench.emits("u1", OrderCompleted(order_id="o1"))
    bench.advance("1m")
    bench.emits(STRANGER, ADD)
    bench.link(STRANGER, "u1")
    bench.advance("2h")
    assert len(bench.messages) == 1


def test_an_adopted_run_of_one_ticket_is_ended_by_the_closing_of_that_ticket_alone(partitions: int) -> None:
    bench = EngineBench(about_a_ticket, partitions=partitions)
    bench.emits(STRANGER, ComplaintOpened(ticket_id="t1"), ComplaintOpened(ticket_id="t2"))
    bench.advance("1m")
    bench.emits("u1", ComplaintClosed(ticket_id="t1"))
    bench.link(STRANGER, "u1")
    bench.advance("3h")
    assert [message.data["ticket"] for message in bench.messages] == ["t2"]


def test_runs_of_two_tickets_are_no_rivals(partitions: int) -> None:
    bench = EngineBench(about_a_ticket, partitions=partitions)
    bench.emits("u1", ComplaintOpened(ticket_id="t1"))
    bench.emits(STRANGER, ComplaintOpened(ticket_id="t2"))
    bench.link(STRANGER, "u1")
    bench.advance("3h")
    assert sorted(message.data["ticket"] for message in bench.messages) == ["t1", "t2"]


def test_what_an_adopted_run_waits_for_may_have_happened_already() -> None:
    @rule(on=ProductAdded, purpose="marketing.test", version=1)
    async def waiting(run: Run, first: ProductAdded) -> str:
        seen = await run.wait_for(Page, within="1d")
        return f"saw {seen.name}" if seen else "saw nothing"

    @rule(on=Page, purpose="marketing.test", version=1)
    async def looking(run: Run, first: Page) -> None:
        await run.sleep("1m")

    bench = EngineBench(waiting, looking)
    bench.emits("u1", Page(name="before"))
    bench.advance("2m")
    bench.emits(STRANGER, ADD)
    bench.advance("2m")
    bench.emits("u1", Page(name="after"))
    bench.link(STRANGER, "u1")
    assert "saw after" in bench.endings("u1")


def test_what_the_customer_did_before_an_adopted_run_began_to_wait_for_it_is_not_what_it_waits_for() -> None:
    @rule(on=ProductAdded, purpose="marketing.test", version=1)
    async def sleeps_first(run: Run, first: ProductAdded) -> str:
        await run.sleep("1h")
        return "came" if await run.wait_for(Identify, within="1d") else "did not"

    bench = EngineBench(sleeps_first)
    bench.emits(STRANGER, ADD)
    bench.advance("10m")
    bench.emits("u1", Identify(first_name="Uma"))
    bench.advance("1h")
    bench.link(STRANGER, "u1")
    bench.advance("2d")
    assert bench.endings("u1") == ["did not"]


@rule(on=ProductAdded, purpose="marketing.test", after=("pos",), version=1)
async def once_the_till_has_told(run: Run, first: ProductAdded) -> None:
    await run.sleep("1h")
    await run.send("email", "told")


def test_an_adopted_run_that_waits_for_a_source_goes_on_when_it_has_told(partitions: int) -> None:
    bench = EngineBench(once_the_till_has_told, partitions=partitions)
    bench.emits(STRANGER, ADD)
    bench.advance("2h")
    bench.link(STRANGER, "u1")
    bench.advance("1h")
    assert bench.messages == []
    bench.broadcast("Feed Complete", feed="pos", through=bench.now)
    assert [message.customer for message in bench.messages] == ["u1"]


def test_an_adopted_run_goes_on_at_once_if_the_source_has_told_the_customers_partition_already() -> None:
    bench = EngineBench(once_the_till_has_told, partitions=4)
    assert partition_of(STRANGER, 4) != partition_of("u1", 4)
    bench.emits(STRANGER, ADD)
    bench.advance("2h")
    told = BroadcastBody("Feed Complete", msgspec.Raw(msgspec.json.encode({"feed": "pos", "through": bench.now})))
    record = BroadcastRecord(id="b1", key="all", at=bench.now, body=told)
    drive(bench.log.append(EVENTS, [(partition_of("u1", 4), encode(record))]))
    bench.link(STRANGER, "u1")
    assert [message.customer for message in bench.messages] == ["u1"]


def test_nothing_starts_because_of_a_link() -> None:
    bench = EngineBench(an_hour_later)
    bench.emits(STRANGER, ADD, history=True)
    bench.link(STRANGER, "u1")
    bench.advance("2h")
    assert bench.runs("u1") == []
    assert bench.messages == []


def test_of_two_runs_of_one_rule_the_one_that_has_said_more_lives_on_and_the_other_is_taken_back() -> None:
    bench = EngineBench(an_hour_later, decide=lambda message: None)
    bench.emits("u1", ADD)
    bench.advance("61m")  # its message waits at dispatch
    bench.emits(STRANGER, ADD)
    bench.link(STRANGER, "u1")
    [run] = bench.runs("u1")
    assert run.subject == "u1"
    bench.advance("2h")
    assert len(bench.messages) == 1
    assert bench.cancelled == []


def test_of_two_runs_that_said_nothing_the_older_one_lives_on() -> None:
    bench = EngineBench(an_hour_later)
    bench.emits(STRANGER, ADD)
    bench.advance("10m")
    bench.emits("u1", ADD)
    bench.link(STRANGER, "u1")
    assert [run.subject for run in bench.runs("u1")] == [STRANGER]
    bench.advance("2h")
    assert len(bench.messages) == 1


def test_of_two_runs_one_that_is_parked_gives_way() -> None:
    broken = True

    @rule(on=ProductAdded, purpose="marketing.test", version=1)
    async def brittle(run: Run, first: ProductAdded) -> None:
        await run.sleep("1h")
        if broken:
            raise ZeroDivisionError
        await run.send("email", "hello")

    bench = EngineBench(brittle)
    bench.emits("u1", ADD)
    bench.advance("2h")
    broken = False
    bench.emits(STRANGER, ADD)
    bench.link(STRANGER, "u1")
    assert [(run.subject, run.parked) for run in bench.runs("u1")] == [(STRANGER, "")]
    bench.advance("2h")
    assert bench.sent() == ["email hello"]


def test_what_somebody_else_did_in_the_slice_in_which_a_run_comes_over_is_nothing_to_it() -> None:
    bench = EngineBench(an_hour_later)
    bench.emits(STRANGER, ADD)
    row = bench.row(STRANGER)
    assert row is not None
    order = event_record("u2", OrderCompleted(order_id="o1"), bench.now, "o1")
    parts = [
        AbsorbRecord(id=f"a{n}", key="u1", at=bench.now, body=AbsorbBody(STRANGER, msgspec.Raw(image)))
        for n, image in enumerate(row.parts())
    ]
    drive(bench.log.append(EVENTS, [(0, encode(record)) for record in (order, *parts)]))
    bench.advance("1s")
    assert len(bench.runs("u1")) == 1


@rule(on=OrderCompleted, goal=OrderCompleted, purpose="marketing.test", version=1)
async def missed(run: Run, first: OrderCompleted) -> None:
    await run.sleep("10d")
    await run.send("email", first.order_id)


def test_news_of_an_older_order_ends_no_run_that_comes_over(partitions: int) -> None:
    bench = EngineBench(missed, partitions=partitions)
    bench.emits("u2", OrderCompleted(order_id="new"))
    bench.advance("1d")
    bench.emits("u1", OrderCompleted(order_id="old"), ago="2d")
    bench.merge("u2", "u1")
    bench.advance("30d")
    assert bench.sent() == ["email new"]


@pytest.mark.parametrize(("first", "second"), [("u1", "u2"), ("u2", "u1")])
def test_of_two_accounts_that_ordered_the_run_of_the_later_order_lives_on(
    partitions: int, first: str, second: str
) -> None:
    bench = EngineBench(missed, partitions=partitions)
    bench.emits(first, OrderCompleted(order_id="old"))
    bench.advance("2d")
    bench.emits(second, OrderCompleted(order_id="new"))
    bench.advance("2d")
    bench.merge("u2", "u1")
    bench.advance("30d")
    assert bench.sent() == ["email new"]


def test_runs_that_may_be_many_all_live_on() -> None:
    bench = EngineBench(every_time)
    bench.emits("u1", ADD)
    bench.emits(STRANGER, ADD)
    bench.link(STRANGER, "u1")
    bench.advance("30m")
    assert len(bench.runs("u1")) == 2


def test_a_cooldown_counts_for_both() -> None:
    bench = EngineBench(every_time)
    bench.emits(STRANGER, ADD)
    bench.advance("2h")
    bench.link(STRANGER, "u1")
    bench.emits("u1", ADD)
    bench.advance("2h")
    assert len(bench.messages) == 1
    assert bench.endings("u1") == ["cooldown"]


def test_an_event_that_the_stranger_was_seen_to_post_is_recognised_at_the_customer() -> None:
    bench = EngineBench(every_time)
    bench.emits(STRANGER, ADD, id="once")
    bench.link(STRANGER, "u1")
    bench.emits("u1", ADD, id="once")
    bench.advance("2h")
    assert len(bench.messages) == 1
    assert bench.partition().cursor.duplicates == 1


# -- what comes later


def test_what_comes_for_a_stranger_after_the_link_is_the_customers(partitions: int) -> None:
    bench = EngineBench(an_hour_later, partitions=partitions)
    bench.link(STRANGER, "u1")
    bench.emits(STRANGER, ADD)
    bench.advance("2h")
    [message] = bench.messages
    assert (message.customer, message.subject) == ("u1", "u1")


def test_who_sits_at_a_customers_device_now_does_not_take_their_letters() -> None:
    """A form of the shop takes anybody's address; who the visitor is has been said by a browser, which may name anybody."""
    bench = EngineBench(an_hour_later)
    bench.emits("u1", Identify(email="uma@example.test", first_name="Uma"))
    bench.link(STRANGER, "u1")
    bench.emits(STRANGER, Identify(email="eve@example.test", first_name="Eve"))
    bench.advance("1m")
    row = bench.row("u1")
    assert row is not None
    profile = row.state("profile")
    assert (profile.email, profile.first_name) == ("uma@example.test", "Uma")


def test_a_forwarded_event_starts_nothing_if_the_customer_ordered_after_it_was_appended() -> None:
    """The event went through another partition; the order overtook it."""
    bench = EngineBench(an_hour_later)
    bench.advance("1h")
    bench.emits("u1", OrderCompleted(order_id="o1"), ago="30m")
    record = event_record("u1", ADD, bench.now - 60_000, "late", occurred=bench.now - 60_000)
    bench.append(EVENTS, msgspec.structs.replace(record, origin=Origin(EVENTS, 0, 1)))
    bench.advance("2h")
    assert bench.messages == []
    assert bench.endings("u1") == ["superseded"]


def test_of_two_forwarded_events_an_order_supersedes_nothing_that_was_appended_after_it(partitions: int) -> None:
    """Both waited for trigger and arrive together: when they do says nothing of which came first."""
    bench = EngineBench(an_hour_later, partitions=partitions)
    bench.link(STRANGER, "u1")
    bench.advance("1m")
    for event in (OrderCompleted(order_id="o1"), ADD):
        record = event_record(STRANGER, event, bench.now, f"e{bench.now}")
        drive(bench.log.append(EVENTS, [(partition_of(STRANGER, partitions), encode(record))]))
        bench.clock.forward_to(bench.now + HOUR // 2)
    bench.advance("2h")
    assert [message.customer for message in bench.messages] == ["u1"]


def test_a_run_that_a_forwarded_event_starts_begins_when_it_arrives() -> None:
    """It has not seen what the customer did meanwhile, so an hour of quiet counts from here (decision 0005)."""
    bench = EngineBench(an_hour_later)
    bench.advance("1h")
    record = event_record("u1", ADD, bench.now - 20 * 60_000, "late")
    bench.append(EVENTS, msgspec.structs.replace(record, origin=Origin(EVENTS, 0, 1)))
    bench.advance("59m")
    assert bench.messages == []
    bench.advance("2m")
    assert len(bench.messages) == 1


def test_a_forwarded_event_that_is_start_and_goal_begins_the_next_run() -> None:
    @rule(on=OrderCompleted, goal=OrderCompleted, purpose="marketing.test", version=1)
    async def ordered(run: Run, first: OrderCompleted) -> None:
        await run.sleep("1h")
        await run.send("email", first.order_id)

    bench = EngineBench(ordered)
    bench.emits("u1", OrderCompleted(order_id="o1"))
    bench.advance("10m")
    record = event_record("u1", OrderCompleted(order_id="o2"), bench.now - 1000, "late", occurred=bench.now - 1000)
    bench.append(EVENTS, msgspec.structs.replace(record, origin=Origin(EVENTS, 0, 1)))
    bench.advance("2h")
    assert [message.template for message in bench.messages] == ["o2"]


def test_history_that_was_imported_meanwhile_is_not_shown_to_an_adopted_run(partitions: int) -> None:
    bench = EngineBench(an_hour_later, partitions=partitions)
    bench.emits(STRANGER, ADD)
    bench.advance("5m")
    bench.emits("u1", OrderCompleted(order_id="old"), ago="700d", history=True)
    bench.link(STRANGER, "u1")
    bench.advance("2h")
    assert len(bench.messages) == 1


def test_another_customer_on_the_same_device_gets_what_comes_later_and_nothing_of_the_first(partitions: int) -> None:
    bench = EngineBench(an_hour_later, partitions=partitions)
    bench.emits(STRANGER, ADD)
    bench.link(STRANGER, "u1")
    bench.link(STRANGER, "u2")
    assert bench.row("u2") is None
    bench.emits(STRANGER, ProductAdded(product_id="p2"))
    carts = {}
    for customer in ("u1", "u2"):
        row = bench.row(customer)
        assert row is not None
        carts[customer] = [item.product_id for item in row.state("cart").items]
    assert carts == {"u1": ["p1"], "u2": ["p2"]}


def test_whose_a_device_is_by_now_survives_a_restart(partitions: int) -> None:
    bench = EngineBench(an_hour_later, partitions=partitions)
    bench.emits(STRANGER, Page(name="home"))
    bench.link(STRANGER, "u1")
    bench.link(STRANGER, "u2")
    bench.deploy(an_hour_later)
    bench.emits(STRANGER, ADD)
    bench.advance("2h")
    assert [message.customer for message in bench.messages] == ["u2"]


def test_a_device_is_the_first_customer_s_again_once_their_link_is_told_again_under_its_id(partitions: int) -> None:
    bench = EngineBench(an_hour_later, partitions=partitions)
    for customer in ("u1", "u2", "u1"):
        bench.append(EVENTS, LinkRecord(id=f"l-{customer}", key=STRANGER, at=bench.now, body=LinkBody(customer)))
    bench.emits(STRANGER, ADD)
    assert bench.row("u2") is None
    assert bench.row("u1") is not None


def test_a_link_that_is_told_again_costs_nothing(partitions: int) -> None:
    bench = EngineBench(an_hour_later, partitions=partitions)
    for _ in range(3):
        bench.link(STRANGER, "u1")
    assert len(to_dispatch(bench, LinkedRecord)) == 1


def test_what_is_decided_about_an_earlier_message_comes_to_the_first_though_another_uses_the_device_by_then(
    partitions: int,
) -> None:
    bench = EngineBench(an_hour_later, partitions=partitions, decide=lambda message: None)
    message = held(bench)
    bench.link(STRANGER, "u2")
    bench.decides(message, verdict="sent")
    assert bench.endings("u1") == ["said"]
    assert bench.row("u2") is None


def test_a_device_that_comes_back_to_the_first_is_theirs_again(partitions: int) -> None:
    bench = EngineBench(an_hour_later, partitions=partitions)
    for customer in ("u1", "u2", "u1"):
        bench.link(STRANGER, customer)
    bench.emits(STRANGER, ADD)
    assert (bench.row("u1") is None, bench.row("u2")) == (False, None)


# -- messages that were asked before


def held(bench: EngineBench) -> Any:
    """A stranger's message waits at dispatch, and they log in."""
    bench.emits(STRANGER, ADD)
    bench.advance("61m")
    bench.link(STRANGER, "u1")
    [message] = bench.messages
    return message


def test_the_decision_on_a_strangers_message_comes_to_the_customers_run(partitions: int) -> None:
    bench = EngineBench(an_hour_later, decide=lambda message: None, partitions=partitions)
    message = held(bench)
    bench.decides(message, verdict="sent")
    assert bench.endings("u1") == ["said"]


def test_a_confirmation_goes_to_where_the_message_was_asked(partitions: int) -> None:
    bench = EngineBench(an_hour_later, decide=lambda message: None, partitions=partitions)
    message = held(bench)
    bench.decides(message, name="Hold Opened", hold=1)
    [confirm] = to_dispatch(bench, ConfirmRecord)
    assert (confirm.key, confirm.body.message_id) == (STRANGER, message.message_id)


def test_a_hold_that_asks_for_a_run_that_is_gone_is_cancelled_where_the_message_was_asked(partitions: int) -> None:
    bench = EngineBench(an_hour_later, decide=lambda message: None, partitions=partitions)
    message = held(bench)
    bench.emits("u1", OrderCompleted(order_id="o1"))
    asks = {"message_id": message.message_id, "run_id": message.run_id, "hold": 1}
    bench.emits(STRANGER, "Hold Opened", properties=asks, source="dispatch", scope="system")
    told = [(cancel.key, cancel.body.message_id) for cancel in to_dispatch(bench, CancelRecord)]
    assert told == [(STRANGER, message.message_id)] * 2
    assert bench.confirms == []


def test_a_cancellation_goes_to_where_the_message_was_asked(partitions: int) -> None:
    bench = EngineBench(an_hour_later, decide=lambda message: None, partitions=partitions)
    message = held(bench)
    bench.emits("u1", OrderCompleted(order_id="o1"))
    [cancel] = to_dispatch(bench, CancelRecord)
    assert (cancel.key, cancel.body.message_id) == (STRANGER, message.message_id)


def test_a_cancellation_goes_to_where_the_message_was_asked_however_often_they_were_joined(partitions: int) -> None:
    bench = EngineBench(an_hour_later, decide=lambda message: None, partitions=partitions)
    bench.emits("u1", Identify(first_name="Uma"))
    bench.emits(STRANGER, ADD)
    bench.advance("61m")
    bench.link(STRANGER, "u2")
    bench.merge("u1", "u2")
    bench.emits("u1", OrderCompleted(order_id="o1"))
    assert [cancel.key for cancel in to_dispatch(bench, CancelRecord)] == [STRANGER]


def test_what_a_customer_asked_for_under_their_own_name_is_cancelled_under_it(partitions: int) -> None:
    bench = EngineBench(an_hour_later, decide=lambda message: None, partitions=partitions)
    bench.emits("u1", ADD)
    bench.advance("61m")
    bench.emits("u1", OrderCompleted(order_id="o1"))
    assert [cancel.key for cancel in to_dispatch(bench, CancelRecord)] == ["u1"]


def test_a_run_that_is_parked_after_it_came_over_takes_its_message_back_where_it_was_asked(partitions: int) -> None:
    broken = False

    @rule(on=ProductAdded, purpose="marketing.test", version=1)
    async def brittle(run: Run, first: ProductAdded) -> None:
        await run.send("email", "hello", data=lambda customer: {"share": 1 / (not broken)})

    bench = EngineBench(brittle, decide=lambda message: None, partitions=partitions)
    bench.emits(STRANGER, ADD)
    bench.link(STRANGER, "u1")
    broken = True
    bench.decides(bench.messages[0], name="Hold Opened", hold=1)
    assert [cancel.key for cancel in to_dispatch(bench, CancelRecord)] == [STRANGER]


def test_dispatch_hears_under_both_names_who_the_customer_is_while_a_message_waits() -> None:
    bench = EngineBench(an_hour_later, decide=lambda message: None)
    bench.emits("u1", Identify(email="u1@example.test"))
    message = held(bench)
    bench.emits("u1", ComplaintOpened(ticket_id="t1"))
    told = {record.key: record.body for record in bench.recipients}
    assert told[STRANGER] == told["u1"]
    assert told[STRANGER].complaint_open
    assert told[STRANGER].addresses == {"email": "u1@example.test"}
    bench.decides(message, verdict="sent")
    bench.emits("u1", ComplaintClosed(ticket_id="t1"))
    told = {record.key: record.body for record in bench.recipients}
    assert told[STRANGER].complaint_open


def test_dispatch_hears_at_once_whom_a_message_that_a_stranger_waits_for_would_reach(partitions: int) -> None:
    bench = EngineBench(an_hour_later, decide=lambda message: None, partitions=partitions)
    bench.emits("u1", Identify(email="u1@example.test"))
    held(bench)
    told = {record.key: record.body for record in bench.recipients}
    assert told[STRANGER].addresses == {"email": "u1@example.test"}


def test_dispatch_hears_whom_it_would_reach_however_often_they_were_joined(partitions: int) -> None:
    bench = EngineBench(an_hour_later, decide=lambda message: None, partitions=partitions)
    bench.emits("u1", Identify(email="u1@example.test"), ComplaintOpened(ticket_id="t1"))
    bench.emits("u2", Identify(email="u2@example.test"))
    bench.emits(STRANGER, ADD)
    bench.advance("61m")
    bench.link(STRANGER, "u2")
    bench.merge("u1", "u2")
    told = {record.key: record.body for record in bench.recipients}
    assert told[STRANGER] == told["u1"]
    assert told[STRANGER].complaint_open


def test_dispatch_is_told_who_the_stranger_is(partitions: int) -> None:
    bench = EngineBench(an_hour_later, partitions=partitions)
    bench.link(STRANGER, "u1")
    [linked] = to_dispatch(bench, LinkedRecord)
    assert (linked.key, linked.body.customer) == (STRANGER, "u1")


# -- two accounts of one person


def test_of_two_known_customers_the_larger_id_ends_whichever_is_named_first(partitions: int) -> None:
    for who, other in (("u1", "u2"), ("u2", "u1")):
        bench = EngineBench(an_hour_later, partitions=partitions)
        bench.emits("u1", Identify(email="one@example.test"))
        bench.emits("u2", ADD)
        bench.merge(who, other)
        ended, row = bench.row("u2"), bench.row("u1")
        assert ended is not None
        assert row is not None
        assert (ended.linked_to, row.linked_to) == ("u1", "")
        assert row.state("profile").email == "one@example.test"
        assert row.state("cart").items[0].product_id == "p1"
        bench.advance("2h")
        assert [message.customer for message in bench.messages] == ["u1"]


def test_an_id_that_nobody_has_used_ends_no_customer() -> None:
    bench = EngineBench(an_hour_later)
    bench.emits("u5", ADD)
    bench.merge("3f2a", "u5")  # an anonymous id, as clients write it into an alias
    row = bench.row("u5")
    assert row is not None
    assert row.linked_to == ""


@pytest.mark.parametrize("pair", [("u2", "u3"), ("u3", "u2")])
def test_a_third_account_joins_whoever_the_second_turned_out_to_be(partitions: int, pair: tuple[str, str]) -> None:
    bench = EngineBench(an_hour_later, partitions=partitions)
    for name in ("u1", "u2", "u3"):
        bench.emits(name, Identify(first_name=name))
    bench.merge("u1", "u3")
    bench.merge(*pair)
    assert [row and row.linked_to for row in map(bench.row, ("u1", "u2", "u3"))] == ["", "u1", "u1"]


def test_merges_in_any_order_and_twice_come_to_the_smallest_id_and_end(partitions: int) -> None:
    pairs = [("u3", "u2"), ("u1", "u3"), ("u2", "u1"), ("u3", "u1"), ("u2", "u3"), ("u3", "u2")]
    for turn in range(len(pairs)):
        bench = EngineBench(an_hour_later, partitions=partitions)
        for customer in ("u1", "u2", "u3"):
            bench.emits(customer, Page(name="home"), ProductAdded(product_id=customer))
        for who, other in pairs[turn:] + pairs[:turn]:
            bench.merge(who, other)
        bench.emits("u3", ProductAdded(product_id="p9"))
        linked = {customer: row.linked_to for customer in ("u1", "u2", "u3") if (row := bench.row(customer))}
        assert linked["u1"] == ""
        assert linked["u2"] == "u1"
        assert linked["u3"] in ("u1", "u2")
        row = bench.row("u1")
        assert row is not None
        assert "p9" in {item.product_id for item in row.state("cart").items}
        assert set(row.absorbed) == {"u2", "u3"}


def test_a_stranger_linked_to_a_customer_who_was_merged_comes_to_who_they_are_now(partitions: int) -> None:
    bench = EngineBench(an_hour_later, partitions=partitions)
    bench.emits("u2", Page(name="home"))
    bench.merge("u2", "u1")
    bench.emits(STRANGER, ADD)
    bench.link(STRANGER, "u2")
    bench.advance("2h")
    assert [message.customer for message in bench.messages] == ["u1"]


def test_a_linked_customer_survives_a_restart(partitions: int) -> None:
    bench = EngineBench(an_hour_later, partitions=partitions)
    bench.link(STRANGER, "u1")
    bench.deploy(an_hour_later)
    bench.emits(STRANGER, ADD)
    bench.advance("2h")
    assert [message.customer for message in bench.messages] == ["u1"]


# -- the cart of somebody whom nobody knows


def test_an_anonymous_cart_waits_until_somebody_knows_whose_it_is() -> None:
    bench = EngineBench(abandoned_cart)
    bench.emits(STRANGER, ADD)
    bench.advance("3h")
    assert bench.messages == []
    bench.link(STRANGER, "u1")
    bench.advance("59m")
    assert bench.messages == []
    bench.advance("2m")
    assert [message.customer for message in bench.messages] == ["u1"]


def test_an_anonymous_cart_that_is_older_than_a_day_is_nobodys() -> None:
    bench = EngineBench(abandoned_cart)
    bench.emits(STRANGER, ADD)
    bench.advance("25h")
    bench.link(STRANGER, "u1")
    bench.advance("3h")
    assert bench.messages == []
    assert bench.endings(STRANGER) == ["nobody knows who it is"]


def test_an_anonymous_cart_is_as_old_as_what_was_last_done_to_it() -> None:
    bench = EngineBench(abandoned_cart)
    bench.broadcast("Settings Changed", rules={"abandoned_cart": {"holdout": 0.0}})
    for _ in range(2):
        bench.emits(STRANGER, ADD)
        bench.advance("20h")
    bench.link(STRANGER, "u1")
    bench.advance("2h")
    assert [message.customer for message in bench.messages] == ["u1"]


def test_a_day_after_what_was_last_done_to_it_an_anonymous_cart_is_nobodys() -> None:
    bench = EngineBench(abandoned_cart)
    bench.emits(STRANGER, ADD)
    bench.advance("20h")
    bench.emits(STRANGER, ADD)
    bench.advance("25h")
    bench.link(STRANGER, "u1")
    bench.advance("2h")
    assert bench.messages == []
    assert bench.endings("u1") == ["nobody knows who it is"]


def test_what_is_absorbed_keeps_the_newer_of_two_states() -> None:
    """Each projection's own merge decides; here only that it is asked with the customer's state first."""
    bench = EngineBench(an_hour_later)
    bench.emits("u1", Identify(email="known@example.test"))
    bench.emits(STRANGER, ADD)
    bench.link(STRANGER, "u1")
    row = bench.row("u1")
    assert row is not None
    assert isinstance(row.state("profile"), Profile)
    assert isinstance(row.state("cart"), Cart)
    assert row.state("profile").email == "known@example.test"


def test_who_comes_over_while_a_projection_is_not_installed_leaves_what_it_knew_and_brings_the_rest() -> None:
    bench = EngineBench(an_hour_later)
    bench.emits("u1", ADD)
    bench.emits(STRANGER, ProductAdded(product_id="p2"), ComplaintOpened(ticket_id="t1"))
    bench.deploy(projections=[each for each in SHIPPED if each.name != "cart"])
    bench.link(STRANGER, "u1")
    bench.deploy(an_hour_later, projections=SHIPPED)
    bench.emits("u1", ProductAdded(product_id="p3"))
    row = bench.row("u1")
    assert row is not None
    assert [item.product_id for item in row.state("cart").items] == ["p1", "p3"]
    assert row.state("tickets").open


def test_only_the_adopted_run_hears_that_its_customer_was_recognised() -> None:
    heard = []

    @rule(on=ProductAdded, purpose="marketing.test", repeat="parallel", version=1)
    async def listening(run: Run, first: ProductAdded) -> str:
        event = await run.wait_for(CustomerRecognised, within="1d")
        heard.append((run.began_anonymous, event and event.anonymous))
        return "heard" if event else "heard nothing"

    bench = EngineBench(listening)
    bench.emits("u1", ADD)
    bench.emits(STRANGER, ADD)
    bench.emits("u2", ADD)
    bench.link(STRANGER, "u1")
    bench.merge("u1", "u2")
    assert bench.endings("u1") == ["heard"], "who was known already is not recognised"
    assert heard[-1] == (True, STRANGER)


@pytest.mark.parametrize("together", [False, True])
def test_what_a_customer_did_before_the_strangers_last_act_does_not_bring_the_end_of_quiet_forward(
    together: bool,
) -> None:
    async def patient(run: Run, first: ProductAdded) -> None:
        await (run.wait_any(run.quiet("1h"), run.sleep("1d")) if together else run.quiet("1h"))
        await run.send("email", "quiet")

    bench = EngineBench(rule(on=ProductAdded, purpose="marketing.test", uses=("session",), version=1)(patient))
    bench.emits(STRANGER, ADD)
    bench.advance("10m")
    bench.emits("u1", Page(name="home"))
    bench.advance("40m")
    bench.emits(STRANGER, Page(name="home"))
    act = bench.now
    bench.link(STRANGER, "u1")
    bench.advance("3h")
    assert [m.requested_at for m in bench.messages] == [act + HOUR]


def test_what_is_held_is_taken_back_where_the_rule_has_spoken_under_the_other_name_lately() -> None:
    @rule(on=ProductAdded, purpose="marketing.test", cooldown="3d", version=1)
    async def held(run: Run, first: ProductAdded) -> str:
        message = await run.send("email", "hello")
        return "sent" if message else message.reason or ""

    bench = EngineBench(held)
    bench.emits("u2", ProductAdded(product_id="p1"))
    bench.advance("1d")
    bench.dispatch.decide = lambda message: None
    bench.emits("u1", ProductAdded(product_id="p1"))
    bench.merge("u2", "u1")
    waiting = bench.messages[-1]
    bench.decides(waiting, name="Hold Opened", hold=1)
    assert (bench.confirms, bench.cancelled) == ([], [waiting.message_id])


def test_the_past_of_whom_runs_come_to_is_looked_for_from_where_they_began() -> None:
    def absorb(customer: str, image: bytes) -> AbsorbRecord:
        return AbsorbRecord(id="a", key=customer, at=9, body=AbsorbBody(STRANGER, msgspec.Raw(image)))

    two, one, none = b'{"runs":[{"started":7},{"started":3}]}', b'{"runs":[{"started":5}]}', b"{}"
    assert adopters([absorb("u1", none), absorb("u1", two), absorb("u1", one), absorb("u2", none)]) == {"u1": 3}
