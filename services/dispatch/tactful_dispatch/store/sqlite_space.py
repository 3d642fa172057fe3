"""One transaction of dispatch's store in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from tactful.erasure import Erased
from tactful.outbox import Outbox
from tactful.records import DISPATCH, Record
from tactful.sqlite import insert
from tactful_dispatch import ledger
from tactful_dispatch.ledger import ConsentEntry, link_of
from tactful_dispatch.rows import (
    AddressKey,
    AddressRow,
    Cursor,
    CustomerRow,
    Delivery,
    decode_address,
    decode_customer,
    decode_delivery,
    encode,
)
from tactful_dispatch.store import from_outside

IS_ABOUT: Final = "instr(entry, ?) = 1"  # an entry of the ledger, by its beginning


class SqliteWorkspace:
    """Implements `tactful_dispatch.store.Workspace` inside a job of the writer thread."""

    def __init__(
        self,
        db: sqlite3.Connection,
        cursor: Cursor,
        locked: frozenset[str],
        partitions: int,
        salt: Callable[[], bytes],
    ) -> None:
        self._db, self.cursor, self._locked, self._salt = db, cursor, locked, salt
        self._customers: dict[str, CustomerRow] = {}
        self._addresses: dict[AddressKey, AddressRow] = {}
        self._decided: dict[str, Delivery] = {}
        self._erased: frozenset[str] = frozenset()
        self.cause = from_outside(cursor)
        self._outbox = Outbox(DISPATCH, cursor.partition, partitions, cursor.sequences)

    def customer(self, customer: str) -> CustomerRow:
        if customer not in self._customers:
            if customer not in self._locked:
                raise KeyError(f"{customer} is not among the customers of this transaction")
            self._customers[customer] = customer_of(self._db, self.cursor.partition, customer)
        return self._customers[customer]

    def address(self, key: AddressKey) -> AddressRow:
        if key not in self._addresses:
            self._addresses[key] = address_of(self._db, key)
        return self._addresses[key]

    def lock_addresses(self, keys: Iterable[AddressKey]) -> None:
        """There is one writer."""

    def knows(self, message_id: str) -> bool:
        return self._message(message_id) is not None

    def decided(self, message_id: str) -> Delivery | None:
        row = self._message(message_id)
        if message_id not in self._decided and row is not None and row[0] is not None:
            self._decided[message_id] = decode_delivery(row[0])
        return self._decided.get(message_id)

    def _message(self, message_id: str) -> tuple[bytes | None] | None:
        row: tuple[bytes | None] | None = self._db.execute(
            "SELECT value FROM dispatch_message WHERE message = ?", (message_id,)
        ).fetchone()
        return row

    def record_consent(self, entry: ConsentEntry) -> int:
        row = self._db.execute(
            """SELECT number, commitment, hash, salt, entry FROM dispatch_ledger
               WHERE partition = ? ORDER BY number DESC LIMIT 1""",
            (self.cursor.partition,),
        ).fetchone()
        link = ledger.forge(None if row is None else link_of(*row), entry, self._salt())
        self._db.execute(
            "INSERT INTO dispatch_ledger VALUES (?, ?, ?, ?, ?, ?)",
            (self.cursor.partition, link.number, link.commitment, link.hash, link.salt, link.entry),
        )
        return link.number

    def grave(self, grave: str) -> int:
        row = self._db.execute(
            "SELECT erased_at FROM dispatch_grave WHERE partition = ? AND grave = ?", (self.cursor.partition, grave)
        ).fetchone()
        return 0 if row is None else int(row[0])

    def bury(self, erased: Erased) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO dispatch_grave VALUES (?, ?, ?)", (self.cursor.partition, erased.grave, erased.at)
        )

    def revive(self, grave: str) -> None:
        self._db.execute("DELETE FROM dispatch_grave WHERE partition = ? AND grave = ?", (self.cursor.partition, grave))

    def erase(self, customer: str, erased: Erased) -> set[AddressKey]:
        db, partition = self._db, self.cursor.partition
        names = db.execute("SELECT message, value FROM dispatch_message WHERE customer = ?", (customer,)).fetchall()
        archived = [self._decided.get(name) or decode_delivery(value) for name, value in names if value]
        for name, _ in names:
            self._decided.pop(name, None)
        known = [*archived, *self.customer(customer).deliveries.values()]
        self._customers[customer], self._erased = CustomerRow(), self._erased | {customer}
        db.execute("DELETE FROM dispatch_message WHERE customer = ?", (customer,))
        db.execute("DELETE FROM dispatch_customer WHERE partition = ? AND customer = ?", (partition, customer))
        db.execute(
            f"UPDATE dispatch_ledger SET salt = NULL, entry = NULL WHERE partition = ? AND {IS_ABOUT}",
            (partition, ledger.beginning_of(customer)),
        )
        self.bury(erased)
        return {delivery.address for delivery in known if delivery.address is not None}

    def put(self, topic: str, record: Record) -> None:
        self._outbox.put(topic, record, self.cause)

    def go_on_after(self, sequences: Mapping[str, int]) -> None:
        self._outbox.go_on_after(sequences)

    def write(self, lease_until: int) -> None:
        """Hand everything to the transaction."""
        partition, self.cursor.sequences = self.cursor.partition, self._outbox.sequences
        self._db.execute(
            "UPDATE dispatch_cursor SET value = ?, lease_until = max(lease_until, ?) WHERE partition = ?",
            (encode(self.cursor), lease_until, partition),
        )
        for name, row in self._customers.items():
            if name not in self._erased or row != CustomerRow():
                self._write_customer(name, row)
        self._archive(self._decided.values())
        for key, address in self._addresses.items():
            address.trim()
            self._db.execute(
                "INSERT OR REPLACE INTO dispatch_address VALUES (?, ?, ?)", (key.channel, key.hash, encode(address))
            )
        insert(
            self._db,
            "INSERT INTO dispatch_outbox (partition, topic, target, seq, value, cause)",
            [
                (partition, r.topic, r.partition, r.seq, r.value, msgspec.json.encode(r.cause))
                for r in self._outbox.rows
            ],
        )

    def _write_customer(self, customer: str, row: CustomerRow) -> None:
        partition = self.cursor.partition
        self._db.executemany(
            "INSERT OR IGNORE INTO dispatch_message VALUES (?, ?, ?, NULL, FALSE, NULL)",
            [(name, partition, customer) for name in row.deliveries],
        )
        self._archive(row.take_decided())
        self._db.execute(
            "INSERT OR REPLACE INTO dispatch_customer VALUES (?, ?, ?, ?, ?)",
            (partition, customer, encode(row), row.due, row.pending),
        )

    def _archive(self, deliveries: Iterable[Delivery]) -> None:
        self._db.executemany(
            "UPDATE dispatch_message SET decided_at = ?, arrived = ?, value = ? WHERE message = ?",
            [(d.decided_at, d.arrived, encode(d), d.name) for d in deliveries],
        )


def customer_of(db: sqlite3.Connection, partition: int, customer: str) -> CustomerRow:
    row = db.execute(
        "SELECT value FROM dispatch_customer WHERE partition = ? AND customer = ?", (partition, customer)
    ).fetchone()
    return CustomerRow() if row is None else decode_customer(row[0])


def address_of(db: sqlite3.Connection, key: AddressKey) -> AddressRow:
    row = db.execute(
        "SELECT value FROM dispatch_address WHERE channel = ? AND hash = ?", (key.channel, key.hash)
    ).fetchone()
    return AddressRow() if row is None else decode_address(row[0])
