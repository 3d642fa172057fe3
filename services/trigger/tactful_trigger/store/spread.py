"""Trigger's store over several databases, by partition: what one database cannot carry, several can.

A partition lives in one of them whole, so a slice stays one transaction. Number and order never change, as with partitions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain, zip_longest
from typing import TypeVar

from tactful.partitions.outbox import OutboxRow
from tactful.together import all_done
from tactful_trigger.state.cursor import Cursor
from tactful_trigger.state.history import HistoryRow
from tactful_trigger.store import SliceResult, StepRequest, TriggerStore

T = TypeVar("T")


class SpreadTriggerStore:
    """Implements `tactful_trigger.store.TriggerStore` over others of its kind. Who works is told by the first of them."""

    def __init__(self, stores: Sequence[TriggerStore]) -> None:
        self._stores = stores

    def _of(self, partition: int) -> TriggerStore:
        return self._stores[partition % len(self._stores)]

    async def claim(self, partition: int, owner: str, now: int, until: int) -> Cursor | None:
        return await self._of(partition).claim(partition, owner, now, until)

    async def present(self, owner: str, now: int, until: int) -> int:
        return await self._stores[0].present(owner, now, until)

    async def renew(self, epochs: Mapping[int, int], until: int) -> frozenset[int]:
        shares = [{p: epoch for p, epoch in epochs.items() if self._of(p) is store} for store in self._stores]
        renewed = [store.renew(share, until) for store, share in zip(self._stores, shares, strict=True) if share]
        return frozenset(chain.from_iterable(await all_done(renewed)))

    async def release(self, partition: int, epoch: int) -> None:
        await self._of(partition).release(partition, epoch)

    async def load(self, partition: int, customers: Collection[str]) -> dict[str, bytes]:
        return await self._of(partition).load(partition, customers)

    async def busy(self, partition: int) -> set[str]:
        return await self._of(partition).busy(partition)

    async def due(self, partition: int, start: tuple[int, str], before: int, most: int) -> list[tuple[int, str]]:
        return await self._of(partition).due(partition, start, before, most)

    async def earliest_due(self, partition: int, start: int) -> int | None:
        return await self._of(partition).earliest_due(partition, start)

    async def commit(self, result: SliceResult, until: int) -> None:
        await self._of(result.partition).commit(result, until)

    async def cursor(self, partition: int) -> Cursor | None:
        return await self._of(partition).cursor(partition)

    async def unsent(self, partition: int, limit: int) -> list[OutboxRow]:
        return await self._of(partition).unsent(partition, limit)

    async def forget(self, rows: Sequence[OutboxRow]) -> None:
        for store in self._stores:
            if mine := [row for row in rows if self._of(row.origin_partition) is store]:
                await store.forget(mine)

    async def graves(self, partition: int) -> dict[str, int]:
        return await self._of(partition).graves(partition)

    async def steps(self, partition: int, limit: int) -> list[StepRequest]:
        return await self._of(partition).steps(partition, limit)

    async def forget_steps(self, partition: int, done: Sequence[StepRequest]) -> None:
        await self._of(partition).forget_steps(partition, done)

    async def history(self, customer: str, limit: int, since: int = 0) -> list[HistoryRow]:
        return _one_after_the_other(await all_done(store.history(customer, limit, since) for store in self._stores))

    async def forget_history(self, now: int, before: int) -> int:
        return sum(await all_done(store.forget_history(now, before) for store in self._stores))

    async def everybody(self, partition: int, after: str, limit: int) -> list[str]:
        return await self._of(partition).everybody(partition, after, limit)

    async def customers(self, text: str, limit: int) -> list[str]:
        return sorted(_one_after_the_other(await all_done(store.customers(text, limit) for store in self._stores)))[
            :limit
        ]

    async def active(self, limit: int) -> list[str]:
        """Databases do not tell which of two customers came later: the latest of each in turn."""
        found = await all_done(store.active(limit) for store in self._stores)
        return [name for turn in zip_longest(*found) for name in turn if name is not None][:limit]

    async def running(self, rule: str, *, parked: bool = False) -> list[str]:
        found = await all_done(store.running(rule, parked=parked) for store in self._stores)
        return sorted(_one_after_the_other(found))

    async def live_runs(self, *, parked: bool = False) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for found in await all_done(store.live_runs(parked=parked) for store in self._stores):
            counts.update(found)
        return dict(counts)


def _one_after_the_other(found: Iterable[Iterable[T]]) -> list[T]:
    return list(chain.from_iterable(found))
