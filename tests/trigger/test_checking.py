"""Whether live runs would go on with other rules: found out beforehand, and exactly as the engine would."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from enginebench import EngineBench, drive

from tactful import Run, rule
from tactful.events import OrderCompleted, ProductAdded
from tactful.rules import Rule
from tactful_trigger.projections import SHIPPED
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.runs.checking import Checked, check

Body = Callable[[Run, Any], Coroutine[Any, Any, Any]]
ADD = ProductAdded(product_id="p1")


def reminding(body: Body, version: int = 1) -> Rule:
    """The rule `reminding` with this body."""
    return rule(on=ProductAdded, purpose="marketing.test", version=version)(body).named("reminding")


async def as_it_was(run: Run, first: ProductAdded) -> None:
    await run.sleep("1h")
    await run.wait_any(run.wait_for(OrderCompleted, within="2h"), run.quiet("3h"))
    await run.send("email", "hello")


async def more_patient(run: Run, first: ProductAdded) -> None:
    await run.sleep("2h")  # a length is no part of the shape: it is only used by runs that have not come so far
    await run.wait_any(run.wait_for(OrderCompleted, within="2h"), run.quiet("3h"))
    await run.send("sms", "hello")


async def without_the_wait(run: Run, first: ProductAdded) -> None:
    await run.sleep("1h")
    await run.send("email", "hello")


async def asks_first(run: Run, first: ProductAdded) -> None:
    await run.quiet("1h")
    await run.sleep("1h")


async def gives_up(run: Run, first: ProductAdded) -> str:
    return "nothing to do"


async def goes_wrong(run: Run, first: ProductAdded) -> None:
    await run.sleep("1h")
    raise KeyError("size")


def waiting(hours: int) -> EngineBench:
    """A customer whose run has come so far."""
    bench = EngineBench(reminding(as_it_was))
    bench.emits("u1", ADD)
    bench.advance(f"{hours}h")
    assert len(bench.runs("u1")) == 1
    return bench


def checked(bench: EngineBench, *rules: Rule) -> list[Checked]:
    rows = drive(bench.store.load(0, ["u1"]))
    return list(check("u1", rows["u1"], Rulebook(rules, SHIPPED)))


@pytest.mark.parametrize("hours", [0, 1])
@pytest.mark.parametrize("body", [as_it_was, more_patient])
def test_a_run_that_finds_the_operations_it_remembers_goes_on(body: Body, hours: int) -> None:
    assert checked(waiting(hours), reminding(body)) == [Checked("u1", "reminding", 1, "")]


@pytest.mark.parametrize(
    ("hours", "body", "why"),
    [
        (
            1,
            without_the_wait,
            "entry 2 of the journal is `wait_any(wait_for Order Completed, quiet)`, the rule now awaits `send email hello`",
        ),
        (
            0,
            asks_first,
            "entry 1 of the journal is `sleep`, the rule now awaits `quiet`; raise the version and keep the old body",
        ),
        (1, gives_up, "the rule now ends (nothing to do) before what the run waits for; raise the version"),
        (1, goes_wrong, "KeyError: 'size'"),
    ],
)
def test_a_run_that_would_be_parked_is_told_with_the_line_and_the_mend(hours: int, body: Body, why: str) -> None:
    [found] = checked(waiting(hours), reminding(body))
    assert (found.customer, found.rule, found.version) == ("u1", "reminding", 1)
    assert why in found.why


def test_a_body_that_is_kept_for_the_older_version_lets_the_run_go_on() -> None:
    changed = reminding(without_the_wait, version=2)
    assert "entry 2" in checked(waiting(1), changed)[0].why
    changed.previous(1)(as_it_was)
    assert checked(waiting(1), changed)[0].why == ""


def test_a_run_whose_rule_is_gone_or_older_would_stand_still() -> None:
    assert checked(waiting(0)) == [Checked("u1", "reminding", 1, "its rule is not installed")]
    bench = EngineBench(reminding(as_it_was, version=3))
    bench.emits("u1", ADD)
    assert "it began under version 3" in checked(bench, reminding(as_it_was))[0].why


def test_what_is_parked_already_is_not_told_again() -> None:
    bench = EngineBench(reminding(goes_wrong))
    bench.emits("u1", ADD)
    bench.advance("1h")
    assert bench.runs("u1")[0].parked
    assert checked(bench, reminding(as_it_was)) == []


def test_a_row_that_cannot_be_read_is_told() -> None:
    [found] = check("u1", b'{"runs":[{}]}', Rulebook((), SHIPPED))
    assert found.why.startswith("the row cannot be read: ValidationError")


def test_checking_changes_nothing() -> None:
    bench = waiting(1)
    before = drive(bench.store.load(0, ["u1"]))
    checked(bench, reminding(without_the_wait))
    assert drive(bench.store.load(0, ["u1"])) == before
