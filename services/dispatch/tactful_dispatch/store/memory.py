"""Dispatch's store in memory: for virtual time, and the twin that the contract suite holds against the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from heapq import nsmallest
from typing import TypeVar

from tactful.erasure import Erased
from tactful.partitions.memory import MemoryPartition, MemoryPartitions
from tactful_dispatch.state import ledger
from tactful_dispatch.state.ledger import Link
from tactful_dispatch.state.rows import (
    AddressKey,
    AddressRow,
    Cursor,
    CustomerRow,
    Delivery,
    decode_address,
    decode_cursor,
    decode_customer,
    decode_delivery,
    encode,
    held_in,
)
from tactful_dispatch.store import Fence, Workspace

T = TypeVar("T")


class _Partition(MemoryPartition):
    def __init__(self, number: int) -> None:
        super().__init__()
        self.cursor = encode(Cursor(partition=number))
        self.customers: dict[str, bytes] = {}
        self.dues: dict[str, int] = {}
        self.pending: set[str] = set()
        self.links: list[Link] = []


class _Shared:
    """What belongs to no partition."""

    def __init__(self) -> None:
        self.addresses: dict[AddressKey, bytes] = {}
        self.owners: dict[str, tuple[int, str]] = {}  # message -> partition and customer
        self.archive: dict[str, bytes] = {}
        self.sent: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)  # customer -> (decided at, name)


class MemoryDispatchStore(MemoryPartitions[_Partition]):
    """Implements `tactful_dispatch.store.DispatchStore`. Never suspends. `salt` gives 16 random bytes."""

    def __init__(self, partitions: int, salt: Callable[[], bytes]) -> None:
        super().__init__(_Partition)
        self._count, self._salt = partitions, salt
        self._shared = _Shared()

    async def claim(self, partition: int, owner: str, now: int, until: int) -> Cursor | None:
        held = self._at(partition)
        if not held.take(owner, now, until):
            return None
        cursor = decode_cursor(held.cursor)
        cursor.epoch = held.epoch
        held.cursor = encode(cursor)
        return cursor

    async def transact(
        self,
        partition: int,
        customers: Collection[str],
        work: Callable[[MemoryWorkspace], T],
        *,
        fence: Fence | None = None,
        lease_until: int = 0,
    ) -> T:
        held = self._at(partition)
        cursor = decode_cursor(held.cursor)
        if fence is not None:
            fence.check(partition, held.epoch, cursor.offset)
        space = MemoryWorkspace(cursor, customers, self._count, self._salt, held, self._shared)
        result = work(space)
        space.write(lease_until)
        return result

    async def cursor(self, partition: int) -> Cursor:
        return decode_cursor(self._at(partition).cursor)

    async def customer(self, partition: int, customer: str) -> CustomerRow:
        value = self._at(partition).customers.get(customer)
        return CustomerRow() if value is None else decode_customer(value)

    async def customers(self, partition: int, customers: Collection[str]) -> dict[str, CustomerRow]:
        return {customer: await self.customer(partition, customer) for customer in customers}

    async def address(self, key: AddressKey) -> AddressRow:
        value = self._shared.addresses.get(key)
        return AddressRow() if value is None else decode_address(value)

    async def due(self, partition: int, before: int, most: int) -> list[tuple[int, str]]:
        return nsmallest(most, ((due, customer) for customer, due in self._at(partition).dues.items() if due < before))

    async def held(self, partition: int) -> list[Delivery]:
        return held_in([await self.customer(partition, customer) for customer in self._at(partition).dues])

    async def earliest_due(self, partition: int) -> int | None:
        return min(self._at(partition).dues.values(), default=None)

    async def pending(self, partition: int, after: str, most: int) -> list[str]:
        return nsmallest(most, (customer for customer in self._at(partition).pending if customer > after))

    async def delivery(self, message_id: str) -> Delivery | None:
        if (value := self._shared.archive.get(message_id)) is not None:
            return decode_delivery(value)
        if (owner := self._shared.owners.get(message_id)) is None:
            return None
        return (await self.customer(*owner)).deliveries.get(message_id)

    async def forget_decided(self, before: int, most: int) -> int:
        archive = self._shared.archive
        old = [name for name, value in archive.items() if decode_delivery(value).decided_at < before][:most]
        for name in old:
            del archive[name], self._shared.owners[name]
        for customer, sent in self._shared.sent.items():
            self._shared.sent[customer] = [(at, name) for at, name in sent if name not in old]
        return len(old)

    async def sent(self, customer: str, limit: int) -> list[Delivery]:
        latest = sorted(self._shared.sent.get(customer, ()), reverse=True)[:limit]
        return [decode_delivery(self._shared.archive[name]) for _, name in latest]

    async def everybody(self, partition: int, after: str, limit: int) -> list[str]:
        return sorted(customer for customer in self._at(partition).customers if customer > after)[:limit]

    async def ledger(self, partition: int) -> Sequence[Link]:
        return list(self._at(partition).links)

    async def ledger_of(self, partition: int, customer: str) -> Sequence[Link]:
        return [link for link in self._at(partition).links if ledger.is_about(link, customer)]


class MemoryWorkspace(Workspace):
    """On copies, written back whole."""

    def __init__(
        self,
        cursor: Cursor,
        customers: Collection[str],
        partitions: int,
        salt: Callable[[], bytes],
        held: _Partition,
        shared: _Shared,
    ) -> None:
        super().__init__(cursor, customers, partitions, salt)
        self._held, self._shared = held, shared
        self._links: list[Link] = []
        self._graves = dict(held.graves)

    def knows(self, message_id: str) -> bool:
        _, owner = self._shared.owners.get(message_id, (0, ""))
        return bool(owner) and owner not in self._erased

    def grave(self, grave: str) -> int:
        return self._graves.get(grave, 0)

    def bury(self, erased: Erased) -> None:
        self._graves[erased.grave] = erased.at

    def revive(self, grave: str) -> None:
        self._graves.pop(grave, None)

    def write(self, lease_until: int) -> None:
        self._finish()
        held = self._held
        held.cursor, held.lease_until = encode(self.cursor), max(held.lease_until, lease_until)
        self._forget_erased()
        held.links += self._links
        held.graves = self._graves
        held.outbox += self._outbox.rows
        self._shared.archive |= {delivery.name: encode(delivery) for delivery in self._decided.values()}
        for customer, row in self._changed_customers().items():
            self._write_customer(customer, row)
        self._shared.addresses |= {key: encode(address) for key, address in self._addresses.items()}

    def _read_customer(self, customer: str) -> CustomerRow:
        value = self._held.customers.get(customer)
        return CustomerRow() if value is None else decode_customer(value)

    def _read_address(self, key: AddressKey) -> AddressRow:
        value = self._shared.addresses.get(key)
        return AddressRow() if value is None else decode_address(value)

    def _read_decided(self, message_id: str) -> bytes | None:
        return self._shared.archive.get(message_id) if self.knows(message_id) else None

    def _archived(self, customer: str) -> dict[str, bytes]:
        names = [name for name, (_, owner) in self._shared.owners.items() if owner == customer]
        return {name: self._shared.archive[name] for name in names if name in self._shared.archive}

    def _last_link(self) -> Link | None:
        chain = self._links or self._held.links
        return chain[-1] if chain else None

    def _append_link(self, link: Link, customer: str) -> None:
        self._links.append(link)

    def _erase(self, customer: str) -> None:
        """Here that of this transaction; what is stored when it is written."""
        self._links = [_erased_of(customer, link) for link in self._links]

    def _forget_erased(self) -> None:
        held, shared = self._held, self._shared
        for customer in self._erased:
            for each in (held.customers, held.dues, shared.sent):
                each.pop(customer, None)
            held.pending.discard(customer)
            for name in [name for name, (_, owner) in shared.owners.items() if owner == customer]:
                del shared.owners[name]
                shared.archive.pop(name, None)
            held.links = [_erased_of(customer, link) for link in held.links]

    def _write_customer(self, customer: str, row: CustomerRow) -> None:
        held, shared = self._held, self._shared
        shared.owners.update(dict.fromkeys(row.deliveries, (self.cursor.partition, customer)))
        for delivery in row.take_decided():
            shared.archive[delivery.name] = encode(delivery)
            if delivery.arrived:
                shared.sent[customer].append((delivery.decided_at, delivery.name))
        held.customers[customer] = encode(row)
        held.dues.pop(customer, None)
        if row.due is not None:
            held.dues[customer] = row.due
        held.pending.add(customer) if row.pending else held.pending.discard(customer)


def _erased_of(customer: str, link: Link) -> Link:
    return ledger.erase(link) if ledger.is_about(link, customer) else link
