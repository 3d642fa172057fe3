"""Dispatch's store in PostgreSQL. A transaction locks the partition's cursor, then the customers in order of id, then
addresses as they are taken; where two take addresses crosswise, the server ends one of them, and it starts over.

The work of a transaction is an ordinary function, so it runs in SQLAlchemy's greenlet: each look at the database lets the
event loop go on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import Connection, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from tactful.erasure import Erased
from tactful.errors import Fenced
from tactful.outbox import Cause, Outbox, OutboxRow
from tactful.postgres import Postgres
from tactful.postgres.leasing import present, release, renew
from tactful.postgres.names import known, stored
from tactful.postgres.outbox import forget, unsent
from tactful.records import DISPATCH, Record
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
    held_in,
)
from tactful_dispatch.store import Fence

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
_MOVE: Final = text(
    """UPDATE dispatch_cursor SET value = :value, lease_until = greatest(lease_until, :until)
       WHERE partition = :partition"""
)
_CUSTOMERS: Final = text(
    """SELECT customer, value FROM dispatch_customer
       WHERE partition = :partition AND customer = ANY(CAST(:customers AS text[])) ORDER BY customer FOR UPDATE"""
)
_SOME: Final = text(
    """SELECT customer, value FROM dispatch_customer
       WHERE partition = :partition AND customer = ANY(CAST(:customers AS text[]))"""
)
_WRITE: Final = text(
    """INSERT INTO dispatch_customer VALUES (:partition, :customer, :value, :due, :pending)
       ON CONFLICT (partition, customer)
       DO UPDATE SET value = excluded.value, due = excluded.due, pending = excluded.pending"""
)
_NEW_ADDRESS: Final = text(
    "INSERT INTO dispatch_address VALUES (:channel, :hash, :value) ON CONFLICT (channel, hash) DO NOTHING"
)
_ADDRESS: Final = text("SELECT value FROM dispatch_address WHERE channel = :channel AND hash = :hash")
_LOCKED_ADDRESSES: Final = text(
    """SELECT channel, hash, value FROM dispatch_address
       JOIN unnest(CAST(:channels AS text[]), CAST(:hashes AS text[])) AS wanted (channel, hash) USING (channel, hash)
       ORDER BY channel, hash FOR UPDATE OF dispatch_address"""
)
_LOCKED_ADDRESS: Final = text(f"{_ADDRESS.text} FOR UPDATE")
_WRITE_ADDRESS: Final = text("UPDATE dispatch_address SET value = :value WHERE channel = :channel AND hash = :hash")
_NEW_MESSAGE: Final = text(
    "INSERT INTO dispatch_message VALUES (:message, :partition, :customer, NULL, FALSE, NULL) ON CONFLICT DO NOTHING"
)
_FORGET_DECIDED: Final = text(
    """DELETE FROM dispatch_message WHERE message IN (
           SELECT message FROM dispatch_message WHERE decided_at < :before LIMIT :most FOR UPDATE SKIP LOCKED)
       RETURNING 1"""
)
_MESSAGE: Final = text("SELECT partition, customer, value FROM dispatch_message WHERE message = :message")
_ARCHIVE: Final = text(
    "UPDATE dispatch_message SET decided_at = :at, arrived = :arrived, value = :value WHERE message = :message"
)
_LAST_LINK: Final = text(
    """SELECT number, commitment, hash, salt, entry FROM dispatch_ledger
       WHERE partition = :partition ORDER BY number DESC LIMIT 1"""
)
_LINK: Final = text(
    "INSERT INTO dispatch_ledger VALUES (:partition, :number, :commitment, :hash, :salt, :entry, :customer)"
)
_BURY: Final = text(
    """INSERT INTO dispatch_grave VALUES (:partition, :grave, :at)
       ON CONFLICT (partition, grave) DO UPDATE SET erased_at = excluded.erased_at"""
)
_ERASE: Final = (
    text("DELETE FROM dispatch_message WHERE customer = :customer"),
    text("DELETE FROM dispatch_customer WHERE partition = :partition AND customer = :customer"),
    text(
        """UPDATE dispatch_ledger SET salt = NULL, entry = NULL, customer = NULL
           WHERE partition = :partition AND customer = :customer"""
    ),
)
_OUTBOX: Final = text(
    """INSERT INTO dispatch_outbox (partition, topic, target, seq, value, cause)
       VALUES (:partition, :topic, :target, :seq, :value, :cause)"""
)


class PostgresDispatchStore:
    """Implements `tactful_dispatch.store.DispatchStore`. `salt` gives 16 random bytes."""

    def __init__(self, database: Postgres, partitions: int, salt: Callable[[], bytes]) -> None:
        self._database, self._count, self._salt = database, partitions, salt

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

        return await self._do(take)

    async def present(self, owner: str, now: int, until: int) -> int:
        return await present(self._database, "dispatch", owner, now, until)

    async def renew(self, epochs: Mapping[int, int], until: int) -> frozenset[int]:
        return await renew(self._database, "dispatch", epochs, until)

    async def release(self, partition: int, epoch: int) -> None:
        await release(self._database, "dispatch", partition, epoch)

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
            if fence is not None and (epoch != fence.epoch or fence.offset not in (None, cursor.offset)):
                raise Fenced(f"dispatch/{partition}: epoch {epoch} holds it now")
            space = PostgresWorkspace(db, cursor, customers, self._count, self._salt)
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
        rows = await self._database.ask(_ADDRESS, channel=key.channel, hash=key.hash)
        return decode_address(rows[0][0]) if rows else AddressRow()

    async def due(self, partition: int, before: int) -> list[tuple[int, str]]:
        rows = await self._rows(
            """SELECT due, customer FROM dispatch_customer
               WHERE partition = :partition AND due < :before ORDER BY due, customer""",
            partition=partition,
            before=before,
        )
        return [(due, known(customer)) for due, customer in rows]

    async def held(self, partition: int) -> list[Delivery]:
        query = "SELECT value FROM dispatch_customer WHERE partition = :partition AND due IS NOT NULL"
        return held_in(decode_customer(value) for (value,) in await self._rows(query, partition=partition))

    async def earliest_due(self, partition: int) -> int | None:
        query = "SELECT min(due) FROM dispatch_customer WHERE partition = :partition AND due IS NOT NULL"
        [(due,)] = await self._rows(query, partition=partition)
        return None if due is None else int(due)

    async def pending(self, partition: int) -> list[str]:
        query = "SELECT customer FROM dispatch_customer WHERE partition = :partition AND pending ORDER BY customer"
        return [known(customer) for (customer,) in await self._rows(query, partition=partition)]

    async def delivery(self, message_id: str) -> Delivery | None:
        def fetch(db: Connection) -> Delivery | None:
            row = db.execute(_MESSAGE, {"message": message_id}).one_or_none()
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

    async def graves(self, partition: int) -> dict[str, int]:
        query = "SELECT grave, erased_at FROM dispatch_grave WHERE partition = :partition"
        return {grave: at for grave, at in await self._rows(query, partition=partition)}

    async def everybody(self) -> list[str]:
        return sorted(known(customer) for (customer,) in await self._rows("SELECT customer FROM dispatch_customer"))

    async def ledger(self, partition: int) -> Sequence[Link]:
        rows = await self._rows(
            "SELECT number, commitment, hash, salt, entry FROM dispatch_ledger WHERE partition = :partition ORDER BY 1",
            partition=partition,
        )
        return [_link(*row) for row in rows]

    async def unsent(self, partition: int, limit: int) -> list[OutboxRow]:
        return await unsent(self._database, "dispatch", DISPATCH, partition, limit)

    async def forget(self, rows: Sequence[OutboxRow]) -> None:
        await forget(self._database, "dispatch", rows)

    async def _do(self, job: Callable[[Connection], T]) -> T:
        async def run(db: AsyncConnection) -> T:
            return await db.run_sync(job)

        return await self._database.run(run)

    async def _rows(self, query: str, **given: Any) -> Sequence[Any]:
        return await self._database.ask(text(query), **given)


class PostgresWorkspace:
    """Implements `tactful_dispatch.store.Workspace` inside a transaction."""

    def __init__(
        self,
        db: Connection,
        cursor: Cursor,
        locked: Collection[str],
        partitions: int,
        salt: Callable[[], bytes],
    ) -> None:
        self._db, self.cursor, self._salt = db, cursor, salt
        self._customers = _locked(db, cursor.partition, locked)
        self._touched: set[str] = set()
        self._addresses: dict[AddressKey, AddressRow] = {}
        self._decided: dict[str, Delivery] = {}
        self._erased: frozenset[str] = frozenset()
        self._outbox = Outbox(DISPATCH, cursor.partition, partitions, cursor.sequences)

    def customer(self, customer: str) -> CustomerRow:
        if customer not in self._customers:
            raise KeyError(f"{customer} is not among the customers of this transaction")
        self._touched.add(customer)
        return self._customers[customer]

    def address(self, key: AddressKey) -> AddressRow:
        if key not in self._addresses:
            given = {"channel": key.channel, "hash": key.hash}
            value = self._db.execute(_LOCKED_ADDRESS, given).scalar_one_or_none()
            if value is None:  # made and then locked, or two transactions would each find nothing, and one be lost
                self._db.execute(_NEW_ADDRESS, {**given, "value": encode(AddressRow())})
                value = self._db.execute(_LOCKED_ADDRESS, given).scalar_one()
            self._addresses[key] = decode_address(value)
        return self._addresses[key]

    def lock_addresses(self, keys: Iterable[AddressKey]) -> None:
        missing = sorted({key for key in keys if key not in self._addresses}, key=lambda key: (key.channel, key.hash))
        if not missing:
            return
        given = {"channels": [key.channel for key in missing], "hashes": [key.hash for key in missing]}
        rows = {(channel, hash): value for channel, hash, value in self._db.execute(_LOCKED_ADDRESSES, given)}
        for key in missing:
            if (value := rows.get((key.channel, key.hash))) is not None:
                self._addresses[key] = decode_address(value)
            else:
                self.address(key)

    def knows(self, message_id: str) -> bool:
        return self._db.execute(_MESSAGE, {"message": message_id}).one_or_none() is not None

    def decided(self, message_id: str) -> Delivery | None:
        if message_id not in self._decided:
            row = self._db.execute(_MESSAGE, {"message": message_id}).one_or_none()
            if row is not None and row.value is not None:
                self._decided[message_id] = decode_delivery(row.value)
        return self._decided.get(message_id)

    def record_consent(self, entry: ConsentEntry) -> int:
        partition = self.cursor.partition
        row = self._db.execute(_LAST_LINK, {"partition": partition}).one_or_none()
        link = ledger.forge(None if row is None else _link(*row), entry, self._salt())
        given = {"partition": partition, "customer": stored(entry.customer), **msgspec.structs.asdict(link)}
        self._db.execute(_LINK, given)
        return link.number

    def grave(self, grave: str) -> int:
        query = text("SELECT erased_at FROM dispatch_grave WHERE partition = :partition AND grave = :grave")
        at = self._db.execute(query, {"partition": self.cursor.partition, "grave": grave}).scalar_one_or_none()
        return 0 if at is None else int(at)

    def bury(self, erased: Erased) -> None:
        self._db.execute(_BURY, {"partition": self.cursor.partition, "grave": erased.grave, "at": erased.at})

    def revive(self, grave: str) -> None:
        query = text("DELETE FROM dispatch_grave WHERE partition = :partition AND grave = :grave")
        self._db.execute(query, {"partition": self.cursor.partition, "grave": grave})

    def erase(self, customer: str, erased: Erased) -> set[AddressKey]:
        given = {"partition": self.cursor.partition, "customer": stored(customer)}
        query = text("SELECT message, value FROM dispatch_message WHERE customer = :customer")
        names = self._db.execute(query, given).all()
        archived = [self._decided.get(name) or decode_delivery(value) for name, value in names if value is not None]
        for name, _ in names:
            self._decided.pop(name, None)
        gone = [*archived, *self.customer(customer).deliveries.values()]
        self._customers[customer], self._erased = CustomerRow(), self._erased | {customer}
        for statement in _ERASE:
            self._db.execute(statement, given)
        self.bury(erased)
        return {delivery.address for delivery in gone if delivery.address is not None}

    def put(self, topic: str, record: Record, cause: Cause) -> None:
        self._outbox.put(topic, record, cause)

    def go_on_after(self, sequences: Mapping[str, int]) -> None:
        self._outbox.go_on_after(sequences)

    def write(self, lease_until: int) -> None:
        """Hand everything to the transaction."""
        partition, self.cursor.sequences = self.cursor.partition, self._outbox.sequences
        self._db.execute(_MOVE, {"partition": partition, "value": encode(self.cursor), "until": lease_until})
        names = [n for n in sorted(self._touched) if n not in self._erased or self._customers[n] != CustomerRow()]
        self._write_customers({name: self._customers[name] for name in names})
        for address in self._addresses.values():
            address.trim()
        self._many(
            _WRITE_ADDRESS,
            [{"channel": k.channel, "hash": k.hash, "value": encode(a)} for k, a in self._addresses.items()],
        )
        self._write_outbox()

    def _write_outbox(self) -> None:
        given = [
            {
                "partition": self.cursor.partition,
                "topic": row.topic,
                "target": row.partition,
                "seq": row.seq,
                "value": row.value,
                "cause": msgspec.json.encode(row.cause),
            }
            for row in self._outbox.rows
        ]
        self._many(_OUTBOX, given)

    def _write_customers(self, rows: Mapping[str, CustomerRow]) -> None:
        """Each kind of statement goes to the server once, with all rows."""
        where = {name: {"partition": self.cursor.partition, "customer": stored(name)} for name in rows}
        new = [{**where[name], "message": each} for name, row in rows.items() for each in row.deliveries]
        decided = [*(each for row in rows.values() for each in row.take_decided()), *self._decided.values()]
        self._many(_NEW_MESSAGE, new)
        self._many(
            _ARCHIVE,
            [{"at": d.decided_at, "arrived": d.arrived, "value": encode(d), "message": d.name} for d in decided],
        )
        self._many(
            _WRITE,
            [{**where[n], "value": encode(row), "due": row.due, "pending": row.pending} for n, row in rows.items()],
        )

    def _many(self, statement: TextClause, given: list[dict[str, Any]]) -> None:
        if given:
            self._db.execute(statement, given)


def _locked(db: Connection, partition: int, customers: Collection[str]) -> dict[str, CustomerRow]:
    rows = {customer: CustomerRow() for customer in customers}
    if rows:
        given = {"partition": partition, "customers": sorted(map(stored, customers))}
        rows |= {known(customer): decode_customer(value) for customer, value in db.execute(_CUSTOMERS, given)}
    return rows


def _customer(db: Connection, partition: int, customer: str) -> CustomerRow:
    query = text("SELECT value FROM dispatch_customer WHERE partition = :partition AND customer = :customer")
    value = db.execute(query, {"partition": partition, "customer": stored(customer)}).scalar_one_or_none()
    return CustomerRow() if value is None else decode_customer(value)


def _link(number: int, commitment: bytes, hash: bytes, salt: bytes | None, entry: bytes | None) -> Link:
    return Link(number=number, commitment=commitment, hash=hash, salt=salt, entry=entry)
