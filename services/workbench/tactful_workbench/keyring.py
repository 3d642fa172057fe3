"""Write keys in a table, beside a few that this process knows by itself."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from secrets import token_urlsafe
from typing import Any, Final, Protocol

from sqlalchemy import text

from tactful.errors import InvalidInput, StoreUnavailable
from tactful.keys import FixedKeys, Key, fingerprint
from tactful.postgres import Postgres
from tactful.sqlite import Database

MIGRATIONS: Final = (
    """CREATE TABLE write_key (
        fingerprint BLOB PRIMARY KEY, name TEXT NOT NULL UNIQUE, scope TEXT NOT NULL, revoked INTEGER NOT NULL)""",
)
MEMORY: Final = 30.0  # seconds for which a found key is believed: another process may have revoked it
_SCOPES: Final = ("server", "browser")


class KeyTable(Protocol):
    """Where keys are kept, by the fingerprint of their secret."""

    async def find(self, mark: bytes) -> Key | None: ...
    async def insert(self, mark: bytes, name: str, scope: str) -> bool:
        """False if the name is taken."""
        ...

    async def listed(self) -> list[tuple[str, str, bool]]: ...
    async def revoke(self, name: str) -> bool:
        """False if there is none of that name."""
        ...


class Keys:
    """Implements `tactful.keys.KeyRing`. Found keys are remembered for a while, or until one is made or revoked here."""

    def __init__(
        self, table: KeyTable, known: Iterable[tuple[str, Key]], seconds: Callable[[], float] = time.monotonic
    ):
        self._table, self._known, self._seconds = table, FixedKeys(known), seconds
        self._found: dict[bytes, Key | None] = {}
        self._before: dict[bytes, Key | None] = {}  # what was believed until lately
        self._since = seconds()

    async def find(self, secret: str) -> Key | None:
        if (key := await self._known.find(secret)) is not None:
            return key
        mark = fingerprint(secret)
        if len(self._found) > 10_000 or self._seconds() - self._since > MEMORY:
            self._before, self._found, self._since = self._found, {}, self._seconds()
        found = self._found  # what is read now goes with what was remembered before a key changed
        if mark not in found:
            found[mark] = await self._look_up(mark)
        return found[mark]

    async def _look_up(self, mark: bytes) -> Key | None:
        """While the table is away, a key opens what it opened before: the door stays open."""
        try:
            return await self._table.find(mark)
        except StoreUnavailable:
            if (key := self._before.get(mark)) is not None:
                return key
            raise

    async def create(self, name: str, scope: str) -> str:
        """A new key's secret, shown once. Raises InvalidInput for a taken name or an unknown scope."""
        if scope not in _SCOPES:
            raise InvalidInput("invalid_scope", f'a key is of kind {" or ".join(_SCOPES)}, not "{scope}"')
        if not name or ":" in name:
            raise InvalidInput("invalid_name", "a key needs a name without a colon")
        secret = f"tk_live_{token_urlsafe(24)}"
        if not await self._table.insert(fingerprint(secret), name, scope):
            raise InvalidInput("name_taken", f'there is a key called "{name}" already; choose another name')
        self._found = {}
        return secret

    async def listed(self) -> list[tuple[str, str, bool]]:
        """(name, scope, whether it was revoked)"""
        return await self._table.listed()

    async def revoke(self, name: str) -> None:
        """Refuse it from now on. Raises InvalidInput if there is none of that name."""
        changed = await self._table.revoke(name)
        self._found, self._before = {}, {}
        if not changed:
            raise InvalidInput("no_such_key", f'there is no key called "{name}"; `tactful keys list` names them')


class SqliteKeyTable:
    """Implements `KeyTable` in the one file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    async def open(cls, database: Database) -> SqliteKeyTable:
        """Bring the table up to date. Raises StoreTooNew."""
        await database.migrate("keys", MIGRATIONS)
        return cls(database)

    async def find(self, mark: bytes) -> Key | None:
        query = "SELECT name, scope FROM write_key WHERE fingerprint = ? AND NOT revoked"
        row = await self._database.read(lambda db: db.execute(query, (mark,)).fetchone())
        return Key(*row) if row else None

    async def insert(self, mark: bytes, name: str, scope: str) -> bool:
        query = "INSERT INTO write_key VALUES (?, ?, ?, 0)"
        try:
            await self._database.write(lambda db: db.execute(query, (mark, name, scope)))
        except sqlite3.IntegrityError:
            return False
        return True

    async def listed(self) -> list[tuple[str, str, bool]]:
        query = "SELECT name, scope, revoked FROM write_key ORDER BY name"
        rows = await self._database.read(lambda db: db.execute(query).fetchall())
        return [(name, scope, bool(revoked)) for name, scope, revoked in rows]

    async def revoke(self, name: str) -> bool:
        query = "UPDATE write_key SET revoked = 1 WHERE name = ?"
        return bool(await self._database.write(lambda db: db.execute(query, (name,)).rowcount))


class PostgresKeyTable:
    """Implements `KeyTable` in PostgreSQL."""

    def __init__(self, database: Postgres) -> None:
        self._database = database

    async def find(self, mark: bytes) -> Key | None:
        query = "SELECT name, scope FROM write_key WHERE fingerprint = :mark AND NOT revoked"
        rows = await self._all(query, mark=mark)
        return Key(rows[0][0], rows[0][1]) if rows else None

    async def insert(self, mark: bytes, name: str, scope: str) -> bool:
        query = "INSERT INTO write_key VALUES (:mark, :name, :scope, FALSE) ON CONFLICT DO NOTHING RETURNING name"
        return bool(await self._all(query, mark=mark, name=name, scope=scope))

    async def listed(self) -> list[tuple[str, str, bool]]:
        rows = await self._all('SELECT name, scope, revoked FROM write_key ORDER BY name COLLATE "C"')
        return [(name, scope, revoked) for name, scope, revoked in rows]

    async def revoke(self, name: str) -> bool:
        return bool(await self._all("UPDATE write_key SET revoked = TRUE WHERE name = :name RETURNING name", name=name))

    async def _all(self, query: str, **given: object) -> Sequence[Any]:
        return await self._database.ask(text(query), **given)
