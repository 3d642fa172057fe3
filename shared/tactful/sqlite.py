"""The one SQLite file of the embedded size: one writer thread, group commit, an OS lock, versioned tables.

WAL with `synchronous=FULL`: what `write` returned for is on the disk (https://www.sqlite.org/pragma.html#pragma_synchronous).
Everything that was asked for while the previous commit ran shares the next one, each job in a savepoint of its own, so
that one failure does not take the others down.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from tactful import crashpoints
from tactful.errors import StoreLocked, StoreTooNew, StoreUnavailable

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], Any]

APPLICATION: Final = 0x54616374  # "Tact": tells our files from others
JOBS_PER_COMMIT: Final = 1000
ROWS_PER_STATEMENT: Final = 512
STATEMENTS: Final = 256  # kept prepared: one for each table and number of rows
# Primary result codes that speak of the file and not of the job (https://www.sqlite.org/rescode.html).
FILE_FAULTS: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)


class Database:
    """Open with `Database.open(path)` inside a running loop; `close` waits for what was asked for."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop, lock: int) -> None:
        self._path, self._loop, self._lock = path, loop, lock
        self._jobs: queue.SimpleQueue[tuple[Job, asyncio.Future[Any]] | None] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(1, thread_name_prefix="tactful-sqlite-read")
        self._reading: sqlite3.Connection | None = None
        self._writing: sqlite3.Connection
        self._writer = threading.Thread(target=self._write_all, name="tactful-sqlite-write", daemon=True)
        self._closed = False
        self.undone = 0  # transactions that did not happen: what a job knows from an earlier one holds while it stands

    @classmethod
    async def open(cls, path: Path, *, disposable: bool = False) -> Self:
        """Raises StoreLocked if another process has the file, StoreUnavailable if it cannot be used.

        `disposable` trades durability for speed: for data that can be made again, like the demo's.
        """
        try:
            lock = _take(path)
        except OSError as error:
            raise unwritable(path, error) from None
        database = cls(path, asyncio.get_running_loop(), lock)
        try:
            _check_application(path)
            database._writing = _for_writing(path, "OFF" if disposable else "FULL")
        except BaseException:
            os.close(lock)
            raise
        database._writer.start()
        return database

    async def write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run `job` in a transaction; returns once it is durable. What `job` raises is raised here and undone alone. A cursor is
        no result: nothing comes of it.

        Raises StoreUnavailable if the file cannot take it: then nothing of it is stored. A caller who is cancelled
        while waiting does not know whether it was.
        """
        self._refuse_if_closed()
        done: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put((job, done))
        return await done

    async def read(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run `job` on a connection that sees what was committed before. Raises StoreUnavailable."""
        self._refuse_if_closed()
        return await self._loop.run_in_executor(self._readers, self._read, job)

    async def migrate(self, component: str, steps: Sequence[str | Job]) -> None:
        """Bring a component's tables up to date, a transaction a step. Raises StoreTooNew."""
        version = await self.write(lambda db: _version(db, component))
        if version > len(steps):
            raise StoreTooNew(
                f"{self._path}: the tables of {component} have version {version}, this program knows {len(steps)}; "
                "use the newer program that wrote the file"
            )
        for number, step in enumerate(steps[version:], start=version + 1):
            await self.write(lambda db, step=step, number=number: _migrate(db, component, step, number))  # type: ignore[misc]
            crashpoints.reach("store: migration")

    async def close(self) -> None:
        """Finish what was asked for, then let go of the file. What is asked for later is refused."""
        if self._closed:
            return
        self._closed = True
        self._jobs.put(None)
        await self._loop.run_in_executor(None, self._writer.join)
        self._readers.shutdown()
        if self._reading is not None:
            self._reading.close()
        os.close(self._lock)

    def _refuse_if_closed(self) -> None:
        if self._closed:  # its thread is gone: nobody would ever answer
            raise StoreUnavailable(f"{self._path} was closed; open it again")

    def _read(self, job: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if self._reading is None:
                self._reading = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
                self._reading.execute("PRAGMA query_only = ON")
            return job(self._reading)
        except sqlite3.Error as error:
            if not _is_of_the_file(error):
                raise
            raise StoreUnavailable(f"{self._path}: {error}") from error

    def _write_all(self) -> None:
        db = self._writing
        while (batch := self._next_batch()) is not None:
            self._commit(db, batch)
        db.close()

    def _next_batch(self) -> list[tuple[Job, asyncio.Future[Any]]] | None:
        first = self._jobs.get()
        if first is None:
            return None
        batch = [first]
        while len(batch) < JOBS_PER_COMMIT:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._jobs.put(None)
                break
            batch.append(job)
        return batch

    def _commit(self, db: sqlite3.Connection, batch: list[tuple[Job, asyncio.Future[Any]]]) -> None:
        results: list[tuple[asyncio.Future[Any], Any, BaseException | None]] = []
        try:
            db.execute("BEGIN IMMEDIATE")
            results = [(done, *_attempt(db, job)) for job, done in batch]
            db.execute("COMMIT")
        except sqlite3.Error as error:
            self.undone += 1
            if db.in_transaction:
                with contextlib.suppress(sqlite3.Error):  # it is tried again before whoever writes next
                    db.execute("ROLLBACK")
            failure = StoreUnavailable(f"{self._path}: {error}")
            results = [(done, None, failure) for _, done in batch]
        self._loop.call_soon_threadsafe(_settle, results)


def insert(db: sqlite3.Connection, into: str, rows: Sequence[tuple[Any, ...]], conflict: str = "") -> None:
    """Insert rows of one width; `into` is the statement up to VALUES, `conflict` what follows them.

    Many rows a statement, since each step of a statement gives the interpreter's lock up and has to get it back, which
    costs more than the row when another thread is busy.
    """
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        part = rows[start : start + ROWS_PER_STATEMENT]
        db.execute(_statement(into, len(part[0]), len(part), conflict), [value for row in part for value in row])


@lru_cache(STATEMENTS)
def _statement(into: str, width: int, rows: int, conflict: str) -> str:
    row = f"({', '.join('?' * width)})"
    return f"{into} VALUES {', '.join([row] * rows)} {conflict}"


def _attempt(db: sqlite3.Connection, job: Job) -> tuple[Any, BaseException | None]:
    db.execute("SAVEPOINT job")
    try:
        result = job(db)
        if isinstance(result, sqlite3.Cursor):  # let go of in another thread, it would reset a statement that runs here
            result.close()
            result = None
    except Exception as error:  # it is raised where the job was asked for
        if _is_of_the_file(error):
            raise  # nobody in this transaction can be helped
        db.execute("ROLLBACK TO job")
        db.execute("RELEASE job")
        return None, error
    db.execute("RELEASE job")
    return result, None


def _is_of_the_file(error: Exception) -> bool:
    """Whether the disk or the file failed. An extended result code keeps the primary one in its low byte."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in FILE_FAULTS


def _settle(results: Sequence[tuple[asyncio.Future[Any], Any, BaseException | None]]) -> None:
    for done, result, error in results:
        if done.cancelled():
            continue
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(error)


def _take(path: Path) -> int:
    """The lock on the file. What is known of customers is for its owner alone; SQLite's other files follow the first."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT, 0o600))
    return _take_lock(path)


def _take_lock(path: Path) -> int:
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.pread(lock, 32, 0).decode(errors="replace").strip()
        os.close(lock)
        if not isinstance(error, BlockingIOError):
            raise  # this file system has no locks
        raise StoreLocked(
            f"{path} is in use by process {owner or '?'}; stop that process, or choose another folder with --data"
        ) from None
    os.ftruncate(lock, 0)
    with contextlib.suppress(OSError):  # on a full disk the lock holds just the same, only namelessly
        os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock


def _check_application(path: Path) -> None:
    try:
        db = sqlite3.connect(path)
        try:
            (application,) = db.execute("PRAGMA application_id").fetchone()
            (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        finally:
            db.close()
    except sqlite3.OperationalError as error:  # of the disk or the folder: the file itself may be whole
        raise unwritable(path, error) from None
    except sqlite3.DatabaseError as error:
        raise StoreUnavailable(f"{path} cannot be used as a database: {error}; move the file away") from None
    if tables and application != APPLICATION:
        raise StoreUnavailable(f"{path} is a database of another program; choose another folder with --data")


def _for_writing(path: Path, synchronous: str) -> sqlite3.Connection:
    """The writer thread's connection, opened before the thread so that a failure has somebody to tell."""
    db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, cached_statements=STATEMENTS)
    try:
        for pragma in (
            "journal_mode = WAL",
            f"synchronous = {synchronous}",
            "foreign_keys = ON",
            "secure_delete = ON",  # what is let go of is overwritten, pages that become free included
            f"application_id = {APPLICATION}",
        ):
            db.execute(f"PRAGMA {pragma}")
    except sqlite3.OperationalError as error:
        db.close()
        raise unwritable(path, error) from None
    return db


def unwritable(path: Path, error: Exception) -> StoreUnavailable:
    """What to do about a file that the disk or the folder's rights keep from being written."""
    return StoreUnavailable(f"{path} cannot be written: {error}; make room, or mend the folder's rights")


def _version(db: sqlite3.Connection, component: str) -> int:
    db.execute("CREATE TABLE IF NOT EXISTS schema (component TEXT PRIMARY KEY, version INTEGER NOT NULL)")
    row = db.execute("SELECT version FROM schema WHERE component = ?", (component,)).fetchone()
    return row[0] if row else 0


def _migrate(db: sqlite3.Connection, component: str, step: str | Job, version: int) -> None:
    if isinstance(step, str):
        db.execute(step)
    else:
        step(db)
    db.execute("INSERT OR REPLACE INTO schema VALUES (?, ?)", (component, version))
