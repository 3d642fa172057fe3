"""What leases keep in every store: they are renewed for their owner alone, and partitions are shared by those who live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Final

import pytest
from pgserver import PostgresServer
from servers import DATABASE, fresh_database

from tactful.clock import HOUR, ManualClock, WallClock
from tactful.erasure import Graves
from tactful.errors import StoreUnavailable
from tactful.log.memory import MemoryLog
from tactful.partitions.leases import LeaseTime, OwnTime, while_kept
from tactful.postgres import Postgres
from tactful.postgres.leasing import DatabaseTime
from tactful_trigger.projections import SHIPPED
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.state.cursor import Cursor
from tactful_trigger.store import TriggerStore
from tactful_trigger.store.memory import MemoryTriggerStore
from tactful_trigger.store.postgres import PostgresTriggerStore
from tactful_trigger.store.spread import SpreadTriggerStore
from tactful_trigger.worker import TriggerWorker

NOW: Final = 1_795_518_000_000
LEASE: Final = 10_000
PARTITIONS: Final = 12


@pytest.fixture(params=["memory", "spread", pytest.param("postgres", marks=DATABASE)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[TriggerStore]:
    """Stores that several processes may share."""
    if request.param == "memory":
        yield MemoryTriggerStore()
        return
    if request.param == "spread":
        yield SpreadTriggerStore([MemoryTriggerStore() for _ in range(3)])
        return
    async with Postgres.open(await fresh_database(request.getfixturevalue("postgres"))) as database:
        yield PostgresTriggerStore(database)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


def worker(store: TriggerStore, clock: ManualClock, name: str, lease_time: LeaseTime | None = None) -> TriggerWorker:
    return TriggerWorker(
        MemoryLog(PARTITIONS, clock),
        store,
        Rulebook([], SHIPPED),
        clock,
        name,
        graves=Graves(b"test"),
        lease=LEASE,
        lease_time=lease_time,
    )


async def test_owners_are_counted_while_they_say_that_they_live(store: TriggerStore) -> None:
    assert await store.present("one", NOW, NOW + LEASE) == 1
    assert await store.present("two", NOW + 1, NOW + LEASE) == 2
    assert await store.present("one", NOW + 2, NOW + 2 * LEASE) == 2
    assert await store.present("one", NOW + LEASE, NOW + 2 * LEASE) == 1


async def test_a_lease_is_renewed_for_its_own_epoch_alone(store: TriggerStore) -> None:
    for partition in (0, 1):
        await store.claim(partition, "one", NOW, NOW + LEASE)
    await store.claim(1, "one", NOW, NOW + LEASE)  # its epoch is 2 now
    assert await store.renew({0: 1, 1: 1}, NOW + 2 * LEASE) == {0}
    assert await store.claim(0, "two", NOW + LEASE, NOW + 2 * LEASE) is None
    assert await store.claim(1, "two", NOW + LEASE, NOW + 2 * LEASE) is not None


async def test_a_worker_that_is_alone_takes_everything(store: TriggerStore, clock: ManualClock) -> None:
    alone = worker(store, clock, "one")
    await alone.claim()
    assert alone.owned.keys() == set(range(PARTITIONS))


async def test_those_who_come_get_their_share_and_nothing_is_held_twice(
    store: TriggerStore, clock: ManualClock
) -> None:
    workers = []
    for name in ("one", "two", "three"):
        workers.append(worker(store, clock, name))
        for _ in range(2):  # who is there gives up, then who has come takes
            clock.forward_to(clock.now() + LEASE // 3)
            for each in workers:
                await each.claim()
        held = [number for each in workers for number in each.owned]
        assert sorted(held) == list(range(PARTITIONS))
        assert {len(each.owned) for each in workers} == {PARTITIONS // len(workers)}


async def test_the_share_of_one_who_leaves_is_taken_at_the_next_look_and_of_one_who_dies_when_its_leases_end(
    store: TriggerStore, clock: ManualClock
) -> None:
    one, two, three = (worker(store, clock, name) for name in ("one", "two", "three"))
    for _ in range(3):
        clock.forward_to(clock.now() + LEASE // 3)
        for each in (one, two, three):
            await each.claim()
    await one.release()
    clock.forward_to(clock.now() + LEASE // 3)
    for each in (two, three):
        await each.claim()
    assert len(two.owned) == len(three.owned) == PARTITIONS // 2
    for _ in range(4):  # three says nothing any more
        clock.forward_to(clock.now() + LEASE // 3)
        await two.claim()
    assert two.owned.keys() == set(range(PARTITIONS))


class Away(MemoryTriggerStore):
    """A database that does not answer any more."""

    away = False

    async def claim(self, partition: int, owner: str, now: int, until: int) -> Cursor | None:
        if self.away:
            raise StoreUnavailable("away")
        return await super().claim(partition, owner, now, until)

    async def renew(self, epochs: Mapping[int, int], until: int) -> frozenset[int]:
        if self.away:
            raise StoreUnavailable("away")
        return await super().renew(epochs, until)


@pytest.mark.parametrize("others", [1, 3], ids=["one has begun", "one of three is left"])
async def test_what_is_in_a_database_that_is_away_keeps_nothing_else_from_being_taken(
    clock: ManualClock, others: int
) -> None:
    second = Away()
    store = SpreadTriggerStore([MemoryTriggerStore(), second, MemoryTriggerStore()])
    workers = [worker(store, clock, str(number)) for number in range(others)]
    for _ in range(2 * (others > 1)):
        clock.forward_to(clock.now() + LEASE // 3)
        for each in workers:
            await each.claim()
    second.away = True
    held = workers[0].owned.keys() | set()
    for _ in range(PARTITIONS):  # the others say nothing any more
        clock.forward_to(clock.now() + LEASE // 3)
        with suppress(StoreUnavailable):
            await workers[0].claim()
    assert workers[0].owned.keys() == held | {number for number in range(PARTITIONS) if number % 3 != 1}


async def test_leases_are_looked_at_three_times_within_their_length_and_at_once_by_whoever_holds_nothing(
    store: TriggerStore, clock: ManualClock
) -> None:
    one, two = worker(store, clock, "one"), worker(store, clock, "two")
    await one.claim()
    await two.claim()
    assert two.owned == {}
    await one.claim()  # too early to notice
    assert len(one.owned) == PARTITIONS
    clock.forward_to(clock.now() + LEASE // 3)
    await one.claim()
    await two.claim()
    assert len(one.owned) == len(two.owned) == PARTITIONS // 2


async def test_what_is_kept_meanwhile_is_nobody_elses_and_what_was_lost_all_the_same_is_let_go(
    store: TriggerStore, clock: ManualClock
) -> None:
    one, two = worker(store, clock, "one"), worker(store, clock, "two")
    await one.claim()
    for _ in range(4):
        clock.forward_to(clock.now() + LEASE // 3)
        await one.keep()
    await two.claim()
    assert two.owned == {}
    assert await store.present("two", clock.now(), clock.now() + LEASE) == 2
    clock.forward_to(clock.now() + 2 * LEASE)
    assert await two.take(7)
    await one.claim()
    assert one.owned.keys() <= set(range(PARTITIONS)) - {7}


async def test_whoever_s_clock_is_hours_off_takes_nothing_from_others_and_leaves_no_lease_that_lasts_for_hours(
    store: TriggerStore, clock: ManualClock
) -> None:
    ahead, behind = ManualClock(NOW + HOUR), ManualClock(NOW - HOUR)
    one, two = (worker(store, own, name, OwnTime(clock)) for own, name in ((ahead, "one"), (behind, "two")))
    for _ in range(3):
        clock.forward_to(clock.now() + LEASE // 3)
        await one.claim()
        await two.claim()
    assert len(one.owned) == len(two.owned) == PARTITIONS // 2
    for _ in range(4):  # one says nothing any more
        clock.forward_to(clock.now() + LEASE // 3)
        await two.claim()
    assert two.owned.keys() == set(range(PARTITIONS))


async def test_what_lasts_is_kept_meanwhile_though_the_store_is_away_for_a_while() -> None:
    kept, enough = list[int](), asyncio.Event()

    async def work() -> str:
        await enough.wait()
        return "done"

    async def keep() -> None:
        kept.append(1)
        if len(kept) == 1:
            raise StoreUnavailable("away")
        enough.set()

    assert await while_kept(work(), keep, every=0.001) == "done"
    assert len(kept) == 2


async def test_whoever_gives_up_what_lasts_stops_it() -> None:
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async def keep() -> None:
        """Nobody else wants it."""

    waiting = asyncio.create_task(while_kept(work(), keep))
    await begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait_for(stopped.wait(), 5)


@DATABASE[0]
@DATABASE[1]
async def test_the_time_of_leases_is_the_database_s_whatever_our_clocks_say(postgres: PostgresServer) -> None:
    uptime = [1000.0, 50.0]
    async with Postgres.open(await fresh_database(postgres)) as database:
        one, two = (DatabaseTime(database, lambda n=n: uptime[n]) for n in (0, 1))  # type: ignore[misc]
        assert max(one.now(), two.now()) < NOW  # nobody has looked: every lease has ended
        for each in (one, two):
            await each.look()
        assert abs(one.now() - WallClock().now()) < 5_000
        assert abs(one.now() - two.now()) < 5_000
        before = one.now()
        uptime[0] += 2.5
        assert one.now() == before + 2_500
