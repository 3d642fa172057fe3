"""One transaction of dispatch in PostgreSQL: what it reads is locked, what it changed is written at its end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, TextClause, text

from tactful.erasure import Erased
from tactful.postgres.names import known, stored
from tactful_dispatch.state.ledger import Link, link_of
from tactful_dispatch.state.rows import (
    AddressKey,
    AddressRow,
    Cursor,
    CustomerRow,
    decode_address,
    decode_customer,
    encode,
)
from tactful_dispatch.store import Workspace

_MOVE: Final = text(
    """UPDATE dispatch_cursor SET value = :value, lease_until = greatest(lease_until, :until)
       WHERE partition = :partition"""
)
_CUSTOMERS: Final = text(
    """SELECT customer, value FROM dispatch_customer
       WHERE partition = :partition AND customer = ANY(CAST(:customers AS text[])) ORDER BY customer FOR UPDATE"""
)
_WRITE: Final = text(
    """INSERT INTO dispatch_customer VALUES (:partition, :customer, :value, :due, :pending)
       ON CONFLICT (partition, customer)
       DO UPDATE SET value = excluded.value, due = excluded.due, pending = excluded.pending"""
)
_NEW_ADDRESS: Final = text(
    "INSERT INTO dispatch_address VALUES (:channel, :hash, :value) ON CONFLICT (channel, hash) DO NOTHING"
)
_NEW_ADDRESSES: Final = text(
    """INSERT INTO dispatch_address SELECT channel, hash, :value
       FROM unnest(CAST(:channels AS text[]), CAST(:hashes AS text[])) AS wanted (channel, hash)
       ORDER BY channel, hash ON CONFLICT (channel, hash) DO NOTHING"""
)
ADDRESS: Final = text("SELECT value FROM dispatch_address WHERE channel = :channel AND hash = :hash")
_LOCKED_ADDRESSES: Final = text(
    """SELECT channel, hash, value FROM dispatch_address
       JOIN unnest(CAST(:channels AS text[]), CAST(:hashes AS text[])) AS wanted (channel, hash) USING (channel, hash)
       ORDER BY channel, hash FOR UPDATE OF dispatch_address"""
)
_LOCKED_ADDRESS: Final = text(f"{ADDRESS.text} FOR UPDATE")
_WRITE_ADDRESS: Final = text("UPDATE dispatch_address SET value = :value WHERE channel = :channel AND hash = :hash")
_NEW_MESSAGE: Final = text(
    "INSERT INTO dispatch_message VALUES (:message, :partition, :customer, NULL, FALSE, NULL) ON CONFLICT DO NOTHING"
)
MESSAGE: Final = text("SELECT partition, customer, value FROM dispatch_message WHERE message = :message")
_ARCHIVE: Final = text(
    "UPDATE dispatch_message SET decided_at = :at, arrived = :arrived, value = :value WHERE message = :message"
)
_ARCHIVED: Final = text("SELECT message, value FROM dispatch_message WHERE customer = :customer AND value IS NOT NULL")
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


class PostgresWorkspace(Workspace):
    """Inside a transaction."""

    def __init__(
        self, cursor: Cursor, customers: Collection[str], partitions: int, salt: Callable[[], bytes], db: Connection
    ) -> None:
        super().__init__(cursor, customers, partitions, salt)
        self._db, self._found = db, _locked(db, cursor.partition, customers)

    def lock_addresses(self, keys: Iterable[AddressKey]) -> None:
        missing = sorted({key for key in keys if key not in self._addresses}, key=lambda key: (key.channel, key.hash))
        if not missing:
            return
        given = {"channels": [key.channel for key in missing], "hashes": [key.hash for key in missing]}
        rows = self._db.execute(_LOCKED_ADDRESSES, given).all()
        if len(rows) < len(missing):  # made and then locked, as one alone
            self._db.execute(_NEW_ADDRESSES, {**given, "value": encode(AddressRow())})
            rows = self._db.execute(_LOCKED_ADDRESSES, given).all()
        self._addresses |= {AddressKey(channel, hash): decode_address(value) for channel, hash, value in rows}

    def knows(self, message_id: str) -> bool:
        return self._db.execute(MESSAGE, {"message": message_id}).one_or_none() is not None

    def grave(self, grave: str) -> int:
        query = text("SELECT erased_at FROM dispatch_grave WHERE partition = :partition AND grave = :grave")
        at = self._db.execute(query, {"partition": self.cursor.partition, "grave": grave}).scalar_one_or_none()
        return 0 if at is None else int(at)

    def bury(self, erased: Erased) -> None:
        self._db.execute(_BURY, {"partition": self.cursor.partition, "grave": erased.grave, "at": erased.at})

    def revive(self, grave: str) -> None:
        query = text("DELETE FROM dispatch_grave WHERE partition = :partition AND grave = :grave")
        self._db.execute(query, {"partition": self.cursor.partition, "grave": grave})

    def write(self, lease_until: int) -> None:
        self._finish()
        self._db.execute(
            _MOVE, {"partition": self.cursor.partition, "value": encode(self.cursor), "until": lease_until}
        )
        self._write_customers(self._changed_customers())
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

    def _read_customer(self, customer: str) -> CustomerRow:
        return self._found[customer]

    def _read_address(self, key: AddressKey) -> AddressRow:
        given = {"channel": key.channel, "hash": key.hash}
        value = self._db.execute(_LOCKED_ADDRESS, given).scalar_one_or_none()
        if value is None:  # made and then locked, or two transactions would each find nothing, and one be lost
            self._db.execute(_NEW_ADDRESS, {**given, "value": encode(AddressRow())})
            value = self._db.execute(_LOCKED_ADDRESS, given).scalar_one()
        return decode_address(value)

    def _read_decided(self, message_id: str) -> bytes | None:
        row = self._db.execute(MESSAGE, {"message": message_id}).one_or_none()
        return row.value if row else None

    def _archived(self, customer: str) -> dict[str, bytes]:
        rows = self._db.execute(_ARCHIVED, {"customer": stored(customer)})
        return {message: value for message, value in rows}

    def _last_link(self) -> Link | None:
        row = self._db.execute(_LAST_LINK, {"partition": self.cursor.partition}).one_or_none()
        return None if row is None else link_of(*row)

    def _append_link(self, link: Link, customer: str) -> None:
        given = {"partition": self.cursor.partition, "customer": stored(customer)}
        self._db.execute(_LINK, {**given, **msgspec.structs.asdict(link)})

    def _erase(self, customer: str) -> None:
        given = {"partition": self.cursor.partition, "customer": stored(customer)}
        for statement in _ERASE:
            self._db.execute(statement, given)


def _locked(db: Connection, partition: int, customers: Collection[str]) -> dict[str, CustomerRow]:
    rows = {customer: CustomerRow() for customer in customers}
    if rows:
        given = {"partition": partition, "customers": sorted(map(stored, customers))}
        rows |= {known(customer): decode_customer(value) for customer, value in db.execute(_CUSTOMERS, given)}
    return rows
