"""What operators do with a rule: enrol an imported base, end runs, let a rule run dry; and sources that deliver late."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import msgspec
import pytest
from enginebench import MONDAY, EngineBench, drive, event_record, refused, sent

from tactful import Run, rule
from tactful.clock import DAY, HOUR, MINUTE
from tactful.errors import InvalidInput
from tactful.events import OrderCompleted, Page, ProductAdded, ShipmentDelivered
from tactful.log.partitioning import partition_of
from tactful.records import (
    EVENTS,
    QUARANTINE,
    AbsorbBody,
    AbsorbRecord,
    CommandBody,
    CommandRecord,
    LinkBody,
    LinkRecord,
    Record,
    encode,
)
from tactful.rules import Rule
from tactful_trigger.applying.commanding import enrolled
from tactful_trigger.projections import SHIPPED
from tactful_trigger.rulebook import Rulebook
from tactful_workbench.operating.conducting import Conductor

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


@rule(on=ProductAdded, purpose="marketing.test", after=("pos",), after_max="2d", version=1)
async def late_and_patient(run: Run, first: ProductAdded) -> None:
    await run.wait_for(OrderCompleted, within="1h")
    await run.sleep("5d")
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


def test_what_a_run_waited_for_with_a_late_source_may_come_while_its_rule_is_away() -> None:
    bench = EngineBench(late_and_patient)
    bench.emits("u1", ADD)
    bench.advance("2h")
    assert bench.runs("u1")[0].late_since is not None
    bench.deploy()
    bench.emits("u1", OrderCompleted(order_id="o1"))
    bench.deploy(late_and_patient)
    bench.advance("6d")
    bench.broadcast("Feed Complete", feed="pos", through=bench.now)
    assert bench.sent() == ["email late"]


def test_a_shop_that_names_each_file_does_not_fill_the_cursor_and_what_a_rule_waits_for_stays() -> None:
    bench = EngineBench(late)
    bench.broadcast("Feed Complete", feed="pos", through=bench.now)
    for number in range(300):
        bench.broadcast("Feed Complete", feed=f"orders-{number}.csv", through=bench.now + 1 + number)
    feeds = bench.partition().cursor.feeds
    assert (len(feeds), "pos" in feeds, "orders-0.csv" in feeds, "orders-299.csv" in feeds) == (256, True, False, True)


def test_a_source_that_is_a_little_late_each_time_puts_off_no_end_of_a_run() -> None:
    @rule(on=ProductAdded, purpose="marketing.test", max_age="10d", after=("pos",), after_max="1h", version=1)
    async def again(run: Run, first: ProductAdded) -> object:
        await run.sleep("3d")
        await run.send("email", "again")
        return run.again()

    bench = EngineBench(again)
    bench.emits("u1", ADD)
    for _ in range(30):
        bench.advance("1d")
        bench.advance("1m")
        bench.broadcast("Feed Complete", feed="pos", through=bench.now)
    assert bench.endings("u1") == ["max_age"]


@rule(on=ProductAdded, exit_on=Page, purpose="marketing.test", after=("pos",), version=1)
async def late_and_shy(run: Run, first: ProductAdded) -> None:
    await run.sleep("1h")
    await run.send("email", "shy")


def test_of_two_runs_that_wait_for_a_source_one_goes_on_with_it_though_the_other_has_ended() -> None:
    bench = EngineBench(late, late_and_shy)
    bench.emits("u1", ADD)
    bench.advance("2h")
    bench.emits("u1", Page(name="home"))
    bench.broadcast("Feed Complete", feed="pos", through=bench.now)
    assert bench.sent() == ["email late"]


def test_who_has_ordered_while_a_source_was_late_is_not_looked_for_when_it_comes() -> None:
    @rule(on=ProductAdded, goal=OrderCompleted, purpose="marketing.test", after=("pos",), version=1)
    async def fed(run: Run, first: ProductAdded) -> None:
        await run.sleep("1h")
        await run.send("email", "fed")

    bench = EngineBench(fed)
    bench.emits("u1", ADD)
    bench.advance("2h")
    assert bench.partition().cursor.late == {"u1"}
    bench.emits("u1", OrderCompleted(order_id="o1"))
    assert bench.partition().cursor.late == set()


# -- enrolling


def test_who_is_enrolled_begins_for_the_latest_thing_that_the_rule_begins_with() -> None:
    bench = imported(reminding)
    command(bench, "enrol", "reminding")
    assert bench.messages == []
    bench.advance("61m")
    [message] = bench.messages
    assert message.data == {"product": "p1"}
    assert message.because == "Product Added"
    assert bench.partition().cursor.volumes["reminding"][-1].enrolled == 1


def test_a_rule_that_fails_when_it_is_asked_about_somebody_enrols_nobody_and_costs_nobody_the_command() -> None:
    @rule(on=ProductAdded, when=lambda customer, event: 1 / 0 > 1, purpose="marketing.test", version=1)
    async def broken(run: Run, first: ProductAdded) -> None:
        await run.send("email", "hello")

    bench = imported(broken)
    command(bench, "enrol", "broken")
    assert (bench.runs("u1"), len(bench.endings("u1"))) == ([], 1)
    assert bench.endings("u1")[0].endswith("ZeroDivisionError: division by zero")
    assert drive(bench.log.end("quarantine", 0)) == 0


def test_who_is_enrolled_in_the_slice_that_brings_their_past_is_so_for_their_own_alone() -> None:
    bench = EngineBench(reminding)
    adds = [
        event_record(name, ProductAdded(product_id=f"of {name}"), bench.now, name, bench.now - 20 * DAY, history=True)
        for name in ("u1", "u2")
    ]
    enrol = CommandRecord(id="enrol", key="u1", at=bench.now, body=CommandBody("enrol", "reminding", 0))
    drive(bench.log.append(EVENTS, [(0, encode(record)) for record in (*adds, enrol)]))
    bench.advance("2h")
    assert [message.data["product"] for message in bench.messages] == ["of u1"]


def test_who_has_ordered_since_is_not_enrolled() -> None:
    bench = imported(reminding)
    bench.emits("u1", OrderCompleted(order_id="o1"))
    bench.advance("1d")
    command(bench, "enrol", "reminding")
    bench.advance("2h")
    assert (bench.messages, bench.endings("u1")) == ([], ["superseded"])


def test_who_had_ordered_before_is_enrolled() -> None:
    bench = EngineBench(reminding)
    bench.emits("u1", OrderCompleted(order_id="o1"))
    bench.advance("1d")
    bench.emits("u1", ADD, history=True)
    command(bench, "enrol", "reminding")
    bench.advance("2h")
    assert bench.sent() == ["email hello"]


def test_enrolling_twice_or_while_a_run_is_alive_begins_one_run() -> None:
    bench = imported(reminding)
    command(bench, "enrol", "reminding")
    command(bench, "enrol", "reminding")
    assert len(bench.runs("u1")) == 1
    bench.advance("2h")
    command(bench, "enrol", "reminding")
    bench.advance("2h")
    assert len(bench.messages) == 1
    assert bench.endings("u1") == ["a run is alive", "done", "heard from the rule since then"]


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
    assert drive(bench.log.end("quarantine", 0)) == 0


@pytest.mark.parametrize("partitions", [1, 4])
@pytest.mark.parametrize("slice_limit", [1, 1000])
def test_what_was_imported_under_an_earlier_name_is_what_a_customer_is_enrolled_for(
    partitions: int, slice_limit: int
) -> None:
    bench = EngineBench(reminding, partitions=partitions, slice_limit=slice_limit)
    bench.emits("c-1", ProductAdded(product_id="old"), ago="20d", history=True)
    bench.emits("legacy", ADD, ago="10d", history=True)
    bench.emits("zoe", ADD, ago="10d", history=True)
    bench.merge("zoe", "legacy")
    bench.merge("legacy", "c-1")
    conductor = Conductor(bench.log, bench.store, Rulebook([reminding], SHIPPED), bench.clock)
    found, _ = drive(conductor.candidates("reminding", 0, "", 10))
    assert [(customer, first.body.occurred_at) for customer, first in found.items()] == [("c-1", MONDAY - 10 * DAY)]
    assert drive(conductor.foresee("reminding", found)) == {"": 1}
    drive(conductor.enrol("reminding", 0, found))
    bench.advance("2h")
    assert [(message.customer, message.data) for message in bench.messages] == [("c-1", {"product": "p1"})]


def test_who_is_enrolled_in_the_slice_in_which_an_account_comes_over_is_so_for_what_was_known_by_then() -> None:
    asked = []
    for order in ("enrolled first", "absorbed first"):
        for slice_limit in (1, 1000):
            bench = EngineBench(reminding, slice_limit=slice_limit)
            bench.emits("u1", ProductAdded(product_id="old"), ago="20d", history=True)
            bench.emits("u2", ADD, ago="10d", history=True)
            now = bench.now
            enrol = CommandRecord(id="n", key="u1", at=now, body=CommandBody("enrol", "reminding", 0))
            image = msgspec.Raw(msgspec.json.encode({"absorbed": ["u2"]}))  # of somebody who had taken it in before
            absorb = AbsorbRecord(id="a", key="u1", at=now, body=AbsorbBody("u3", image))
            told = [enrol, absorb] if order == "enrolled first" else [absorb, enrol]
            drive(bench.log.append(EVENTS, [(0, encode(record)) for record in told]))
            bench.advance("2h")
            asked.append(bench.messages[0].data["product"])
    assert asked == ["old", "old", "p1", "p1"]


@pytest.mark.parametrize("name", ["u1", "u2"])
def test_who_is_enrolled_while_a_younger_run_comes_over_is_so_for_what_lies_before_that(name: str) -> None:
    @rule(on=Page, purpose="marketing.test", version=1)
    async def browsing(run: Run, first: Page) -> None:
        await run.sleep("1h")

    bench = EngineBench(reminding, browsing)
    bench.emits(name, ADD, history=True)
    bench.merge("u2", "u1")
    bench.advance("10d")
    bench.emits("anon:a1", Page())
    image = msgspec.Raw(drive(bench.store.load(0, ["anon:a1"]))["anon:a1"])
    enrol = CommandRecord(id="n", key="u1", at=bench.now, body=CommandBody("enrol", "reminding", MONDAY))
    unread(bench, enrol, AbsorbRecord(id="a", key="u1", at=bench.now, body=AbsorbBody("anon:a1", image)))
    bench.advance("2h")
    assert [message.data for message in bench.messages] == [{"product": "p1"}]


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


def test_who_was_left_out_by_a_shadow_is_written_to_when_they_are_enrolled_again() -> None:
    bench = imported(reminding, decide=refused("shadow"))
    command(bench, "enrol", "reminding")
    bench.advance("2h")
    bench.dispatch.decide = sent
    command(bench, "enrol", "reminding")
    bench.advance("2h")
    assert len({message.message_id for message in bench.messages}) == 2


@rule(on=ProductAdded, purpose="marketing.test", version=1)
async def without_rest(run: Run, first: ProductAdded) -> None:
    await run.send("email", "hello")


@pytest.mark.parametrize("history", [True, False])
def test_who_has_heard_from_the_rule_since_then_is_not_enrolled(history: bool) -> None:
    bench = EngineBench(without_rest)
    bench.emits("u1", ADD, history=history)
    for _ in range(3):
        command(bench, "enrol", "without_rest")
        bench.advance("1h")
    assert len(bench.messages) == 1
    bench.emits("u1", ADD, history=True)
    command(bench, "enrol", "without_rest")
    assert len(bench.messages) == 2


def test_a_command_that_comes_twice_asks_for_the_same_message() -> None:
    bench = imported(reminding, decide=refused("no_consent"))
    body = CommandBody("enrol", "reminding", 0)
    for _ in range(2):
        bench.append(EVENTS, CommandRecord(id="once", key="u1", at=bench.now, body=body))
        bench.advance("2h")
    assert len({message.message_id for message in bench.messages}) == 1


@rule(on=ProductAdded, when=lambda customer, event: bool(1 / 0), purpose="marketing.test", version=1)
async def failing(run: Run, first: ProductAdded) -> None:
    await run.send("email", "never")


FORESEEN = {
    "reminding": {"": 2, "cooldown": 1},
    "choosy": {"": 1, "when": 3},
    "without_rest": {"": 3, "heard from the rule since then": 1},
}


@pytest.mark.parametrize("partitions", [1, 4])
def test_what_is_foreseen_is_what_enrolling_does(partitions: int) -> None:
    rules = (reminding, choosy, without_rest)
    bench = EngineBench(*rules, partitions=partitions)
    bench.emits("fresh", ADD, history=True)
    bench.emits("two", ADD, ProductAdded(product_id="p2"), history=True)
    bench.emits("spoken-to", ADD)
    bench.advance("2h")
    bench.emits("spoken-to", ADD, history=True)
    bench.emits("alive", ADD)
    conductor = Conductor(bench.log, bench.store, Rulebook(rules, SHIPPED), bench.clock)
    for each in rules:
        candidates, _ = drive(conductor.candidates(each.name, 0, "", 100))
        foreseen = drive(conductor.foresee(each.name, candidates))
        known = {customer: len(bench.history(customer)) for customer in candidates}
        drive(conductor.enrol(each.name, 0, candidates))
        bench.advance("1s")
        news = [line for customer, lines in known.items() for line in bench.history(customer)[lines:]]
        began = Counter(
            msgspec.json.decode(line.data).get("why", "") for line in news if line.kind in ("started", "not_started")
        )
        assert foreseen == began
        assert foreseen == FORESEEN[each.name]


def test_who_is_to_be_enrolled_is_looked_for_part_by_part_and_told_once_each() -> None:
    bench, people = EngineBench(reminding), [f"u{number:03}" for number in range(205)]  # more than go into one append
    for customer in (*people, "anon:a1"):
        bench.emits(customer, ADD, history=True)
    conductor = Conductor(bench.log, bench.store, Rulebook((reminding,), SHIPPED), bench.clock)
    found, after = list[str](), ""
    for last in ("u099", "u199", ""):
        candidates, after = drive(conductor.candidates("reminding", 0, after, 100))
        assert after == last
        found += candidates
    assert found == people
    assert drive(conductor.candidates("reminding", 0, "u200", 100))[0].keys() == set(people[201:])
    told = drive(bench.log.end(EVENTS, 0))
    drive(conductor.enrol("reminding", 0, found))
    assert drive(bench.log.end(EVENTS, 0)) == told + len(people)


def test_who_is_to_be_enrolled_is_looked_for_in_every_partition() -> None:
    bench, people = EngineBench(reminding, partitions=4), {f"u{number}" for number in range(20)}
    for customer in people:
        bench.emits(customer, ADD, history=True)
    conductor = Conductor(bench.log, bench.store, Rulebook((reminding,), SHIPPED), bench.clock)
    found, after = list[str](), ""
    while not found or after:
        candidates, after = drive(conductor.candidates("reminding", 0, after, 3))
        found += candidates
    assert (len(found), set(found)) == (len(people), people)


def test_a_condition_that_fails_is_foreseen_by_name() -> None:
    bench = EngineBench(reminding)
    bench.emits("u1", ADD, history=True)
    conductor = Conductor(bench.log, bench.store, Rulebook((failing,), SHIPPED), bench.clock)
    candidates, _ = drive(conductor.candidates("failing", 0, "", 100))
    assert drive(conductor.foresee("failing", candidates)) == {
        f"the rule fails: {__file__}:{failing.line}: ZeroDivisionError: division by zero": 1
    }


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


@pytest.mark.parametrize("told", [("cancel", "nobody"), ("retry", "nobody"), ("a wish of a newer program", "u1")])
def test_a_command_that_concerns_nobody_or_is_not_known_changes_nothing(told: tuple[str, str]) -> None:
    bench = imported(reminding)
    command(bench, told[0], "reminding", told[1])
    assert (bench.endings("u1"), bench.row("nobody")) == ([], None)
    assert drive(bench.log.end(QUARANTINE, 0)) == 0


@pytest.mark.parametrize("partitions", [1, 4])
def test_a_run_whose_customer_turns_out_to_be_somebody_else_meanwhile_is_cancelled_there(partitions: int) -> None:
    bench = EngineBench(reminding, partitions=partitions)
    bench.emits("anon:a1", ADD)
    bench.advance("10m")
    bench.link("anon:a1", "u1")  # read before the command that was told to whoever has the run
    command(bench, "cancel", "reminding", "anon:a1")
    bench.advance("2h")
    assert bench.messages == []
    assert bench.endings("u1") == ["cancelled by an operator"]


def unread(bench: EngineBench, *records: Record) -> None:
    """They stand in the log, and trigger has read none of them."""
    for record in records:
        drive(bench.log.append(EVENTS, [(partition_of(record.key, bench.log.partitions), encode(record))]))


def test_a_rule_that_is_installed_no_more_is_cancelled_and_its_pause_lifted_as_long_as_something_of_it_is_left() -> (
    None
):
    bench = EngineBench(reminding)
    bench.emits("u1", ADD)
    bench.deploy(choosy)
    conductor = Conductor(bench.log, bench.store, Rulebook([choosy], SHIPPED), bench.clock)
    for wish in ("pause", "resume", "drain"):
        drive(conductor.tell("reminding", wish))
    assert drive(conductor.cancel("reminding")) == 1
    bench.advance("1s")
    assert (bench.endings("u1"), bench.runs("u1")) == (["cancelled by an operator"], [])
    assert drive(conductor.resume("reminding")) == 0
    bench.advance("1s")
    with pytest.raises(InvalidInput, match="there is no rule reminding; there are: choosy"):
        drive(conductor.tell("reminding", "pause"))


def cancel(bench: EngineBench) -> int:
    """How many customers are known to have a run."""
    conductor = Conductor(bench.log, bench.store, Rulebook([reminding], SHIPPED), bench.clock)
    known: int = drive(conductor.cancel("reminding"))
    return known


def test_a_run_that_goes_over_to_another_customer_while_its_rule_is_cancelled_ends_there() -> None:
    bench = EngineBench(reminding, partitions=4)
    bench.emits("anon:a1", ADD)
    bench.advance("10m")
    unread(bench, LinkRecord(id="l1", key="anon:a1", at=bench.now, body=LinkBody("u1")))
    drive(bench.worker.settle())  # and what travels has not arrived
    assert cancel(bench) == 0, "it is nobody's at the moment"
    bench.advance("2h")
    assert (bench.endings("u1"), bench.messages) == (["cancelled by an operator"], [])


def test_what_begins_in_the_backlog_that_trigger_had_when_its_rule_was_cancelled_says_nothing() -> None:
    bench = EngineBench(reminding)
    unread(bench, event_record("u1", ADD, bench.now, "late"))
    assert cancel(bench) == 0
    bench.advance("2h")
    assert (bench.endings("u1"), bench.messages) == (["cancelled by an operator"], [])
    bench.broadcast("Rule Resumed", rule="reminding")
    bench.emits("u1", ADD)
    bench.advance("2h")
    assert bench.sent() == ["email hello"], "what happens from then on"


def test_a_message_that_was_asked_in_that_backlog_is_taken_back_when_its_hold_opens() -> None:
    bench = EngineBench(reminding, decide=lambda message: None)
    bench.emits("u1", ADD)
    bench.advance("61m")
    [message] = bench.messages
    bench.broadcast("Rule Drained", rule="reminding", cancels=True)
    bench.decides(message, name="Hold Opened", hold=1)
    assert (bench.cancelled, bench.confirms) == ([message.message_id], [])
    bench.decides(message, verdict="not_sent", reason="nothing_to_say", scope="customer")
    assert bench.endings("u1") == ["cancelled by an operator"]


def test_a_parked_run_whose_customer_turns_out_to_be_somebody_else_meanwhile_is_tried_again_there() -> None:
    mended: list[bool] = []

    @rule(on=ProductAdded, purpose="marketing.test", version=1)
    async def breaking(run: Run, first: ProductAdded) -> None:
        if not mended:
            raise ValueError("oops")
        await run.send("email", "hello")

    bench = EngineBench(breaking)
    bench.emits("anon:a1", ADD)
    bench.link("anon:a1", "u1")
    mended.append(True)
    command(bench, "retry", "breaking", "anon:a1")
    assert bench.sent() == ["email hello"]


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


def test_a_run_that_has_waited_for_a_lag_has_all_the_time_again_that_it_had() -> None:
    bench = EngineBench(late_and_patient)
    bench.broadcast("Settings Changed", sources={"pos": {"lag": "30m"}})
    bench.emits("u1", ADD)
    bench.advance("6d")
    assert bench.sent() == ["email late"]


def test_a_source_that_tells_earlier_than_its_lag_is_not_waited_for() -> None:
    bench = lagging("6h")
    bench.advance("90m")
    bench.broadcast("Feed Complete", feed="pos", through=bench.now)
    assert len(bench.messages) == 1


@rule(on=ProductAdded, purpose="marketing.test", after=("pos",), version=1)
async def in_steps(run: Run, first: ProductAdded) -> None:
    for _ in range(2):
        await run.sleep("10m")
    await run.send("email", "in steps")


def test_a_run_goes_on_by_the_clock_once_its_source_has_told() -> None:
    bench = EngineBench(in_steps)
    bench.emits("u1", ADD)
    bench.advance("5m")
    bench.broadcast("Feed Complete", feed="pos", through=bench.now)
    bench.advance("40m")
    bench.broadcast("Feed Complete", feed="pos", through=bench.now + 3_600_000)
    bench.advance("11m")
    assert [message.requested_at for message in bench.messages] == [bench.now - 60_000]


def told_while_paused(rule: Rule) -> EngineBench:
    """A run waits for its source, which tells while the rule is paused."""
    bench = EngineBench(rule)
    bench.emits("u1", ADD)
    bench.advance("2h")
    bench.broadcast("Rule Paused", rule=rule.name)
    bench.broadcast("Feed Complete", feed="pos", through=bench.now)
    return bench


def test_that_a_source_has_told_while_its_rule_was_paused_survives_a_restart() -> None:
    bench = told_while_paused(late)
    bench.deploy(late)
    bench.advance("3d")
    bench.broadcast("Rule Resumed", rule="late")
    bench.advance("1m")
    assert bench.sent() == ["email late"]


def test_what_waits_for_a_source_goes_on_when_the_next_program_s_rule_waits_for_none() -> None:
    bench = EngineBench(late)
    bench.emits("u1", ADD)
    bench.advance("2h")
    assert bench.messages == []
    bench.deploy(rule(on=ProductAdded, purpose="marketing.test", version=1)(late.body))
    bench.emits("somebody else", ADD)
    assert bench.sent() == ["email late"]


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


@pytest.mark.parametrize(
    ("before", "says", "hours"),
    [
        ({}, {"rules": {"late": {"after": []}}}, [5]),
        ({}, {"sources": {"pos": {"lag": "3h"}}}, [5]),
        ({}, {"sources": {"pos": {"lag": "10h"}}}, [1 + 10]),
        ({"sources": {"pos": {"lag": "20h"}}}, {"sources": {"pos": {"lag": "10h"}}}, [1 + 10]),
        ({"sources": {"pos": {"lag": "10h"}}}, {"sources": {"pos": {"lag": "20h"}}}, [1 + 20]),
        ({"sources": {"pos": {"lag": "10h"}}}, {}, []),
    ],
    ids=["no source", "a lag that is over", "a lag", "a shorter lag", "a longer lag", "no lag any more"],
)
def test_what_the_settings_say_of_a_late_source_counts_for_who_waits_for_it_already(
    before: dict[str, object], says: dict[str, object], hours: list[int]
) -> None:
    bench = EngineBench(late)
    bench.broadcast("Settings Changed", **before)
    bench.emits("u1", ADD)
    bench.advance("5h")
    bench.broadcast("Settings Changed", **says)
    bench.deploy(late)  # whoever comes next knows it too
    bench.advance("1d")
    assert [(message.requested_at - MONDAY) // HOUR for message in bench.messages] == hours


@rule(on=ProductAdded, purpose="marketing.test", after=("pos", "web"), after_max="2d", version=1)
async def late_twice(run: Run, first: ProductAdded) -> None:
    await run.sleep("1h")
    await run.send("email", "late")


def test_of_two_sources_the_one_with_a_lag_is_not_waited_for_any_longer_once_the_other_has_told() -> None:
    bench = EngineBench(late_twice)
    bench.broadcast("Settings Changed", sources={"web": {"lag": "6h"}})
    bench.emits("u1", ADD)
    bench.advance("2h")
    bench.broadcast("Feed Complete", feed="pos", through=bench.now)
    bench.advance("1d")
    assert [(message.requested_at - MONDAY) // HOUR for message in bench.messages] == [1 + 6]


@rule(on=ProductAdded, purpose="marketing.test", after=("pos",), version=1)
async def two_waits(run: Run, first: ProductAdded) -> None:
    await run.wait_for(ShipmentDelivered, within="1h")
    await run.sleep("10d")
    await run.send("email", "two waits")


@rule(on=ProductAdded, purpose="marketing.test", after=("pos",), version=1)
async def after_an_hour_of_quiet(run: Run, first: ProductAdded) -> None:
    await run.quiet("1h")
    await run.send("email", "quiet")


def test_what_a_late_source_was_waited_for_happens_after_all_and_the_next_wait_does_not_end_with_it() -> None:
    bench = EngineBench(two_waits)
    bench.emits("u1", ADD)
    bench.advance("2h")
    bench.emits("u1", ShipmentDelivered(order_id="o1"))
    bench.advance("30m")
    bench.broadcast("Feed Complete", feed="pos", through=bench.now)
    assert (bench.messages, bench.partition().cursor.late) == ([], set())
    bench.advance("4d")
    assert bench.endings("u1") == [], "nor does its own end stand where waiting for the source would have ended"
    bench.broadcast("Feed Complete", feed="pos", through=bench.now + 10 * DAY)
    bench.advance("7d")
    assert [(m.requested_at - MONDAY) // HOUR for m in bench.messages] == [2 + 240]


@pytest.mark.parametrize("lag", [{}, {"pos": {"lag": "6h"}}])
def test_an_act_while_a_source_is_late_begins_the_quiet_anew(lag: dict[str, object]) -> None:
    bench = EngineBench(after_an_hour_of_quiet)
    bench.broadcast("Settings Changed", sources=lag)
    bench.emits("u1", ADD)
    bench.advance("70m")
    act = bench.now
    bench.emits("u1", ADD)
    bench.broadcast("Feed Complete", feed="pos", through=act - 5 * 60_000)
    bench.advance("50m")
    assert bench.messages == []
    bench.broadcast("Feed Complete", feed="pos", through=act + HOUR)
    bench.advance("1h")
    assert [m.requested_at for m in bench.messages] == [act + HOUR]


def test_an_act_while_a_rule_is_paused_begins_the_quiet_anew_also_if_its_source_has_told_meanwhile() -> None:
    bench = told_while_paused(after_an_hour_of_quiet)
    bench.advance("1h")
    bench.emits("u1", Page(name="checkout"))
    bench.advance("5m")
    bench.broadcast("Rule Resumed", rule="after_an_hour_of_quiet")
    bench.broadcast("Feed Complete", feed="pos", through=bench.now + DAY)
    bench.advance("1h")
    assert [(m.requested_at - MONDAY) // MINUTE for m in bench.messages] == [4 * 60]


def unsure(first: ProductAdded, event: OrderCompleted) -> bool:
    raise KeyError(event.order_id)


def surely(first: ProductAdded, event: OrderCompleted) -> bool:
    return event.order_id == "mine"


def of_a_product(match: Callable[..., bool]) -> Rule:
    @rule(
        on=ProductAdded,
        key=lambda event: event.product_id,
        match=match,
        goal=OrderCompleted,
        purpose="marketing.test",
        after=("pos",),
        version=1,
    )
    async def of_a_product(run: Run, first: ProductAdded) -> None:
        await run.sleep("1h")
        await run.send("email", "of a product")

    return of_a_product


def test_a_parked_run_says_nothing_when_its_source_has_told_and_goes_on_by_that_when_it_is_tried_again() -> None:
    bench = EngineBench(of_a_product(unsure))
    bench.emits("u1", ADD)
    bench.advance("2h")
    bench.emits("u1", OrderCompleted(order_id="another"))
    bench.broadcast("Feed Complete", feed="pos", through=bench.now)
    bench.advance("1d")
    assert (bool(bench.runs("u1")[0].parked), bench.messages) == (True, [])
    bench.deploy(of_a_product(surely))
    command(bench, "retry", "of_a_product")
    assert [m.requested_at for m in bench.messages] == [bench.now]


def test_the_past_of_who_is_enrolled_is_looked_for_from_a_day_before_the_earliest_thing_they_are_enrolled_for() -> None:
    def enrol(customer: str, since: int, name: str = "enrol") -> CommandRecord:
        return CommandRecord(id="c", key=customer, at=9, body=CommandBody(name, "reminding", since))

    records = [enrol("u1", 9 * DAY), enrol("u1", 7 * DAY), enrol("u2", HOUR), enrol("u3", DAY, "cancel")]
    assert enrolled(records) == {"u1": 6 * DAY, "u2": 0}
