"""The red button: all sending stops, and later goes on. Both are records in the log; what waits is kept.

Without a log nothing can be told: but then nothing is sent either, once the log has not been read for a minute.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, NamedTuple

import msgspec

from tactful.clock import Clock
from tactful.decisions import Reason
from tactful.identity import digest
from tactful.log import Log
from tactful.log.broadcasting import broadcast
from tactful.records import DISPATCH
from tactful_dispatch.state.rows import latest_stop
from tactful_dispatch.store import DispatchStore

LOOKS: Final = 30
LOOK_APART: Final = 0.1  # seconds


class Standing(NamedTuple):
    """Whether sending is stopped. `in_force`: partitions whose dispatch has read it; `expired`: messages that it kept for too
    long."""

    stopped: bool
    by: str
    why: str
    at: int
    in_force: int
    partitions: int
    expired: int


class RedButton:
    """Stops all sending of a deployment, and lets it go on."""

    def __init__(self, log: Log, store: DispatchStore, clock: Clock) -> None:
        self._log, self._store, self._clock = log, store, clock

    async def press(self, by: str, why: str) -> None:
        """Stop: nothing leaves any more as soon as dispatch has read it."""
        await self._tell("Sending Stopped", {"by": by, "why": why})

    async def is_in_force(self) -> bool:
        """Whether all of dispatch has read it, which is waited for a few seconds."""
        for _ in range(LOOKS):
            standing = await self.standing()
            if standing.in_force == standing.partitions:
                return True
            await asyncio.sleep(LOOK_APART)
        return False

    async def let_go(self, by: str, over: int) -> None:
        """Sending goes on; what was kept leaves one after the other, spread over so many ms."""
        await self._tell("Sending Resumed", {"by": by, "over": over})

    async def standing(self) -> Standing:
        """As of what dispatch has read."""
        partitions = range(self._log.partitions)
        cursors = [await self._store.cursor(partition) for partition in partitions]
        stopped = [cursor for cursor in cursors if cursor.stopped]
        latest = latest_stop(cursors)
        return Standing(
            stopped=bool(stopped),
            by=latest.stopped,
            why=latest.stopped_why,
            at=latest.stopped_at,
            in_force=len(stopped),
            partitions=len(cursors),
            expired=sum(cursor.expired for cursor in cursors),
        )

    async def counted(self) -> dict[str, int]:
        """`kept`: how many messages wait because of it, which looks at everything that is held, one partition after the other.
        `unread`: records that dispatch has not read; a stop may be among them."""
        kept = unread = 0
        for partition in range(self._log.partitions):
            kept += sum(delivery.held_for == Reason.STOPPED for delivery in await self._store.held(partition))
            unread += await self._log.end(DISPATCH, partition) - (await self._store.cursor(partition)).offset
        return {"kept": kept, "unread": unread}

    async def _tell(self, name: str, data: dict[str, Any]) -> None:
        now = self._clock.now()
        await broadcast(self._log, [DISPATCH], digest(name, str(now)), name, msgspec.json.encode(data), now)
