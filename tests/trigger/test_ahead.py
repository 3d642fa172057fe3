"""A slice is computed while the one before it is written, and nobody can tell from what comes out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from typing import Any

import pytest
from enginebench import GRAVES, MONDAY, event_record
from hypothesis import given, settings
from hypothesis import strategies as st

from tactful import Run, rule
from tactful.clock import HOUR, MINUTE, ManualClock
from tactful.errors import InvalidInput, SettingsError, StoreUnavailable
from tactful.events import Event, OrderCompleted, Page, ProductAdded
from tactful.log import Stored
from tactful.log.memory import MemoryLog
from tactful.records import (
    DISPATCH,
    EVENTS,
    CommandBody,
    CommandRecord,
    EraseBody,
    EraseRecord,
    MergeBody,
    MergeRecord,
    MessageRecord,
    Record,
    decode_dispatch,
    encode,
)
from tactful_trigger.projections import SHIPPED
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.store import SliceResult
from tactful_trigger.store.memory import MemoryTriggerStore
from tactful_trigger.worker import TriggerWorker

PEOPLE = ("u1", "u2", "anon:a")
EVENTS_OF_A_SHOP: tuple[Event, ...] = (
    Page(name="home"),
    ProductAdded(cart_id="c", product_id="p1"),
    OrderCompleted(order_id="o1"),
)


@rule(on=ProductAdded, goal=OrderCompleted, purpose="marketing.cart", uses=("cart", "orders"), version=1)
async def cart(run: Run, first: ProductAdded) -> None:
    await run.quiet("1h")
    await run.send("email", "cart", lambda customer: {"orders": customer.orders.count})


@rule(on=Page, purpose="marketing.nap", version=1)
async def nap(run: Run, first: Page) -> None:
    await run.sleep("90m")
    await run.send("push", "nap")


class SlowStore(MemoryTriggerStore):
    """Takes a while for each slice; `fates` says what becomes of one: "" is written, "lost" is not, "untold" is, but the
    writer hears nothing of it."""

    def __init__(self, fates: Iterable[str] = ()) -> None:
        super().__init__()
        self._fates = iter(fates)
        self.writing, self.most, self.story = 0, 0, list[str]()

    async def commit(self, result: SliceResult, until: int) -> None:
        self.writing += 1
        self.most = max(self.most, len(result.rows))
        assert self.writing == 1, "two slices of one partition are written at once"
        self.story.append(f"write to {result.cursor.offset}")
        for _ in range(5):
            await asyncio.sleep(0)
        self.writing -= 1
        fate = next(self._fates, "")
        if fate != "lost":
            await super().commit(result, until)
        if fate:
            raise StoreUnavailable(fate)
        self.story.append(f"written to {result.cursor.offset}")


class Told(MemoryLog):
    """Tells the store's story what is read."""

    def __init__(self, clock: ManualClock, store: SlowStore) -> None:
        super().__init__(1, clock)
        self._store = store

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Stored]:
        self._store.story.append(f"read from {offset}")
        return await super().read(topic, partition, offset, limit)


async def fill(log: MemoryLog, clock: ManualClock, records: Sequence[tuple[int, Record]]) -> None:
    """Append records, each so many minutes after the one before."""
    for minutes, record in records:
        clock.forward_to(clock.now() + minutes * MINUTE)
        await log.append(EVENTS, [(0, encode(record))])


def pages(count: int) -> list[tuple[int, Record]]:
    return [(1, event_record(f"u{n}", Page(name="home"), MONDAY, f"e{n}")) for n in range(count)]


def worker_over(log: MemoryLog, store: MemoryTriggerStore, clock: ManualClock, limit: int) -> TriggerWorker:
    book = Rulebook([cart, nap], SHIPPED)
    return TriggerWorker(log, store, book, clock, "bench", graves=GRAVES, slice_limit=limit)


async def begun(store: SlowStore, customers: int) -> tuple[TriggerWorker, Told]:
    """A worker that owns its partition, over a log in which so many customers look at a page; slices of two."""
    clock = ManualClock(MONDAY)
    log = Told(clock, store)
    await fill(log, clock, pages(customers))
    worker = worker_over(log, store, clock, 2)
    await worker.claim()
    return worker, log


async def test_the_next_slice_is_read_and_computed_while_one_is_written() -> None:
    store = SlowStore()
    worker, _ = await begun(store, 5)
    assert await worker.run_ahead(0, 4)
    assert store.story == [
        *("read from 0", "write to 2", "read from 2", "written to 2", "write to 4"),
        *("read from 4", "written to 4", "write to 5", "written to 5"),
    ]


async def test_what_cannot_be_stored_is_found_and_everything_around_it_is_applied() -> None:
    class Picky(SlowStore):
        async def commit(self, result: SliceResult, until: int) -> None:
            if any(row.customer == "u2" for row in result.rows):
                raise InvalidInput("cannot_be_stored", "no column takes it")
            await super().commit(result, until)

    store = Picky()
    worker, log = await begun(store, 6)
    while await worker.run_ahead(0, 4):
        pass
    assert await store.everybody(0, "", 99) == ["u0", "u1", "u3", "u4", "u5"]
    assert [row.topic for row in await store.unsent(0, 100)] == []
    [refused] = await log.read("quarantine", 0, 0, 10)
    assert b"no column takes it" in refused.value


@pytest.mark.parametrize("run", [lambda w: w.run_ahead(0, 4), lambda w: w.run_once(0)], ids=["ahead", "once"])
async def test_what_cannot_be_put_into_quarantine_yet_is_tried_again(run: Callable[[TriggerWorker], Any]) -> None:
    store = SlowStore(["lost"])
    worker, log = await begun(store, 0)
    await log.append(EVENTS, [(0, b"unreadable")])
    with pytest.raises(StoreUnavailable):
        await run(worker)
    assert worker.offsets == {0: 0}
    await run(worker)
    cursor = await store.cursor(0)
    assert cursor is not None
    assert (worker.offsets, cursor.offset, len(await log.read("quarantine", 0, 0, 10))) == ({0: 1}, 1, 0)
    await worker.relay(0)
    assert len(await log.read("quarantine", 0, 0, 10)) == 1


async def test_settings_that_have_to_be_mended_are_no_reason_to_pass_over_a_record() -> None:
    class Refusing(SlowStore):
        refuses = True

        async def commit(self, result: SliceResult, until: int) -> None:
            if self.refuses:
                raise SettingsError("grant the right")
            await super().commit(result, until)

    store = Refusing()
    worker, log = await begun(store, 3)
    with pytest.raises(SettingsError):
        await worker.run_ahead(0, 4)
    assert (worker.offsets, await log.read("quarantine", 0, 0, 10)) == ({0: 0}, [])
    store.refuses = False
    await worker.run_ahead(0, 4)
    assert await store.everybody(0, "", 99) == ["u0", "u1", "u2"]


async def test_a_slice_that_does_not_commit_takes_what_stands_on_it_along() -> None:
    store = SlowStore(["lost"])
    worker, _ = await begun(store, 6)
    with pytest.raises(StoreUnavailable):
        await worker.run_ahead(0, 4)
    assert (worker.offsets, await store.everybody(0, "", 99)) == ({0: 0}, [])


@pytest.mark.parametrize("run", [lambda w: w.run_ahead(0, 4), lambda w: w.run_once(0)], ids=["ahead", "once"])
async def test_what_is_counted_is_what_was_committed(run: Callable[[TriggerWorker], Any]) -> None:
    clock, store = ManualClock(MONDAY), SlowStore(["", "lost", "lost"])
    log = MemoryLog(1, clock)
    worker = worker_over(log, store, clock, 10)
    await worker.claim()
    await fill(log, clock, pages(1))
    await run(worker)
    await fill(log, clock, [(120, event_record("u9", OrderCompleted(order_id="o1"), MONDAY, "o1"))])
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await run(worker)
    await run(worker)
    assert worker.timers_fired == 1


async def test_a_slice_that_is_written_stays_though_the_next_one_cannot_be_computed() -> None:
    class Forgetful(SlowStore):
        async def load(self, partition: int, customers: Collection[str]) -> dict[str, bytes]:
            if "u2" in customers:
                raise StoreUnavailable("cannot be read")
            return await super().load(partition, customers)

    store = Forgetful()
    worker, _ = await begun(store, 6)
    with pytest.raises(StoreUnavailable):
        await worker.run_ahead(0, 4)
    assert (worker.offsets, await store.everybody(0, "", 99)) == ({0: 2}, ["u0", "u1"])


async def test_who_is_enrolled_while_what_they_did_is_still_being_written_is_so_for_that() -> None:
    store = SlowStore()
    worker, log = await begun(store, 0)
    for customer in ("u1", "u2"):
        record = event_record(customer, Page(name="home"), MONDAY, f"of {customer}", history=True)
        await log.append(EVENTS, [(0, encode(record))])
    enrol = CommandRecord(id="c1", key="u1", at=MONDAY, body=CommandBody("enrol", "nap", 0))
    await log.append(EVENTS, [(0, encode(enrol))])
    await run_to_the_end(worker)
    assert [line.kind for line in await store.history("u1", 9)] == ["event", "started"]


async def after_an_outage(store: SlowStore, apart: int) -> list[bytes]:
    """Messages that are asked for once forty customers who fell due in the meantime, so many ms apart, come up together; slices
    of seven."""
    clock = ManualClock(MONDAY)
    log = Told(clock, store)
    for number in range(40):
        clock.forward_to(MONDAY + number * apart)
        await log.append(EVENTS, [(0, encode(event_record(f"u{number:02}", Page(name="home"), MONDAY, f"e{number}")))])
    worker = worker_over(log, store, clock, 7)
    await worker.claim()
    while await worker.run_ahead(0, 4):
        pass
    worker, store.most, store.story = worker_over(log, store, clock, 7), 0, []
    clock.forward_to(MONDAY + 5 * HOUR)
    await fill(log, clock, [(0, event_record("u00", OrderCompleted(order_id="o1"), MONDAY, "o1"))])
    await run_to_the_end(worker)
    assert worker.timers_fired >= 40 - 7  # a slice may be written without a word
    return [stored.value for stored in await log.read(DISPATCH, 0, 0, 1000)]


@pytest.mark.parametrize("apart", [0, 1, MINUTE])
async def test_what_fell_due_while_nobody_looked_fires_in_parts_each_a_slice(apart: int) -> None:
    store = SlowStore()
    asked = [
        record.body
        for value in await after_an_outage(store, apart)
        if isinstance(record := decode_dispatch(value), MessageRecord)
    ]
    assert [(body.customer, body.requested_at) for body in asked] == [
        (f"u{number:02}", MONDAY + number * apart + 90 * MINUTE) for number in range(40)
    ]
    assert store.most == 7
    assert store.story.count("read from 40") == 1, "what does not fit beside timers is kept"


async def test_not_everybody_whose_time_has_come_is_taken_into_memory_together() -> None:
    clock, store = ManualClock(MONDAY), MemoryTriggerStore()
    log = MemoryLog(1, clock)
    await fill(log, clock, pages(60))
    worker = worker_over(log, store, clock, 7)
    await worker.claim()
    while await worker.run_once(0):
        pass
    worker = worker_over(log, store, clock, 7)
    await worker.claim()
    await fill(log, clock, [(600, event_record("u60", Page(name="home"), MONDAY, "e60"))])
    known = []
    while await worker.run_once(0):
        known.append(len(worker.owned[0].rows))
    assert known[:5] == [29] * 4 + [57]  # four slices of them, and whom the record is about


@pytest.mark.parametrize("fate", ["lost", "untold"])
@pytest.mark.parametrize("nth", range(6))
async def test_timers_that_were_written_and_not_told_do_not_fire_again(nth: int, fate: str) -> None:
    assert await after_an_outage(SlowStore([*[""] * (6 + nth), fate]), 1) == await after_an_outage(SlowStore(), 1)


moments = st.sampled_from([0, 1, 20, 59, 60, 61, 95, 200])
events = st.builds(
    lambda who, what, n: event_record(who, what, MONDAY, f"e{n}"),
    st.sampled_from(PEOPLE),
    st.sampled_from(EVENTS_OF_A_SHOP),
    st.integers(0, 10**6),
)
others = st.sampled_from(
    [
        EraseRecord(id="x1", key="u1", at=MONDAY, body=EraseBody(MONDAY)),
        MergeRecord(id="m1", key="u1", at=MONDAY, body=MergeBody("u2")),
    ]
)
stories = st.lists(st.tuples(moments, st.one_of(events, events, events, others)), min_size=5, max_size=40)


async def told(store: MemoryTriggerStore, customer: str) -> list[tuple[object, ...]]:
    return [(line.at, line.offset, line.kind, line.run, line.data) for line in await store.history(customer, 1000)]


async def run_to_the_end(worker: TriggerWorker) -> None:
    while True:
        await worker.claim()
        with suppress(StoreUnavailable):
            if not await worker.run_ahead(0, 3) and not await worker.relay(0):
                return


@settings(max_examples=60)
@given(stories, st.integers(1, 6), st.lists(st.sampled_from(["", "", "lost", "untold"]), max_size=12))
def test_what_comes_out_is_that_of_the_log_whatever_becomes_of_the_slices(
    records: list[tuple[int, Record]], limit: int, fates: list[str]
) -> None:
    async def play() -> None:
        clock, store, calm = ManualClock(MONDAY), SlowStore(fates), MemoryTriggerStore()
        log = MemoryLog(1, clock)
        await fill(log, clock, records)
        await run_to_the_end(worker_over(log, store, clock, limit))
        reader = worker_over(log, calm, clock, 1000)
        await reader.claim()
        while await reader.run_once(0):
            pass
        asked = [stored.value for stored in await log.read(DISPATCH, 0, 0, 10_000)]
        assert asked == [row.value for row in await calm.unsent(0, 10_000) if row.topic == DISPATCH]
        for customer in PEOPLE:
            assert await told(store, customer) == await told(calm, customer)

    asyncio.run(play())
