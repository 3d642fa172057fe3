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
        query = "SELECT name, scope, per_second FROM write_key WHERE fingerprint = :mark AND NOT revoked"
        rows = await self._all(query, mark=mark)
        return Key(*rows[0]) if rows else None

    async def insert(self, mark: bytes, key: Key) -> bool:
        query = (
            "INSERT INTO write_key (fingerprint, name, scope, revoked, per_second)"
            " VALUES (:mark, :name, :scope, FALSE, :per_second) ON CONFLICT DO NOTHING RETURNING name"
        )
        return bool(await self._all(query, mark=mark, **key._asdict()))

    async def listed(self) -> list[tuple[Key, bool]]:
        rows = await self._all('SELECT name, scope, per_second, revoked FROM write_key ORDER BY name COLLATE "C"')
        return [(Key(name, scope, per_second), revoked) for name, scope, per_second, revoked in rows]

    async def limit(self, name: str, per_second: float | None) -> bool:
        query = "UPDATE write_key SET per_second = :per_second WHERE name = :name RETURNING name"
        return bool(await self._all(query, name=name, per_second=per_second))

    async def revoke(self, name: str) -> bool:
        return bool(await self._all("UPDATE write_key SET revoked = TRUE WHERE name = :name RETURNING name", name=name))

    async def _all(self, query: str, **given: object) -> Sequence[Any]:
        return await self._database.ask(text(query), **given)
