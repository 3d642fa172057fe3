"""Trigger's store in the embedded size: tables in the one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from typing import Final

import msgspec

from tactful import crashpoints
from tactful.errors import Fenced
from tactful.partitions.sqlite import SqlitePartitions
from tactful.records import EVENTS
from tactful.sqlite import Database, insert
from tactful_trigger.state import cursor as cursors
from tactful_trigger.state.cursor import Cursor
from tactful_trigger.state.history import HistoryRow
from tactful_trigger.state.row import count_runs, has_run
from tactful_trigger.store import BEYOND, SliceResult, StepRequest

_ROW_INDICES: Final = (
    "CREATE INDEX trigger_row_due ON trigger_row (partition, due) WHERE due IS NOT NULL",
    "CREATE INDEX trigger_row_busy ON trigger_row (partition, customer) WHERE busy",
)


def _with_rowid(db: sqlite3.Connection) -> None:
    """A table that is its own index puts what is longer than a kilobyte on a page by itself: a row of a live run is."""
    db.execute("ALTER TABLE trigger_row RENAME TO trigger_row_before")
    db.execute(
        """CREATE TABLE trigger_row (
            partition INTEGER NOT NULL, customer TEXT NOT NULL, value BLOB NOT NULL, due INTEGER, busy INTEGER NOT NULL,
            UNIQUE (partition, customer))"""
    )
    db.execute("INSERT INTO trigger_row SELECT partition, customer, value, due, busy FROM trigger_row_before")
    db.execute("DROP TABLE trigger_row_before")
    for index in _ROW_INDICES:
        db.execute(index)


MIGRATIONS: Final = (
    """CREATE TABLE trigger_cursor (
        partition INTEGER PRIMARY KEY, value BLOB NOT NULL, next_offset INTEGER NOT NULL,
        epoch INTEGER NOT NULL, owner TEXT NOT NULL, lease_until INTEGER NOT NULL)""",
    """CREATE TABLE trigger_row (
        partition INTEGER NOT NULL, customer TEXT NOT NULL, value BLOB NOT NULL, due INTEGER,
        PRIMARY KEY (partition, customer)) WITHOUT ROWID""",
    _ROW_INDICES[0],
    """CREATE TABLE trigger_outbox (
        id INTEGER PRIMARY KEY, partition INTEGER NOT NULL, topic TEXT NOT NULL, target INTEGER NOT NULL,
        seq INTEGER NOT NULL, value BLOB NOT NULL, cause BLOB NOT NULL,
        UNIQUE (partition, topic, target, seq))""",
    """CREATE TABLE trigger_history (
        id INTEGER PRIMARY KEY, customer TEXT NOT NULL, at INTEGER NOT NULL, log_offset INTEGER NOT NULL,
        position INTEGER NOT NULL, kind TEXT NOT NULL, rule TEXT NOT NULL, run TEXT NOT NULL, data BLOB NOT NULL)""",
    "CREATE INDEX trigger_history_customer ON trigger_history (customer, id)",
    """CREATE TABLE trigger_step (
        run TEXT NOT NULL, number INTEGER NOT NULL, partition INTEGER NOT NULL, value BLOB NOT NULL,
        PRIMARY KEY (run, number))""",
    """CREATE TABLE trigger_grave (
        partition INTEGER NOT NULL, grave TEXT NOT NULL, erased_at INTEGER NOT NULL,
        PRIMARY KEY (partition, grave)) WITHOUT ROWID""",
    "ALTER TABLE trigger_row ADD COLUMN busy INTEGER NOT NULL DEFAULT 1",
    _ROW_INDICES[1],
    _with_rowid,
)

_CHUNK: Final = 500  # below SQLite's limit of bound values
_DUE: Final = """SELECT due, customer FROM trigger_row
    WHERE partition = :partition AND due >= :due AND due < :before AND (due > :due OR customer >= :customer)
    ORDER BY due, customer LIMIT :most"""
# In place: what is replaced leaves a hole behind, and an entry in each index.
_OR_UPDATE: Final = """ON CONFLICT (partition, customer)
    DO UPDATE SET value = excluded.value, due = excluded.due, busy = excluded.busy"""
_RECENT: Final = 20_000  # lines of history
_ACTIVE: Final = """SELECT customer FROM (SELECT customer, id FROM trigger_history ORDER BY id DESC LIMIT ?)
    GROUP BY customer ORDER BY max(id) DESC LIMIT ?"""

_FORGET_HISTORY: Final = """DELETE FROM trigger_history WHERE at < ? AND id IN (
    SELECT id FROM trigger_history ORDER BY id LIMIT 5000)"""


class SqliteTriggerStore(SqlitePartitions):
    """Implements `tactful_trigger.store.TriggerStore`."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, "trigger", EVENTS)

    @classmethod
    async def open(cls, database: Database) -> SqliteTriggerStore:
        """Bring the tables up to date. Raises StoreTooNew."""
        await database.migrate("trigger", MIGRATIONS)
        return cls(database)

    async def claim(self, partition: int, owner: str, now: int, until: int) -> Cursor | None:
        empty = cursors.encode(Cursor(partition=partition))

        def take(db: sqlite3.Connection) -> Cursor | None:
            db.execute("INSERT OR IGNORE INTO trigger_cursor VALUES (?, ?, 0, 0, '', 0)", (partition, empty))
            row = db.execute(
                """UPDATE trigger_cursor SET epoch = epoch + 1, owner = ?, lease_until = ?
                   WHERE partition = ? AND (lease_until <= ? OR owner = ?) RETURNING value, epoch""",
                (owner, until, partition, now, owner),
            ).fetchone()
            if row is None:
                return None
            cursor = cursors.decode(row[0])
            cursor.epoch = row[1]
            cursor.attempts += 1
            db.execute("UPDATE trigger_cursor SET value = ? WHERE partition = ?", (cursors.encode(cursor), partition))
            return cursor

        return await self._database.write(take)

    async def load(self, partition: int, customers: Collection[str]) -> dict[str, bytes]:
        def fetch(db: sqlite3.Connection) -> dict[str, bytes]:
            found: dict[str, bytes] = {}
            for chunk in _chunks(list(customers)):
                marks = ",".join("?" * len(chunk))
                found.update(
                    db.execute(
                        f"SELECT customer, value FROM trigger_row WHERE partition = ? AND customer IN ({marks})",
                        (partition, *chunk),
                    )
                )
            return found

        return await self._database.read(fetch)

    async def busy(self, partition: int) -> set[str]:
        query = "SELECT customer FROM trigger_row WHERE partition = ? AND busy"
        return await self._database.read(lambda db: {name for (name,) in db.execute(query, (partition,))})

    async def due(self, partition: int, start: tuple[int, str], before: int, most: int) -> list[tuple[int, str]]:
        given = {"partition": partition, "due": start[0], "customer": start[1], "before": before, "most": most}
        return await self._database.read(lambda db: db.execute(_DUE, given).fetchall())

    async def earliest_due(self, partition: int, start: int) -> int | None:
        query = "SELECT min(due) FROM trigger_row WHERE partition = ? AND due >= ?"
        row: tuple[int | None] = await self._ask(
            partition, ("earliest due", start), lambda db: db.execute(query, (partition, start)).fetchone()
        )
        return row[0]

    async def commit(self, result: SliceResult, until: int) -> None:
        def apply(db: sqlite3.Connection) -> None:
            moved = db.execute(
                """UPDATE trigger_cursor SET value = ?, next_offset = ?, lease_until = ?
                   WHERE partition = ? AND epoch = ? AND next_offset = ?""",
                (
                    cursors.encode(result.cursor),
                    result.cursor.offset,
                    until,
                    result.partition,
                    result.epoch,
                    result.before,
                ),
            ).rowcount
            if not moved:
                raise Fenced(f"events/{result.partition}: another owner has moved the cursor")
            _write(db, result)
            crashpoints.reach("trigger: before commit")

        await self._write(result.partition, apply)

    async def cursor(self, partition: int) -> Cursor | None:
        def fetch(db: sqlite3.Connection) -> Cursor | None:
            row = db.execute("SELECT value FROM trigger_cursor WHERE partition = ?", (partition,)).fetchone()
            return None if row is None else cursors.decode(row[0])

        return await self._database.read(fetch)

    async def everybody(self, partition: int, after: str, limit: int) -> list[str]:
        query = "SELECT customer FROM trigger_row WHERE partition = ? AND customer > ? ORDER BY customer LIMIT ?"
        rows = await self._database.read(lambda db: db.execute(query, (partition, after, limit)).fetchall())
        return [customer for (customer,) in rows]

    async def steps(self, partition: int, limit: int) -> list[StepRequest]:
        query = "SELECT value FROM trigger_step WHERE partition = ? ORDER BY rowid LIMIT ?"
        rows: list[tuple[bytes]] = await self._ask(
            partition, ("steps", limit), lambda db: db.execute(query, (partition, limit)).fetchall()
        )
        return [msgspec.json.decode(value, type=StepRequest) for (value,) in rows]

    async def forget_steps(self, partition: int, done: Sequence[StepRequest]) -> None:
        query = "DELETE FROM trigger_step WHERE run = ? AND number = ?"
        answered = [(step.run_id, step.number) for step in done]
        await self._write(partition, lambda db: db.executemany(query, answered))

    async def forget_history(self, now: int, before: int) -> int:
        """The oldest rows first, a lot at a time: whoever waits to write comes in between."""
        gone = 0
        while lot := await self._database.write(lambda db: db.execute(_FORGET_HISTORY, (before,)).rowcount):
            gone += lot
        return gone

    async def history(self, customer: str, limit: int, since: int = 0) -> list[HistoryRow]:
        rows = await self._database.read(
            lambda db: db.execute(
                """SELECT customer, at, log_offset, position, kind, rule, run, data FROM trigger_history
                   WHERE customer = ? AND at >= ? ORDER BY id DESC LIMIT ?""",
                (customer, since, limit),
            ).fetchall()
        )
        return [HistoryRow(*row) for row in reversed(rows)]

    async def customers(self, text: str, limit: int) -> list[str]:
        query = "SELECT customer FROM trigger_row WHERE customer >= ? AND customer < ? ORDER BY customer LIMIT ?"
        rows = await self._database.read(lambda db: db.execute(query, (text, text + BEYOND, limit)).fetchall())
        return [customer for (customer,) in rows]

    async def active(self, limit: int) -> list[str]:
        rows = await self._database.read(lambda db: db.execute(_ACTIVE, (_RECENT, limit)).fetchall())
        return [customer for (customer,) in rows]

    async def running(self, rule: str, *, parked: bool = False) -> list[str]:
        return await self._database.read(
            lambda db: sorted(name for name, value in _with_runs(db) if has_run(value, rule, parked=parked))
        )

    async def live_runs(self, *, parked: bool = False) -> dict[str, int]:
        return await self._database.read(lambda db: count_runs((value for _, value in _with_runs(db)), parked=parked))


def _with_runs(db: sqlite3.Connection) -> Iterator[tuple[str, bytes]]:
    yield from db.execute("SELECT customer, value FROM trigger_row WHERE busy")


def _write(db: sqlite3.Connection, result: SliceResult) -> None:
    partition = result.partition
    _bury(db, result)
    insert(
        db,
        "INSERT INTO trigger_row",
        [(partition, row.customer, row.value, row.due, row.busy) for row in result.rows],
        _OR_UPDATE,
    )
    insert(
        db,
        "INSERT INTO trigger_outbox (partition, topic, target, seq, value, cause)",
        [
            (partition, row.topic, row.partition, row.seq, row.value, msgspec.json.encode(row.cause))
            for row in result.outbox
        ],
    )
    insert(
        db,
        "INSERT INTO trigger_history (customer, at, log_offset, position, kind, rule, run, data)",
        [(h.customer, h.at, h.offset, h.index, h.kind, h.rule, h.run, h.data) for h in result.history],
    )
    insert(
        db,
        "INSERT OR IGNORE INTO trigger_step",
        [(step.run_id, step.number, partition, msgspec.json.encode(step)) for step in result.steps],
    )


def _forget_steps(db: sqlite3.Connection, partition: int, customer: str) -> None:
    waiting = db.execute("SELECT run, number, value FROM trigger_step WHERE partition = ?", (partition,)).fetchall()
    theirs = [
        (run, n) for run, n, value in waiting if msgspec.json.decode(value, type=StepRequest).customer == customer
    ]
    db.executemany("DELETE FROM trigger_step WHERE run = ? AND number = ?", theirs)


def _bury(db: sqlite3.Connection, result: SliceResult) -> None:
    for gone in result.erasures:
        db.execute("DELETE FROM trigger_row WHERE partition = ? AND customer = ?", (result.partition, gone.customer))
        db.execute("DELETE FROM trigger_history WHERE customer = ?", (gone.customer,))
        _forget_steps(db, result.partition, gone.customer)
    erased = [*(gone.erased for gone in result.erasures), *result.graves]
    insert(db, "INSERT OR REPLACE INTO trigger_grave", [(result.partition, each.grave, each.at) for each in erased])
    db.executemany(
        "DELETE FROM trigger_grave WHERE partition = ? AND grave = ?",
        [(result.partition, grave) for grave in result.revived],
    )


def _chunks(names: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(names), _CHUNK):
        yield names[start : start + _CHUNK]
