"""The log in the embedded size: tables in the one SQLite file. Acknowledged is on the disk."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from tactful.clock import Clock
from tactful.errors import LogUnavailable, SettingsError, StoreUnavailable
from tactful.log import Position, Stored, check_entries
from tactful.sqlite import Database, insert


def _table(topic: str, partition: int) -> str:
    """Each partition has a table of its own, so that each grows at its end: pages are full, and half the work."""
    return f'"log_{topic}_{partition}"'


def _create(db: sqlite3.Connection, topic: str, partition: int) -> None:
    columns = "log_offset INTEGER PRIMARY KEY, appended INTEGER NOT NULL, value BLOB NOT NULL"
    db.execute(f"CREATE TABLE {_table(topic, partition)} ({columns})")


def _by_partition(db: sqlite3.Connection) -> None:
    """Move the records of all partitions, which shared one table once, into tables of their own."""
    for topic, partition in db.execute("SELECT topic, partition FROM log_partition").fetchall():
        _create(db, topic, partition)
        db.execute(
            f"""INSERT INTO {_table(topic, partition)}
                SELECT log_offset, appended, value FROM log WHERE topic = ? AND partition = ? ORDER BY log_offset""",
            (topic, partition),
        )
    db.execute("DROP TABLE log")


MIGRATIONS: Final = (
    """CREATE TABLE log (
        topic TEXT NOT NULL, partition INTEGER NOT NULL, log_offset INTEGER NOT NULL, appended INTEGER NOT NULL,
        value BLOB NOT NULL, PRIMARY KEY (topic, partition, log_offset)) WITHOUT ROWID""",
    """CREATE TABLE log_partition (
        topic TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL, floor INTEGER NOT NULL,
        PRIMARY KEY (topic, partition)) WITHOUT ROWID""",
    "CREATE TABLE log_shape (partitions INTEGER NOT NULL)",
    _by_partition,
)

PRUNED: Final = 1000  # records of one transaction: whoever waits for the writer does not wait long
LOT: Final = 512  # records of one insert: the loop reads the next requests while the writer stores it


class SqliteLog:
    """Implements `tactful.log.ClosingLog`. Ends and floors are known in memory: this process is the only writer."""

    def __init__(self, database: Database, partitions: int, clock: Clock) -> None:
        self._database, self._count, self._clock = database, partitions, clock
        self._ends: dict[tuple[str, int], int] = {}  # committed
        self._grown = asyncio.Event()
        self._waiting: dict[str, _Lot] = {}  # by topic: what the next transaction takes in
        self._heads = _Heads(database)
        self.opened_at = 0  # ms: nothing in the file when it was opened is stamped later

    @classmethod
    async def open(cls, database: Database, partitions: int, clock: Clock) -> SqliteLog:
        """Raises SettingsError if the file was made with another partition count."""
        await database.migrate("log", MIGRATIONS)
        log = cls(database, partitions, clock)
        stored = await database.write(lambda db: _shape(db, partitions))
        if stored != partitions:
            raise SettingsError(
                f"this database was made with {stored} partitions and cannot be read with {partitions}: a customer's "
                f"records would be looked for in the wrong place. Start with {stored}"
            )
        for topic, partition, end, floor in await database.read(
            lambda db: db.execute("SELECT topic, partition, next_offset, floor FROM log_partition").fetchall()
        ):
            log._ends[topic, partition] = end
            log.opened_at = max(log.opened_at, floor)
        return log

    @property
    def partitions(self) -> int:
        return self._count

    async def append(self, topic: str, entries: Sequence[tuple[int, bytes]]) -> list[Position]:
        return await self._append(topic, entries, None)

    async def close_instant(self, topic: str, entries: Sequence[tuple[int, bytes]], instant: int) -> list[Position]:
        return await self._append(topic, entries, instant)

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Stored]:
        if offset >= self._ends.get((topic, partition), 0):
            return []
        rows = await self._database.read(
            lambda db: db.execute(
                f"""SELECT log_offset, appended, value FROM {_table(topic, partition)}
                    WHERE log_offset >= ? ORDER BY log_offset LIMIT ?""",
                (offset, limit),
            ).fetchall()
        )
        return [Stored(topic, partition, *row) for row in rows]

    async def beginning(self, topic: str, partition: int) -> int:
        end = self._ends.get((topic, partition), 0)
        if end == 0:
            return 0
        query = f"SELECT min(log_offset) FROM {_table(topic, partition)}"
        first = await self._database.read(lambda db: db.execute(query).fetchone()[0])
        return end if first is None else int(first)

    async def end(self, topic: str, partition: int) -> int:
        return self._ends.get((topic, partition), 0)

    async def prune(self, topic: str, partition: int, before: int, offset: int) -> int:
        """Let go of what was appended before an instant and stands before `offset`, which its reader has reached; how many
        records. Offsets stay as they are."""
        table, most = _table(topic, partition), self._ends.get((topic, partition), 0)
        if most == 0:
            return 0

        def remove(db: sqlite3.Connection) -> int:
            return db.execute(
                f"""DELETE FROM {table} WHERE log_offset IN (
                        SELECT log_offset FROM {table} WHERE log_offset < ? AND appended < ?
                        ORDER BY log_offset LIMIT ?)""",
                (min(offset, most), before, PRUNED),
            ).rowcount

        gone = 0
        while removed := await self._database.write(remove):
            gone += removed
        return gone

    async def wait(self, topic: str, positions: Mapping[int, int], seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not any(self._ends.get((topic, p), 0) > position for p, position in positions.items()):
                    self._grown.clear()
                    await self._grown.wait()
        except TimeoutError:
            return

    async def _append(self, topic: str, entries: Sequence[tuple[int, bytes]], closes: int | None) -> list[Position]:
        """Shielded: if the caller is cancelled, the entries are stored all the same, and readers have to hear of them."""
        return await asyncio.shield(self._store(topic, entries, closes))

    async def _store(self, topic: str, entries: Sequence[tuple[int, bytes]], closes: int | None) -> list[Position]:
        check_entries(topic, entries, self._count)
        try:
            positions = await self._inserted(topic, entries, closes)
        except StoreUnavailable as error:
            raise LogUnavailable(str(error)) from error
        for position in positions:
            key = (topic, position.partition)
            self._ends[key] = max(self._ends.get(key, 0), position.offset + 1)
        self._grown.set()
        return positions

    async def _inserted(self, topic: str, entries: Sequence[tuple[int, bytes]], closes: int | None) -> list[Position]:
        """Add entries to the lot that waits for the topic's next transaction, or to a new one; where they landed."""
        lot = self._waiting.get(topic)
        first = None if lot is None else lot.add(entries, closes)
        if lot is None or first is None:
            lot, first = _Lot(entries, closes), 0
            self._waiting[topic] = lot
            lot.stored = asyncio.ensure_future(self._write(topic, lot))
        return (await lot.stored)[first : first + len(entries)]

    async def _write(self, topic: str, lot: _Lot) -> list[Position]:
        """Whoever is ready to append now shall join: each transaction costs the loop a few handovers to the writer."""
        await asyncio.sleep(0)
        try:
            return await self._database.write(lambda db: self._insert(db, topic, lot.close(), lot.closes))
        finally:
            lot.close()  # its turn may not have come in a transaction that failed: nobody joins what is over

    def _insert(
        self, db: sqlite3.Connection, topic: str, entries: Sequence[tuple[int, bytes]], closes: int | None
    ) -> list[Position]:
        """Runs in the writer's thread."""
        heads, now = self._heads.of(db, topic), self._clock.now()
        positions, rows = [], defaultdict[int, list[tuple[int, int, bytes]]](list)
        for partition, value in entries:
            end, floor = heads.get(partition, (0, 0))
            floor = max(floor, now)
            heads[partition] = (end + 1, floor)
            rows[partition].append((end, floor, value))
            positions.append(Position(partition, end, floor))
        if closes is not None:
            heads |= {p: (heads[p][0], max(heads[p][1], closes + 1)) for p in rows}
        for partition, part in rows.items():
            if part[0][0] == 0:
                _create(db, topic, partition)
            insert(db, f"INSERT INTO {_table(topic, partition)}", part)
        insert(db, "INSERT OR REPLACE INTO log_partition", [(topic, p, *heads[p]) for p in rows])
        self._heads.are(topic, heads)
        return positions


class _Lot:
    """Entries that are inserted together. It is added to by the loop, and closed by the writer's thread."""

    stored: asyncio.Future[list[Position]]

    def __init__(self, entries: Sequence[tuple[int, bytes]], closes: int | None) -> None:
        self._entries, self.closes = list(entries), closes
        self._closed, self._lock = False, threading.Lock()

    def add(self, entries: Sequence[tuple[int, bytes]], closes: int | None) -> int | None:
        """The place of the first, or None if it cannot join: nothing else may stand where an instant closes."""
        with self._lock:
            if self._closed or len(self._entries) >= LOT or not (self.closes is closes is None):
                return None
            self._entries += entries
            return len(self._entries) - len(entries)

    def close(self) -> list[tuple[int, bytes]]:
        with self._lock:
            self._closed = True
        return self._entries


class _Heads:
    """(next offset, floor) by topic and partition, as of the transaction that runs. Of the writer's thread alone.

    What an undone transaction left is forgotten and read again.
    """

    def __init__(self, database: Database) -> None:
        self._database, self._undone = database, 0
        self._known: dict[str, dict[int, tuple[int, int]]] = {}

    def of(self, db: sqlite3.Connection, topic: str) -> dict[int, tuple[int, int]]:
        """A copy: it counts once `are` says so."""
        if self._undone != self._database.undone:
            self._undone = self._database.undone
            self._known.clear()
        if topic not in self._known:
            rows = db.execute("SELECT partition, next_offset, floor FROM log_partition WHERE topic = ?", (topic,))
            self._known[topic] = {partition: (end, floor) for partition, end, floor in rows}
        return dict(self._known[topic])

    def are(self, topic: str, heads: dict[int, tuple[int, int]]) -> None:
        self._known[topic] = heads


def _shape(db: sqlite3.Connection, partitions: int) -> int:
    row = db.execute("SELECT partitions FROM log_shape").fetchone()
    if row is None:
        db.execute("INSERT INTO log_shape VALUES (?)", (partitions,))
        return partitions
    return int(row[0])
