"""Port: dispatch's store. Every change is one transaction over a `Workspace`.

Implementations: `tactful_dispatch.store.memory`, `tactful_dispatch.store.sqlite`, `tactful_dispatch.store.postgres`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol, TypeVar

from tactful.errors import Fenced
from tactful.partitions.leases import LeaseStore
from tactful.partitions.outbox import OutboxStore
from tactful_dispatch.state.ledger import Link
from tactful_dispatch.state.rows import AddressKey, AddressRow, Cursor, CustomerRow, Delivery
from tactful_dispatch.store.workspace import Workspace

__all__ = ["DispatchStore", "Fence", "Workspace", "delivery_of"]

T = TypeVar("T")


class Fence(NamedTuple):
    """What the cursor must still be."""

    epoch: int
    offset: int | None = None  # None: any

    def check(self, partition: int, epoch: int, offset: int) -> None:
        """Raises Fenced."""
        if epoch != self.epoch or self.offset not in (None, offset):
            raise Fenced(f"dispatch/{partition}: epoch {epoch} holds it now")


def delivery_of(space: Workspace, customer: str, message_id: str) -> Delivery | None:
    """A message of the customer's, waiting or decided, as far as it is known here."""
    return space.customer(customer).deliveries.get(message_id) or space.decided(message_id)


class DispatchStore(OutboxStore, LeaseStore, Protocol):
    """Durable when a call returns. Raises Transient when it cannot be reached."""

    async def claim(self, partition: int, owner: str, now: int, until: int) -> Cursor | None:
        """Take the lease until `until` (ms) and raise the epoch; None while another owner's lease runs."""
        ...

    async def release(self, partition: int, epoch: int) -> None:
        """Give the lease up."""
        ...

    async def transact(
        self,
        partition: int,
        customers: Collection[str],
        work: Callable[[Workspace], T],
        *,
        fence: Fence | None = None,
        lease_until: int = 0,
    ) -> T:
        """Run `work` on the rows of these customers and return what it does. Raises Fenced; what `work` raises undoes everything. It may
        run in another thread, and again if the store has to start over. The lease lasts until `lease_until` (ms) at least."""
        ...

    async def cursor(self, partition: int) -> Cursor:
        """The stored cursor."""
        ...

    async def customer(self, partition: int, customer: str) -> CustomerRow:
        """A copy for reading."""
        ...

    async def customers(self, partition: int, customers: Collection[str]) -> dict[str, CustomerRow]:
        """A copy of each for reading, in the order in which they are named."""
        ...

    async def address(self, key: AddressKey) -> AddressRow:
        """A copy for reading."""
        ...

    async def due(self, partition: int, before: int, most: int) -> list[tuple[int, str]]:
        """The first `most` pairs `(due, customer)` that are due before an instant (ms), in order."""
        ...

    async def held(self, partition: int) -> list[Delivery]:
        """Every delivery that waits for an instant or for its run's word, in no order."""
        ...

    async def earliest_due(self, partition: int) -> int | None:
        """When time moves the first delivery on."""
        ...

    async def pending(self, partition: int, after: str, most: int) -> list[str]:
        """At most `most` customers, in order of id and behind the id `after`, who have a delivery that may leave, that a restart left in
        `sending`, or whose gates have to be asked again."""
        ...

    async def delivery(self, message_id: str) -> Delivery | None:
        """A copy of one message for reading, open or decided."""
        ...

    async def forget_decided(self, before: int, most: int) -> int:
        """Delete at most `most` messages that were decided before an instant (ms); how many were deleted. One that came again after that
        would be taken for a new one."""
        ...

    async def sent(self, customer: str, limit: int) -> list[Delivery]:
        """Messages that reached a customer or may have, the latest decision first."""
        ...

    async def graves(self, partition: int) -> dict[str, int]:
        """Who was erased, and when."""
        ...

    async def everybody(self, partition: int, after: str, limit: int) -> list[str]:
        """At most `limit` customers of a partition who come behind `after`, in order of id."""
        ...

    async def ledger(self, partition: int) -> Sequence[Link]:
        """The chain of a partition."""
        ...

    async def ledger_of(self, partition: int, customer: str) -> Sequence[Link]:
        """The links of it that say something of a customer, in order."""
        ...
