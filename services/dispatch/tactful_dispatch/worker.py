"""The thin part of dispatch: claim partitions, apply slices, attempt what may leave, relay what is to be told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from tactful.clock import MINUTE, Clock
from tactful.errors import ClockAhead, Fenced, PoisonFlood, StreamStopped, Transient
from tactful.identity import digest
from tactful.log import Log, Stored
from tactful.outbox import Cause, relay
from tactful.records import DISPATCH, QUARANTINE, QuarantineBody, QuarantineRecord
from tactful_dispatch.addresses import AddressBook
from tactful_dispatch.attempt import Attempts
from tactful_dispatch.slice import DispatchSlice, limit_of, read
from tactful_dispatch.store import DispatchStore, Fence, Workspace

AHEAD: Final = 2 * MINUTE
POISON_IN_A_ROW: Final = 20
Work = Callable[[Workspace], None]


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
        slice_limit: int = 1000,
        lease: int = 10_000,
    ) -> None:
        self._log, self.outbox, self._attempts, self._book = log, store, attempts, book
        self._clock, self._owner, self._limit, self._lease = clock, owner, slice_limit, lease
        self.owned: dict[int, int] = {}  # partition -> epoch
        self.offsets: dict[int, int] = {}
        self.stopped: dict[int, StreamStopped] = {}

    async def claim(self) -> None:
        """Take every partition that nobody holds."""
        for partition in range(self._log.partitions):
            if partition not in self.owned:
                now = self._clock.now()
                cursor = await self.outbox.claim(partition, self._owner, now, now + self._lease)
                if cursor is not None:
                    self.owned[partition], self.offsets[partition] = cursor.epoch, cursor.offset

    async def release(self) -> None:
        """Give everything up, so that others may go on at once."""
        for partition, epoch in self.owned.items():
            await self.outbox.release(partition, epoch)
        self.owned.clear()

    async def run_once(self, partition: int) -> bool:
        """Read and commit one slice; whether there was one. Raises Transient or StreamStopped."""
        slice_ = await self._log.read(DISPATCH, partition, self.offsets[partition], self._limit)
        if not slice_:
            return False
        if slice_[-1].appended > self._clock.now() + AHEAD:
            raise ClockAhead(
                f"dispatch/{partition}: a record is more than two minutes ahead of this clock; check the clocks"
            )
        try:
            await self._apply(partition, slice_)
        except Fenced:
            self.owned.pop(partition, None)
        return True

    async def _apply(self, partition: int, slice_: Sequence[Stored]) -> None:
        try:
            await self._commit(partition, slice_)
        except (Transient, Fenced, StreamStopped):
            raise
        except Exception:  # noqa: BLE001 - data that cannot be applied: find the culprit by slices of one
            for stored in slice_:
                await self._alone(partition, stored)

    async def _alone(self, partition: int, stored: Stored) -> None:
        try:
            await self._commit(partition, [stored])
        except (Transient, Fenced, StreamStopped):
            raise
        except Exception as error:  # noqa: BLE001 - this is the culprit
            await self._quarantine(partition, stored, error)

    async def _commit(self, partition: int, slice_: Sequence[Stored]) -> None:
        records = read(slice_)
        dues = await self.outbox.due(partition, max(map(limit_of, slice_, records)))
        customers = {record.key for record in records} | {customer for _, customer in dues}

        def work(space: Workspace) -> None:
            DispatchSlice(space, self._book, dues).apply(slice_, records)

        await self._transact(partition, slice_, sorted(customers), work)

    async def _transact(self, partition: int, slice_: Sequence[Stored], customers: Sequence[str], work: Work) -> None:
        fence = Fence(self.owned[partition], slice_[0].offset)
        until = self._clock.now() + self._lease
        await self.outbox.transact(partition, customers, work, fence=fence, lease_until=until)
        self.offsets[partition] = slice_[-1].offset + 1

    async def _quarantine(self, partition: int, stored: Stored, error: Exception) -> None:
        why = f"{type(error).__name__}: {error}"

        def pass_over(space: Workspace) -> None:
            cursor = space.cursor
            if cursor.poison >= POISON_IN_A_ROW:
                raise PoisonFlood(f"dispatch/{partition}: {cursor.poison} records in a row cannot be applied; {why}")
            body = QuarantineBody(
                reason="cannot_apply",
                message=why[:4000],
                raw=stored.value[:32768].decode(errors="replace"),
                came_from=(stored.topic, stored.partition, stored.offset),
            )
            name = digest("poison", stored.topic, str(partition), str(stored.offset))
            record = QuarantineRecord(id=name, key=name, at=stored.appended, body=body)
            space.put(QUARANTINE, record, Cause(stored.offset, True))
            cursor.clock, cursor.offset = max(cursor.clock, stored.appended), stored.offset + 1
            cursor.poison += 1

        await self._transact(partition, [stored], [], pass_over)

    async def attempt(self, partition: int) -> bool:
        """Attempt whatever may leave, one customer after the other; whether anything was done."""
        done = False
        for customer in await self.outbox.pending(partition):
            done |= await self.attempt_for(partition, customer)
        return done

    async def attempt_for(self, partition: int, customer: str) -> bool:
        """Attempt what may leave for one customer; never twice at the same time for the same one."""
        if partition not in self.owned:
            return False
        try:
            return await self._attempts.customer(partition, self.owned[partition], customer)
        except Fenced:
            self.owned.pop(partition, None)
            return True

    async def relay(self, partition: int) -> int:
        """Append what is to be told; how many records."""
        return await relay(self._log, self.outbox, partition)

    async def earliest_due(self, partition: int) -> int | None:
        """The next instant at which time moves something on."""
        return await self.outbox.earliest_due(partition)

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
        return (await self.outbox.cursor(partition)).clock
