"""One transaction of dispatch's store in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable
from typing import Final

import msgspec

from tactful.erasure import Erased
from tactful.sqlite import insert
from tactful_dispatch.state.ledger import Link, beginning_of, link_of
from tactful_dispatch.state.rows import (
    AddressKey,
    AddressRow,
    Cursor,
    CustomerRow,
    Delivery,
    decode_address,
    decode_customer,
    encode,
)
from tactful_dispatch.store import Workspace

IS_ABOUT: Final = "instr(entry, ?) = 1"  # an entry of the ledger, by its beginning


class SqliteWorkspace(Workspace):
    """Inside a job of the writer thread."""

    def __init__(
        self,
        cursor: Cursor,
        customers: Collection[str],
        partitions: int,
        salt: Callable[[], bytes],
        db: sqlite3.Connection,
    ) -> None:
        super().__init__(cursor, customers, partitions, salt)
        self._db = db

    def knows(self, message_id: str) -> bool:
        return self._message(message_id) is not None

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

    def write(self, lease_until: int) -> None:
        self._finish()
        partition = self.cursor.partition
        self._db.execute(
            "UPDATE dispatch_cursor SET value = ?, lease_until = max(lease_until, ?) WHERE partition = ?",
            (encode(self.cursor), lease_until, partition),
        )
        for name, row in self._changed_customers().items():
            self._write_customer(name, row)
        self._archive(self._decided.values())
        self._db.executemany(
            "INSERT OR REPLACE INTO dispatch_address VALUES (?, ?, ?)",
            [(key.channel, key.hash, encode(address)) for key, address in self._addresses.items()],
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

    def _read_customer(self, customer: str) -> CustomerRow:
        return customer_of(self._db, self.cursor.partition, customer)

    def _read_address(self, key: AddressKey) -> AddressRow:
        return address_of(self._db, key)

    def _read_decided(self, message_id: str) -> bytes | None:
        row = self._message(message_id)
        return row[0] if row else None

    def _message(self, message_id: str) -> tuple[bytes | None] | None:
        row: tuple[bytes | None] | None = self._db.execute(
            "SELECT value FROM dispatch_message WHERE message = ?", (message_id,)
        ).fetchone()
        return row

    def _archived(self, customer: str) -> dict[str, bytes]:
        query = "SELECT message, value FROM dispatch_message WHERE customer = ? AND value IS NOT NULL"
        return dict(self._db.execute(query, (customer,)).fetchall())

    def _last_link(self) -> Link | None:
        row = self._db.execute(
            """SELECT number, commitment, hash, salt, entry FROM dispatch_ledger
               WHERE partition = ? ORDER BY number DESC LIMIT 1""",
            (self.cursor.partition,),
        ).fetchone()
        return None if row is None else link_of(*row)

    def _append_link(self, link: Link, customer: str) -> None:
        self._db.execute(
            "INSERT INTO dispatch_ledger VALUES (?, ?, ?, ?, ?, ?)",
            (self.cursor.partition, link.number, link.commitment, link.hash, link.salt, link.entry),
        )

    def _erase(self, customer: str) -> None:
        db, partition = self._db, self.cursor.partition
        db.execute("DELETE FROM dispatch_message WHERE customer = ?", (customer,))
        db.execute("DELETE FROM dispatch_customer WHERE partition = ? AND customer = ?", (partition, customer))
        db.execute(
            f"UPDATE dispatch_ledger SET salt = NULL, entry = NULL WHERE partition = ? AND {IS_ABOUT}",
            (partition, beginning_of(customer)),
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
