"""Dispatch while it runs: read, attempt, relay, and let time pass.

A tick is appended to `dispatch` when a timer is due and nothing arrives. So it is while something waits to be sent and the partition's
clock is half a minute old: otherwise the gate `log not read` would shut.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Final

from tactful.clock import SECOND, Clock
from tactful.errors import RewoundStore, StreamStopped, Transient
from tactful.log import Log
from tactful.partitions.leases import KEEPING, while_kept
from tactful.partitions.marking import Marking
from tactful.partitions.ticking import Ticker, seconds_until
from tactful.records import DISPATCH
from tactful.together import all_done
from tactful_dispatch.worker import AT_ONCE, DispatchWorker

STALE: Final = 30 * SECOND

_logger = logging.getLogger(__name__)


class LiveDispatch:
    """Drives a DispatchWorker by the clock: `round` and `pause` in turn, by whoever puts the services together."""

    def __init__(self, worker: DispatchWorker, log: Log, clock: Clock, keeping: float = KEEPING) -> None:
        """`keeping`: seconds after which leases are renewed while a round lasts."""
        self._worker, self._log, self._clock, self._keeping = worker, log, clock, keeping
        self._ticker = Ticker(log, DISPATCH, "dispatch")
        self._reached: dict[int, str] = {}  # by partition, the customer who was written to last
        self._changed, self._marking = asyncio.Event(), Marking("dispatch", worker.mark, clock)

    def nudge(self) -> None:
        """Something changed beside the log: a wish, a receipt."""
        self._changed.set()

    async def round(self) -> bool:
        """Everything that can be done now, once; whether anything moved. Raises Transient."""
        self._changed.clear()  # what changes from here on wakes the next pause
        away = await self._claim()
        stopped = self._worker.stopped
        moves = all_done((self._tell if p in stopped else self._move)(p) for p in sorted(self._worker.owned))
        moved = any(await while_kept(moves, self._worker.keep, self._keeping))
        if away is not None:
            raise away
        return moved

    async def _claim(self) -> Transient | None:
        """Claim partitions. Returns the error if a store could not be reached: what we hold moves first, then it is raised."""
        known, away = set(self._worker.stopped), None
        try:
            await self._worker.claim()
        except Transient as error:
            away = error
        for partition in self._worker.stopped.keys() - known:
            _logger.error("partition %s of dispatch stops: %s", partition, self._worker.stopped[partition])
        await self._marking.now_and_then()
        return away

    async def _tell(self, partition: int) -> bool:
        """Relay the outbox of a partition that is stopped: what was committed, like an opt-out on a page, is told all the same. Not from
        a store that was restored from the past: its sequences would repeat those that readers have taken."""
        if not isinstance(self._worker.stopped.get(partition), RewoundStore):
            with suppress(StreamStopped):
                return bool(await self._worker.relay(partition))
        return False

    async def _move(self, partition: int) -> bool:
        moved = False
        try:
            try:
                moved = await self._read(partition)
                moved |= await self._attempt(partition)
            finally:  # whatever failed: opt-outs and receipts are told, and holds end
                moved |= bool(await self._worker.relay(partition))
                moved |= await self._tick(partition)
            return moved
        except StreamStopped as stopped:
            self._worker.stopped[partition] = stopped
            _logger.error("partition %s of dispatch stops: %s", partition, stopped)
            return False

    async def _read(self, partition: int) -> bool:
        """Read to the end of the log as it is now, before anything is sent: an opt-out may be its last record."""
        moved = await self._worker.run_once(partition)
        end = await self._log.end(DISPATCH, partition) if moved else 0
        while self._worker.is_behind(partition, end) and await self._worker.run_once(partition):
            await self._worker.relay(partition)  # others need not wait until the last is read
        return moved

    async def pause(self) -> None:
        """Sleep until something arrives, changes or falls due."""
        moving = self._worker.owned.keys() - self._worker.stopped.keys()
        dues = [due for p in moving if (due := await self._worker.earliest_due(p)) is not None]
        seconds = seconds_until(dues, self._clock.now())
        positions = {number: at for number, at in self._worker.offsets.items() if number in moving}
        news = asyncio.ensure_future(self._log.wait(DISPATCH, positions, seconds))
        change = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait((news, change), return_when=asyncio.FIRST_COMPLETED)
        finally:  # also when the process ends
            for task in (news, change):
                task.cancel()
            await asyncio.gather(news, change, return_exceptions=True)

    async def _attempt(self, partition: int) -> bool:
        """Attempt a handful of customers, and the next handful in the next round: however many there are, everybody has their turn.
        Customers for whom a service message has just come are attempted first."""
        asked = self._worker.asked_for(partition)
        moved = bool(asked) and await self._worker.attempt_for(partition, asked)
        after = self._reached.pop(partition, "")
        customers = await self._worker.store.pending(partition, after, AT_ONCE)
        if after and not customers:
            customers = await self._worker.store.pending(partition, "", AT_ONCE)
        if customers:
            self._reached[partition] = customers[-1]
        return (bool(customers) and await self._worker.attempt_for(partition, customers)) or moved

    async def _tick(self, partition: int) -> bool:
        now = self._clock.now()
        if partition not in self._worker.owned or self._ticker.has_just_ticked(partition, now):
            return False
        due = await self._worker.earliest_due(partition)
        if due is None and not await self._worker.store.pending(partition, "", 1):
            return False
        if await self._log.end(DISPATCH, partition) > self._worker.offsets[partition]:
            return False
        if (due is None or due >= now) and now - await self._worker.clock_of(partition) < STALE:
            return False
        await self._ticker.tick(partition, now)
        return True
