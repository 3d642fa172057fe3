"""A projection that raises costs the rules that ask for it what they would have known, and nobody else anything."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
import pytest
from enginebench import EngineBench, drive

from tactful import Run, rule
from tactful.events import Event, OrderCompleted, Page, ProductAdded
from tactful.records import EVENTS, CommandBody, CommandRecord
from tactful_trigger.projections import SHIPPED
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.runs.checking import check
from tactful_trigger.runs.replay import NoWatch, TooSlow
from tactful_trigger.state.cursor import PAUSE_AFTER_FAILURES
from tactful_trigger.watch import SignalWatch

ADD, ORDER = ProductAdded(product_id="p1"), OrderCompleted(order_id="o1")


class Seen(msgspec.Struct, frozen=True):
    pages: tuple[str, ...] = ()


class Moody:
    """Some pages break it, and so does every order and every merge."""

    name, version, state, events = "moody", 1, Seen, (Page, OrderCompleted)

    def fold(self, state: Seen, event: Event) -> Seen:
        while isinstance(event, Page) and event.name == "endless":
            pass
        if not isinstance(event, Page) or event.name == "odd":
            raise KeyError("Ann")
        return Seen((*state.pages, event.name))

    def merge(self, mine: Seen, theirs: Seen) -> Seen:
        while "endless merge" in theirs.pages:
            pass
        raise KeyError("Ann")

    def migrate(self, version: int, old: Any) -> Seen:
        return Seen(**old)


@rule(on=Page, purpose="marketing.test", uses=("moody",), repeat="parallel", version=1)
async def asks(run: Run, first: Page) -> None:
    seen = await run.get("moody")
    await run.send("email", "asks", data=lambda _: {"pages": len(seen.pages)})


@rule(on=ProductAdded, goal=OrderCompleted, purpose="marketing.test", uses=("moody",), version=1)
async def asks_later(run: Run, first: ProductAdded) -> None:
    await run.sleep("1h")
    await run.send("email", "asks later")


@rule(on=(Page, ProductAdded), goal=OrderCompleted, purpose="marketing.test", version=1)
async def does_not(run: Run, first: Page | ProductAdded) -> None:
    await run.sleep("1h")
    await run.send("email", "does not")


@pytest.fixture
def bench() -> EngineBench:
    return EngineBench(asks, asks_later, does_not, projections=(*SHIPPED, Moody()), decide=lambda _: None)


def notes(bench: EngineBench, customer: str = "u1") -> list[str]:
    return [msgspec.json.decode(line.data)["text"] for line in bench.history(customer) if line.kind == "note"]


def test_whoever_does_not_ask_for_it_hears_of_the_event(bench: EngineBench) -> None:
    bench.emits("u1", Page(name="odd"))
    bench.advance("2h")
    assert bench.sent() == ["email does not"]
    note, same = notes(bench)  # one for each rule that asks
    assert note == same
    assert note.startswith(f"{__file__}:")
    assert note.endswith(": projection moody: KeyError: 'Ann'")


@pytest.mark.parametrize("page", ["endless", "endless merge"])
def test_one_that_does_not_come_back_is_interrupted_after_a_second(bench: EngineBench, page: str) -> None:
    with SignalWatch() as watch:
        bench.worker._watch = watch
        bench.emits("u1", Page(name="mine"))
        bench.emits("u2", Page(name=page))
        bench.merge("u2", "u1")
    said = [run.parked for run in bench.runs("u1") if run.parked] + notes(bench, "u2")
    assert any("projection moody: ran for longer than a second without coming back" in each for each in said)
    bench.advance("2h")
    assert bench.sent().count("email does not") == 1


def test_what_it_can_take_in_it_takes_in_afterwards(bench: EngineBench) -> None:
    for name in ("home", "odd", "home"):
        bench.emits("u1", Page(name=name))
    row = bench.row("u1")
    assert row is not None
    assert row.state("moody") == Seen(("home", "home"))
    assert bench.sent() == ["email asks", "email asks"]


def test_a_run_that_would_go_by_it_stands_still_until_it_is_tried_again(bench: EngineBench) -> None:
    bench.emits("u1", ADD)
    bench.emits("u1", Page(name="odd"))
    bench.advance("2h")
    assert bench.sent() == ["email does not"]
    (parked,) = [run for run in bench.runs("u1") if run.parked]
    assert parked.rule == "asks_later"
    body = CommandBody("retry", "asks_later")
    bench.append(EVENTS, CommandRecord(id="retry", key="u1", at=bench.now, body=body))
    bench.advance("1m")
    assert sorted(bench.sent()) == ["email asks later", "email does not"]


def test_what_was_asked_for_by_what_it_knew_is_taken_back(bench: EngineBench) -> None:
    bench.emits("u1", Page(name="home"))
    bench.emits("u1", Page(name="odd"))
    (message,) = [message.message_id for message in bench.messages if message.template == "asks"]
    assert bench.cancelled == [message]


def test_an_order_that_it_cannot_take_in_is_an_order_to_everybody_else(bench: EngineBench) -> None:
    bench.emits("u1", ADD)
    bench.emits("u1", ORDER)
    bench.advance("2h")
    assert (bench.messages, bench.runs("u1")) == ([], [])


def test_however_many_it_cannot_take_in_the_stream_goes_on_and_the_rules_that_ask_are_paused(
    bench: EngineBench,
) -> None:
    for number in range(30):
        bench.emits(f"u{number}", Page(name="odd"))
    bench.advance("2h")
    assert bench.sent() == ["email does not"] * 30
    paused = bench.partition().cursor.paused_why
    assert paused.keys() == {"asks", "asks_later"}
    assert f"{PAUSE_AFTER_FAILURES} runs in a row could not go on, the last: " in paused["asks"]


def test_two_customers_it_cannot_make_one_of_are_one_to_everybody_else(bench: EngineBench) -> None:
    bench.emits("u1", Page(name="mine"))
    bench.emits("u2", Page(name="theirs"), ADD)
    bench.merge("u2", "u1")
    row = bench.row("u1")
    assert row is not None
    assert row.state("moody") == Seen(("mine",))
    assert row.absorbed == ("u2",)
    assert {run.rule for run in row.runs} == {"asks", "asks_later", "does_not"}
    assert any(run.parked.endswith(": projection moody: KeyError: 'Ann'") for run in row.runs if run.rule == "asks")


class Last(msgspec.Struct, frozen=True):
    page: str = ""


class Careless:
    """Gives what its state is not for, and does not know the states of its first version."""

    name, state, events = "moody", Last, (Page,)

    def __init__(self, version: int = 1) -> None:
        self.version = version

    def fold(self, state: Last, event: Event) -> Last:
        assert isinstance(event, Page)
        if event.name == "exit":
            sys.exit("Ann")
        if event.name == "slow":
            raise TooSlow  # as the watch does
        return Last({"none": None, "set": object()}.get(event.name, event.name))  # type: ignore[arg-type]

    def merge(self, mine: Last, theirs: Last) -> Last:
        return Last(None)  # type: ignore[arg-type]

    def migrate(self, version: int, old: Any) -> Last:
        raise KeyError("Ann")


class Mended(Careless):
    def migrate(self, version: int, old: Any) -> Last:
        return Last(f"{old['page']} of version {version}")


@rule(on=ProductAdded, purpose="marketing.test", uses=("moody",), when=lambda c, e: c.state("moody") != 0, version=1)
async def looks(run: Run, first: ProductAdded) -> None:
    await run.send("email", "looks", data=lambda customer: {"page": customer.state("moody").page})


@pytest.mark.parametrize(
    ("page", "why"),
    [
        ("none", "TypeError: gave what Last cannot hold: Expected `str`, got `null` - at `$.page`"),
        ("set", "TypeError: gave what Last cannot hold: Encoding objects of type object is unsupported"),
        ("exit", "SystemExit: Ann"),
        ("slow", "ran for longer than a second without coming back"),
    ],
)
def test_a_state_that_nobody_could_read_again_is_as_if_it_had_raised(page: str, why: str) -> None:
    bench = EngineBench(looks, does_not, projections=(*SHIPPED, Careless()))
    bench.emits("u1", Page(name="home"), Page(name=page))
    [note] = notes(bench)
    assert f": projection moody: {why}" in note
    bench.deploy(looks, does_not)  # the row comes from the store
    bench.emits("u1", ADD)
    assert [message.data for message in bench.messages] == [{"page": "home"}]


def test_a_merge_that_gives_such_a_state_leaves_the_one_that_is_there() -> None:
    bench = EngineBench(looks, does_not, projections=(*SHIPPED, Careless()))
    bench.emits("u1", Page(name="mine"))
    bench.emits("u2", Page(name="theirs"))
    bench.merge("u2", "u1")
    row = bench.row("u1")
    assert row is not None
    assert row.state("moody") == Last("mine")


def test_a_state_of_an_older_version_that_it_cannot_migrate_is_there_once_it_can() -> None:
    bench = EngineBench(looks, does_not, projections=(*SHIPPED, Careless()))
    for number in range(30):
        bench.emits(f"u{number}", Page(name="home"))
    bench.deploy(looks, does_not, projections=(*SHIPPED, Careless(version=2)))
    bench.emits("u1", ADD, Page(name="next"))
    for number in range(2, 30):
        bench.emits(f"u{number}", Page(name="next"))
    bench.advance("2h")
    assert bench.sent() == ["email does not"] * 30
    assert "projection moody: KeyError: 'Ann'" in bench.endings("u1")[0]
    assert bench.partition().cursor.paused == {"looks"}

    bench.deploy(looks, does_not, projections=(*SHIPPED, Mended(version=2)))
    bench.broadcast("Rule Resumed", rule="looks")
    bench.emits("u1", ADD)
    assert bench.messages[-1].data == {"page": "home of version 1"}


def test_it_is_told_before_that_is_installed() -> None:
    async def waits(run: Run, first: ProductAdded) -> None:
        await run.sleep("1h")

    waiting = rule(on=ProductAdded, purpose="marketing.test", uses="moody", version=1)(waits)
    bench = EngineBench(waiting, projections=(*SHIPPED, Careless()))
    bench.emits("u1", Page(name="home"), ADD)
    row = drive(bench.store.load(0, ["u1"]))["u1"]
    [found] = check("u1", row, Rulebook([waiting], (*SHIPPED, Careless(version=2))))
    assert found.why.endswith(": projection moody: KeyError: 'Ann'")


@pytest.mark.parametrize(("events", "told"), [((Page,), ("moody", "interests")), ((OrderCompleted,), ("moody",))])
def test_whoever_wants_nothing_that_looks_at_visits_is_spared_those_that_a_shops_own_projection_folds(
    events: tuple[type[Event], ...], told: tuple[str, ...]
) -> None:
    class Own(Careless):
        pass

    Own.events = events  # type: ignore[assignment]
    bench = EngineBench(looks, projections=(*SHIPPED, Own()))
    bench.emits("u1", ADD)
    assert [message.uses for message in bench.messages] == [told]


def test_a_projection_that_does_not_come_back_is_interrupted() -> None:
    class Watch(NoWatch):
        def enter(self, rule: str) -> None:
            watched.append(rule)

        def leave(self) -> None:
            watched.append("")

    watched = list[str]()
    bench = EngineBench(looks, projections=(*SHIPPED, Careless()))
    bench.worker._watch = Watch()
    bench.emits("u1", Page(name="slow"))
    assert watched == ["moody", ""]
