"""Who owns which partition: a lease in the cursor's row, renewed while its owner lives, shared fairly among the living.

A lease is for progress alone. What keeps a former owner from writing is the epoch, which rises at every claim.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, Final, Protocol, TypeVar

from tactful.clock import Clock
from tactful.errors import TactfulError, Transient

T = TypeVar("T")
KEEPING: Final = 3.0  # seconds: a third of a lease


def owned_by_another(service: str, partition: int) -> TactfulError:
    """The error for an operator who does something to a partition that no process may work on meanwhile."""
    return TactfulError(
        f"a {service} owns partition {partition}; stop every {service}, wait ten seconds, and try again"
    )


class LeaseTime(Protocol):
    """The time by which leases are counted: the same for all who share a store, whatever the clock of each says."""

    def now(self) -> int:
        """Milliseconds since the epoch, as far as is known since the last look."""
        ...

    async def look(self) -> None:
        """Ask whoever keeps it. Raises StoreUnavailable."""
        ...


class OwnTime:
    """For owners that share a clock: those of one process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> int:
        return self._clock.now()

    async def look(self) -> None:
        """Nobody else has to be asked."""


class LeaseStore(Protocol):
    """The part of a store that leases need. Instants in ms, by the time of leases."""

    async def present(self, owner: str, now: int, until: int) -> int:
        """Say that an owner is alive until an instant; how many are, this one included."""
        ...

    async def renew(self, epochs: Mapping[int, int], until: int) -> frozenset[int]:
        """Lengthen the leases of partitions whose epoch is still this; which they are."""
        ...


class Holder(Protocol):
    """Whoever works on partitions."""

    async def take(self, partition: int) -> bool:
        """Claim it; False if somebody else holds it."""
        ...

    async def give_up(self, partition: int) -> None:
        """Release it, since others have come."""
        ...

    def lose(self, partition: int) -> None:
        """Somebody else holds it now."""
        ...


class Leases:
    """One owner's leases on one service's partitions. They are looked at three times within their length, and at once by
    whoever holds nothing or has lost something."""

    def __init__(self, store: LeaseStore, owner: str, partitions: int, time: LeaseTime, length: int) -> None:
        self._store, self._owner, self._count, self._time, self._length = store, owner, partitions, time, length
        self._next = self._first = 0

    def term(self) -> tuple[int, int]:
        """Now, and the end of a lease that is taken now."""
        now = self._time.now()
        return now, now + self._length

    def until(self) -> int:
        """The end of a lease that is renewed now."""
        return self.term()[1]

    async def tend(self, epochs: Mapping[int, int], holder: Holder) -> None:
        """Keep what is held (partition -> epoch), give up what is more than a fair share, take what nobody holds. Raises Transient
        for what one of several databases did not answer, once all else is done."""
        if self._time.now() < self._next and epochs:
            return
        await self._time.look()
        now, until = self.term()
        alive = await self._store.present(self._owner, now, until)
        kept, away = await self._renewed(epochs, until)
        fair = -(-self._count // max(1, alive))
        for partition in epochs.keys() - kept:
            holder.lose(partition)
        self._next = 0 if away else now + self._length // 3
        for partition in sorted(kept)[fair:]:
            await holder.give_up(partition)
        await self._take(fair - len(kept), epochs, holder)
        if away is not None:
            raise away

    async def _renewed(self, epochs: Mapping[int, int], until: int) -> tuple[frozenset[int], Transient | None]:
        """The partitions that are still ours. If a store does not answer, the error as well, and all of them: whoever has lost one
        is refused when they write."""
        try:
            return (await self._store.renew(epochs, until) if epochs else frozenset()), None
        except Transient as error:
            return frozenset(epochs), error

    async def _take(self, room: int, epochs: Mapping[int, int], holder: Holder) -> None:
        """Claim up to `room` partitions that nobody holds. One at which a store does not answer ends it, since waiting for several
        would outlast the leases; the next look goes on behind that one."""
        for partition in (*range(self._first, self._count), *range(self._first)):
            if partition in epochs or room <= 0:
                continue
            self._first = (partition + 1) % self._count
            room -= await holder.take(partition)
        self._first = 0

    async def keep(self, epochs: Mapping[int, int]) -> None:
        """Renew what is held (partition -> epoch) in the middle of work that lasts. Whoever has lost a partition is refused when
        they write."""
        if epochs:
            await self._time.look()
            now, until = self.term()
            await self._store.present(self._owner, now, until)
            await self._store.renew(epochs, until)

    async def stand_back(self, epochs: Mapping[int, int], holder: Holder) -> None:
        """Give everything up and no longer count as alive, so that others take it."""
        for partition in tuple(epochs):
            await holder.give_up(partition)
        now = self._time.now()
        await self._store.present(self._owner, now, now)

    def look_again(self) -> None:
        """Something was lost between two looks."""
        self._next = 0


async def while_kept(work: Coroutine[Any, Any, T], keep: Callable[[], Awaitable[None]], every: float = KEEPING) -> T:
    """Work that may outlast a lease, as a provider does that takes its time: `keep` renews it meanwhile."""
    working = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait([working], timeout=every))[0]:
            with suppress(Transient):  # the work will meet it as well
                await keep()
        return working.result()
    finally:
        working.cancel()
