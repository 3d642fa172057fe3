"""Going on behind records that the log has lost before they were read: an operator's decision, one partition at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tactful.errors import InvalidInput
from tactful.log import Hints, Log
from tactful.partitions.gap import Gap, gap_ahead
from tactful.partitions.leases import LeaseTime, owned_by_another
from tactful.records import DISPATCH, EVENTS
from tactful_dispatch.store import DispatchStore, Fence, Workspace
from tactful_trigger.store import SliceResult, TriggerStore

LEASE: Final = 600_000  # ms: a long backlog is looked through, and somebody is asked
Agree = Callable[[Gap], bool]


@dataclass(frozen=True, slots=True)
class Accepting:
    """Owns a partition while it looks at it, and while somebody is asked. `hints`: of dispatch, whose mark may stand behind where a
    log ends that was cut off."""

    log: Log
    trigger: TriggerStore
    dispatch: DispatchStore
    time: LeaseTime
    owner: str
    hints: Hints | None = None

    async def loss(self, place: str, agree: Agree) -> Gap:
        """What is lost at a place (`events/3`: to trigger, `dispatch/3`: to dispatch); if `agree` says so, reading goes on behind it.
        Raises InvalidInput for what is no place, and TactfulError while somebody owns the partition."""
        topic, _, number = place.partition("/")
        last = self.log.partitions - 1
        if topic not in (EVENTS, DISPATCH) or not number.isdecimal() or int(number) > last:
            places = f"{EVENTS}/0 to {EVENTS}/{last}, {DISPATCH}/0 to {DISPATCH}/{last}"
            raise InvalidInput("no_such_place", f"{place} is none of {places}")
        await self.time.look()
        return await (self._of_trigger if topic == EVENTS else self._of_dispatch)(int(number), agree)

    async def _of_trigger(self, partition: int, agree: Agree) -> Gap:
        cursor = await self.trigger.claim(partition, self.owner, self.time.now(), self._until())
        if cursor is None:
            raise owned_by_another("trigger", partition)
        try:
            gap = await gap_ahead(self.log, EVENTS, partition, cursor.offset, cursor.clock, cursor.taken)
            if gap and agree(gap):
                behind = cursor.copy()
                behind.offset, behind.taken, behind.attempts = gap.end, gap.behind(cursor.taken), 0
                result = SliceResult(partition, cursor.epoch, cursor.offset, behind, [], [], [], [])
                await self.trigger.commit(result, self._until())
            return gap
        finally:
            await self.trigger.release(partition, cursor.epoch)

    async def _of_dispatch(self, partition: int, agree: Agree) -> Gap:
        cursor = await self.dispatch.claim(partition, self.owner, self.time.now(), self._until())
        if cursor is None:
            raise owned_by_another("dispatch", partition)
        try:
            gap = await gap_ahead(self.log, DISPATCH, partition, cursor.offset, cursor.clock, cursor.taken)

            def go_on(space: Workspace) -> None:
                space.cursor.offset, space.cursor.taken = gap.end, gap.behind(cursor.taken)

            if gap and agree(gap):
                fence = Fence(cursor.epoch)
                if self.hints is not None and gap.end < gap.start:
                    # First, or the store would be taken for one from the past.
                    await self.hints.mark({partition: gap.end})
                await self.dispatch.transact(partition, [], go_on, fence=fence, lease_until=self._until())
            return gap
        finally:
            await self.dispatch.release(partition, cursor.epoch)

    def _until(self) -> int:
        return self.time.now() + LEASE
