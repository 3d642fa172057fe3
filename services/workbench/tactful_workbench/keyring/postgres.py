"""Write keys in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text

from tactful.keys import Key
from tactful.postgres import Postgres


class PostgresKeyTable:
    """Implements `tactful_workbench.keyring.KeyTable`."""

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
