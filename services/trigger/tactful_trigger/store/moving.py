"""Moving a partition of trigger's store from one database to another, while nobody works on it.

What was copied by a move that was interrupted is copied again; nothing is taken away before everybody uses the copy.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from tactful.postgres import Postgres, days_as_in, spans

LOT: Final = 2_000  # rows at once: far from the deadline of a statement
PEOPLE: Final = 500  # customers at once, whose history goes with them
NEVER: Final = 2**62  # when a lease ends that nobody may take


class Copied(NamedTuple):
    """How much was copied of one partition."""

    customers: int
    lines: int  # of their history


class _Table(NamedTuple):
    """A table by columns and their types; `key` tells its rows apart within a partition, and all keys come after `first`."""

    name: str
    key: str
    first: int | str
    columns: Mapping[str, str]

    def page(self) -> TextClause:
        return text(
            f"""SELECT {self.key} AS place, {", ".join(self.columns)} FROM {self.name}
                WHERE partition = :partition AND {self.key} > :after ORDER BY {self.key} LIMIT :lot"""
        )

    def insert(self, owner: str = "partition, ") -> TextClause:
        names = ", ".join(self.columns)
        given = ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in self.columns.items())
        return text(
            f"""INSERT INTO {self.name} ({owner}{names}) SELECT {":" + owner if owner else ""}{names}
                FROM unnest({given}) WITH ORDINALITY AS given ({names}, place) ORDER BY place"""
        )

    def delete(self) -> TextClause:
        kind = "bigint" if self.first == 0 else "text"
        return text(
            f"DELETE FROM {self.name} WHERE partition = :partition AND {self.key} = ANY(CAST(:keys AS {kind}[]))"
        )

    def arrays(self, rows: Sequence[Any]) -> dict[str, list[Any]]:
        return {name: [getattr(row, name) for row in rows] for name in self.columns}


_ROWS: Final = _Table(
    "trigger_row", "customer", "", {"customer": "text", "value": "bytea", "due": "bigint", "busy": "boolean"}
)
_ASKED: Final = {"topic": "text", "target": "integer", "seq": "bigint", "value": "bytea", "cause": "bytea"}
_STEPS: Final = {"run": "text", "number": "integer", "customer": "text", "value": "bytea"}
_BESIDE: Final = (
    _Table("trigger_outbox", "id", 0, _ASKED),
    _Table("trigger_step", "id", 0, _STEPS),
    _Table("trigger_grave", "grave", "", {"grave": "text", "erased_at": "bigint"}),
)
_TOLD: Final = {"customer": "text", "at": "bigint", "log_offset": "bigint", "position": "integer"}
_TOLD_OF: Final = {"kind": "text", "rule": "text", "run": "text", "data": "bytea"}
_HISTORY: Final = _Table("trigger_history", "id", 0, _TOLD | _TOLD_OF)
# One look into the index of a day for each customer: over a list of names the whole of history would be read for every lot.
_THEIRS: Final = f"""SELECT place, {", ".join(_HISTORY.columns)}
    FROM unnest(CAST(:customers AS text[])) AS theirs (name),
        LATERAL (SELECT id AS place, * FROM trigger_history WHERE customer = theirs.name AND {{}} AND id > :after OFFSET 0) told
    ORDER BY place LIMIT :lot"""
_FORGET: Final = text("DELETE FROM trigger_history WHERE customer = ANY(CAST(:customers AS text[]))")
_CURSOR: Final = text("SELECT value, next_offset, epoch, lease_until FROM trigger_cursor WHERE partition = :partition")
_STAND: Final = text(
    """INSERT INTO trigger_cursor VALUES (:partition, :value, :next_offset, :epoch, '', 0)
       ON CONFLICT (partition) DO UPDATE SET value = excluded.value, next_offset = excluded.next_offset,
           epoch = greatest(trigger_cursor.epoch, excluded.epoch), owner = '', lease_until = 0"""
)
_CLOSE: Final = text(
    """UPDATE trigger_cursor SET lease_until = :never WHERE partition = :partition AND epoch = :epoch RETURNING epoch"""
)


async def copy(partition: int, source: Postgres, target: Postgres) -> Copied:
    """Everything of a partition that the caller has claimed in `source`. Raises StoreUnavailable: then once more."""
    await clear(partition, target)
    await days_as_in(source, target, _HISTORY.name)
    customers = lines = 0
    async for lot in _rows(source, _ROWS, PEOPLE, partition):
        lines += await _copy_people(partition, source, target, lot)
        customers += len(lot)
    for table in _BESIDE:
        async for lot in _rows(source, table, LOT, partition):
            await _do(target, table.insert(), partition=partition, **table.arrays(lot))
    [(value, offset, epoch, _)] = await source.ask(_CURSOR, partition=partition)
    await _do(target, _STAND, partition=partition, value=value, next_offset=offset, epoch=epoch)
    return Copied(customers, lines)


async def close(partition: int, epoch: int, source: Postgres) -> bool:
    """A lease without end: a service that still has the list of before finds no work here. False if somebody else came by since
    the caller claimed it."""
    return bool(await source.ask(_CLOSE, partition=partition, epoch=epoch, never=NEVER))


async def is_closed(partition: int, source: Postgres) -> bool:
    """Whether it was: its copy is whole then."""
    return any(lease == NEVER for _, _, _, lease in await source.ask(_CURSOR, partition=partition))


async def stands(partition: int, target: Postgres) -> bool:
    """Whether a copy was made there."""
    return bool(await target.ask(_CURSOR, partition=partition))


async def clear(partition: int, database: Postgres) -> None:
    """Delete everything of a partition but its cursor, which keeps others away."""
    async for lot in _rows(database, _ROWS, PEOPLE, partition):
        customers = [row.customer for row in lot]
        await _do(database, _FORGET, customers=customers)
        await _do(database, _ROWS.delete(), partition=partition, keys=customers)
    for table in _BESIDE:
        async for lot in _rows(database, table, LOT, partition):
            await _do(database, table.delete(), partition=partition, keys=[row.place for row in lot])


async def _copy_people(partition: int, source: Postgres, target: Postgres, lot: Sequence[Any]) -> int:
    """Copy rows and their history in one transaction: where a row stands its history is whole, and is found again by it."""
    told = await _told_of([row.customer for row in lot], source)

    async def write(db: AsyncConnection) -> None:
        for start in range(0, len(told), LOT):
            await db.execute(_HISTORY.insert(owner=""), _HISTORY.arrays(told[start : start + LOT]))
        await db.execute(_ROWS.insert(), {"partition": partition, **_ROWS.arrays(lot)})

    await target.run(write)
    return len(told)


async def _told_of(customers: Sequence[str], source: Postgres) -> Sequence[Any]:
    """Their history in order, a few days at a time: over a year of them at once a statement may take longer than it is given."""
    told: list[Any] = []
    for span in await spans(source, _HISTORY.name):
        async for lines in _pages(source, text(_THEIRS.format(span)), 0, LOT, customers=customers):
            told += lines
    return sorted(told, key=lambda line: line.place)


def _rows(database: Postgres, table: _Table, lot: int, partition: int) -> AsyncIterator[Sequence[Any]]:
    return _pages(database, table.page(), table.first, lot, partition=partition)


async def _pages(
    database: Postgres, query: TextClause, after: int | str, lot: int, **given: Any
) -> AsyncIterator[Sequence[Any]]:
    more = True
    while more and (rows := await database.ask(query, after=after, lot=lot, **given)):
        yield rows
        after, more = rows[-1].place, len(rows) == lot


async def _do(database: Postgres, statement: TextClause, **given: Any) -> None:
    await database.run(lambda db: db.execute(statement, given))
