"""Steps: what a rule does outside the engine, and that nobody else waits for it."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from enginebench import GRAVES, MONDAY, EngineBench, event_record

from tactful import Run, StepFailed, rule
from tactful.clock import ManualClock
from tactful.errors import LogUnavailable
from tactful.events import Page, ProductAdded, ProductViewed
from tactful.log import Position
from tactful.log.memory import MemoryLog
from tactful.operations import CONTENT_BYTES
from tactful.records import DISPATCH, EVENTS, MessageRecord, decode_dispatch, encode
from tactful_trigger.live import LiveTrigger
from tactful_trigger.projections import SHIPPED
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.steps import AT_ONCE, PAUSES
from tactful_trigger.store.memory import MemoryTriggerStore
from tactful_trigger.worker import TriggerWorker

go_on, called = threading.Event(), list[str]()


@pytest.fixture(autouse=True)
def hanging() -> Iterator[None]:
    """What hangs hangs until the test is over."""
    go_on.clear()
    called.clear()
    yield
    go_on.set()
    for thread in threading.enumerate():
        if thread.name.startswith("step "):
            thread.join()


def hang(customer: str) -> str:
    called.append(customer)
    go_on.wait()
    return customer


def double(number: int) -> int:
    return 2 * number


async def double_later(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


def leave() -> None:
    called.append("leave")
    sys.exit("enough")


async def cancelled() -> None:
    raise asyncio.CancelledError


def stock() -> str:
    """Away for two tries."""
    called.append("stock")
    if len(called) < 3:
        raise ConnectionError("away")
    return f"back after {len(called)}"


@rule(on=ProductViewed, purpose="marketing.test", version=1)
async def asks(run: Run, first: ProductViewed) -> None:
    await run.send("email", await run.step("stock", stock))


@rule(on=ProductAdded, purpose="marketing.test", version=1)
async def waits(run: Run, first: ProductAdded) -> None:
    try:
        await run.send("email", "told", by=await run.step("hang", hang, first.product_id))
    except StepFailed as error:
        await run.send("email", "failed", why=str(error))


@rule(on=Page, purpose="marketing.test", version=1)
async def greets(run: Run, first: Page) -> None:
    await run.send("email", "hello")


class Alive:
    """Trigger by the clock, over memory ports."""

    def __init__(self) -> None:
        clock = ManualClock(MONDAY)
        self.log, self.store = MemoryLog(1, clock), MemoryTriggerStore()
        book = Rulebook([waits, greets, asks], SHIPPED)
        self.worker = TriggerWorker(self.log, self.store, book, clock, "bench", graves=GRAVES)
        self._live, self._now = LiveTrigger(self.worker, self.log, clock), clock.now

    async def emits(self, customer: str, event: Page | ProductAdded | ProductViewed) -> None:
        record = event_record(customer, event, self._now(), f"of {customer}")
        await self.log.append(EVENTS, [(0, encode(record))])
        await self.rounds()

    async def rounds(self) -> None:
        while await self._live.round():
            pass

    async def answered(self) -> None:
        """Until a step has its answer."""
        await self.log.wait(EVENTS, {0: await self.log.end(EVENTS, 0)}, 5)
        await self.rounds()

    async def messages(self) -> list[tuple[str, str]]:
        records = [decode_dispatch(stored.value) for stored in await self.log.read(DISPATCH, 0, 0, 1000)]
        return [(r.body.customer, r.body.template) for r in records if isinstance(r, MessageRecord)]


def bench_that(step: Callable[..., Any], *arguments: object) -> EngineBench:
    async def r(run: Run, first: ProductAdded) -> str:
        return str(await run.step("x", step, *arguments))

    bench = EngineBench(rule(on=ProductAdded, purpose="marketing.test", version=1)(r))
    bench.emits("u1", ProductAdded(product_id="p1"))
    return bench


@pytest.mark.parametrize("step", [double, double_later])
def test_virtual_time_waits_for_a_step_be_it_async_or_not(step: Callable[..., Any]) -> None:
    assert bench_that(step, 4).endings("u1") == ["8"]


def test_a_rule_knows_what_a_step_gives_be_it_async_or_not() -> None:
    @rule(on=ProductAdded, purpose="marketing.test", version=1)
    async def counts(run: Run, first: ProductAdded) -> str:
        four: int = await run.step("now", double, 2)  # that the types agree is what is tested
        eight: int = await run.step("later", double_later, four)
        return str(eight)

    bench = EngineBench(counts)
    bench.emits("u1", ProductAdded(product_id="p1"))
    assert bench.endings("u1") == ["8"]


def test_a_step_that_is_given_more_than_a_message_may_hold_is_not_run() -> None:
    (why,) = bench_that(double, "x" * CONTENT_BYTES).endings("u1")
    assert why.endswith(f"its arguments have {CONTENT_BYTES + 4:,} bytes of {CONTENT_BYTES:,}; hand over ids")


def test_a_step_that_wants_the_program_to_end_has_failed() -> None:
    (why,) = bench_that(leave).endings("u1")
    assert "step x: SystemExit: enough" in why
    assert len(called) == 1 + len(PAUSES)


def test_a_step_that_says_that_it_was_cancelled_has_failed() -> None:
    assert "step x: CancelledError" in bench_that(cancelled).endings("u1")[0]


async def test_what_a_step_asks_may_be_away_for_a_moment() -> None:
    alive, pauses = Alive(), list[float]()
    alive.worker.steps._pause = pauses.append
    await alive.emits("u1", ProductViewed(product_id="p1"))
    await alive.worker.steps.land(0)
    await alive.rounds()
    assert (pauses, await alive.messages()) == ([*PAUSES], [("u1", "back after 3")])


def test_virtual_time_makes_no_pause_between_tries() -> None:
    bench, pauses = EngineBench(asks), list[float]()
    bench.worker.steps._pause = pauses.append
    bench.emits("u1", ProductViewed(product_id="p1"))
    assert (len(called), pauses) == (1 + len(PAUSES), [])


async def test_nobody_else_waits_for_a_step_that_hangs_and_its_run_goes_on_once_it_has_ended() -> None:
    alive = Alive()
    await alive.emits("u1", ProductAdded(product_id="p1"))
    await alive.emits("u2", Page(name="home"))
    assert await alive.messages() == [("u2", "hello")]
    go_on.set()
    await alive.answered()
    assert await alive.messages() == [("u2", "hello"), ("u1", "told")]
    assert (called, await alive.store.steps(0, 10)) == (["p1"], [])


async def test_a_step_that_never_comes_back_is_answered_as_failed() -> None:
    alive = Alive()
    alive.worker.steps._limit = 0.01
    await alive.emits("u1", ProductAdded(product_id="p1"))
    await alive.answered()
    assert await alive.messages() == [("u1", "failed")]


class Away(MemoryLog):
    async def append(self, topic: str, entries: Sequence[tuple[int, bytes]]) -> list[Position]:
        raise LogUnavailable("nobody answers")


async def test_a_step_whose_answer_the_log_did_not_take_is_run_once_more() -> None:
    alive = Alive()
    steps = alive.worker.steps
    log, steps._log = steps._log, Away(1, ManualClock(MONDAY))
    await alive.emits("u1", ProductAdded(product_id="p1"))
    go_on.set()
    await asyncio.wait(steps._under_way[0].values())
    steps._log = log
    with pytest.raises(LogUnavailable):
        await alive.rounds()
    await alive.rounds()
    while not await alive.messages():
        await alive.answered()
    assert (await alive.messages(), called) == ([("u1", "told")], ["p1", "p1"])


async def test_there_is_room_for_a_few_steps_at_a_time_and_the_next_begin_when_they_have_ended() -> None:
    alive = Alive()
    people = [f"u{number:02}" for number in range(AT_ONCE + 3)]
    for name in people:
        await alive.emits(name, ProductAdded(product_id=name))
    assert len(alive.worker.steps._under_way[0]) == AT_ONCE
    go_on.set()
    while await alive.store.steps(0, 1):
        await alive.answered()
    assert sorted(called) == people


async def test_whoever_moves_time_on_waits_for_the_steps_under_way() -> None:
    alive = Alive()
    await alive.emits("u1", ProductAdded(product_id="p1"))
    waiting = asyncio.create_task(alive.worker.run_steps(0))
    await asyncio.sleep(0)
    assert not waiting.done()
    go_on.set()
    assert await waiting == 1
    assert called == ["p1"]


async def test_who_stops_waits_for_no_step_and_leaves_it_to_whoever_comes_next() -> None:
    alive = Alive()
    await alive.emits("u1", ProductAdded(product_id="p1"))
    await alive.worker.steps.stop()
    assert [request.customer for request in await alive.store.steps(0, 10)] == ["u1"]
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "step hang")


async def test_the_steps_of_a_partition_that_was_lost_and_taken_again_all_end() -> None:
    alive = Alive()
    people = [f"u{number:02}" for number in range(AT_ONCE + 2)]
    for name in people:
        await alive.emits(name, ProductAdded(product_id=name))
    alive.worker.lose(0)
    await alive._live.round()
    go_on.set()
    while await alive.store.steps(0, 1):
        await alive.answered()
    assert sorted(called) == people


def much() -> str:
    return "x" * 1_000_000


@rule(on=ProductAdded, purpose="marketing.test", version=1)
async def remembers(run: Run, first: ProductAdded) -> None:
    try:
        await run.step("much", much)
    except StepFailed as error:
        await run.send("email", "failed", why=str(error))


def test_a_step_that_gives_more_than_a_run_remembers_has_failed() -> None:
    bench = EngineBench(remembers)
    bench.emits("u1", ProductAdded(product_id="p1"))
    bench.advance("1m")
    assert "and a run remembers 65,536" in bench.messages[0].data["why"]


def opens_a_ticket() -> object:
    called.append("opened")
    return object()


def test_what_a_step_has_done_is_not_done_again_since_what_it_gives_is_no_json() -> None:
    @rule(on=ProductAdded, purpose="marketing.test", version=1)
    async def asks(run: Run, first: ProductAdded) -> None:
        await run.step("ticket", opens_a_ticket)

    bench = EngineBench(asks)
    bench.emits("u1", ProductAdded(product_id="p1"))
    bench.advance("1m")
    assert called == ["opened"]
    assert "step ticket: gave a object that is no JSON: Encoding objects" in bench.endings("u1")[0]


def test_a_message_with_more_than_any_log_takes_parks_its_run() -> None:
    @rule(on=ProductAdded, purpose="marketing.test", version=1)
    async def shouts(run: Run, first: ProductAdded) -> None:
        await run.send("email", "loud", picture=much())

    bench = EngineBench(shouts)
    bench.emits("u1", ProductAdded(product_id="p1"))
    assert (bench.messages, "a message needs far less" in bench.endings("u1")[0]) == ([], True)
