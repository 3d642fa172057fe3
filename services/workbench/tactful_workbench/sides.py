"""Trigger and dispatch as the driver of virtual time sees them."""

from __future__ import annotations

from tactful.clock import Clock
from tactful.log import Log
from tactful.records import EVENTS
from tactful_trigger.steps import run_steps
from tactful_trigger.store import TriggerStore
from tactful_trigger.worker import TriggerWorker


class TriggerSide:
    """Implements `tactful_workbench.virtual.Side`."""

    topic = EVENTS

    def __init__(self, worker: TriggerWorker, store: TriggerStore, log: Log, clock: Clock) -> None:
        self.worker, self.outbox = worker, store
        self._log, self._clock = log, clock

    async def settle(self) -> bool:
        moved = False
        await self.worker.claim()
        for partition in tuple(self.worker.owned):
            while partition in self.worker.owned and await self.worker.run_once(partition):
                moved = True
            moved |= bool(await run_steps(self._log, self.outbox, partition, self._clock))
        return moved

    async def earliest_due(self, partition: int) -> int | None:
        return await self.worker.earliest_due(partition) if partition in self.worker.owned else None
