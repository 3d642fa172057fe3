"""Letters in the embedded database: the inbox outlives the process."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import msgspec

from tactful.sqlite import Database
from tactful_dispatch.channels.inbox import Letter

MIGRATIONS: Final = (
    """CREATE TABLE letter (
        number INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT NOT NULL UNIQUE, content BLOB NOT NULL)""",
)
_MOST: Final = 2**63 - 1  # SQLite has no larger integers
_encode = msgspec.json.encode
_decode: Final = msgspec.json.Decoder(Letter).decode


class SqliteShelf:
    """A shelf in a database file. `open` it once; the database stays its owner's to close."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    async def open(cls, database: Database) -> SqliteShelf:
        """Bring the table up to date. Raises StoreTooNew."""
        await database.migrate("inbox", MIGRATIONS)
        return cls(database)

    async def put(self, letter: Letter) -> int:
        return await self._database.write(lambda connection: _put(connection, letter))

    async def letters(self, limit: int = 200) -> list[Letter]:
        rows = await self._database.read(
            lambda connection: connection.execute(
                "SELECT number, content FROM letter ORDER BY number DESC LIMIT ?", (limit,)
            ).fetchall()
        )
        return [_letter(row) for row in rows]

    async def erase(self, customers: Sequence[str]) -> None:
        await self._database.write(
            lambda connection: connection.executemany(
                "DELETE FROM letter WHERE json_extract(CAST(content AS TEXT), '$.customer') = ?",
                [(customer,) for customer in customers],
            )
        )

    async def letter(self, number: int) -> Letter | None:
        if number > _MOST:
            return None
        row = await self._database.read(
            lambda connection: connection.execute(
                "SELECT number, content FROM letter WHERE number = ?", (number,)
            ).fetchone()
        )
        return _letter(row) if row else None


def _put(connection: sqlite3.Connection, letter: Letter) -> int:
    known = connection.execute("SELECT number FROM letter WHERE message_id = ?", (letter.message_id,)).fetchone()
    if known:
        return int(known[0])
    done = connection.execute(
        "INSERT INTO letter (message_id, content) VALUES (?, ?) RETURNING number", (letter.message_id, _encode(letter))
    )
    return int(done.fetchone()[0])


def _letter(row: tuple[int, bytes]) -> Letter:
    return replace(_decode(row[1]), number=row[0])
