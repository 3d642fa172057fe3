"""Write keys in the one file."""

from __future__ import annotations

import sqlite3
from typing import Final

from tactful.keys import Key
from tactful.sqlite import Database

MIGRATIONS: Final = (
    """CREATE TABLE write_key (
        fingerprint BLOB PRIMARY KEY, name TEXT NOT NULL UNIQUE, scope TEXT NOT NULL, revoked INTEGER NOT NULL)""",
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
