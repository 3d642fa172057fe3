"""What operators do with a rule: enrol an imported base, end runs, let a rule run dry; and sources that deliver late."""

from __future__ import annotations

import pytest
from enginebench import EngineBench

from tactful import Run, rule
from tactful.events import OrderCompleted, Page, ProductAdded
from tactful.records import EVENTS, CommandBody, CommandRecord

ADD = ProductAdded(product_id="p1")


@rule(on=ProductAdded, goal=OrderCompleted, purpose="marketing.test", cooldown="30d", uses=("cart",), version=1)
async def reminding(run: Run, first: ProductAdded) -> None:
    await run.sleep("1h")
    await run.send("email", "hello", product=first.product_id)


@rule(
    on=ProductAdded,
    when=lambda customer, event: len(customer.cart.items) > 1,
    purpose="marketing.test",
    uses=("cart",),
    version=1,
)
async def choosy(run: Run, first: ProductAdded) -> None:
    await run.send("email", "choosy")


@rule(on=ProductAdded, purpose="marketing.test", after=("pos",), after_max="2d", version=1)
async def late(run: Run, first: ProductAdded) -> None:
    await run.sleep("1h")
    await run.send("email", "late")


def command(bench: EngineBench, name: str, rule: str, customer: str = "u1", since: int = 0) -> None:
    body = CommandBody(name, rule, since)
    bench.append(EVENTS, CommandRecord(id=f"{name}-{customer}-{bench.now}", key=customer, at=bench.now, body=body))


def imported(*rules: object, **more: object) -> EngineBench:
    """A customer whose basket of last month came by an import: no rule has seen it."""
    bench = EngineBench(*rules, **more)  # type: ignore[arg-type]
    bench.emits("u1", ProductAdded(product_id="old"), ago="40d", history=True)
    bench.emits("u1", ADD, ago="20d", history=True)
    bench.advance("1h")
    assert bench.runs("u1") == []
    return bench


# -- enrolling


def test_who_is_enrolled_begins_for_the_latest_thing_that_the_rule_begins_with() -> None:
    bench = imported(reminding)
    command(bench, "enrol", "reminding")
    assert bench.messages == []
    bench.advance("61m")
    [message] = bench.messages
    assert message.data == {"product": "p1"}
    assert message.because == "Product Added"


def test_enrolling_twice_or_while_a_run_is_alive_begins_one_run() -> None:
    bench = imported(reminding)
    command(bench, "enrol", "reminding")
    command(bench, "enrol", "reminding")
    assert len(bench.runs("u1")) == 1
    bench.advance("2h")
    command(bench, "enrol", "reminding")
    bench.advance("2h")
    assert len(bench.messages) == 1
    assert bench.endings("u1") == ["a run is alive", "done", "cooldown"]


def test_what_happened_before_the_given_day_begins_nothing() -> None:
    bench = imported(reminding)
    command(bench, "enrol", "reminding", since=bench.now - 10 * 86_400_000)
    assert bench.runs("u1") == []
    assert bench.endings("u1") == ["nothing to begin with"]


@pytest.mark.parametrize("customer", ["nobody", "anon:a1"])
def test_who_is_not_there_or_is_somebody_else_by_now_is_not_enrolled(customer: str) -> None:
    bench = imported(reminding)
    bench.emits("anon:a1", ADD, history=True)
    bench.link("anon:a1", "u2")
    command(bench, "enrol", "reminding", customer)
    assert bench.runs(customer) == []


def test_the_rules_own_condition_still_applies() -> None:
    bench = EngineBench(choosy)
    bench.emits("u1", ADD, history=True)
    bench.emits("u2", ADD, ProductAdded(product_id="p2"), history=True)
    for customer in ("u1", "u2"):
        command(bench, "enrol", "choosy", customer)
    assert [message.customer for message in bench.messages] == ["u2"]
    assert bench.endings("u1") == ["when"]


def test_a_rule_that_is_not_loaded_enrols_nobody() -> None:
    bench = imported(reminding)
    command(bench, "enrol", "missing")
    assert bench.runs("u1") == []


def test_an_enrolled_run_has_the_name_that_the_event_itself_would_have_given_it() -> None:
    bench, live = imported(reminding), EngineBench(reminding)
    bench.emits("u3", ADD, id="same", history=True)
    live.emits("u3", ADD, id="same")
    command(bench, "enrol", "reminding", "u3")
    assert bench.runs("u3")[0].id == live.runs("u3")[0].id


# -- ending, and running dry


def test_a_cancelled_run_ends_and_what_waits_is_taken_back() -> None:
    bench = EngineBench(reminding, decide=lambda message: None)
    bench.emits("u1", ADD)
    bench.emits("u2", ADD)
    bench.advance("61m")
    command(bench, "cancel", "reminding")
    assert bench.endings("u1") == ["cancelled by an operator"]
    assert len(bench.cancelled) == 1
    assert len(bench.runs("u2")) == 1


def test_a_drained_rule_begins_nothing_and_ends_what_it_began() -> None:
    bench = EngineBench(reminding)
    bench.emits("u1", ADD)
    bench.broadcast("Rule Drained", rule="reminding")
    bench.emits("u2", ADD)
    command(bench, "enrol", "reminding", "u2")
    bench.advance("2h")
    assert [message.customer for message in bench.messages] == ["u1"]
    bench.broadcast("Rule Resumed", rule="reminding")
    bench.emits("u2", ADD)
    bench.advance("2h")
    assert [message.customer for message in bench.messages] == ["u1", "u2"]


# -- sources that deliver late


def lagging(lag: str, **more: object) -> EngineBench:
    bench = EngineBench(late)
    bench.broadcast("Settings Changed", sources={"pos": {"lag": lag}}, **more)
    bench.emits("u1", ADD)
    return bench


def test_a_rule_waits_for_a_source_as_long_as_its_lag() -> None:
    bench = lagging("6h")
    bench.advance("6h")
    assert bench.messages == []
    bench.advance("61m")
    assert len(bench.messages) == 1


def test_a_source_that_tells_earlier_than_its_lag_is_not_waited_for() -> None:
    bench = lagging("6h")
    bench.advance("90m")
    bench.broadcast("Feed Complete", feed="pos", through=bench.now)
    assert len(bench.messages) == 1


def test_a_lag_beyond_the_rules_patience_ends_the_run_visibly() -> None:
    bench = lagging("5d")
    bench.advance("4d")
    assert bench.messages == []
    assert bench.endings("u1") == ["source_late"]


def test_settings_may_say_which_sources_a_rule_waits_for() -> None:
    bench = EngineBench(reminding)
    bench.broadcast("Settings Changed", rules={"reminding": {"after": ["pos"]}})
    bench.emits("u1", ADD)
    bench.emits("u1", Page(name="home"))
    bench.advance("2h")
    assert bench.messages == []
    bench.broadcast("Feed Complete", feed="pos", through=bench.now)
    assert len(bench.messages) == 1
