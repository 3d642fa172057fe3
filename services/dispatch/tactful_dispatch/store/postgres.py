"""Dispatch's store in PostgreSQL. A transaction locks the partition's cursor, then the customers in order of id, then
addresses as they are taken; where two take addresses crosswise, the server ends one of them, and it starts over.

The work of a transaction is an ordinary function, so it runs in SQLAlchemy's greenlet: each look at the database lets the
event loop go on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from tactful.postgres import Postgres
from tactful.postgres.names import known, stored
from tactful.postgres.partitions import PostgresPartitions
from tactful.records import DISPATCH
from tactful_dispatch.state.ledger import Link, link_of
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
from tactful_dispatch.store import Fence
from tactful_dispatch.store.postgres_space import ADDRESS, MESSAGE, PostgresWorkspace

T = TypeVar("T")

_KNOW: Final = text(
    "INSERT INTO dispatch_cursor VALUES (:partition, :value, 0, '', 0) ON CONFLICT (partition) DO NOTHING"
)
_CLAIM: Final = text(
    """UPDATE dispatch_cursor SET epoch = epoch + 1, owner = :owner, lease_until = :until
       WHERE partition = :partition AND (lease_until <= :now OR owner = :owner) RETURNING value, epoch"""
)
_REMEMBER: Final = text("UPDATE dispatch_cursor SET value = :value WHERE partition = :partition")
_LOCK: Final = text("SELECT value, epoch FROM dispatch_cursor WHERE partition = :partition FOR UPDATE")
_SOME: Final = text(
    """SELECT customer, value FROM dispatch_customer
       WHERE partition = :partition AND customer = ANY(CAST(:customers AS text[]))"""
)
_FORGET_DECIDED: Final = text(
    """DELETE FROM dispatch_message WHERE message IN (
           SELECT message FROM dispatch_message WHERE decided_at < :before LIMIT :most FOR UPDATE SKIP LOCKED)
       RETURNING 1"""
)

_DUE: Final = text(
    """SELECT due, customer FROM dispatch_customer
       WHERE partition = :partition AND due < :before ORDER BY due, customer LIMIT :most"""
)
_PENDING: Final = text(
    """SELECT customer FROM dispatch_customer
       WHERE partition = :partition AND pending AND customer > :after ORDER BY customer LIMIT :most"""
)


class PostgresDispatchStore(PostgresPartitions):
    """Implements `tactful_dispatch.store.DispatchStore`. `salt` gives 16 random bytes."""

    def __init__(self, database: Postgres, partitions: int, salt: Callable[[], bytes]) -> None:
        super().__init__(database, "dispatch", DISPATCH)
        self._count, self._salt = partitions, salt

    async def claim(self, partition: int, owner: str, now: int, until: int) -> Cursor | None:
        def take(db: Connection) -> Cursor | None:
            db.execute(_KNOW, {"partition": partition, "value": encode(Cursor(partition=partition))})
            given = {"partition": partition, "owner": owner, "now": now, "until": until}
            row = db.execute(_CLAIM, given).one_or_none()
            if row is None:
                return None
            cursor = decode_cursor(row.value)
            cursor.epoch = row.epoch
            db.execute(_REMEMBER, {"partition": partition, "value": encode(cursor)})
            return cursor

        self.look_again(partition)
        return await self._do(take)

    async def transact(
        self,
        partition: int,
        customers: Collection[str],
        work: Callable[[PostgresWorkspace], T],
        *,
        fence: Fence | None = None,
        lease_until: int = 0,
    ) -> T:
        def run(db: Connection) -> T:
            row = db.execute(_LOCK, {"partition": partition}).one_or_none()
            if row is None:  # once in the life of a partition
                db.execute(_KNOW, {"partition": partition, "value": encode(Cursor(partition=partition))})
                row = db.execute(_LOCK, {"partition": partition}).one()
            value, epoch = row
            cursor = decode_cursor(value)
            if fence is not None:
                fence.check(partition, epoch, cursor.offset)
            space = PostgresWorkspace(cursor, customers, self._count, self._salt, db)
            result = work(space)
            space.write(lease_until)
            return result

        return await self._do(run)

    async def cursor(self, partition: int) -> Cursor:
        rows = await self._rows("SELECT value FROM dispatch_cursor WHERE partition = :partition", partition=partition)
        return decode_cursor(rows[0][0]) if rows else Cursor(partition=partition)

    async def customer(self, partition: int, customer: str) -> CustomerRow:
        return (await self.customers(partition, [customer]))[customer]

    async def customers(self, partition: int, customers: Collection[str]) -> dict[str, CustomerRow]:
        names = [stored(customer) for customer in customers]
        rows = await self._database.ask(_SOME, partition=partition, customers=names) if names else ()
        found = {known(customer): decode_customer(value) for customer, value in rows}
        return {customer: found.get(customer) or CustomerRow() for customer in customers}

    async def address(self, key: AddressKey) -> AddressRow:
        rows = await self._database.ask(ADDRESS, channel=key.channel, hash=key.hash)
        return decode_address(rows[0][0]) if rows else AddressRow()

    async def due(self, partition: int, before: int, most: int) -> list[tuple[int, str]]:
        rows = await self._database.ask(_DUE, partition=partition, before=before, most=most)
        return [(due, known(customer)) for due, customer in rows]

    async def held(self, partition: int) -> list[Delivery]:
        query = "SELECT value FROM dispatch_customer WHERE partition = :partition AND due IS NOT NULL"
        return held_in(decode_customer(value) for (value,) in await self._rows(query, partition=partition))

    async def earliest_due(self, partition: int) -> int | None:
        query = "SELECT min(due) FROM dispatch_customer WHERE partition = :partition AND due IS NOT NULL"
        [(due,)] = await self._rows(query, partition=partition)
        return None if due is None else int(due)

    async def pending(self, partition: int, after: str, most: int) -> list[str]:
        rows = await self._database.ask(_PENDING, partition=partition, after=stored(after), most=most)
        return [known(customer) for (customer,) in rows]

    async def delivery(self, message_id: str) -> Delivery | None:
        def fetch(db: Connection) -> Delivery | None:
            row = db.execute(MESSAGE, {"message": message_id}).one_or_none()
            if row is None:
                return None
            if row.value is not None:
                return decode_delivery(row.value)
            return _customer(db, row.partition, known(row.customer)).deliveries.get(message_id)

        return await self._do(fetch)

    async def forget_decided(self, before: int, most: int) -> int:
        return len(await self._database.ask(_FORGET_DECIDED, before=before, most=most))

    async def sent(self, customer: str, limit: int) -> list[Delivery]:
        rows = await self._rows(
            """SELECT value FROM dispatch_message WHERE customer = :customer AND arrived
               ORDER BY decided_at DESC, message COLLATE "C" DESC LIMIT :limit""",
            customer=stored(customer),
            limit=limit,
        )
        return [decode_delivery(value) for (value,) in rows]

    async def everybody(self, partition: int, after: str, limit: int) -> list[str]:
        rows = await self._rows(
            """SELECT customer FROM dispatch_customer
               WHERE partition = :partition AND customer > :after ORDER BY customer LIMIT :limit""",
            partition=partition,
            after=stored(after),
            limit=limit,
        )
        return [known(customer) for (customer,) in rows]

    async def ledger(self, partition: int) -> Sequence[Link]:
        rows = await self._rows(
            "SELECT number, commitment, hash, salt, entry FROM dispatch_ledger WHERE partition = :partition ORDER BY 1",
            partition=partition,
        )
        return [link_of(*row) for row in rows]

    async def ledger_of(self, partition: int, customer: str) -> Sequence[Link]:
        rows = await self._rows(
            """SELECT number, commitment, hash, salt, entry FROM dispatch_ledger
               WHERE partition = :partition AND customer = :customer ORDER BY 1""",
            partition=partition,
            customer=stored(customer),
        )
        return [link_of(*row) for row in rows]

    async def _do(self, job: Callable[[Connection], T]) -> T:
        async def run(db: AsyncConnection) -> T:
            return await db.run_sync(job)

        return await self._database.run(run)

    async def _rows(self, query: str, **given: Any) -> Sequence[Any]:
        return await self._database.ask(text(query), **given)


def _customer(db: Connection, partition: int, customer: str) -> CustomerRow:
    query = text("SELECT value FROM dispatch_customer WHERE partition = :partition AND customer = :customer")
    value = db.execute(query, {"partition": partition, "customer": stored(customer)}).scalar_one_or_none()
    return CustomerRow() if value is None else decode_customer(value)
