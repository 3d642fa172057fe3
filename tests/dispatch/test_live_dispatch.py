"""Dispatch by the clock: ticks when time moves something on, and a handful of attempts at a time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from copy import deepcopy
from typing import Any

import pytest
from dispatchbench import DispatchBench

from tactful.clock import HOUR, SECOND, ManualClock
from tactful.errors import InvalidInput, LogUnavailable, RewoundStore, StoreUnavailable
from tactful.events import ConsentChanged, HoldOpened, MessageDecided
from tactful.log import Stored
from tactful.log.memory import MemoryHints
from tactful.log.partitioning import partition_of
from tactful.records import DISPATCH, MessageRecord, TickRecord, decode_dispatch
from tactful_dispatch.channels import FIRST_BYTE, Accepted, Capabilities, Envelope, Outcome
from tactful_dispatch.live import LiveDispatch
from tactful_dispatch.store.memory import MemoryDispatchStore
from tactful_dispatch.worker import AT_ONCE
from tactful_workbench.virtual.driver import Ordinals


class Live:
    """The bench's worker, driven by the clock; the trigger answers between two rounds."""

    def __init__(self, bench: DispatchBench) -> None:
        self.bench, self.live = bench, LiveDispatch(bench.worker, bench.log, bench.clock)

    async def until_quiet(self) -> None:
        while await self.live.round() or await self.bench.trigger.settle():
            pass

    async def ticks(self) -> list[TickRecord]:
        read = await self.bench.log.read(DISPATCH, 0, 0, 1000)
        records = [decode_dispatch(stored.value) for stored in read]
        return [record for record in records if isinstance(record, TickRecord)]

    async def after(self, milliseconds: int) -> int:
        """Let time pass and everything settle; how many ticks that took."""
        before = len(await self.ticks())
        self.bench.clock.forward_to(self.bench.now + milliseconds)
        await self.until_quiet()
        return len(await self.ticks()) - before


@pytest.fixture
def live(bench: DispatchBench) -> Live:
    return Live(bench)


async def test_a_hold_that_ends_is_noticed_by_a_tick_that_closes_nothing(live: Live) -> None:
    live.bench.asks(not_before=live.bench.now + HOUR)
    before = len(await live.ticks())
    await live.after(HOUR - 1)
    assert live.bench.sent == []
    await live.after(101)
    assert live.bench.sent == ["m1"]
    assert all(tick.body.closes is None for tick in (await live.ticks())[before:])


async def test_while_a_backlog_leaves_its_log_is_read() -> None:
    bench = DispatchBench()
    everybody = [f"u{number:03}" for number in range(3 * AT_ONCE)]
    for customer in everybody:
        bench.consenting(customer)
    bench.append(*(_asked(bench, f"m-{customer}", customer) for customer in everybody))
    bench.adapter.meanwhile = lambda: bench.clock.forward_to(bench.now + 3 * SECOND)
    await Live(bench).until_quiet()
    assert (len(bench.sent), bench.holds) == (len(everybody), [])


async def test_a_service_message_does_not_wait_behind_a_backlog() -> None:
    bench = DispatchBench()
    everybody = [f"u{number:03}" for number in range(5 * AT_ONCE)]
    for customer in (*everybody, "zoe"):
        bench.consenting(customer)
    bench.append(*(_asked(bench, f"m-{customer}", customer) for customer in everybody))
    live = Live(bench)
    await live.live.round()
    bench.append(_asked(bench, "m-zoe", "zoe", purpose="service.consent"))
    await live.live.round()
    assert "m-zoe" in bench.sent
    assert len(bench.sent) < 4 * AT_ONCE
    await live.until_quiet()
    assert sorted(bench.sent) == sorted(f"m-{customer}" for customer in (*everybody, "zoe"))


def _asked(bench: DispatchBench, name: str, customer: str, **more: Any) -> MessageRecord:
    return MessageRecord(id=name, key=customer, at=bench.now, body=bench.wish(name, customer, **more))


async def test_nothing_is_sent_before_all_that_stands_in_the_log_is_read() -> None:
    bench = DispatchBench(slice_limit=3)
    bench.consenting()
    bench.append(_asked(bench, "m1", "u1"), *(_asked(bench, f"m-{n}", f"u{n}") for n in range(2, 7)))
    bench.grants(state="withdrawn")
    await Live(bench).live.round()
    assert (bench.sent, bench.delivery().state) == ([], "refused")


async def test_with_nothing_to_wait_for_there_is_no_tick(live: Live) -> None:
    assert await live.after(HOUR) == 0


async def test_while_something_is_held_the_log_is_never_older_than_half_a_minute(live: Live) -> None:
    live.bench.asks(not_before=live.bench.now + HOUR)
    assert await live.after(29 * SECOND) == 0
    assert await live.after(SECOND) == 1
    assert await live.after(10 * SECOND) == 0


async def test_no_tick_is_appended_while_something_is_unread() -> None:
    bench = DispatchBench(slice_limit=1)
    bench.consenting()
    bench.asks(not_before=bench.now + HOUR)
    live, before = Live(bench), await Live(bench).ticks()
    bench.knows("somebody else")
    bench.append(bench.cancellation())
    bench.clock.forward_to(bench.now + 2 * HOUR)
    await live.until_quiet()
    assert await live.ticks() == before
    assert bench.words == ["cancelled"]


async def test_ticks_of_one_partition_stand_apart(live: Live) -> None:
    live.bench.trigger.fresh = None
    start = live.bench.now
    for number, later in enumerate((0, 50)):
        live.bench.asks(f"m{number}", not_before=start + HOUR + later)
    await live.after(HOUR - 500)
    assert await live.after(501) == 1
    assert await live.after(50) == 0
    assert await live.after(50) == 1
    assert len(live.bench.holds) == 2


async def test_a_wish_that_comes_during_a_round_is_not_slept_through_and_wakes_once(live: Live) -> None:
    await live.until_quiet()
    live.live.nudge()
    await asyncio.wait_for(live.live.pause(), 1)
    await live.live.round()
    pause = asyncio.ensure_future(live.live.pause())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not pause.done()
    live.live.nudge()
    await asyncio.wait_for(pause, 1)


async def test_a_pause_that_ends_with_its_process_leaves_nobody_waiting(live: Live) -> None:
    await live.until_quiet()
    others = asyncio.all_tasks()
    pause = asyncio.create_task(live.live.pause())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    pause.cancel()
    await asyncio.gather(pause, return_exceptions=True)
    assert asyncio.all_tasks() == others


async def test_nobody_waits_for_what_comes_to_a_partition_that_others_hold_now() -> None:
    bench = DispatchBench(partitions=2)
    live = Live(bench)
    await live.until_quiet()
    bench.clock.forward_to(bench.now + 4 * SECOND)
    await bench.store.present("another", bench.now, bench.now + 10 * SECOND)
    await live.until_quiet()
    assert bench.worker.owned.keys() == {0}
    await bench.log.append(DISPATCH, [(1, b"for the other one")])
    pause = asyncio.ensure_future(live.live.pause())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not pause.done(), "it would turn round and round"
    await bench.log.append(DISPATCH, [(0, b"for us")])
    await asyncio.wait_for(pause, 1)


async def test_an_opt_out_on_a_page_is_told_though_its_partition_stands_still() -> None:
    bench = DispatchBench(partitions=2)
    live = Live(bench)
    bench.consenting("u1")
    await live.until_quiet()
    standing = partition_of("u1", 2)
    await bench.log.append(DISPATCH, [(standing, b"{")] * 30)
    await live.until_quiet()
    assert {*bench.worker.stopped} == {standing}
    await bench.desk.consent("u1", "marketing", "email", "withdrawn", via="page")
    await live.until_quiet()
    assert [e.state for e in bench.trigger.events if isinstance(e, ConsentChanged)] == ["granted", "withdrawn"]


class Unreadable(Ordinals):
    """One of its partitions has no leader."""

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Stored]:
        raise LogUnavailable("nothing was fetched for 10 s")


async def test_nor_does_it_wait_until_the_partition_can_be_read_again(bench: DispatchBench) -> None:
    bench.log = Unreadable(bench.log)
    bench.restart()
    await bench.desk.consent("u1", "marketing", "email", "withdrawn", via="page")
    with pytest.raises(LogUnavailable):
        await Live(bench).live.round()
    await bench.trigger.settle()
    assert [e.state for e in bench.trigger.events if isinstance(e, ConsentChanged)] == ["granted", "withdrawn"]


async def test_what_stands_still_is_no_concern_of_who_has_given_it_up() -> None:
    bench = DispatchBench(partitions=2)
    live = Live(bench)
    await bench.log.append(DISPATCH, [(1, b"{")] * 30)
    await live.until_quiet()
    assert bench.worker.stopped.keys() == {1}
    bench.clock.forward_to(bench.now + 4 * SECOND)
    await bench.store.present("another", bench.now, bench.now + 10 * SECOND)
    await live.until_quiet()
    assert ({*bench.worker.owned}, {*bench.worker.stopped}) == ({0}, set())


class Slow:
    """A provider that takes longer than a lease lasts, while another dispatch looks for what nobody holds."""

    name, capabilities = "slow", Capabilities(deadline=30)

    clock: ManualClock
    meanwhile: Callable[[], Awaitable[object]]

    async def send(self, envelope: Envelope, opening: float = FIRST_BYTE) -> Outcome:
        for _ in range(5):
            self.clock.forward_to(self.clock.now() + 4 * SECOND)
            for _ in range(20):
                await asyncio.sleep(0)
            await self.meanwhile()
        return Accepted(envelope.message_id)


async def test_a_slow_provider_costs_nobody_their_partition() -> None:
    slow = Slow()
    bench = DispatchBench(adapters={"email": slow})
    slow.clock = bench.clock
    bench.consenting()
    bench.settle()
    bench.append(MessageRecord(id="m1", key="u1", at=bench.now, body=bench.wish()))
    mine, first = LiveDispatch(bench.worker, bench.log, bench.clock, keeping=0.0), bench.worker
    bench.restart(owner="another")
    other = LiveDispatch(bench.worker, bench.log, bench.clock)
    slow.meanwhile = other.round
    while await mine.round():
        pass
    assert (list(first.owned), list(bench.worker.owned)) == ([0], [])
    await bench.trigger.settle()
    assert [event.verdict for event in bench.trigger.events if isinstance(event, MessageDecided)] == ["sent"]


class Crowded:
    """A provider that sees how many are at its door at the same time."""

    name, capabilities = "crowded", Capabilities()

    def __init__(self) -> None:
        self.present, self.most, self.total = 0, 0, 0

    async def send(self, envelope: Envelope, opening: float = FIRST_BYTE) -> Outcome:
        self.present += 1
        self.total += 1
        self.most = max(self.most, self.present)
        for _ in range(3):
            await asyncio.sleep(0)
        self.present -= 1
        return Accepted(envelope.message_id)


def crowd(adapter: Crowded, many: int, store: MemoryDispatchStore | None = None) -> Live:
    """Many customers, each with a message that may leave."""
    bench = DispatchBench(adapters={"email": adapter}, store=store)
    for number in range(many):
        bench.consenting(f"u{number}")
    bench.settle()
    wishes = [bench.wish(f"m{number}", f"u{number}") for number in range(many)]
    bench.append(*(MessageRecord(id=w.message_id, key=w.customer, at=bench.now, body=w) for w in wishes))
    return Live(bench)


async def test_a_handful_of_customers_are_written_to_at_the_same_time() -> None:
    adapter = Crowded()
    live = crowd(adapter, 3 * AT_ONCE)
    await live.until_quiet()
    assert (adapter.most, adapter.total) == (AT_ONCE, 3 * AT_ONCE)
    assert live.bench.words == ["sent"] * 3 * AT_ONCE


async def test_the_log_is_read_between_one_handful_and_the_next() -> None:
    live = crowd(Crowded(), 3 * AT_ONCE)
    await live.live.round()
    live.bench.append(live.bench.cancellation("m9", "u9"))  # of the last handful, in order of id
    await live.until_quiet()
    assert [d.message_id for d in live.bench.decisions if d.reason == "cancelled"] == ["m9"]


class Counting(MemoryDispatchStore):
    """Knows how many customers the largest slice concerned."""

    most = 0

    async def transact(self, *arguments: object, **more: object) -> object:  # type: ignore[override]
        customers = arguments[1]
        assert isinstance(customers, list | tuple | set | frozenset)
        if more.get("lease_until"):  # slices renew their lease
            self.most = max(self.most, len(customers))
        return await super().transact(*arguments, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("apart", [0, 1, SECOND])
async def test_what_fell_due_while_nobody_looked_is_moved_on_in_parts(apart: int) -> None:
    store = Counting(1, lambda: b"0" * 16)
    bench = DispatchBench(store=store, slice_limit=7)
    people = [f"u{number:02}" for number in range(50)]
    for number, customer in enumerate(people):
        bench.consenting(customer)
        bench.asks(f"m{number:02}", customer, not_before=bench.now + HOUR + apart * number)
    store.most = 0
    bench.append(bench.cancellation("m49", "u49"))
    bench.clock.forward_to(bench.now + 5 * HOUR)
    live = Live(bench)
    await live.until_quiet()
    assert store.most == 7, "and nobody besides: what moves the clock on is a tick"
    assert sorted(bench.words) == ["cancelled"] + ["sent"] * 49
    assert [e.message_id for e in bench.trigger.events if isinstance(e, HoldOpened)] == sorted(
        f"m{number:02}" for number in range(49)
    )


class FailingOnce(MemoryDispatchStore):
    """Cannot be reached at one transaction."""

    fails_at = 0

    async def transact(self, *arguments: object, **more: object) -> object:  # type: ignore[override]
        self.fails_at -= 1
        if self.fails_at == 0:
            raise StoreUnavailable("the disk is full")
        return await super().transact(*arguments, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("fails_at", "left"), [(2, 0), (3, 5)])  # after the slice: at the gates, at what came of it
async def test_trouble_with_the_store_leaves_nobody_in_doubt_and_nobody_out(fails_at: int, left: int) -> None:
    store, adapter = FailingOnce(1, lambda: b"0" * 16), Crowded()
    live = crowd(adapter, 5, store)
    store.fails_at = fails_at
    with pytest.raises(StoreUnavailable):
        await live.live.round()
    assert adapter.total == left
    await live.until_quiet()
    assert live.bench.words == ["sent"] * 5
    assert adapter.total == 5


class Refusing(MemoryDispatchStore):
    """Takes nothing that concerns some customers, once it is told so."""

    refuses, refused = False, frozenset({"u2"})

    async def transact(self, *arguments: object, **more: object) -> object:  # type: ignore[override]
        customers = arguments[1]
        assert isinstance(customers, list | tuple | set | frozenset)
        if self.refuses and not self.refused.isdisjoint(customers):
            raise InvalidInput("cannot_be_stored", "a character that no column takes")
        return await super().transact(*arguments, **more)  # type: ignore[arg-type]


async def test_what_cannot_be_stored_keeps_nobody_else_waiting() -> None:
    store = Refusing(1, lambda: b"0" * 16)
    live = crowd(Crowded(), 4, store)
    await live.bench.worker.run_once(0)
    store.refuses = True
    for _ in range(3):
        with contextlib.suppress(InvalidInput):
            await live.live.round()
    found = {name: await store.delivery(name) for name in ("m0", "m1", "m2", "m3")}
    assert [name for name, delivery in found.items() if delivery and delivery.verdict] == ["m0", "m1", "m3"]


async def test_a_handful_whom_nobody_can_store_keeps_those_behind_them_from_nothing() -> None:
    store, everybody = Refusing(1, lambda: b"0" * 16), sorted(f"u{number}" for number in range(AT_ONCE + 3))
    store.refused = frozenset(everybody[:AT_ONCE])
    live = crowd(Crowded(), len(everybody), store)
    await live.bench.worker.run_once(0)
    store.refuses = True
    for _ in range(4):
        with contextlib.suppress(InvalidInput):
            await live.live.round()
    found = {name: await store.delivery(f"m{name[1:]}") for name in everybody}
    assert [name for name, delivery in found.items() if delivery and delivery.verdict] == everybody[AT_ONCE:]


async def test_what_cannot_be_stored_keeps_no_opt_out_from_being_told_and_no_hold_from_ending() -> None:
    store = Refusing(1, lambda: b"0" * 16)
    live = crowd(Crowded(), 4, store)
    bench = live.bench
    held = bench.wish("m9", "u3", not_before=bench.now + HOUR)
    bench.append(MessageRecord(id="m9", key="u3", at=bench.now, body=held))
    await bench.worker.run_once(0)
    await bench.desk.consent("u1", "marketing", "email", "withdrawn", via="page")
    store.refuses = True
    for later in (0, HOUR + SECOND):
        bench.clock.forward_to(bench.now + later)
        for _ in range(2):
            with contextlib.suppress(InvalidInput):
                await live.live.round()
    await bench.trigger.settle()
    assert [e.state for e in bench.trigger.events if isinstance(e, ConsentChanged)][-1] == "withdrawn"
    assert [e.message_id for e in bench.trigger.events if isinstance(e, HoldOpened)] == ["m9"]


async def test_a_store_that_was_restored_from_the_past_sends_nothing_and_says_why() -> None:
    hints = MemoryHints()
    before = Live(DispatchBench(hints=hints))
    before.bench.consenting()
    before.bench.asks()
    await before.after(6 * SECOND)
    assert await hints.marked(0) == await before.bench.log.end(DISPATCH, 0)
    after = Live(DispatchBench(hints=hints))  # it knows nothing of all that
    await after.until_quiet()
    assert isinstance(after.live._worker.stopped[0], RewoundStore)
    assert "restored from the past" in str(after.live._worker.stopped[0])
    assert after.bench.sent == []
    assert await hints.marked(0) > after.bench.worker.offsets[0]


async def test_a_dispatch_that_goes_on_while_its_store_is_set_back_under_it_sends_nothing_again_and_stops() -> None:
    bench = DispatchBench(hints=MemoryHints())
    live = Live(bench)
    bench.consenting()
    await live.until_quiet()
    bench.append(_asked(bench, "m1", "u1"))
    await bench.worker.run_once(0)
    behind = deepcopy(bench.store)
    await live.until_quiet()
    bench.knows("u2")  # which the log may not have been told: it hears every few seconds
    await live.until_quiet()
    vars(bench.store).update(vars(behind))  # as a standby that was a little behind takes over
    for _ in range(2):
        await live.after(4 * SECOND)
        assert bench.sent == ["m1"]
        assert isinstance(live.live._worker.stopped[0], RewoundStore)


class Unmarked(MemoryHints):
    """What keeps marks is away."""

    async def mark(self, offsets: Mapping[int, int]) -> None:
        raise LogUnavailable("the group has no coordinator")


async def test_marks_that_cannot_be_made_keep_no_message_back() -> None:
    live = Live(DispatchBench(hints=Unmarked()))
    live.bench.consenting()
    live.bench.asks()
    await live.after(6 * SECOND)
    assert live.bench.sent == ["m1"]


class Unknown(Unmarked):
    """Nor can anybody tell the marks of partitions but the first, which takes five seconds to find out."""

    clock: ManualClock | None = None  # before, everybody can

    async def marked(self, partition: int) -> int:
        if partition == 0 or self.clock is None:
            return 0
        self.clock.forward_to(self.clock.now() + 5 * SECOND)
        raise LogUnavailable("the group has no coordinator")


async def test_a_partition_that_cannot_be_taken_keeps_no_message_of_another_back() -> None:
    bench = DispatchBench(partitions=2, hints=(hints := Unknown()))
    bench.restart()
    customer = next(name for name in ("u1", "u2", "u3") if partition_of(name, 2) == 0)
    bench.consenting(customer)
    bench.append(_asked(bench, "m1", customer))
    live, hints.clock = Live(bench).live, bench.clock
    for _ in range(3):
        with pytest.raises(LogUnavailable):
            await live.round()
    assert bench.sent == ["m1"]


async def test_a_store_that_is_where_it_was_goes_on() -> None:
    hints = MemoryHints()
    bench = DispatchBench(hints=hints)
    one = Live(bench)
    bench.consenting()
    await one.after(6 * SECOND)
    bench.restart()
    again = Live(bench)
    bench.asks()
    await again.until_quiet()
    assert bench.sent == ["m1"]
