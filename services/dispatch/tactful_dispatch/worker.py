"""The thin part of dispatch: claim partitions, apply slices, attempt what may leave, relay what is to be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Final, Protocol

from tactful import crashpoints
from tactful.clock import MINUTE, Clock
from tactful.erasure import Graves
from tactful.errors import NOT_THE_DATA, Fenced, PoisonFlood, RewoundStore, StreamStopped, raised_at, would_meet_all
from tactful.log import Hints, Log, Stored, rising
from tactful.log.quarantine import FLOOD, passed_over
from tactful.partitions.clockcheck import clocks_are_apart, forget_stop, refuse_what_is_ahead
from tactful.partitions.continuing import Continuing
from tactful.partitions.leases import Leases, LeaseTime, OwnTime
from tactful.partitions.outbox import Cause, Taken, origin_of, relay
from tactful.purposes import is_marketing
from tactful.records import (
    DISPATCH,
    QUARANTINE,
    EraseRecord,
    MessageRecord,
    refuse_newer,
)
from tactful.telemetry import SILENT, Telemetry
from tactful_dispatch.applying.slice import DispatchSlice, customers_of, limit_of, read, resumes
from tactful_dispatch.sending.attempt import Attempts
from tactful_dispatch.state.addresses import AddressBook
from tactful_dispatch.store import DispatchStore, Fence, Workspace

KEPT: Final = 3 * MINUTE  # within which every message is looked at that a stop of all sending holds
# Customers whose messages are let go in the transaction that resumes sending; others' when they fall due.
MANY: Final = 5_000
AT_ONCE: Final = 16  # customers written to at the same time; a slow provider must not keep the log from being read
Work = Callable[[Workspace], None]


class Copies(Protocol):
    """Where an adapter keeps rendered messages, as the local inbox does."""

    async def erase(self, customers: Sequence[str]) -> None:
        """Delete everything that went to these customers. May be called again."""
        ...


class DispatchWorker:
    """Owns partitions of `dispatch` and moves them. Nothing here suspends unless the ports do."""

    topic = DISPATCH

    def __init__(
        self,
        log: Log,
        store: DispatchStore,
        attempts: Attempts,
        book: AddressBook,
        clock: Clock,
        owner: str,
        *,
        graves: Graves,
        copies: Copies | None = None,
        hints: Hints | None = None,
        slice_limit: int = 1000,
        lease: int = 10_000,
        lease_time: LeaseTime | None = None,
        telemetry: Telemetry = SILENT,
    ) -> None:
        """`lease` in ms. `lease_time`: by default the clock, for all who share the store and the clock."""
        self._log, self._attempts, self._book = log, attempts, book
        self.store = self.outbox = store  # the latter for whoever relays
        self._reading = Continuing(log, DISPATCH)
        self._clock, self._owner, self._limit = clock, owner, slice_limit
        self._graves, self._copies, self._hints = graves, copies, hints
        self._telemetry = telemetry
        self.owned: dict[int, int] = {}  # partition -> epoch
        self.offsets: dict[int, int] = {}
        self._clocks: dict[int, int] = {}
        self._asked_for: dict[
            int, dict[str, None]
        ] = {}  # by partition, who waits for what was promised, since it was read
        self._rest: dict[int, Sequence[Stored]] = {}  # what was read and did not fit beside those whom time moved on
        self.stopped: dict[int, StreamStopped] = {}
        self._leases = Leases(store, owner, log.partitions, lease_time or OwnTime(clock), lease)

    @property
    def outcomes(self) -> Mapping[tuple[str, str], int]:
        """(channel, what the provider said to an attempt), since this worker began."""
        return self._attempts.outcomes

    @property
    def unwritten(self) -> Mapping[str, int]:
        """Templates that could not be rendered, each look counted."""
        return self._attempts.unwritten

    async def claim(self) -> None:
        """Renew our leases, give up what is more than a fair share, take what nobody holds; give up everything while this machine's
        clock is wrong."""
        if clocks_are_apart(self.stopped, self._clock.now()):
            await self._leases.stand_back(dict(self.owned), self)
        else:
            await self._leases.tend(dict(self.owned), self)

    async def keep(self) -> None:
        """Renew what is ours."""
        await self._leases.keep(dict(self.owned))

    async def take(self, partition: int) -> bool:
        """As `tactful.partitions.leases.Holder`."""
        cursor = await self.store.claim(partition, self._owner, *self._leases.term())
        if cursor is None:
            return False
        # Before it is ours: if nobody can tell, it is claimed again.
        await self._refuse_the_past(partition, cursor.offset)
        self._rest.pop(partition, None)
        self._reading.take_up(partition)
        self.owned[partition], self.offsets[partition] = cursor.epoch, cursor.offset
        self._clocks[partition] = cursor.clock
        return True

    async def _refuse_the_past(self, partition: int, at: int) -> None:
        """Stop the partition if its cursor stands behind what was read from it: such a store was restored from a back-up, and has forgotten
        what it has sent and who has opted out since."""
        marked = await self._hints.marked(partition) if self._hints else 0
        read = max(marked, self.offsets.get(partition, 0))  # what we have committed ourselves
        if read > at:
            self.stopped[partition] = RewoundStore(
                f"dispatch/{partition}: the store stands at {at} and had come to {read}, so it was restored from the past. It "
                "does not know what was sent and who opted out since: nothing is sent. Stop every dispatch and run `tactful db settle`"
            )

    async def mark(self) -> None:
        """Tell the log how far the store has come."""
        if self._hints is not None and (going := self.owned.keys() - self.stopped.keys()):
            await self._hints.mark({partition: self.offsets[partition] for partition in going})

    async def give_up(self, partition: int) -> None:
        """As `tactful.partitions.leases.Holder`."""
        forget_stop(self.stopped, partition)
        await self.store.release(partition, self.owned.pop(partition))

    def lose(self, partition: int) -> None:
        """As `tactful.partitions.leases.Holder`."""
        forget_stop(self.stopped, partition)
        self.owned.pop(partition, None)
        self._asked_for.pop(partition, None)
        self._leases.look_again()

    async def release(self) -> None:
        """Give everything up, so that others may go on at once."""
        await self._leases.stand_back(dict(self.owned), self)

    async def run_once(self, partition: int) -> bool:
        """Read and commit one slice; whether there was one. Raises Transient or StreamStopped."""
        slice_ = self._rest.pop(partition, ()) or await self._next(partition)
        if not slice_:
            return False
        links = (stored.trace for stored in slice_ if stored.trace)
        try:
            with self._telemetry.span(
                "dispatch slice", "consumer", links=links, partition=partition, records=len(slice_)
            ):
                await self._apply(partition, slice_)
            self._rest[partition] = [stored for stored in slice_ if stored.offset >= self.offsets[partition]]
        except Fenced:
            self.lose(partition)
        return True

    def is_behind(self, partition: int, end: int) -> bool:
        """Whether something before `end` is unread. Not while timers have to fire before the records that were read: those may be
        everybody's."""
        return partition in self.owned and not self._rest.get(partition) and self.offsets[partition] < end

    async def _next(self, partition: int) -> Sequence[Stored]:
        clock = self._clocks[partition]
        slice_ = rising(await self._reading.read(partition, self.offsets[partition], clock, self._limit), clock)
        if slice_:
            refuse_what_is_ahead(f"dispatch/{partition}", slice_[-1].appended, self._clock.now())
        return slice_

    async def _apply(self, partition: int, slice_: Sequence[Stored]) -> None:
        try:
            await self._commit(partition, slice_)
        except Exception as error:  # data that cannot be applied, or a gap: find the culprit by slices of one
            if would_meet_all(error):
                raise
            await self._one_by_one(partition, slice_)

    async def _one_by_one(self, partition: int, slice_: Sequence[Stored]) -> None:
        for stored in slice_:
            while partition in self.owned and self.offsets[partition] <= stored.offset:
                await self._alone(partition, stored)

    async def _alone(self, partition: int, stored: Stored) -> None:
        try:
            await self._commit(partition, [stored])
        except NOT_THE_DATA:
            raise
        except Exception as error:  # noqa: BLE001 - this is the culprit
            await self._quarantine(partition, stored, error)

    async def _commit(self, partition: int, slice_: Sequence[Stored]) -> None:
        records = read(slice_)
        limit, most = max(map(limit_of, slice_, records)), self._limit
        if any(map(resumes, records)):
            limit, most = limit + KEPT, MANY
        # After an outage, or as an hour opens, it may be everybody, and too much for one transaction.
        dues = await self.store.due(partition, limit, most + 1)
        horizon = (limit, "") if len(dues) <= most else dues.pop()
        customers = customers_of(records) | {customer for _, customer in dues}
        if self._copies is not None and (erased := [r.key for r in records if isinstance(r, EraseRecord)]):
            await self._copies.erase(erased)  # first, since the slice is read again if this process ends here

        def work(space: Workspace) -> None:
            self._attempts.record_known(customers, space)
            DispatchSlice(space, self._book, self._graves, dues).apply(slice_, records, horizon)
            crashpoints.reach("dispatch: before commit")

        await self._transact(partition, sorted(customers), work)
        asked = self._asked_for.setdefault(partition, {})
        if len(asked) < MANY:  # beyond that they are a backlog themselves
            asked |= {r.key: None for r in records if isinstance(r, MessageRecord) and not is_marketing(r.body.purpose)}

    async def _transact(self, partition: int, customers: Sequence[str], work: Work) -> None:
        def moved(space: Workspace) -> tuple[int, int]:
            work(space)
            return space.cursor.offset, space.cursor.clock

        fence = Fence(self.owned[partition], self.offsets[partition])
        self.offsets[partition], self._clocks[partition] = await self.store.transact(
            partition, customers, moved, fence=fence, lease_until=self._leases.until()
        )

    async def _quarantine(self, partition: int, stored: Stored, error: Exception) -> None:
        refuse_newer(f"dispatch/{partition}", stored.value)
        why, place = f"{type(error).__name__}: {error}", raised_at(error)  # words may name a person: not for the log

        def pass_over(space: Workspace) -> None:
            cursor = space.cursor
            if cursor.poison >= FLOOD:
                raise PoisonFlood(
                    f"dispatch/{partition}: {cursor.poison} records in a row cannot be applied; the last: {place}"
                )
            space.cause = Cause(stored.offset, True)
            space.put(QUARANTINE, passed_over(stored, why))
            taken = Taken(cursor.taken)
            taken.take(origin_of(stored.value))
            cursor.taken = taken.last
            cursor.clock, cursor.offset = max(cursor.clock, stored.appended), stored.offset + 1
            cursor.poison += 1

        await self._transact(partition, [], pass_over)

    async def attempt(self, partition: int) -> bool:
        """Attempt whatever may leave, one customer after the other; whether anything was done."""
        done, after = False, ""
        while found := await self.store.pending(partition, after, AT_ONCE):
            for customer in found:
                done |= await self.attempt_for(partition, [customer])
            after = found[-1]
        return done

    def asked_for(self, partition: int) -> list[str]:
        """A handful of customers for whom a service message has come, each named once: they need not wait behind a backlog."""
        waiting = self._asked_for.get(partition, {})
        taken = list(islice(waiting, AT_ONCE))
        for customer in taken:
            del waiting[customer]
        return taken

    async def attempt_for(self, partition: int, customers: Sequence[str]) -> bool:
        """Attempt what may leave for some customers, all at once; never twice at the same time for the same one."""
        if partition not in self.owned:
            return False
        try:
            fence = Fence(self.owned[partition], self.offsets[partition])  # the store may be set back under us
            return await self._attempts.attempt(partition, fence, customers)
        except Fenced:
            self.lose(partition)
            return True

    async def relay(self, partition: int) -> int:
        """Append what is to be told; how many records."""
        return await relay(self._log, self.store, partition)

    async def earliest_due(self, partition: int) -> int | None:
        """The next instant at which time moves something on."""
        return await self.store.earliest_due(partition)

    async def settle(self) -> bool:
        """Read to the end and attempt what may leave; whether anything moved."""
        await self.claim()
        moved = False
        for partition in tuple(self.owned):
            while partition in self.owned and await self.run_once(partition):
                moved = True
            moved |= partition in self.owned and await self.attempt(partition)
        return moved

    async def clock_of(self, partition: int) -> int:
        """What time it is in a partition: the latest append time read from it."""
        return (await self.store.cursor(partition)).clock
