"""Time passes by the wall clock: what a live tick lets fire, and what it must not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest
from enginebench import GRAVES, MONDAY, event_record

from tactful import Run, rule
from tactful.clock import HOUR, MINUTE, SECOND, ManualClock
from tactful.errors import ClocksApart, LogUnavailable, PoisonFlood, RetentionOverrun, StoreUnavailable
from tactful.events import Page
from tactful.log import Position, Stored
from tactful.log.memory import MemoryHints, MemoryLog
from tactful.partitions.leases import OwnTime
from tactful.records import DISPATCH, EVENTS, MessageRecord, decode_dispatch, encode
from tactful_trigger.live import LiveTrigger
from tactful_trigger.projections import SHIPPED
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.state.cursor import Cursor
from tactful_trigger.store.memory import MemoryTriggerStore
from tactful_trigger.worker import TriggerWorker


@rule(on=Page, purpose="marketing.nap", version=1)
async def nap(run: Run, first: Page) -> None:
    await run.sleep("45m")
    await run.send("email", "nap")


async def messages(log: MemoryLog) -> list[str]:
    stored = [each for partition in range(log.partitions) for each in await log.read(DISPATCH, partition, 0, 100)]
    records = [decode_dispatch(each.value) for each in stored]
    return [record.body.customer for record in records if isinstance(record, MessageRecord)]


async def test_a_live_tick_lets_only_what_is_strictly_earlier_fire_since_an_event_of_its_instant_may_still_come() -> (
    None
):
    clock, store = ManualClock(MONDAY), MemoryTriggerStore()
    log = MemoryLog(1, clock)
    worker = TriggerWorker(log, store, Rulebook([nap], SHIPPED), clock, "bench", graves=GRAVES)
    live = LiveTrigger(worker, log, clock)
    for customer in ("u1", "u2"):
        await log.append(EVENTS, [(0, encode(event_record(customer, Page(name="home"), clock.now(), customer)))])
        clock.forward_to(clock.now() + 1)

    async def at(instant: int) -> list[str]:
        clock.forward_to(instant)
        while await live.round():
            pass
        return await messages(log)

    due = MONDAY + 45 * MINUTE
    assert await at(due) == []
    assert await at(due + 1) == ["u1"]
    assert await at(due + 100) == ["u1"], "ticks are at least 100 ms apart"
    assert await at(due + 101) == ["u1", "u2"]


class Unmarked(MemoryHints):
    """What keeps marks is away, until it is not."""

    away, asked = True, 0

    async def mark(self, offsets: Mapping[int, int]) -> None:
        self.asked += 1
        if self.away:
            raise LogUnavailable("the group has no coordinator")
        await super().mark(offsets)


async def test_how_far_trigger_has_read_is_seen_beside_the_log_and_nothing_waits_for_that() -> None:
    clock, hints = ManualClock(MONDAY), Unmarked()
    log = MemoryLog(1, clock)
    worker = TriggerWorker(log, MemoryTriggerStore(), Rulebook([nap], SHIPPED), clock, "bench", graves=GRAVES)
    live = LiveTrigger(worker, log, clock, hints=hints)
    await log.append(EVENTS, [(0, encode(event_record("u1", Page(name="home"), clock.now(), "u1")))])

    async def after(duration: int) -> tuple[int, int]:
        clock.forward_to(clock.now() + duration)
        await live.round()
        return hints.asked, await hints.marked(0)

    assert [await after(0), await after(30 * SECOND)] == [(1, 0), (1, 0)], "it is tried again in a minute"
    assert worker.offsets == {0: 1}
    hints.away = False
    assert [await after(30 * SECOND), await after(SECOND)] == [(2, 1), (2, 1)], "and every five seconds at most"


class Asleep(MemoryLog):
    """Notes for how long somebody would sleep, and wakes them at once."""

    seconds = 0.0

    async def wait(self, topic: str, positions: Mapping[int, int], seconds: float) -> None:
        self.seconds = seconds


async def test_an_idle_worker_sleeps_until_the_next_timer_may_fire_and_five_seconds_at_most() -> None:
    clock = ManualClock(MONDAY)
    log = Asleep(1, clock)
    worker = TriggerWorker(log, MemoryTriggerStore(), Rulebook([nap], SHIPPED), clock, "bench", graves=GRAVES)
    live = LiveTrigger(worker, log, clock)
    slept = []
    await log.append(EVENTS, [(0, encode(event_record("u1", Page(name="home"), MONDAY, "e1")))])
    for before in (10_000, 2_000, -500):
        clock.forward_to(MONDAY + 45 * MINUTE - before)
        await live.round()
        await live.pause()
        slept.append(log.seconds)
    assert slept == [5.0, 2.001, 0.1]


@pytest.mark.parametrize("off", [-HOUR, HOUR])
async def test_whoever_s_clock_is_wrong_leaves_everything_to_others_until_it_is_right(off: int) -> None:
    right, clock, store = ManualClock(MONDAY), ManualClock(MONDAY + off), MemoryTriggerStore()
    log = MemoryLog(2, right)
    wrong, other = (
        TriggerWorker(log, store, Rulebook([nap], SHIPPED), own, name, graves=GRAVES, lease_time=OwnTime(right))
        for own, name in ((clock, "wrong"), (right, "other"))
    )
    lives = [LiveTrigger(wrong, log, clock), LiveTrigger(other, log, right)]
    for partition in (0, 1):
        page = event_record(f"u{partition}", Page(name="home"), MONDAY, f"e{partition}")
        await log.append(EVENTS, [(partition, encode(page))])

    async def rounds() -> None:
        for _ in range(5):
            right.forward_to(right.now() + 4_000)
            for live in lives:
                await live.round()

    right.forward_to(MONDAY + 46 * MINUTE)
    await rounds()
    assert wrong.owned == {}
    assert all(isinstance(error, ClocksApart) for error in wrong.stopped.values())
    assert other.owned.keys() == {0, 1}
    assert len(await messages(log)) == 2
    clock._now = right.now()  # somebody has set it
    await rounds()
    assert wrong.stopped == {}
    assert len(wrong.owned) == len(other.owned) == 1


async def test_nobody_waits_for_what_comes_to_a_partition_that_is_stopped() -> None:
    clock = ManualClock(MONDAY)
    log = MemoryLog(2, clock)
    worker = TriggerWorker(log, MemoryTriggerStore(), Rulebook([nap], SHIPPED), clock, "bench", graves=GRAVES)
    live = LiveTrigger(worker, log, clock)
    await log.append(EVENTS, [(0, b"{")] * 30)
    while await live.round():
        pass
    assert isinstance(worker.stopped[0], PoisonFlood)
    pause = asyncio.ensure_future(live.pause())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not pause.done(), "it would turn round and round"
    await log.append(EVENTS, [(1, encode(event_record("u1", Page(name="home"), MONDAY, "e1")))])
    await asyncio.wait_for(pause, 1)


class Lossy(MemoryLog):
    """Has let go of what comes next in partition 1, until an operator accepts the loss."""

    accepted = False

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Stored]:
        if partition == 1 and not self.accepted:
            raise RetentionOverrun("what comes next is gone")
        return await super().read(topic, partition, offset, limit)


async def test_what_stood_still_is_tried_again_by_whoever_takes_it_up_also_by_who_had_it_before() -> None:
    clock, store = ManualClock(MONDAY), MemoryTriggerStore()
    log = Lossy(2, clock)
    worker = TriggerWorker(log, store, Rulebook([nap], SHIPPED), clock, "bench", graves=GRAVES)
    live = LiveTrigger(worker, log, clock)
    await live.round()
    assert ({*worker.owned}, {*worker.stopped}) == ({0, 1}, {1})
    await store.present("another", MONDAY, MONDAY + 10_000)
    clock.forward_to(MONDAY + 4_000)
    await live.round()
    assert ({*worker.owned}, {*worker.stopped}) == ({0}, set())
    log.accepted = True  # and the other one ends
    clock.forward_to(MONDAY + 15_000)
    await live.round()
    await log.append(EVENTS, [(1, encode(event_record("u1", Page(name="home"), MONDAY, "e1")))])
    await live.round()
    assert ({*worker.owned}, worker.offsets[1]) == ({0, 1}, 1)


async def slept(log: MemoryLog, clock: ManualClock) -> tuple[TriggerWorker, LiveTrigger]:
    """Whose nap is over by now."""
    worker = TriggerWorker(log, MemoryTriggerStore(), Rulebook([nap], SHIPPED), clock, "bench", graves=GRAVES)
    live = LiveTrigger(worker, log, clock)
    await log.append(EVENTS, [(0, encode(event_record("u1", Page(name="home"), MONDAY, "e1")))])
    await live.round()
    clock.forward_to(MONDAY + 46 * MINUTE)
    return worker, live


async def test_what_was_asked_for_before_a_partition_stood_still_is_asked_for() -> None:
    clock = ManualClock(MONDAY)
    log = MemoryLog(1, clock)
    worker, live = await slept(log, clock)
    later = encode(event_record("u2", Page(name="home"), MONDAY, "e2"))
    await log.append(EVENTS, [(0, later), *[(0, b"{")] * 30])
    for _ in range(3):
        await live.round()
    assert isinstance(worker.stopped[0], PoisonFlood)
    assert len(await messages(log)) == 1


class Halting(MemoryLog):
    """Takes nothing once, and after that gives nothing."""

    takes, gives = True, True

    async def append(self, topic: str, entries: Sequence[tuple[int, bytes]]) -> list[Position]:
        if topic == DISPATCH and not self.takes:
            self.takes, self.gives = True, False
            raise LogUnavailable("the broker did not acknowledge")
        return await super().append(topic, entries)

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Stored]:
        if topic == EVENTS and not self.gives:
            raise LogUnavailable("nothing was fetched for 10 s")
        return await super().read(topic, partition, offset, limit)


async def test_what_was_asked_for_does_not_wait_until_its_partition_can_be_read_again() -> None:
    clock = ManualClock(MONDAY)
    log = Halting(1, clock)
    _, live = await slept(log, clock)
    await log.append(EVENTS, [(0, encode(event_record("u2", Page(name="home"), MONDAY, "e2")))])
    log.takes = False
    for _ in range(2):
        with pytest.raises(LogUnavailable):
            await live.round()
    assert len(await messages(log)) == 1


class BusyAwayOnce(MemoryTriggerStore):
    """Cannot be reached in the middle of a claim."""

    away = True

    async def busy(self, partition: int) -> set[str]:
        if self.away:
            self.away = False
            raise StoreUnavailable("the server restarts")
        return await super().busy(partition)


async def test_a_partition_is_worked_on_only_once_all_is_known_of_it() -> None:
    clock, store = ManualClock(MONDAY), BusyAwayOnce()
    log = MemoryLog(1, clock)
    worker = TriggerWorker(log, store, Rulebook([nap], SHIPPED), clock, "bench", graves=GRAVES)
    with pytest.raises(StoreUnavailable):
        await worker.claim()
    assert worker.owned == {}, "who was erased, and whose runs wait, nobody has told yet"
    await worker.claim()
    assert worker.owned.keys() == {0}


@rule(on=Page, purpose="marketing.nap", version=1)
async def broken(run: Run, first: Page) -> None:
    if first.name == "uma@example.test":
        raise KeyError(first.name)
    raise ValueError(first.name)


async def test_the_log_names_a_failure_once_however_many_customers_it_strikes(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock(MONDAY)
    log = MemoryLog(1, clock)
    worker = TriggerWorker(log, MemoryTriggerStore(), Rulebook([broken], SHIPPED), clock, "bench", graves=GRAVES)
    live = LiveTrigger(worker, log, clock)
    for number, name in enumerate(("otto@example.test", "eva@example.test", "uma@example.test")):
        record = event_record(f"u{number}", Page(name=name), clock.now(), f"e{number}")
        await log.append(EVENTS, [(0, encode(record))])
        while await live.round():
            pass
    told = [line for line in caplog.messages if "could not go on" in line]
    assert [line.rpartition(": ")[2] for line in told] == ["ValueError", "KeyError"], "an error may name a person"
    assert all(line.startswith("a run of broken could not go on: ") for line in told)


class HalfAway(MemoryTriggerStore):
    """The database of the second partition is away, which takes five seconds to find out."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self._clock = clock

    async def claim(self, partition: int, owner: str, now: int, until: int) -> Cursor | None:
        if partition == 1:
            self._clock.forward_to(self._clock.now() + 5_000)
            raise StoreUnavailable("away")
        return await super().claim(partition, owner, now, until)


async def test_what_cannot_be_claimed_keeps_nothing_that_is_held_from_moving() -> None:
    clock = ManualClock(MONDAY)
    log = MemoryLog(2, clock)
    worker = TriggerWorker(log, HalfAway(clock), Rulebook([nap], SHIPPED), clock, "bench", graves=GRAVES)
    live = LiveTrigger(worker, log, clock)
    await log.append(EVENTS, [(0, encode(event_record("u1", Page(name="home"), MONDAY, "e1")))])
    for later in (0, 46 * MINUTE, 0):
        clock.forward_to(clock.now() + later)
        with pytest.raises(StoreUnavailable):
            await live.round()
    assert await messages(log) == ["u1"]
