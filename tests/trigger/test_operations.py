"""What each operation of a run does, in virtual time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import pytest
from enginebench import MONDAY, EngineBench, drive, event_record, refused

from tactful import Customer, Ladder, Run, rule
from tactful.clock import HOUR
from tactful.events import (
    CartUpdated,
    Event,
    MessageBounced,
    MessageClicked,
    MessageReplied,
    OrderCompleted,
    Page,
    ProductAdded,
    ProductViewed,
    ShipmentDelivered,
)
from tactful.events.model import name_of
from tactful.records import EVENTS, MessageBody, encode
from tactful_trigger.runs.replay import WORDS
from tactful_workbench.virtual.driver import Input

ADD = ProductAdded(cart_id="c1", product_id="p1")
NEVER_WAITED = f"{__file__}:{{}}: starts over without having waited; wait before `return run.again()`"
NAIVE = datetime(2026, 11, 24, 9)  # noqa: DTZ001 - what a rule may not give


def bench_of(body: Any, **terms: Any) -> EngineBench:
    """A bench with one rule that starts with a product added."""
    return EngineBench(rule(**{"on": ProductAdded, "purpose": "marketing.test", "version": 1, **terms})(body))


def test_a_sleep_counts_from_the_append_time_of_the_event() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await run.sleep("1h")
        await run.send("email", "late")

    bench = bench_of(r)
    bench.emits("u1", ADD, ago="30m")
    bench.advance("59m")
    assert bench.messages == []
    bench.advance("1m")
    assert [m.requested_at for m in bench.messages] == [MONDAY + HOUR]


def test_two_sleeps_follow_each_other_without_drift() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await run.sleep("1h")
        await run.sleep("1h")
        await run.send("email", "late")

    bench = bench_of(r)
    bench.emits("u1", ADD)
    bench.advance("5h")
    assert [m.requested_at for m in bench.messages] == [MONDAY + 2 * HOUR]


def test_a_sleep_until_a_moment_between_two_milliseconds_is_over_once_it_has_passed() -> None:
    moment = datetime.fromtimestamp(MONDAY / 1000, UTC) + timedelta(hours=1, microseconds=1)

    async def r(run: Run, first: ProductAdded) -> str:
        await run.sleep_until(moment)
        await run.send("email", "then", not_before=moment)
        return "later" if run.now >= moment else "too soon"

    bench = bench_of(r)
    bench.emits("u1", ADD)
    bench.advance("2h")
    assert bench.endings("u1") == ["later"]
    assert [m.not_before for m in bench.messages] == [MONDAY + HOUR + 1]


def test_a_sleep_until_the_past_is_over_at_once() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await run.sleep_until(datetime(2020, 1, 1, tzinfo=UTC))
        await run.send("email", "now")

    bench = bench_of(r)
    bench.emits("u1", ADD)
    bench.advance("1s")
    assert [m.requested_at for m in bench.messages] == [MONDAY]


@pytest.mark.parametrize("wish", ["expires", "not_before"])
def test_a_message_is_wanted_at_no_instant_beyond_the_calendar(wish: str) -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await run.send("email", "a", **{wish: "3000000d"})  # type: ignore[arg-type]

    bench = bench_of(r)
    bench.emits("u1", ADD)
    assert "is longer than 1000000d" in bench.runs("u1")[0].parked
    assert bench.messages == []


def test_nor_at_a_moment_that_no_clock_comes_to() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await run.send("email", "a", not_before=datetime.max.replace(tzinfo=UTC))

    bench = bench_of(r)
    bench.emits("u1", ADD)
    assert "is longer than 1000000d" in bench.runs("u1")[0].parked
    assert bench.messages == []


def test_a_message_that_was_to_expire_before_it_is_wanted_expires_now() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await run.send("email", "a", not_before=datetime(2020, 1, 1, tzinfo=UTC), expires=timedelta(days=-1_000_000))

    bench = bench_of(r)
    bench.emits("u1", ADD)
    [message] = bench.messages
    assert (message.not_before, message.expires_at) == (1_577_836_800_000, MONDAY)


def test_who_waits_for_several_events_at_once_is_told_that_these_are_none() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await run.wait_for((OrderCompleted, Page), within="1d")  # type: ignore[call-overload]

    bench = bench_of(r)
    bench.emits("u1", ADD)
    assert bench.runs("u1")[0].parked.endswith(" is no event; write the class of one, or its name")


def test_a_local_wall_time_is_read_in_the_customers_zone_or_the_shops() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await run.sleep_until_local("10:00", days=1)
        await run.send("email", "morning")

    bench = bench_of(r)
    bench.emits("u1", "Identify", properties={"timezone": "America/New_York"})
    bench.emits("u1", ADD)
    bench.emits("u2", ADD)
    bench.advance("2d")
    at = {m.customer: datetime.fromtimestamp(m.requested_at / 1000, UTC).isoformat() for m in bench.messages}
    assert at == {"u1": "2026-11-24T15:00:00+00:00", "u2": "2026-11-24T09:00:00+00:00"}


@pytest.mark.parametrize("clock", ["10:00+02:00", "at ten"])
def test_what_is_no_local_wall_time_parks_the_run(clock: str) -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await run.sleep_until_local(clock)
        await run.send("email", "morning")

    bench = bench_of(r)
    bench.emits("u1", ADD)
    assert f"a wall time is written like 10:00 and has no zone of its own, unlike {clock}" in bench.runs("u1")[0].parked
    assert bench.messages == []


def test_quiet_moves_with_every_act_and_keeps_one_journal_entry() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await run.quiet("1h")
        await run.send("email", "quiet")
        await run.sleep("1d")

    bench = bench_of(r)
    bench.emits("u1", ADD)
    for _ in range(3):
        bench.advance("50m")
        bench.emits("u1", Page(name="home"))
    bench.advance("59m")
    assert bench.messages == []
    bench.advance("1m")
    assert len(bench.messages) == 1
    assert [entry.shape for entry in bench.runs("u1")[0].journal] == ["quiet", "send email quiet"]


def test_a_fact_about_the_customer_does_not_move_quiet() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await run.quiet("1h")
        await run.send("email", "quiet")

    bench = bench_of(r)
    bench.emits("u1", ADD)
    bench.advance("50m")
    bench.emits("u1", ShipmentDelivered(order_id="o0"))
    bench.advance("10m")
    assert len(bench.messages) == 1


def test_quiet_of_some_events_is_moved_by_those_only() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await run.quiet("1h", of=(ProductAdded,))
        await run.send("email", "quiet")

    bench = bench_of(r)
    bench.emits("u1", ADD)
    bench.advance("50m")
    bench.emits("u1", Page(name="home"))
    bench.advance("10m")
    assert len(bench.messages) == 1


@pytest.mark.parametrize("of", ["Product Added", ProductAdded, [ProductAdded]])
def test_quiet_of_one_event_needs_no_tuple(of: Any) -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await run.quiet("1h", of=of)
        await run.send("email", "quiet")

    bench = bench_of(r)
    bench.emits("u1", ADD)
    bench.advance("30m")
    bench.emits("u1", ADD)
    bench.advance("3h")
    assert [m.requested_at for m in bench.messages] == [MONDAY + HOUR + HOUR // 2]


def test_an_event_at_the_deadline_comes_before_it() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await run.quiet("1h")
        await run.send("email", "quiet")

    bench = bench_of(r)
    bench.emits("u1", ADD)
    bench.advance("59m")
    act = bench.now + 60_000
    record = event_record("u1", Page(name="home"), act, "at-the-deadline")
    bench.advance("1m", [Input(act, EVENTS, [(0, encode(record))])])
    assert bench.messages == []
    bench.advance("1h")
    assert [m.requested_at for m in bench.messages] == [act + HOUR]


def test_wait_for_gives_the_first_match_or_none_when_the_time_is_up() -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        got = await run.wait_for(ShipmentDelivered, within="2h", where=lambda e: e.order_id == "o1")
        return "none" if got is None else got.order_id

    bench = bench_of(r)
    bench.emits("u1", ADD)
    bench.emits("u1", ShipmentDelivered(order_id="other"))
    assert bench.endings("u1") == []
    bench.emits("u1", ShipmentDelivered(order_id="o1"))
    assert bench.endings("u1") == ["o1"]
    bench.emits("u2", ADD)
    bench.advance("2h")
    assert bench.endings("u2") == ["none"]


def test_a_wait_whose_time_is_up_before_it_begins_is_over_at_once() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        deadline = run.now - timedelta(hours=3)
        await run.wait_for(ShipmentDelivered, within=deadline - run.now)
        await run.wait_any(run.wait_for(ShipmentDelivered, within=deadline - run.now), run.sleep("1h"))
        await run.quiet(deadline - run.now)
        await run.send("email", "late")

    bench = bench_of(r)
    bench.emits("u1", ADD)
    bench.advance("1h")
    assert [m.requested_at for m in bench.messages] == [MONDAY]


def test_wait_for_also_looks_at_what_came_while_a_message_was_held() -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        await run.send("email", "held")
        got = await run.wait_for(ShipmentDelivered, within="1h")
        return "missed" if got is None else "seen"

    bench = EngineBench(rule(on=ProductAdded, purpose="marketing.test", version=1)(r), decide=lambda m: None)
    bench.emits("u1", ADD)
    bench.emits("u1", ShipmentDelivered(order_id="o1"))
    bench.decides(bench.messages[0], verdict="sent")
    assert bench.endings("u1") == ["seen"]


def test_a_fact_that_nothing_names_but_the_wait_that_follows_is_kept_while_a_message_is_held() -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        await run.send("email", "held")
        taken = await run.wait_for("Seat Taken", within="1d")
        return "came" if taken else "did not"

    bench = EngineBench(rule(on=ProductAdded, purpose="marketing.test", version=1)(r), decide=lambda m: None)
    bench.emits("u1", ADD, "Seat Taken")
    bench.decides(bench.messages[0], verdict="sent")
    assert bench.endings("u1") == ["came"]


@pytest.mark.parametrize("receipt", [MessageReplied, MessageClicked, MessageBounced])
def test_what_is_heard_of_one_message_while_another_is_held_is_kept_as_well(receipt: type[Event]) -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        await run.send("email", "one")
        await run.send("push", "other")
        return "deaf" if await run.wait_for(receipt, within="1h") is None else "heard"

    bench = bench_of(r)
    bench.dispatch.decide = lambda message: {"verdict": "sent"} if message.channel == "email" else None
    bench.emits("u1", ADD)
    bench.decides(bench.messages[0], name=name_of(receipt))
    bench.decides(bench.messages[1], verdict="sent")
    assert bench.endings("u1") == ["heard"]


def test_what_wait_for_took_from_the_inbox_is_not_given_again() -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        seen = 0
        await run.send("email", "held")
        while seen < 3 and await run.wait_for(ProductViewed, within="1d"):
            seen += 1
        return f"seen {seen}"

    bench = EngineBench(rule(on=ProductAdded, purpose="marketing.test", version=1)(r), decide=lambda m: None)
    bench.emits("u1", ADD, ProductViewed(product_id="a"), Page(name="home"), ProductViewed(product_id="b"))
    bench.decides(bench.messages[0], verdict="sent")
    bench.advance("2d")
    assert bench.endings("u1") == ["seen 2"]


def test_wait_for_gives_nothing_from_before_what_it_took_from_the_inbox() -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        await run.send("email", "held")
        await run.wait_for(ProductViewed, within="1d", where=lambda e: e.product_id == "b")
        got = await run.wait_for(ProductViewed, within="1d")
        return "none" if got is None else got.product_id

    bench = EngineBench(rule(on=ProductAdded, purpose="marketing.test", version=1)(r), decide=lambda m: None)
    bench.emits("u1", ADD, *(ProductViewed(product_id=product) for product in "abc"))
    bench.decides(bench.messages[0], verdict="sent")
    assert bench.endings("u1") == ["c"]


def test_wait_any_takes_the_earliest_of_what_came_while_a_message_was_held() -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        await run.send("email", "held")
        got = [
            await run.wait_any(run.wait_for(OrderCompleted, within="1d"), run.wait_for(ProductViewed, within="1d"))
            for _ in range(2)
        ]
        return f"{got[0][0]} {got[1][0]}"

    bench = EngineBench(rule(on=ProductAdded, purpose="marketing.test", version=1)(r), decide=lambda m: None)
    bench.emits("u1", ADD, ProductViewed(product_id="a"), OrderCompleted(order_id="o1"))
    bench.decides(bench.messages[0], verdict="sent")
    assert bench.endings("u1") == ["1 0"]


def test_an_inbox_keeps_sixty_four_events_and_what_it_drops_is_counted_and_noted_once() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await run.send("email", "held")

    bench = EngineBench(rule(on=ProductAdded, purpose="marketing.test", version=1)(r), decide=lambda m: None)
    bench.emits("u1", ADD)
    for number in range(70):
        bench.advance("2m")
        bench.emits("u1", Page(name=f"page {number}"))
    run = bench.runs("u1")[0]
    assert (len(run.inbox), run.dropped) == (64, 6)
    notes = [line.data for line in bench.history("u1") if line.kind == "note"]
    assert notes == [b'{"text":"keeps 64 events while it waits, 16 KB of them: the oldest are dropped"}']


def test_an_event_that_alone_is_more_than_an_inbox_may_hold_is_kept_all_the_same() -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        await run.send("email", "held")
        return "seen" if await run.wait_for(Page, within="1h") else "missed"

    bench = bench_of(r)
    bench.dispatch.decide = lambda message: None
    bench.emits("u1", ADD, Page(name="x" * 17_000))
    bench.decides(bench.messages[0], verdict="sent")
    assert bench.endings("u1") == ["seen"]


def test_wait_any_gives_the_index_and_result_of_the_first() -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        index, event = await run.wait_any(run.wait_for(OrderCompleted, within="3h"), run.sleep("1h"))
        return f"{index} {type(event).__name__}"

    bench = bench_of(r)
    bench.emits("u1", ADD)
    bench.emits("u1", OrderCompleted(order_id="o1"))
    bench.emits("u2", ADD)
    bench.advance("1h")
    assert (bench.endings("u1"), bench.endings("u2")) == (["0 OrderCompleted"], ["1 NoneType"])


def test_wait_any_asks_every_branch_that_an_event_may_concern() -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        index, event = await run.wait_any(
            run.wait_for(OrderCompleted, within="3h", where=lambda e: e.order_id == "a"),
            run.wait_for(OrderCompleted, within="3h", where=lambda e: e.order_id == "b"),
        )
        return f"{index} {event and event.order_id}"

    bench = bench_of(r)
    bench.emits("u1", ADD, OrderCompleted(order_id="c"), OrderCompleted(order_id="b"))
    assert bench.endings("u1") == ["1 b"]


@pytest.mark.parametrize(("order", "told"), [("a", "0 a"), ("b", "1 b")])
def test_of_two_branches_that_an_event_ends_the_first_in_the_list_gives_the_result(order: str, told: str) -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        index, event = await run.wait_any(
            run.wait_for(OrderCompleted, within="3h", where=lambda e: e.order_id == "a"),
            run.wait_for(OrderCompleted, within="3h"),
        )
        return f"{index} {event.order_id}"

    bench = bench_of(r)
    bench.emits("u1", ADD, OrderCompleted(order_id=order))
    assert bench.endings("u1") == [told]


def test_of_two_branches_whose_time_is_up_together_the_first_in_the_list_gives_the_result() -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        index, _ = await run.wait_any(run.sleep("2h"), run.quiet("1h"), run.sleep("1h"))
        return str(index)

    bench = bench_of(r)
    bench.emits("u1", ADD)
    bench.advance("1h")
    assert bench.endings("u1") == ["1"]


def test_an_act_moves_quiet_within_wait_any_whatever_another_branch_says_of_it() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await run.wait_any(run.wait_for(ProductAdded, within="5h", where=lambda e: False), run.quiet("1h"))
        await run.send("email", "quiet")

    bench = bench_of(r)
    bench.emits("u1", ADD)
    bench.advance("50m")
    act = bench.now
    bench.emits("u1", ADD)
    bench.advance("3h")
    assert [m.requested_at for m in bench.messages] == [act + HOUR]


@pytest.mark.parametrize(
    ("waits", "given"),
    [
        (lambda run: [run.send("email", "x"), run.sleep("1h")], "send email x, sleep"),
        (lambda run: [run.step("x", double, 1)], "step x"),
        (lambda run: [run.get("cart")], "get cart"),
        (lambda run: [run.zone()], "zone"),
        (lambda run: [run.wait_any(run.sleep("1h"))], "wait_any(sleep)"),
        (lambda run: [[run.sleep("1h")]], "list"),
        (lambda run: [], "nothing"),
    ],
)
def test_wait_any_refuses_what_is_no_wait_and_names_the_line(waits: Any, given: str) -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        branches = waits(run)
        await run.wait_any(*branches)

    bench = bench_of(r, uses=("cart",))
    bench.emits("u1", ADD)
    (why,) = bench.endings("u1")
    assert f"test_operations.py:{r.__code__.co_firstlineno + 2}: wait_any takes sleeps" in why
    assert why.endswith(f", not: {given}")


def test_get_gives_the_state_as_it_was_then_even_after_a_replay() -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        before = await run.get("cart")
        await run.sleep("1h")
        after = await run.get("cart")
        return f"{len(before.items)} {len(after.items)}"

    bench = bench_of(r, uses=("cart",))
    bench.emits("u1", ADD)
    bench.emits("u1", ProductAdded(cart_id="c1", product_id="p2"))
    bench.advance("1h")
    assert bench.endings("u1") == ["1 2"]


def test_reading_what_uses_does_not_name_parks_the_run_and_names_the_line() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await run.get("orders")

    bench = bench_of(r, uses=("cart",))
    bench.emits("u1", ADD)
    (why,) = bench.endings("u1")
    assert "test_operations.py:" in why
    assert "uses" in why


def test_send_returns_dispatchs_final_word() -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        message = await run.send("email", "hello")
        return f"{bool(message)} {message.reason} {message.scope}"

    bench = bench_of(r)
    bench.dispatch.decide = refused("no_consent", "channel")
    bench.emits("u1", ADD)
    assert bench.endings("u1") == ["False no_consent channel"]


def test_what_is_decided_of_one_message_is_no_word_on_another_that_waits_beside_it() -> None:
    @rule(on=ProductAdded, purpose="marketing.test", version=1)
    async def one(run: Run, first: ProductAdded) -> str:
        return f"one {(await run.send('email', 'one')).reason}"

    @rule(on=ProductAdded, purpose="marketing.test", version=1)
    async def other(run: Run, first: ProductAdded) -> str:
        return f"other {(await run.send('email', 'other')).reason}"

    bench = EngineBench(one, other, decide=lambda message: None)
    bench.emits("u1", ADD)
    told = {message.template: message for message in bench.messages}
    bench.decides(told["other"], verdict="not_sent", reason="stopped", scope="customer")
    assert bench.endings("u1") == ["other stopped"]
    bench.decides(told["one"], verdict="sent")
    assert bench.endings("u1") == ["other stopped", "one None"]


def test_a_message_may_be_asked_for_so_long_ahead_and_lasts_from_then_on() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await run.send("email", "later", not_before="4h", expires="2h")

    bench = bench_of(r)
    bench.emits("u1", ADD)
    [message] = bench.messages
    at = message.requested_at
    assert (message.not_before, message.expires_at) == (at + 4 * HOUR, at + 6 * HOUR)


def test_data_is_taken_when_asked_and_none_withdraws_the_message() -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        message = await run.send("email", "hello", data=lambda customer: None)
        return str(message.reason)

    bench = bench_of(r)
    bench.emits("u1", ADD)
    assert bench.messages == []
    assert bench.endings("u1") == ["nothing_to_say"]


def test_data_that_is_empty_is_a_message_and_withdraws_nothing() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await run.send("email", "hello", data=lambda customer: {})

    bench = bench_of(r)
    bench.emits("u1", ADD)
    assert [message.data for message in bench.messages] == [{}]


def test_a_hold_asks_before_it_opens_and_gets_fresh_data() -> None:
    def basket(customer: Customer) -> dict[str, Any] | None:
        return {"items": [item.product_id for item in customer.cart.items]} if customer.cart.items else None

    async def r(run: Run, first: ProductAdded) -> None:
        await run.send("email", "hello", data=basket)

    bench = EngineBench(
        rule(on=ProductAdded, purpose="marketing.test", uses=("cart",), version=1)(r), decide=lambda m: None
    )
    bench.emits("u1", ADD)
    bench.emits("u1", CartUpdated(cart_id="c1", products=()), ProductAdded(cart_id="c1", product_id="p9"))
    bench.decides(bench.messages[0], name="Hold Opened", hold=1)
    assert [confirm.body.data for confirm in bench.confirms] == [{"items": ["p9"]}]
    bench.emits("u1", CartUpdated(cart_id="c1", products=()))
    bench.decides(bench.messages[0], name="Hold Opened", hold=2)
    assert len(bench.confirms) == 1
    assert bench.cancelled == [bench.messages[0].message_id]


def test_engaged_is_true_on_a_click_and_false_when_its_patience_ends() -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        message = await run.send("email", "hello")
        return str(await message.engaged(within="1d"))

    bench = bench_of(r)
    bench.emits("u1", ADD)
    message = bench.messages[0]
    bench.advance("23h")
    bench.emits("u1", MessageClicked(message_id=message.message_id, run_id=message.run_id, channel="email"))
    assert bench.endings("u1") == ["True"]
    bench.emits("u2", ADD)
    bench.advance("23h 59m")
    assert bench.endings("u2") == []
    bench.advance("1m")
    assert bench.endings("u2") == ["False"]


@pytest.mark.parametrize(
    ("name", "prefetched", "which"),
    [
        ("Message Clicked", False, 0),
        ("Message Bounced", False, 0),
        ("Message Delivered", False, 1),
        ("Message Opened", True, 1),
    ],
    ids=["a click on another message", "another message's bounce", "its delivery", "a machine that fetched it ahead"],
)
def test_what_tells_nothing_of_the_customer_and_the_message_leaves_engaged_waiting(
    name: str, prefetched: bool, which: int
) -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        await run.send("email", "one")
        message = await run.send("push", "other")
        return str(await message.engaged(within="1d"))

    bench = bench_of(r)
    bench.emits("u1", ADD)
    bench.decides(bench.messages[which], name=name, prefetched=prefetched)
    assert bench.endings("u1") == []
    bench.decides(bench.messages[1], name="Message Clicked")
    assert bench.endings("u1") == ["True"]


@pytest.mark.parametrize(
    ("quiet", "news"),
    [("0s", Page(name="home")), ("1h", ShipmentDelivered(order_id="o1"))],
    ids=["an act where nobody asked for quiet", "what is no act of theirs"],
)
def test_what_else_happens_leaves_the_patience_with_a_message_as_it_is(quiet: str, news: Event) -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        message = await run.send("email", "hello")
        return str(await message.engaged(within="2h", quiet=quiet))

    bench = bench_of(r)
    bench.emits("u1", ADD)
    bench.advance("90m")
    bench.emits("u1", news)
    bench.advance("29m")
    assert bench.endings("u1") == []
    bench.advance("1m")
    assert bench.endings("u1") == ["False"]


@pytest.mark.parametrize(("act", "ends"), [(10, 120), (90, 150)])
def test_an_act_puts_the_end_of_patience_off_until_there_was_quiet_and_never_brings_it_forward(
    act: int, ends: int
) -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        message = await run.send("email", "hello")
        return str(await message.engaged(within="2h", quiet="1h"))

    bench = bench_of(r)
    bench.emits("u1", ADD)
    bench.advance(f"{act}m")
    bench.emits("u1", Page(name="home"))
    bench.advance(f"{ends - act - 1}m")
    assert bench.endings("u1") == []
    bench.advance("1m")
    assert bench.endings("u1") == ["False"]


def ladder() -> tuple[EngineBench, MessageBody, MessageBody]:
    """An e-mail that was sent, and a push that is not decided yet; the run waits for a reaction to either."""

    async def r(run: Run, first: ProductAdded) -> str:
        email = await run.send("email", "hello")
        push = await run.send("push", "hello")
        return str(await push.engaged(within="1d", earlier=[email]))

    bench = bench_of(r)
    bench.dispatch.decide = lambda message: {"verdict": "sent"} if message.channel == "email" else None
    bench.emits("u1", ADD)
    email, push = bench.messages
    return bench, email, push


@pytest.mark.parametrize(("name", "told"), [("Message Clicked", ["True"]), ("Message Bounced", [])])
@pytest.mark.parametrize("decided", [False, True], ids=["before the push is decided", "after it"])
def test_of_an_earlier_message_a_reaction_is_as_good_and_a_bounce_says_nothing(
    decided: bool, name: str, told: list[str]
) -> None:
    bench, email, push = ladder()
    if decided:
        bench.decides(push, verdict="sent")
        bench.decides(email, name=name)
    else:
        bench.decides(email, name=name)
        bench.decides(push, name="Message Delivered")
        bench.decides(push, verdict="sent")
    assert bench.endings("u1") == told


def test_a_reaction_to_an_earlier_message_outlives_the_bounce_of_a_later_one() -> None:
    bench, email, push = ladder()
    bench.decides(email, name="Message Clicked")
    bench.decides(push, name="Message Bounced")
    bench.decides(push, verdict="sent")
    assert bench.endings("u1") == ["True"]


def test_a_bounce_ends_engaged_at_once() -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        message = await run.send("email", "hello")
        return str(await message.engaged(within="1d"))

    bench = bench_of(r)
    bench.emits("u1", ADD)
    bench.decides(bench.messages[0], name="Message Bounced")
    assert bench.endings("u1") == ["False"]


@pytest.mark.parametrize(("name", "told"), [("Message Clicked", "True"), ("Message Bounced", "False")])
def test_what_is_heard_of_a_message_before_its_decision_ends_engaged_as_soon_as_it_begins(name: str, told: str) -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        message = await run.send("email", "hello")
        return str(await message.engaged(within="1d"))

    bench = EngineBench(rule(on=ProductAdded, purpose="marketing.test", version=1)(r), decide=lambda m: None)
    bench.emits("u1", ADD)
    bench.decides(bench.messages[0], name=name)
    bench.decides(bench.messages[0], verdict="sent")
    assert bench.endings("u1") == [told]


def test_patience_counts_from_the_decision_not_from_the_request() -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        message = await run.send("email", "hello")
        return str(await message.engaged(within="1h"))

    bench = EngineBench(rule(on=ProductAdded, purpose="marketing.test", version=1)(r), decide=lambda m: None)
    bench.emits("u1", ADD)
    bench.advance("10h")
    bench.decides(bench.messages[0], verdict="sent")
    bench.advance("59m")
    assert bench.endings("u1") == []
    bench.advance("2m")
    assert bench.endings("u1") == ["False"]


def double(number: int) -> int:
    """An importable step."""
    if number < 0:
        raise ValueError("negative")
    return 2 * number


@pytest.mark.parametrize(
    "step", [lambda: 1, partial(double, 1), ADD.meta.id.upper], ids=["lambda", "partial", "method"]
)
def test_what_no_other_process_can_import_is_no_step_and_the_message_says_why(step: Any) -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await run.step("local", step)

    bench = bench_of(r)
    bench.emits("u1", ADD)
    assert "cannot be imported" in bench.endings("u1")[0]


def odd(customer: Customer) -> Any:
    return {("a", 1): 1}


@pytest.mark.parametrize(
    ("awaited", "words"),
    [
        (lambda run: run.step("x", double, run), "step x: its arguments must be JSON values"),
        (lambda run: run.step(7, double, 1), "the name of a step is text"),
        (lambda run: run.send("email", "x", not_before=NAIVE), "not_before needs a datetime with"),
        (lambda run: run.send("email", 42), "channel, template and variant of a send are text"),
        (lambda run: run.send("email", "x", variant=7), "channel, template and variant of a send are text"),
        (lambda run: run.send("email", "x", name="\ud800"), "UnicodeEncodeError"),
        (lambda run: run.send("email", "x", odd), "TypeError"),
        (lambda run: run.send("email", "x", {"name": "Uma"}), "`data` is a function of the customer"),
    ],
)
def test_what_nobody_could_read_as_it_was_meant_parks_the_run_and_leaves_no_gap_in_what_dispatch_reads(
    awaited: Any, words: str
) -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        if first.product_id == "p1":
            await awaited(run)
        await run.send("email", "sound")

    bench = bench_of(r)
    bench.emits("u1", ADD)
    before = dict(bench.partition().cursor.sequences)
    (why,) = bench.endings("u1")
    assert f": {words}" in why
    bench.emits("u2", ProductAdded(cart_id="c1", product_id="p2"))
    assert [message.customer for message in bench.messages] == ["u2"]
    assert bench.partition().cursor.sequences["dispatch/0"] == before.get("dispatch/0", 0) + 1


def test_a_confirmation_that_nobody_could_read_parks_the_run_and_costs_nobody_the_event() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        await run.send("email", "x", odd if bench.messages else None)

    bench = EngineBench(rule(on=ProductAdded, purpose="marketing.test", version=1)(r), decide=lambda m: None)
    bench.emits("u1", ADD)
    bench.decides(bench.messages[0], name="Hold Opened", hold=1)
    assert "TypeError" in bench.endings("u1")[0]
    assert drive(bench.log.end("quarantine", 0)) == 0


def test_variant_is_the_same_for_a_customer_for_ever() -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        return run.variant("wording", ["a", "b", "c"])

    first, second = bench_of(r), bench_of(r)
    for bench in (first, second):
        for number in range(50):
            bench.emits(f"u{number}", ADD)
    drawn = [first.endings(f"u{number}") for number in range(50)]
    assert drawn == [second.endings(f"u{number}") for number in range(50)]
    assert {word for words in drawn for word in words} == {"a", "b", "c"}


def test_a_note_is_left_once_however_often_the_run_is_replayed() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        run.note("began")
        await run.sleep("1h")
        run.note("slept")
        await run.sleep("1h")

    bench = bench_of(r)
    bench.emits("u1", ADD)
    bench.advance("3h")
    notes = [line.data for line in bench.history("u1") if line.kind == "note"]
    assert notes == [b'{"text":"began"}', b'{"text":"slept"}']


def test_a_note_is_as_long_as_can_be_read_and_of_letters_that_can_be_stored() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        run.note("\ud800" + "x" * 1_000_000)

    bench = bench_of(r)
    bench.emits("u1", ADD)
    (text,) = [msgspec.json.decode(line.data)["text"] for line in bench.history("u1") if line.kind == "note"]
    assert text == "?" + "x" * (WORDS - 1)


def test_again_starts_the_next_generation_with_an_empty_journal_and_new_message_ids() -> None:
    async def r(run: Run, first: ProductAdded) -> Any:
        await run.sleep("1h")
        await run.send("email", "again")
        return run.again()

    bench = bench_of(r)
    bench.emits("u1", ADD)
    bench.advance("3h 1s")  # each decision stands one ms behind the tick that let its message be asked for
    assert len(bench.messages) == 3
    assert len({m.message_id for m in bench.messages}) == 3
    assert len({m.run_id for m in bench.messages}) == 1


@pytest.mark.parametrize("answered", ["1m", "20ms"])
@pytest.mark.parametrize("say", [True, False])
def test_what_came_while_a_message_waited_is_there_when_the_run_has_started_over(say: bool, answered: str) -> None:
    async def r(run: Run, first: ProductAdded) -> Any:
        seen = await run.wait_for(ProductViewed, within="1d")
        if seen is None:
            return "none"
        if say or seen.product_id == "a":
            await run.send("email", "seen", product=seen.product_id)
        run.note(seen.product_id)
        return run.again()

    bench = bench_of(r)
    bench.dispatch.decide = lambda message: None
    bench.emits("u1", ADD, ProductViewed(product_id="a"))
    bench.emits("u1", ProductViewed(product_id="b"), ProductViewed(product_id="c"))
    for number in range(3 if say else 1):
        bench.advance(answered)
        bench.decides(bench.messages[number], verdict="sent")
    bench.advance("2d")
    notes = [msgspec.json.decode(line.data)["text"] for line in bench.history("u1") if line.kind == "note"]
    assert [text for text in notes if len(text) == 1] == ["a", "b", "c"]
    assert bench.endings("u1") == ["none"]


def test_starting_over_without_waiting_parks_the_run() -> None:
    async def r(run: Run, first: ProductAdded) -> Any:
        return run.again()

    bench = bench_of(r)
    bench.emits("u1", ADD)
    assert bench.endings("u1") == [NEVER_WAITED.format(r.__code__.co_firstlineno)]


@pytest.mark.parametrize(("waits", "goes_on"), [("2s", False), ("5m", True)])
def test_a_quick_answer_is_no_waiting_lest_a_run_sends_as_fast_as_dispatch_can(waits: str, goes_on: bool) -> None:
    async def r(run: Run, first: ProductAdded) -> Any:
        await run.send("email", "again")
        await run.sleep_until(run.started)
        return run.again()

    bench = bench_of(r)
    bench.dispatch.decide = lambda message: None
    bench.emits("u1", ADD)
    bench.advance(waits)
    bench.decides(bench.messages[0], verdict="sent")
    bench.advance("1m")
    assert len(bench.messages) == 1 + goes_on
    assert bench.endings("u1") == ([] if goes_on else [NEVER_WAITED.format(r.__code__.co_firstlineno)])


@pytest.mark.parametrize(
    ("scope", "channels", "ending"),
    [("customer", ["email"], "no_address"), ("channel", ["email", "push", "sms"], "nobody to reach")],
)
def test_a_ladder_ends_at_a_refusal_of_the_customer_and_climbs_at_one_of_the_channel(
    scope: str, channels: list[str], ending: str
) -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        return await Ladder(("email", "24h"), ("push", "4h"), ("sms", "1d")).climb(run, "cart")

    bench = bench_of(r)
    bench.dispatch.decide = refused("no_address", scope)
    bench.emits("u1", ADD)
    assert [m.channel for m in bench.messages] == channels
    assert bench.endings("u1") == [ending]


def test_a_ladder_keeps_sms_for_the_time_it_would_have_had_anyway() -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        return await Ladder(("email", "24h"), ("push", "4h"), ("sms", "1d")).climb(run, "cart")

    bench = bench_of(r)
    bench.dispatch.decide = refused("no_address", "channel")
    bench.emits("u1", ADD)
    assert [m.not_before for m in bench.messages] == [None, None, MONDAY + 28 * HOUR]


def test_a_ladder_counts_what_sms_waits_for_from_when_its_first_message_left() -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        return await Ladder(("email", "24h"), ("push", "4h"), ("sms", "1d")).climb(run, "cart")

    bench, shut = bench_of(r), refused("no_address", "channel")
    bench.dispatch.decide = lambda message: None if message.channel == "email" else shut(message)
    bench.emits("u1", ADD)
    bench.advance("12h")
    bench.decides(bench.messages[0], verdict="sent")
    bench.advance("1d")
    assert [m.channel for m in bench.messages] == ["email", "push", "sms"]
    assert bench.messages[-1].not_before == MONDAY + (12 + 28) * HOUR


def test_a_ladder_never_climbs_to_sms_on_top_of_an_unknown_outcome() -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        return await Ladder(("email", "1h"), ("sms", "1d")).climb(run, "cart")

    bench = bench_of(r)
    bench.dispatch.decide = lambda message: {"verdict": "unknown"}
    bench.emits("u1", ADD)
    bench.advance("2h")
    assert [m.channel for m in bench.messages] == ["email"]
    assert bench.endings("u1") == ["outcome unknown: not climbing to sms"]


def test_nor_once_something_quieter_was_sent_after_it() -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        return await Ladder(("email", "1h"), ("push", "1h"), ("sms", "1d")).climb(run, "cart")

    bench = bench_of(r)
    bench.dispatch.decide = lambda message: {"verdict": "unknown" if message.channel == "email" else "sent"}
    bench.emits("u1", ADD)
    bench.advance("3h")
    assert [m.channel for m in bench.messages] == ["email", "push"]
    assert bench.endings("u1") == ["outcome unknown: not climbing to sms"]


@pytest.mark.parametrize("asked", ["waits", "is held"])
def test_whoever_notices_the_email_while_the_push_waits_gets_no_sms(asked: str) -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        return await Ladder(("email", "1h"), ("push", "4h"), ("sms", "1d")).climb(run, "cart")

    held = asked == "is held"
    bench = bench_of(r)
    bench.dispatch.decide = lambda message: None if held and message.channel == "push" else {"verdict": "sent"}
    bench.emits("u1", ADD)
    bench.advance("2h")
    email, push = bench.messages
    clicked = MessageClicked(message_id=email.message_id, run_id=email.run_id, rule="r", channel="email")
    bench.emits("u1", clicked, scope="system", source="dispatch")
    if held:
        bench.decides(push, verdict="sent")
    bench.advance("2d")
    assert [m.channel for m in bench.messages] == ["email", "push"]
    assert bench.endings("u1") == ["engaged on email or push"]


def test_messages_of_one_ladder_share_a_contact() -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        return await Ladder(("email", "1h"), ("push", "1h")).climb(run, "cart")

    bench = bench_of(r)
    bench.emits("u1", ADD)
    bench.advance("3h")
    assert [m.channel for m in bench.messages] == ["email", "push"]
    assert len({m.contact for m in bench.messages}) == 1
    assert bench.endings("u1") == ["no reaction"]


def test_patience_counts_from_the_decision_even_if_the_rule_does_something_in_between() -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        message = await run.send("email", "hello")
        await run.sleep("1h")
        return str(await message.engaged(within="2h"))

    bench = bench_of(r)
    bench.emits("u1", ADD)
    bench.advance("119m")
    assert bench.endings("u1") == []
    bench.advance("1m")
    assert bench.endings("u1") == ["False"]


def test_patience_that_is_over_before_it_is_asked_for_ends_at_once_and_takes_nobody_back_in_time() -> None:
    async def r(run: Run, first: ProductAdded) -> None:
        message = await run.send("email", "hello")
        await run.sleep("3h")
        if not await message.engaged(within="1h"):
            await run.send("push", "hello")

    bench = bench_of(r)
    bench.emits("u1", ADD)
    bench.advance("4h")
    assert [message.requested_at - MONDAY for message in bench.messages] == [0, 3 * HOUR]


def test_a_wait_that_ended_has_used_up_what_came_before_it() -> None:
    async def r(run: Run, first: ProductAdded) -> str:
        await run.send("email", "held")
        await run.sleep("1h")
        got = await run.wait_for(ShipmentDelivered, within="1h")
        return "none" if got is None else "an old one"

    bench = EngineBench(rule(on=ProductAdded, purpose="marketing.test", version=1)(r), decide=lambda m: None)
    bench.emits("u1", ADD)
    bench.emits("u1", ShipmentDelivered(order_id="o1"))
    bench.decides(bench.messages[0], verdict="sent")
    bench.advance("3h")
    assert bench.endings("u1") == ["none"]
