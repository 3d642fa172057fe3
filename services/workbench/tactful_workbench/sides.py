"""Trigger and dispatch as the driver of virtual time sees them."""

from __future__ import annotations

from tactful.records import EVENTS
from tactful_trigger.store import TriggerStore
from tactful_trigger.worker import TriggerWorker


class TriggerSide:
    """Implements `tactful_workbench.virtual.Side`."""

    topic = EVENTS

    def __init__(self, worker: TriggerWorker, store: TriggerStore) -> None:
        self.worker, self.outbox = worker, store

    async def settle(self) -> bool:
        moved = False
        await self.worker.claim()
        for partition in tuple(self.worker.owned):
            while partition in self.worker.owned and await self.worker.run_once(partition):
                moved = True
            moved |= bool(await self.worker.run_steps(partition))
        return moved

    async def earliest_due(self, partition: int) -> int | None:
        return await self.worker.earliest_due(partition) if partition in self.worker.owned else None
