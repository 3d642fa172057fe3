"""Dispatch's store in the embedded size: tables in the one SQLite file. The one writer thread is the lock on every row."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from typing import Final, TypeVar

from tactful.partitions.sqlite import SqlitePartitions
from tactful.records import DISPATCH
from tactful.sqlite import Database
from tactful_dispatch.state.ledger import Link, beginning_of, link_of
from tactful_dispatch.state.rows import (
    AddressKey,
    AddressRow,
    Cursor,
    CustomerRow,
    Delivery,
    decode_cursor,
    decode_customer,
    decode_delivery,
    encode,
    held_in,
)
from tactful_dispatch.store import Fence
from tactful_dispatch.store.sqlite_space import IS_ABOUT, SqliteWorkspace, address_of, customer_of

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
    """CREATE TABLE dispatch_grave (
        partition INTEGER NOT NULL, grave TEXT NOT NULL, erased_at INTEGER NOT NULL,
        PRIMARY KEY (partition, grave)) WITHOUT ROWID""",
    "CREATE INDEX dispatch_message_customer ON dispatch_message (customer)",
    "CREATE INDEX dispatch_message_decided ON dispatch_message (decided_at)",
)

_DUE: Final = (
    "SELECT due, customer FROM dispatch_customer WHERE partition = ? AND due < ? ORDER BY due, customer LIMIT ?"
)
_PENDING: Final = (
    "SELECT customer FROM dispatch_customer WHERE partition = ? AND pending AND customer > ? ORDER BY 1 LIMIT ?"
)


class SqliteDispatchStore(SqlitePartitions):
    """Implements `tactful_dispatch.store.DispatchStore`. `salt` gives 16 random bytes."""

    def __init__(self, database: Database, partitions: int, salt: Callable[[], bytes]) -> None:
        super().__init__(database, "dispatch", DISPATCH)
        self._count, self._salt = partitions, salt

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
            if fence is not None:
                fence.check(partition, epoch, cursor.offset)
            space = SqliteWorkspace(cursor, customers, self._count, self._salt, db)
            result = work(space)
            space.write(lease_until)
            return result

        return await self._write(partition, run)

    async def cursor(self, partition: int) -> Cursor:
        row = await self._ask(
            partition,
            "cursor",
            lambda db: db.execute("SELECT value FROM dispatch_cursor WHERE partition = ?", (partition,)).fetchone(),
        )
        return Cursor(partition=partition) if row is None else decode_cursor(row[0])

    async def customer(self, partition: int, customer: str) -> CustomerRow:
        return await self._database.read(lambda db: customer_of(db, partition, customer))

    async def customers(self, partition: int, customers: Collection[str]) -> dict[str, CustomerRow]:
        return await self._database.read(
            lambda db: {customer: customer_of(db, partition, customer) for customer in customers}
        )

    async def address(self, key: AddressKey) -> AddressRow:
        return await self._database.read(lambda db: address_of(db, key))

    async def due(self, partition: int, before: int, most: int) -> list[tuple[int, str]]:
        earliest = await self.earliest_due(partition)
        if earliest is None or earliest >= before:
            return []
        return await self._database.read(lambda db: db.execute(_DUE, (partition, before, most)).fetchall())

    async def held(self, partition: int) -> list[Delivery]:
        query = "SELECT value FROM dispatch_customer WHERE partition = ? AND due IS NOT NULL"
        rows = await self._database.read(lambda db: db.execute(query, (partition,)).fetchall())
        return held_in(decode_customer(value) for (value,) in rows)

    async def earliest_due(self, partition: int) -> int | None:
        rows: list[tuple[int | None]] = await self._ask(
            partition,
            "earliest due",
            lambda db: db.execute(
                "SELECT min(due) FROM dispatch_customer WHERE partition = ? AND due IS NOT NULL", (partition,)
            ).fetchall(),
        )
        return rows[0][0]

    async def pending(self, partition: int, after: str, most: int) -> list[str]:
        rows: list[tuple[str]] = await self._ask(
            partition, ("pending", after, most), lambda db: db.execute(_PENDING, (partition, after, most)).fetchall()
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
            return customer_of(db, partition, customer).deliveries.get(message_id)

        return await self._database.read(fetch)

    async def forget_decided(self, before: int, most: int) -> int:
        query = """DELETE FROM dispatch_message WHERE message IN (
                       SELECT message FROM dispatch_message WHERE decided_at < ? LIMIT ?)"""
        return await self._database.write(lambda db: db.execute(query, (before, most)).rowcount)

    async def sent(self, customer: str, limit: int) -> list[Delivery]:
        rows = await self._database.read(
            lambda db: db.execute(
                """SELECT value FROM dispatch_message WHERE customer = ? AND arrived
                   ORDER BY decided_at DESC, message DESC LIMIT ?""",
                (customer, limit),
            ).fetchall()
        )
        return [decode_delivery(value) for (value,) in rows]

    async def everybody(self, partition: int, after: str, limit: int) -> list[str]:
        query = "SELECT customer FROM dispatch_customer WHERE partition = ? AND customer > ? ORDER BY customer LIMIT ?"
        rows = await self._database.read(lambda db: db.execute(query, (partition, after, limit)).fetchall())
        return [customer for (customer,) in rows]

    async def ledger(self, partition: int) -> Sequence[Link]:
        rows = await self._database.read(
            lambda db: db.execute(
                "SELECT number, commitment, hash, salt, entry FROM dispatch_ledger WHERE partition = ? ORDER BY 1",
                (partition,),
            ).fetchall()
        )
        return [link_of(*row) for row in rows]

    async def ledger_of(self, partition: int, customer: str) -> Sequence[Link]:
        rows = await self._database.read(
            lambda db: db.execute(
                f"""SELECT number, commitment, hash, salt, entry FROM dispatch_ledger
                    WHERE partition = ? AND {IS_ABOUT} ORDER BY 1""",
                (partition, beginning_of(customer)),
            ).fetchall()
        )
        return [link_of(*row) for row in rows]


def _known(db: sqlite3.Connection, partition: int) -> int:
    empty = encode(Cursor(partition=partition))
    db.execute("INSERT OR IGNORE INTO dispatch_cursor VALUES (?, ?, 0, '', 0)", (partition, empty))
    return partition
