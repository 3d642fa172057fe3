"""Trigger while it runs: read, relay, start steps, and let time pass.

A tick is appended when a timer is due by the wall clock, everything in the partition is read, and the last tick is at
least 100 ms old.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Final

from tactful.clock import Clock
from tactful.errors import StreamStopped, Transient
from tactful.log import Hints, Log
from tactful.partitions.leases import while_kept
from tactful.partitions.marking import Marking
from tactful.partitions.ticking import Ticker, seconds_until
from tactful.records import EVENTS
from tactful.together import all_done
from tactful_trigger.guarding import Guard
from tactful_trigger.worker import TriggerWorker

SLICES: Final = 4  # of one partition in a round

_logger = logging.getLogger(__name__)


class LiveTrigger:
    """Drives a TriggerWorker by the clock: `round` and `pause` in turn, by whoever puts the services together."""

    def __init__(
        self, worker: TriggerWorker, log: Log, clock: Clock, guard: Guard | None = None, hints: Hints | None = None
    ) -> None:
        """Without a guard no rule takes itself back: for a clock that somebody moves. `hints`: for tools that show how far we have read."""
        self._worker, self._log, self._clock, self._guard = worker, log, clock, guard
        self._ticker = Ticker(log, EVENTS)
        self._told: dict[str, str] = {}  # by rule, the failure that the log has last
        self._hints, self._marking = hints, Marking("trigger", self._mark, clock)

    async def round(self) -> bool:
        """Everything that can be done now, once; whether anything moved. While one partition waits for its store, others are
        computed. Raises Transient."""
        away = await self._claim()
        await self._marking.now_and_then()
        if self._guard is not None and 0 in self._worker.owned.keys() - self._worker.stopped.keys():
            for rule, why in (await self._guard.look()).items():
                _logger.error("%s is paused, since %s; `tactful rules resume %s` lets it go on", rule, why, rule)
        stopped = self._worker.stopped
        moves = all_done((self._tell if p in stopped else self._move)(p) for p in sorted(self._worker.owned))
        moved = any(await while_kept(moves, self._worker.keep))
        if away is not None:
            raise away
        return moved

    async def _claim(self) -> Transient | None:
        """Claim our share of partitions. An error is given back rather than raised: what is held already does not wait for it."""
        try:
            await self._worker.claim()
        except Transient as error:
            return error
        return None

    async def _mark(self) -> None:
        if self._hints is not None and (offsets := self._worker.offsets):
            await self._hints.mark(offsets)

    async def _tell(self, partition: int) -> bool:
        """Append what a stopped partition had committed before it stopped."""
        with suppress(StreamStopped):
            return bool(await self._worker.relay(partition))
        return False

    async def _move(self, partition: int) -> bool:
        """While there is a backlog, several slices: partitions wait for each other at the end of a round."""
        try:
            moved = False
            try:
                moved = await self._worker.run_ahead(partition, SLICES)
                self._tell_failures()
            finally:  # also if nothing can be read: what was asked for before, and taken back, waits for nothing
                moved |= bool(await self._worker.relay(partition))
            moved |= bool(await self._worker.begin_steps(partition))
            return moved | await self._tick(partition)
        except StreamStopped as stopped:
            self._worker.stopped[partition] = stopped
            _logger.error("partition %s stops: %s", partition, stopped)
            return False

    def _tell_failures(self) -> None:
        """Once for each reason in turn, however many customers it strikes."""
        for rule, why in self._worker.failures.items():
            if self._told.get(rule) != why:
                self._told[rule] = why
                _logger.error("a run of %s could not go on: %s", rule, why)

    async def _tick(self, partition: int) -> bool:
        now, held = self._clock.now(), self._worker.owned.get(partition)
        if held is None or self._ticker.has_just_ticked(partition, now):
            return False
        due = await self._worker.earliest_due(partition)
        if due is None or due >= now or await self._log.end(EVENTS, partition) > held.cursor.offset:
            return False
        await self._ticker.tick(partition, now)
        return True

    async def pause(self) -> None:
        """Sleep until something arrives or falls due."""
        moving = self._worker.owned.keys() - self._worker.stopped.keys()
        positions = {number: at for number, at in self._worker.offsets.items() if number in moving}
        dues = [due for number in positions if (due := await self._worker.earliest_due(number)) is not None]
        await self._log.wait(EVENTS, positions, seconds_until(dues, self._clock.now()))
