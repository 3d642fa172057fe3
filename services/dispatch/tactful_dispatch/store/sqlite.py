"""Dispatch's store in the embedded size: tables in the one SQLite file. The one writer thread is the lock on every row."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from typing import Final, TypeVar

import msgspec

from tactful.errors import Fenced
from tactful.outbox import Cause, Outbox, OutboxRow
from tactful.records import DISPATCH, Record
from tactful.sqlite import Database, Standing, insert
from tactful_dispatch import ledger
from tactful_dispatch.ledger import ConsentEntry, Link
from tactful_dispatch.rows import (
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
)
from tactful_dispatch.store import Fence

T = TypeVar("T")

MIGRATIONS: Final = (
    """CREATE TABLE dispatch_cursor (
        partition INTEGER PRIMARY KEY, value BLOB NOT NULL, epoch INTEGER NOT NULL, owner TEXT NOT NULL,
        lease_until INTEGER NOT NULL)""",
    """CREATE TABLE dispatch_customer (
        partition INTEGER NOT NULL, customer TEXT NOT NULL, value BLOB NOT NULL, due INTEGER, pending INTEGER NOT NULL,
        PRIMARY KEY (partition, customer)) WITHOUT ROWID""",
    "CREATE INDEX dispatch_customer_due ON dispatch_customer (partition, due) WHERE due IS NOT NULL",
    "CREATE INDEX dispatch_customer_pending ON dispatch_customer (partition) WHERE pending",
    """CREATE TABLE dispatch_address (
        channel TEXT NOT NULL, hash TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (channel, hash)) WITHOUT ROWID""",
    """CREATE TABLE dispatch_message (
        message TEXT PRIMARY KEY, partition INTEGER NOT NULL, customer TEXT NOT NULL, decided_at INTEGER,
        arrived INTEGER NOT NULL, value BLOB)""",
    "CREATE INDEX dispatch_message_arrived ON dispatch_message (customer, decided_at) WHERE arrived",
    """CREATE TABLE dispatch_ledger (
        partition INTEGER NOT NULL, number INTEGER NOT NULL, commitment BLOB NOT NULL, hash BLOB NOT NULL,
        salt BLOB, entry BLOB, PRIMARY KEY (partition, number)) WITHOUT ROWID""",
    """CREATE TABLE dispatch_outbox (
        id INTEGER PRIMARY KEY, partition INTEGER NOT NULL, topic TEXT NOT NULL, target INTEGER NOT NULL,
        seq INTEGER NOT NULL, value BLOB NOT NULL, cause BLOB NOT NULL, UNIQUE (partition, topic, target, seq))""",
)


class SqliteDispatchStore:
    """Implements `tactful_dispatch.store.DispatchStore`. `salt` gives 16 random bytes."""

    def __init__(self, database: Database, partitions: int, salt: Callable[[], bytes]) -> None:
        self._database, self._count, self._salt = database, partitions, salt
        self._standing = Standing()

    @classmethod
    async def open(cls, database: Database, partitions: int, salt: Callable[[], bytes]) -> SqliteDispatchStore:
        """Bring the tables up to date. Raises StoreTooNew."""
        await database.migrate("dispatch", MIGRATIONS)
        return cls(database, partitions, salt)

    async def claim(self, partition: int, owner: str, now: int, until: int) -> Cursor | None:
        def take(db: sqlite3.Connection) -> Cursor | None:
            row = db.execute(
                """UPDATE dispatch_cursor SET epoch = epoch + 1, owner = ?, lease_until = ?
                   WHERE partition = ? AND (lease_until <= ? OR owner = ?) RETURNING value, epoch""",
                (owner, until, _known(db, partition), now, owner),
            ).fetchone()
            if row is None:
                return None
            cursor = decode_cursor(row[0])
            cursor.epoch = row[1]
            db.execute("UPDATE dispatch_cursor SET value = ? WHERE partition = ?", (encode(cursor), partition))
            return cursor

        return await self._write(partition, take)

    async def release(self, partition: int, epoch: int) -> None:
        await self._database.write(
            lambda db: db.execute(
                "UPDATE dispatch_cursor SET lease_until = 0 WHERE partition = ? AND epoch = ?", (partition, epoch)
            )
        )

    async def transact(
        self,
        partition: int,
        customers: Collection[str],
        work: Callable[[SqliteWorkspace], T],
        *,
        fence: Fence | None = None,
        lease_until: int = 0,
    ) -> T:
        def run(db: sqlite3.Connection) -> T:
            value, epoch = db.execute(
                "SELECT value, epoch FROM dispatch_cursor WHERE partition = ?", (_known(db, partition),)
            ).fetchone()
            cursor = decode_cursor(value)
            if fence is not None and (epoch != fence.epoch or fence.offset not in (None, cursor.offset)):
                raise Fenced(f"dispatch/{partition}: epoch {epoch} holds it now")
            space = SqliteWorkspace(db, cursor, frozenset(customers), self._count, self._salt)
            result = work(space)
            space.write(lease_until)
            return result

        return await self._write(partition, run)

    async def _write(self, partition: int, job: Callable[[sqlite3.Connection], T]) -> T:
        self._standing.changed(partition)
        try:
            return await self._database.write(job)
        finally:
            self._standing.changed(partition)

    async def _ask(self, partition: int, question: Hashable, job: Callable[[sqlite3.Connection], T]) -> T:
        return await self._standing.ask(partition, question, lambda: self._database.read(job))

    async def cursor(self, partition: int) -> Cursor:
        row = await self._ask(
            partition,
            "cursor",
            lambda db: db.execute("SELECT value FROM dispatch_cursor WHERE partition = ?", (partition,)).fetchone(),
        )
        return Cursor(partition=partition) if row is None else decode_cursor(row[0])

    async def customer(self, partition: int, customer: str) -> CustomerRow:
        return await self._database.read(lambda db: _customer(db, partition, customer))

    async def due(self, partition: int, before: int) -> list[tuple[int, str]]:
        earliest = await self.earliest_due(partition)
        if earliest is None or earliest >= before:
            return []
        return await self._database.read(
            lambda db: db.execute(
                "SELECT due, customer FROM dispatch_customer WHERE partition = ? AND due < ? ORDER BY 1, 2",
                (partition, before),
            ).fetchall()
        )

    async def earliest_due(self, partition: int) -> int | None:
        rows: list[tuple[int | None]] = await self._ask(
            partition,
            "earliest due",
            lambda db: db.execute(
                "SELECT min(due) FROM dispatch_customer WHERE partition = ? AND due IS NOT NULL", (partition,)
            ).fetchall(),
        )
        return rows[0][0]

    async def pending(self, partition: int) -> list[str]:
        rows: list[tuple[str]] = await self._ask(
            partition,
            "pending",
            lambda db: db.execute(
                "SELECT customer FROM dispatch_customer WHERE partition = ? AND pending ORDER BY 1", (partition,)
            ).fetchall(),
        )
        return [customer for (customer,) in rows]

    async def delivery(self, message_id: str) -> Delivery | None:
        def fetch(db: sqlite3.Connection) -> Delivery | None:
            row = db.execute(
                "SELECT partition, customer, value FROM dispatch_message WHERE message = ?", (message_id,)
            ).fetchone()
            if row is None:
                return None
            partition, customer, value = row
            if value is not None:
                return decode_delivery(value)
            return _customer(db, partition, customer).deliveries.get(message_id)

        return await self._database.read(fetch)

    async def sent(self, customer: str, limit: int) -> list[Delivery]:
        rows = await self._database.read(
            lambda db: db.execute(
                """SELECT value FROM dispatch_message WHERE customer = ? AND arrived
                   ORDER BY decided_at DESC, message DESC LIMIT ?""",
                (customer, limit),
            ).fetchall()
        )
        return [decode_delivery(value) for (value,) in rows]

    async def ledger(self, partition: int) -> Sequence[Link]:
        rows = await self._database.read(
            lambda db: db.execute(
                "SELECT number, commitment, hash, salt, entry FROM dispatch_ledger WHERE partition = ? ORDER BY 1",
                (partition,),
            ).fetchall()
        )
        return [_link(row) for row in rows]

    async def unsent(self, partition: int, limit: int) -> list[OutboxRow]:
        rows: list[tuple[int, str, int, bytes, bytes]] = await self._ask(
            partition,
            ("unsent", limit),
            lambda db: db.execute(
                "SELECT seq, topic, target, value, cause FROM dispatch_outbox WHERE partition = ? ORDER BY id LIMIT ?",
                (partition, limit),
            ).fetchall(),
        )
        return [
            OutboxRow(DISPATCH, partition, seq, topic, target, value, msgspec.json.decode(cause, type=Cause))
            for seq, topic, target, value, cause in rows
        ]

    async def forget(self, rows: Sequence[OutboxRow]) -> None:
        await self._database.write(
            lambda db: db.executemany(
                "DELETE FROM dispatch_outbox WHERE partition = ? AND topic = ? AND target = ? AND seq = ?",
                [(row.origin_partition, row.topic, row.partition, row.seq) for row in rows],
            )
        )
        for partition in {row.origin_partition for row in rows}:
            self._standing.changed(partition)


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
        self._outbox = Outbox(DISPATCH, cursor.partition, partitions, cursor.sequences)

    def customer(self, customer: str) -> CustomerRow:
        if customer not in self._customers:
            if customer not in self._locked:
                raise KeyError(f"{customer} is not among the customers of this transaction")
            self._customers[customer] = _customer(self._db, self.cursor.partition, customer)
        return self._customers[customer]

    def address(self, key: AddressKey) -> AddressRow:
        if key not in self._addresses:
            row = self._db.execute(
                "SELECT value FROM dispatch_address WHERE channel = ? AND hash = ?", (key.channel, key.hash)
            ).fetchone()
            self._addresses[key] = AddressRow() if row is None else decode_address(row[0])
        return self._addresses[key]

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
        link = ledger.forge(None if row is None else _link(row), entry, self._salt())
        self._db.execute(
            "INSERT INTO dispatch_ledger VALUES (?, ?, ?, ?, ?, ?)",
            (self.cursor.partition, link.number, link.commitment, link.hash, link.salt, link.entry),
        )
        return link.number

    def put(self, topic: str, record: Record, cause: Cause) -> None:
        self._outbox.put(topic, record, cause)

    def write(self, lease_until: int) -> None:
        """Hand everything to the transaction."""
        partition, self.cursor.sequences = self.cursor.partition, self._outbox.sequences
        self._db.execute(
            "UPDATE dispatch_cursor SET value = ?, lease_until = max(lease_until, ?) WHERE partition = ?",
            (encode(self.cursor), lease_until, partition),
        )
        for name, row in self._customers.items():
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


def _known(db: sqlite3.Connection, partition: int) -> int:
    empty = encode(Cursor(partition=partition))
    db.execute("INSERT OR IGNORE INTO dispatch_cursor VALUES (?, ?, 0, '', 0)", (partition, empty))
    return partition


def _customer(db: sqlite3.Connection, partition: int, customer: str) -> CustomerRow:
    row = db.execute(
        "SELECT value FROM dispatch_customer WHERE partition = ? AND customer = ?", (partition, customer)
    ).fetchone()
    return CustomerRow() if row is None else decode_customer(row[0])


def _link(row: tuple[int, bytes, bytes, bytes | None, bytes | None]) -> Link:
    number, commitment, chained, salt, entry = row
    return Link(number=number, commitment=commitment, hash=chained, salt=salt, entry=entry)
