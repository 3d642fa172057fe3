"""Write keys in the database, beside a few that this process knows by itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from secrets import token_urlsafe
from typing import Final

from tactful.errors import InvalidInput
from tactful.keys import FixedKeys, Key, fingerprint
from tactful.sqlite import Database

MIGRATIONS: Final = (
    """CREATE TABLE write_key (
        fingerprint BLOB PRIMARY KEY, name TEXT NOT NULL UNIQUE, scope TEXT NOT NULL, revoked INTEGER NOT NULL)""",
)
_SCOPES: Final = ("server", "browser")


class Keys:
    """Implements `tactful.keys.KeyRing`. Found keys are remembered until one is made or revoked."""

    def __init__(self, database: Database, known: FixedKeys) -> None:
        self._database, self._known = database, known
        self._found: dict[bytes, Key | None] = {}

    @classmethod
    async def open(cls, database: Database, known: Iterable[tuple[str, Key]]) -> Keys:
        """Bring the table up to date. Raises StoreTooNew."""
        await database.migrate("keys", MIGRATIONS)
        return cls(database, FixedKeys(known))

    async def find(self, secret: str) -> Key | None:
        if (key := await self._known.find(secret)) is not None:
            return key
        mark = fingerprint(secret)
        if len(self._found) > 10_000:
            self._found = {}
        found = self._found  # what is read now goes with what was remembered before a key changed
        if mark not in found:
            found[mark] = await self._database.read(lambda db: _look_up(db, mark))
        return found[mark]

    async def create(self, name: str, scope: str) -> str:
        """A new key's secret, shown once. Raises InvalidInput for a taken name or an unknown scope."""
        if scope not in _SCOPES:
            raise InvalidInput("invalid_scope", f'a key is of kind {" or ".join(_SCOPES)}, not "{scope}"')
        if not name or ":" in name:
            raise InvalidInput("invalid_name", "a key needs a name without a colon")
        secret = f"tk_live_{token_urlsafe(24)}"

        def insert(db: sqlite3.Connection) -> None:
            db.execute("INSERT INTO write_key VALUES (?, ?, ?, 0)", (fingerprint(secret), name, scope))

        try:
            await self._database.write(insert)
        except sqlite3.IntegrityError:
            raise InvalidInput("name_taken", f'there is a key called "{name}" already; choose another name') from None
        self._found = {}
        return secret

    async def listed(self) -> list[tuple[str, str, bool]]:
        """(name, scope, whether it was revoked)"""
        rows = await self._database.read(
            lambda db: db.execute("SELECT name, scope, revoked FROM write_key ORDER BY name").fetchall()
        )
        return [(name, scope, bool(revoked)) for name, scope, revoked in rows]

    async def revoke(self, name: str) -> None:
        """Refuse it from now on. Raises InvalidInput if there is none of that name."""
        changed = await self._database.write(
            lambda db: db.execute("UPDATE write_key SET revoked = 1 WHERE name = ?", (name,)).rowcount
        )
        self._found = {}
        if not changed:
            raise InvalidInput("no_such_key", f'there is no key called "{name}"; `tactful keys list` names them')


def _look_up(db: sqlite3.Connection, mark: bytes) -> Key | None:
    row = db.execute("SELECT name, scope FROM write_key WHERE fingerprint = ? AND NOT revoked", (mark,)).fetchone()
    return Key(*row) if row else None
