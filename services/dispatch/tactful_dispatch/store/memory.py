"""Dispatch's store in memory: for virtual time, and the twin that the contract suite holds against the others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from tactful.errors import Fenced
from tactful.outbox import Cause, Outbox, OutboxRow
from tactful.records import DISPATCH, Record
from tactful_dispatch import ledger
from tactful_dispatch.ledger import ConsentEntry, Link
from tactful_dispatch.rows import (
    AddressKey,
    AddressRow,
    Cursor,
    CustomerRow,
    decode_address,
    decode_cursor,
    decode_customer,
    encode,
)
from tactful_dispatch.store import Fence

T = TypeVar("T")


class _Partition:
    def __init__(self, number: int) -> None:
        self.cursor = encode(Cursor(partition=number))
        self.epoch = self.lease_until = 0
        self.owner = ""
        self.customers: dict[str, bytes] = {}
        self.dues: dict[str, int] = {}
        self.pending: set[str] = set()
        self.links: list[Link] = []
        self.outbox: list[OutboxRow] = []


class MemoryDispatchStore:
    """Implements `tactful_dispatch.store.DispatchStore`. Never suspends. `salt` gives 16 random bytes."""

    def __init__(self, partitions: int, salt: Callable[[], bytes]) -> None:
        self._count, self._salt = partitions, salt
        self._partitions: dict[int, _Partition] = {}
        self._addresses: dict[AddressKey, bytes] = {}
        self._messages: dict[str, str] = {}

    def _at(self, partition: int) -> _Partition:
        return self._partitions.setdefault(partition, _Partition(partition))

    async def claim(self, partition: int, owner: str, now: int, until: int) -> Cursor | None:
        held = self._at(partition)
        if held.lease_until > now and held.owner != owner:
            return None
        held.owner, held.lease_until = owner, until
        held.epoch += 1
        cursor = decode_cursor(held.cursor)
        cursor.epoch = held.epoch
        held.cursor = encode(cursor)
        return cursor

    async def release(self, partition: int, epoch: int) -> None:
        held = self._at(partition)
        if held.epoch == epoch:
            held.lease_until = 0

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
        if fence is not None and (held.epoch != fence.epoch or fence.offset not in (None, cursor.offset)):
            raise Fenced(f"dispatch/{partition}: epoch {held.epoch} holds it now")
        space = MemoryWorkspace(cursor, held, self._addresses, self._count, self._salt)
        result = work(space)
        space.write(held, self._addresses, self._messages)
        held.lease_until = max(held.lease_until, lease_until)
        return result

    async def cursor(self, partition: int) -> Cursor:
        return decode_cursor(self._at(partition).cursor)

    async def customer(self, partition: int, customer: str) -> CustomerRow:
        value = self._at(partition).customers.get(customer)
        return CustomerRow() if value is None else decode_customer(value)

    async def due(self, partition: int, before: int) -> list[tuple[int, str]]:
        return sorted((due, customer) for customer, due in self._at(partition).dues.items() if due < before)

    async def earliest_due(self, partition: int) -> int | None:
        return min(self._at(partition).dues.values(), default=None)

    async def pending(self, partition: int) -> list[str]:
        return sorted(self._at(partition).pending)

    async def customer_of(self, message_id: str) -> str | None:
        return self._messages.get(message_id)

    async def ledger(self, partition: int) -> Sequence[Link]:
        return list(self._at(partition).links)

    async def unsent(self, partition: int, limit: int) -> list[OutboxRow]:
        return self._at(partition).outbox[:limit]

    async def forget(self, rows: Sequence[OutboxRow]) -> None:
        gone = {(row.origin_partition, row.topic, row.partition, row.seq) for row in rows}
        for partition in {row.origin_partition for row in rows}:
            held = self._at(partition)
            held.outbox = [r for r in held.outbox if (partition, r.topic, r.partition, r.seq) not in gone]


class MemoryWorkspace:
    """Implements `tactful_dispatch.store.Workspace` on copies, written back whole."""

    def __init__(
        self,
        cursor: Cursor,
        held: _Partition,
        addresses: dict[AddressKey, bytes],
        partitions: int,
        salt: Callable[[], bytes],
    ) -> None:
        self.cursor, self._held, self._stored, self._salt = cursor, held, addresses, salt
        self._customers: dict[str, CustomerRow] = {}
        self._addresses: dict[AddressKey, AddressRow] = {}
        self._links: list[Link] = []
        self._outbox = Outbox(DISPATCH, cursor.partition, partitions, cursor.sequences)

    def customer(self, customer: str) -> CustomerRow:
        if customer not in self._customers:
            value = self._held.customers.get(customer)
            self._customers[customer] = CustomerRow() if value is None else decode_customer(value)
        return self._customers[customer]

    def address(self, key: AddressKey) -> AddressRow:
        if key not in self._addresses:
            value = self._stored.get(key)
            self._addresses[key] = AddressRow() if value is None else decode_address(value)
        return self._addresses[key]

    def record_consent(self, entry: ConsentEntry) -> int:
        chain = self._links or self._held.links
        self._links.append(ledger.forge(chain[-1] if chain else None, entry, self._salt()))
        return self._links[-1].number

    def put(self, topic: str, record: Record, cause: Cause) -> None:
        self._outbox.put(topic, record, cause)

    def write(self, held: _Partition, addresses: dict[AddressKey, bytes], messages: dict[str, str]) -> None:
        """Make everything true at once."""
        self.cursor.sequences = self._outbox.sequences
        held.cursor = encode(self.cursor)
        held.links += self._links
        held.outbox += self._outbox.rows
        for customer, row in self._customers.items():
            row.trim()
            held.customers[customer] = encode(row)
            messages.update(dict.fromkeys(row.deliveries, customer))
            if row.due is None:
                held.dues.pop(customer, None)
            else:
                held.dues[customer] = row.due
            held.pending.add(customer) if row.pending else held.pending.discard(customer)
        for key, address in self._addresses.items():
            address.trim()
            addresses[key] = encode(address)
