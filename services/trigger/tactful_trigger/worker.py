"""The thin part of trigger: claim partitions, read a slice, compute it, commit it, relay what it asks for."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final

from tactful import crashpoints
from tactful.clock import HOUR, Clock
from tactful.erasure import Graves
from tactful.errors import (
    NOT_THE_DATA,
    Fenced,
    PoisonFlood,
    StoreUnavailable,
    StreamStopped,
    TactfulError,
    raised_at,
    would_meet_all,
)
from tactful.log import Log, Stored, rising
from tactful.log.quarantine import FLOOD
from tactful.partitions.clockcheck import clocks_are_apart, forget_stop, refuse_what_is_ahead
from tactful.partitions.continuing import Continuing
from tactful.partitions.leases import Leases, LeaseTime, OwnTime
from tactful.partitions.outbox import OutboxStore, relay
from tactful.records import EVENTS, EventRecord, refuse_newer
from tactful.telemetry import SILENT, Telemetry
from tactful_trigger.ahead import Ahead
from tactful_trigger.applying.commanding import earlier_names, enrolled
from tactful_trigger.applying.joining import adopters
from tactful_trigger.applying.slice import Slice, read, unknown_customers
from tactful_trigger.partition import Partition
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.runs.replay import NoWatch, Watch, by_hand
from tactful_trigger.steps import Steps
from tactful_trigger.store import SliceResult, TriggerStore, past_of

LOOKAHEAD: Final = HOUR  # how far beyond a slice timers are taken into memory,
LOTS: Final = 4  # and how many of them at once, in slices
CAREFUL_AFTER: Final = 3  # claims without a commit: from then on one record at a time, so that the killer stands alone
ROWS_IN_MEMORY: Final = 300_000  # of all partitions together; about 500 MB where each has a live run


class TriggerWorker:
    """Owns partitions of `events` and moves them. Nothing here suspends unless the ports do."""

    topic = EVENTS

    def __init__(
        self,
        log: Log,
        store: TriggerStore,
        book: Rulebook,
        clock: Clock,
        owner: str,
        *,
        graves: Graves,
        watch: Watch | None = None,
        slice_limit: int = 1000,
        lease: int = 10_000,
        lease_time: LeaseTime | None = None,
        rows: int = ROWS_IN_MEMORY,
        telemetry: Telemetry = SILENT,
    ) -> None:
        """`lease` in ms. `lease_time`: by default the clock, for all who share the store and the clock. `rows`: how many
        customers are kept in memory, beside those for whom something near waits."""
        self._log, self._store, self._book, self._clock, self._owner = log, store, book, clock, owner
        self._reading = Continuing(log, EVENTS)
        self.outbox: OutboxStore = store
        self._graves, self._watch, self._limit, self._rows = graves, watch or NoWatch(), slice_limit, rows
        self._telemetry, self._traces = telemetry, dict[int, str]()  # partition -> of the latest slice committed
        self.steps = Steps(log, store, clock)
        self.owned: dict[int, Partition] = {}
        self.stopped: dict[int, StreamStopped] = {}
        self.timers_fired = 0  # since this worker began
        self.decisions = Counter[tuple[str, str, str]]()  # (rule, verdict, reason), since this worker began
        self.parked = Counter[str]()  # runs that could not go on, by rule
        self.failures: dict[str, str] = {}  # by rule, why the last one could not
        self._full: dict[int, bool] = {}
        self._leases = Leases(store, owner, log.partitions, lease_time or OwnTime(clock), lease)

    async def claim(self) -> None:
        """Keep what is ours, give up what is more than a fair share, take what nobody holds. Whoever's clock is wrong
        leaves it to others."""
        if clocks_are_apart(self.stopped, self._clock.now()):
            await self.release()
        else:
            await self._leases.tend(self._epochs, self)

    async def keep(self) -> None:
        """Renew what is ours."""
        await self._leases.keep(self._epochs)

    async def take(self, partition: int) -> bool:
        """As `tactful.partitions.leases.Holder`."""
        cursor = await self._store.claim(partition, self._owner, *self._leases.term())
        if cursor is None:
            return False
        held = Partition(cursor, self._book)
        self._reading.take_up(partition)
        held.graves, held.busy = await self._store.graves(partition), await self._store.busy(partition)
        self.owned[partition] = held  # only now: if nobody can tell who was erased, it is claimed again
        return True

    async def give_up(self, partition: int) -> None:
        """As `tactful.partitions.leases.Holder`."""
        forget_stop(self.stopped, partition)
        await self._store.release(partition, self.owned.pop(partition).cursor.epoch)

    def lose(self, partition: int) -> None:
        """As `tactful.partitions.leases.Holder`."""
        forget_stop(self.stopped, partition)
        self.owned.pop(partition, None)
        self._leases.look_again()

    async def release(self) -> None:
        """Give everything up, so that others may go on at once."""
        await self._leases.stand_back(self._epochs, self)

    @property
    def _epochs(self) -> dict[int, int]:
        return {number: held.cursor.epoch for number, held in self.owned.items()}

    async def run_once(self, partition: int) -> bool:
        """Read and commit one slice; whether there was one. Raises Transient or StreamStopped; memory is then dropped."""
        held = self.owned[partition]
        records = await self._next(held)
        if not records:
            return False
        try:
            await self._apply(held, records)
        except Fenced:
            self.lose(partition)
        self._trim(held)
        return True

    async def run_ahead(self, partition: int, slices: int) -> bool:
        """Several slices while there is a backlog: each is computed while the one before it is written, and what was asked
        for is relayed meanwhile. As `run_once`."""
        held = self.owned[partition]
        try:
            moved = await self._run_ahead(held, Ahead(held), slices)
        except Fenced:
            self.lose(partition)
            return True
        self._trim(held)
        return moved

    def _trim(self, held: Partition) -> None:
        held.trim(self._rows // max(1, len(self.owned)))

    async def _run_ahead(self, held: Partition, ahead: Ahead, slices: int) -> bool:
        try:
            for _ in range(slices):
                records = await self._next(held)
                if not records:
                    break
                with self._span(held, records):
                    computed = await self._compute(held, records, ahead)
                    await ahead.written()
                    ahead.write(self._relay_and_commit(held, computed))
                if not self._full[held.cursor.partition]:
                    break
                await asyncio.sleep(0)  # it is on its way to the store before the next one takes the processor
            await ahead.written()
        except Exception as error:  # as in _apply; what does not commit is read again
            held.back_to(await ahead.standing())
            if would_meet_all(error):
                raise
            await self._one_by_one(held, await self._next(held))
            return True
        finally:
            await ahead.standing()
        return ahead.moved

    async def _relay_and_commit(self, held: Partition, result: SliceResult) -> None:
        await self.relay(held.cursor.partition)
        await self._commit(held, result)

    async def _next(self, held: Partition) -> Sequence[Stored]:
        partition, limit = held.cursor.partition, self._at_once(held)
        if held.rest:
            return held.rest
        found = await self._reading.read(partition, held.cursor.offset, held.cursor.clock, limit)
        records, self._full[partition] = rising(found, held.cursor.clock), len(found) == limit
        if records:
            refuse_what_is_ahead(f"events/{partition}", records[-1].appended, self._clock.now())
        return records

    def _at_once(self, held: Partition) -> int:
        """How many records, and how many timers, make a slice."""
        return 1 if held.cursor.attempts >= CAREFUL_AFTER else self._limit

    @property
    def offsets(self) -> Mapping[int, int]:
        """Where reading goes on, by partition."""
        return {number: held.cursor.offset for number, held in self.owned.items()}

    async def _apply(self, held: Partition, records: Sequence[Stored]) -> None:
        before = held.savepoint()
        try:
            with self._span(held, records):
                await self._commit(held, await self._compute(held, records))
        except Exception as error:  # data that cannot be applied: find the culprit by slices of one
            held.back_to(before)
            if would_meet_all(error):
                raise
            await self._one_by_one(held, records)

    async def _compute(self, held: Partition, slice_: Sequence[Stored], ahead: Ahead | None = None) -> SliceResult:
        records = read(slice_)
        await self._load(held, unknown_customers(held, records))
        rare = [record for record in records if type(record) is not EventRecord]
        called, come = enrolled(rare), adopters(rare)
        people = called | {name: min(since, called.get(name, since)) for name, since in come.items()}
        if ahead is not None and (people or slice_[-1].appended >= held.timers.horizon[0]):
            await ahead.written()  # what is asked of the store here, the slice before may still have to tell it
        held.pasts = {name: await past_of(self._store, [name], people[name]) for name in sorted(people)}
        earlier = earlier_names(held, rare).items()
        held.earlier = {name: await past_of(self._store, names, called[name]) for name, names in earlier}
        await self._look_ahead(held, slice_[-1].appended + 1)
        computing = Slice(held, self._log.partitions, self._watch, self._graves, self._at_once(held))
        with by_hand():
            result = computing.compute(slice_, records)
        held.rest = [stored for stored in slice_ if stored.offset >= held.cursor.offset]
        self._full[held.cursor.partition] |= bool(held.rest)
        crashpoints.reach("trigger: mid-slice")
        return result

    async def _commit(self, held: Partition, result: SliceResult) -> None:
        try:
            await self._store.commit(result, self._leases.until())
        except StoreUnavailable as error:
            if result.cursor.offset > result.before:
                raise
            raise Fenced("timers alone were to be written, and the cursor does not tell whether they were") from error
        crashpoints.reach("trigger: after commit")
        held.note(result)
        self._count(result)
        self._traces[held.cursor.partition] = self._telemetry.current()

    def _count(self, result: SliceResult) -> None:
        """Of a slice that is committed: one that is not is computed again."""
        self.timers_fired += result.fired
        self.decisions.update(result.decided)
        for rule, why in result.parked:
            self.parked[rule] += 1
            self.failures[rule] = why

    def _span(self, held: Partition, records: Sequence[Stored]) -> AbstractContextManager[object]:
        """The span of one slice, with links to those in which its records were appended."""
        links = (stored.trace for stored in records if stored.trace)
        return self._telemetry.span(
            "trigger slice", "consumer", links=links, partition=held.cursor.partition, records=len(records)
        )

    async def _one_by_one(self, held: Partition, records: Sequence[Stored]) -> None:
        for record in records:
            while held.cursor.offset <= record.offset:
                await self._alone(held, record)

    async def _alone(self, held: Partition, record: Stored) -> None:
        before = held.savepoint()
        try:
            await self._commit(held, await self._compute(held, [record]))
        except NOT_THE_DATA:
            held.back_to(before)
            raise
        except Exception as error:  # noqa: BLE001 - this is the culprit
            held.back_to(before)
            await self._quarantine(held, record, error)

    async def _quarantine(self, held: Partition, record: Stored, error: Exception) -> None:
        refuse_newer(f"events/{record.partition}", record.value)
        place = raised_at(error)  # what is said may name a person: it is not for the log
        if held.cursor.poison >= FLOOD:
            raise PoisonFlood(
                f"events/{record.partition}: {FLOOD} records in a row cannot be applied; the last: {place}"
            ) from error
        why = str(error) if isinstance(error, TactfulError) else f"{place}: {error}"
        before = held.savepoint()
        try:
            computing = Slice(held, self._log.partitions, self._watch, self._graves)
            await self._commit(held, computing.quarantine(record, why))
        except Exception:
            held.back_to(before)
            raise

    async def _load(self, held: Partition, customers: set[str]) -> None:
        if customers:
            held.take_in(customers, await self._store.load(held.cursor.partition, customers))

    async def _look_ahead(self, held: Partition, limit: int) -> None:
        """Take in the timers up to `limit` and an hour beyond, with the rows of their customers. Not before all that are known have
        fired: after an outage not everybody whose time has come is to be in memory at once."""
        timers, most = held.timers, self._limit * LOTS
        if (limit, "") <= timers.horizon or timers.know_more:
            return
        dues = await self._store.due(held.cursor.partition, timers.horizon, limit + LOOKAHEAD, most + 1)
        horizon = (limit + LOOKAHEAD, "") if len(dues) <= most else dues.pop()
        await self._load(held, held.missing(customer for _, customer in dues))
        timers.extend(dues, horizon)

    async def earliest_due(self, partition: int) -> int | None:
        """The next instant at which something happens by itself; None also where a partition is not ours, or no more."""
        if (held := self.owned.get(partition)) is None:
            return None
        near, (horizon, _) = held.timers.earliest(held.rows), held.timers.horizon
        if near is not None and near < horizon:
            return near
        if held.beyond is None or held.beyond[0] != (horizon, held.noted):
            asked = horizon, held.noted  # a commit meanwhile has it asked again
            held.beyond = asked, await self._store.earliest_due(partition, horizon)
        return min((due for due in (near, held.beyond[1]) if due is not None), default=None)

    async def begin_steps(self, partition: int) -> int:
        """Start what the committed slices asked for, beside everything else; how many."""
        held = self.owned.get(partition)
        if held is None:
            return 0
        return await held.steps.do(lambda: self.steps.begin(partition, lambda: self._has_room(partition)))

    def _has_room(self, partition: int) -> None:
        """A step has ended; whoever owns the partition by now may begin another one."""
        if (held := self.owned.get(partition)) is not None:
            held.steps.note(True)

    async def run_steps(self, partition: int) -> int:
        """Run what the committed slices asked for, and wait for it; how many."""
        held, landed = self.owned.get(partition), await self.steps.land(partition)
        return landed + (await held.steps.do(lambda: self.steps.run(partition)) if held else 0)

    async def settle(self) -> bool:
        """Read to the end and run the steps that were asked for; whether anything moved."""
        await self.claim()
        moved = False
        for partition in tuple(self.owned):
            while partition in self.owned and await self.run_once(partition):
                moved = True
            moved |= bool(await self.run_steps(partition))
        return moved

    async def relay(self, partition: int) -> int:
        """Append what the committed slices asked for; how many records."""

        async def append() -> int:
            with self._telemetry.within(self._traces.get(partition, "")):
                return await relay(self._log, self._store, partition)

        held = self.owned.get(partition)
        return await held.unsent.do(append) if held else 0
