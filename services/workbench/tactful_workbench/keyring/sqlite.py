"""Write keys in the one file."""

from __future__ import annotations

import sqlite3
from typing import Final

from tactful.keys import Key
from tactful.sqlite import Database

MIGRATIONS: Final = (
    """CREATE TABLE write_key (
        fingerprint BLOB PRIMARY KEY, name TEXT NOT NULL UNIQUE, scope TEXT NOT NULL, revoked INTEGER NOT NULL)""",
    "ALTER TABLE write_key ADD COLUMN per_second REAL",
)


class SqliteKeyTable:
    """Implements `tactful_workbench.keyring.KeyTable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    async def open(cls, database: Database) -> SqliteKeyTable:
        """Bring the table up to date. Raises StoreTooNew."""
        await database.migrate("keys", MIGRATIONS)
        return cls(database)

    async def find(self, mark: bytes) -> Key | None:
        query = "SELECT name, scope, per_second FROM write_key WHERE fingerprint = ? AND NOT revoked"
        row = await self._database.read(lambda db: db.execute(query, (mark,)).fetchone())
        return Key(*row) if row else None

    async def insert(self, mark: bytes, key: Key) -> bool:
        query = "INSERT INTO write_key (fingerprint, name, scope, per_second, revoked) VALUES (?, ?, ?, ?, 0)"
        try:
            await self._database.write(lambda db: db.execute(query, (mark, *key)))
        except sqlite3.IntegrityError:
            return False
        return True

    async def listed(self) -> list[tuple[Key, bool]]:
        query = "SELECT name, scope, per_second, revoked FROM write_key ORDER BY name"
        rows = await self._database.read(lambda db: db.execute(query).fetchall())
        return [(Key(name, scope, per_second), bool(revoked)) for name, scope, per_second, revoked in rows]

    async def limit(self, name: str, per_second: float | None) -> bool:
        query = "UPDATE write_key SET per_second = ? WHERE name = ?"
        return bool(await self._database.write(lambda db: db.execute(query, (per_second, name)).rowcount))

    async def revoke(self, name: str) -> bool:
        query = "UPDATE write_key SET revoked = 1 WHERE name = ?"
        return bool(await self._database.write(lambda db: db.execute(query, (name,)).rowcount))
