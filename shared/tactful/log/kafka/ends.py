"""Where the partitions of a topic end: what brokers have told lately, and what this process has appended since."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from tactful.errors import LogUnavailable

FRESH: Final = 0.005  # seconds for which the ends of all partitions are remembered
TOGETHER: Final = 1.0  # seconds for the ends of all partitions: one that no broker leads keeps the others waiting
APART: Final = 10.0  # seconds in which each is asked for by itself, once one of them has kept the others waiting

Ask = Callable[[Collection[int]], Awaitable[dict[int, int]]]  # brokers, for some partitions


class Ends:
    """The ends of one topic's partitions. `stop` after."""

    def __init__(self, name: str, ask: Ask, together: float = TOGETHER) -> None:
        self._name, self._ask, self._together = name, ask, together
        self._known: dict[int, int] = {}
        self._asked_at, self._apart_until = -FRESH, 0.0
        # By partition: who asks where it ends, and until when that is waited for.
        self._asking: dict[int, tuple[asyncio.Task[int], float]] = {}

    def note(self, partition: int, end: int) -> None:
        """Note that a partition reaches to `end` at least."""
        self._known[partition] = max(end, self._known.get(partition, 0))

    def known(self, partition: int) -> int:
        """The end that was told last; 0 if none was."""
        return self._known.get(partition, 0)

    async def of(self, partition: int, others: Collection[int]) -> int:
        """The end of a partition, asked for together with those of `others`; what was appended elsewhere within the last few milliseconds
        may be missing. Raises LogUnavailable."""
        if time.monotonic() - self._asked_at > FRESH or partition not in self._known:
            everything = {*others, *self._known, partition}  # that is remembered, or a part would grow old
            if not await self._of_all(everything):
                await self.alone(partition)
        return self.known(partition)

    async def _of_all(self, partitions: Collection[int]) -> bool:
        """Whether the ends of all of them could be told."""
        if time.monotonic() < self._apart_until:
            return False
        if len(partitions) == 1:
            await self.alone(*partitions)
        else:
            try:
                async with asyncio.timeout(self._together):
                    await self._told(partitions)
            except TimeoutError:
                self._apart_until = time.monotonic() + APART
                return False
        self._asked_at = time.monotonic()
        return True

    async def alone(self, partition: int) -> int:
        """The end of one partition as its broker tells it now. Where none leads it, aiokafka asks on for ten seconds: whoever comes first
        waits for a part of them, and whoever comes later is told that there is no answer yet. Else the other partitions of a service
        would wait for each look. Raises LogUnavailable."""
        now = time.monotonic()
        asking, until = self._asking.get(partition, (None, 0.0))
        if asking is None or asking.done():
            asking, until = asyncio.create_task(self._alone(partition)), now + self._together
            asking.add_done_callback(lambda task: task.cancelled() or task.exception())
            self._asking[partition] = asking, until
        done, _ = await asyncio.wait([asking], timeout=max(0.0, until - now))
        if not done:
            raise LogUnavailable(
                f"{self._name}/{partition}: no broker says where it ends: it may have no leader, or they are away"
            )
        return asking.result()

    def is_asked(self, partition: int) -> bool:
        """Whether somebody waits for an answer, or has given up waiting."""
        return partition in self._asking and not self._asking[partition][0].done()

    async def _alone(self, partition: int) -> int:
        return (await self._told([partition]))[partition]

    async def _told(self, partitions: Collection[int]) -> dict[int, int]:
        """A log that was cut off ends earlier than it did, and whoever counts on what it had there would wait for that."""
        before = {partition: self.known(partition) for partition in partitions}
        told = await self._ask(partitions)
        for partition, end in told.items():
            if self.known(partition) == before[partition]:  # or more is known by now than when it was asked
                self._known[partition] = end
            self.note(partition, end)
        return told

    async def stop(self) -> None:
        going = [task for task, _ in self._asking.values()]
        for task in going:
            task.cancel()
        await asyncio.gather(*going, return_exceptions=True)
