"""Partitions of a store in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from tactful.partitions.outbox import OutboxRow


class MemoryPartition:
    """What is kept of one."""

    def __init__(self) -> None:
        self.epoch = self.lease_until = 0
        self.owner = ""
        self.outbox: list[OutboxRow] = []
        self.graves: dict[str, int] = {}

    def take(self, owner: str, now: int, until: int) -> bool:
        """Raise the epoch; False if somebody else holds the lease."""
        if self.lease_until > now and self.owner != owner:
            return False
        self.owner, self.lease_until, self.epoch = owner, until, self.epoch + 1
        return True


P = TypeVar("P", bound=MemoryPartition)


class MemoryPartitions(Generic[P]):
    """Never suspends."""

    def __init__(self, make: Callable[[int], P]) -> None:
        """`make` gives a partition, by its number, that nobody has owned yet."""
        self._make = make
        self._partitions: dict[int, P] = {}
        self._present: dict[str, int] = {}

    def _at(self, partition: int) -> P:
        if partition not in self._partitions:
            self._partitions[partition] = self._make(partition)
        return self._partitions[partition]

    async def present(self, owner: str, now: int, until: int) -> int:
        self._present[owner] = until
        self._present = {name: at for name, at in self._present.items() if at > now or name == owner}
        return len(self._present)

    async def renew(self, epochs: Mapping[int, int], until: int) -> frozenset[int]:
        kept = frozenset(partition for partition, epoch in epochs.items() if self._at(partition).epoch == epoch)
        for partition in kept:
            self._at(partition).lease_until = until
        return kept

    async def release(self, partition: int, epoch: int) -> None:
        held = self._at(partition)
        if held.epoch == epoch:
            held.lease_until = 0

    async def graves(self, partition: int) -> dict[str, int]:
        return dict(self._at(partition).graves)

    async def unsent(self, partition: int, limit: int) -> list[OutboxRow]:
        return self._at(partition).outbox[:limit]

    async def forget(self, rows: Sequence[OutboxRow]) -> None:
        gone = {(row.origin_partition, row.topic, row.partition, row.seq) for row in rows}
        for partition in {row.origin_partition for row in rows}:
            held = self._at(partition)
            held.outbox = [r for r in held.outbox if (partition, r.topic, r.partition, r.seq) not in gone]
