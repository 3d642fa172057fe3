"""One transaction of dispatch: rows are taken out of a store as they are asked for, changed, and written back at its end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping

from tactful.erasure import Erased
from tactful.partitions.outbox import Cause, Outbox
from tactful.records import DISPATCH, Record
from tactful_dispatch.state import ledger
from tactful_dispatch.state.ledger import ConsentEntry, Link
from tactful_dispatch.state.rows import AddressKey, AddressRow, Cursor, CustomerRow, Delivery, decode_delivery


class Workspace(ABC):
    """One transaction. The rows of its customers are locked when it begins, in order of id; addresses are locked after
    them, as they are taken. A row that was not asked for is a KeyError.

    `cause` is what made the records that are put. Unless a slice says which record or timer it applies, that is something from outside, a
    provider's answer or a customer's wish, which comes after the latest record read.
    """

    def __init__(self, cursor: Cursor, customers: Collection[str], partitions: int, salt: Callable[[], bytes]) -> None:
        self.cursor, self.cause = cursor, Cause(max(0, cursor.offset - 1), True)
        self._locked, self._salt = frozenset(customers), salt
        self._customers: dict[str, CustomerRow] = {}
        self._addresses: dict[AddressKey, AddressRow] = {}
        self._decided: dict[str, Delivery] = {}
        self._erased: set[str] = set()
        self._outbox = Outbox(DISPATCH, cursor.partition, partitions, cursor.sequences)

    def customer(self, customer: str) -> CustomerRow:
        """The row, made now if there is none. Changes to it are stored; what is decided in it moves to the archive."""
        if customer not in self._customers:
            if customer not in self._locked:
                raise KeyError(f"{customer} is not among the customers of this transaction")
            self._customers[customer] = self._read_customer(customer)
        return self._customers[customer]

    def address(self, key: AddressKey) -> AddressRow:
        """Likewise, for an address of a customer of this transaction."""
        if key not in self._addresses:
            self._addresses[key] = self._read_address(key)
        return self._addresses[key]

    def lock_addresses(self, keys: Iterable[AddressKey]) -> None:  # noqa: B027 - where one writer is the lock, nothing is to be done
        """Lock several together, in the same order in every transaction, ahead of `address`."""

    @abstractmethod
    def knows(self, message_id: str) -> bool:
        """Whether a message was taken before this transaction, however long ago."""

    def decided(self, message_id: str) -> Delivery | None:
        """A decided message of a customer of this transaction. Changes to it are stored."""
        if message_id not in self._decided and (value := self._read_decided(message_id)) is not None:
            self._decided[message_id] = decode_delivery(value)
        return self._decided.get(message_id)

    def record_consent(self, entry: ConsentEntry) -> int:
        """Append to the ledger; the entry's number."""
        link = ledger.forge(self._last_link(), entry, self._salt())
        self._append_link(link, entry.customer)
        return link.number

    @abstractmethod
    def grave(self, grave: str) -> int:
        """When the customer of a grave was erased (ms); 0 if it is none."""

    @abstractmethod
    def bury(self, erased: Erased) -> None:
        """A grave without a customer."""

    @abstractmethod
    def revive(self, grave: str) -> None:
        """The customer of a grave is back."""

    def erase(self, customer: str, erased: Erased) -> set[AddressKey]:
        """Row, messages and what the ledger says of them go; the addresses to which messages went."""
        gone = list(self.customer(customer).deliveries.values())
        for name, value in self._archived(customer).items():
            gone.append(self._decided.pop(name) if name in self._decided else decode_delivery(value))
        self._customers[customer] = CustomerRow()
        self._erased.add(customer)
        self._erase(customer)
        self.bury(erased)
        return {delivery.address for delivery in gone if delivery.address is not None}

    def put(self, topic: str, record: Record) -> None:
        """Append to a topic after the commit."""
        self._outbox.put(topic, record, self.cause)

    def go_on_after(self, sequences: Mapping[str, int]) -> None:
        """As `tactful.partitions.outbox.Outbox.go_on_after`."""
        self._outbox.go_on_after(sequences)

    @abstractmethod
    def write(self, lease_until: int) -> None:
        """Hand everything that was changed to the transaction. The lease lasts until `lease_until` (ms) at least."""

    def _changed_customers(self) -> dict[str, CustomerRow]:
        """In order of id. Whoever was erased stays away, unless something has come for them since."""
        return {
            customer: row
            for customer, row in sorted(self._customers.items())
            if customer not in self._erased or row != CustomerRow()
        }

    def _finish(self) -> None:
        """Before anything is written."""
        self.cursor.sequences = self._outbox.sequences
        for address in self._addresses.values():
            address.trim()

    @abstractmethod
    def _read_customer(self, customer: str) -> CustomerRow: ...

    @abstractmethod
    def _read_address(self, key: AddressKey) -> AddressRow: ...

    @abstractmethod
    def _read_decided(self, message_id: str) -> bytes | None: ...

    @abstractmethod
    def _archived(self, customer: str) -> dict[str, bytes]:
        """The customer's decided messages as they are stored, by name."""

    @abstractmethod
    def _last_link(self) -> Link | None: ...

    @abstractmethod
    def _append_link(self, link: Link, customer: str) -> None: ...

    @abstractmethod
    def _erase(self, customer: str) -> None:
        """What is stored of a customer goes with this transaction."""
