"""The one file: who may open it, what shares a commit, and what a failure takes down with it."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tactful import crashpoints
from tactful.errors import StoreLocked, StoreTooNew, StoreUnavailable
from tactful.sqlite import ROWS_PER_STATEMENT, Database, insert

NOTES = ("CREATE TABLE note (text TEXT UNIQUE NOT NULL)",)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shop.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(path)
    await opened.migrate("notes", NOTES)
    yield opened
    await opened.close()


def note(db: sqlite3.Connection, text: str) -> None:
    db.execute("INSERT INTO note VALUES (?)", (text,))


def notes(db: sqlite3.Connection) -> list[str]:
    return [text for (text,) in db.execute("SELECT text FROM note ORDER BY rowid")]


def opened_elsewhere(path: Path, before: str = "") -> str:
    """What opening the file in another process fails with."""
    program = f"""
import asyncio, resource, sys
from pathlib import Path
from tactful.sqlite import Database
{before}
try:
    asyncio.run(Database.open(Path(sys.argv[1])))
except Exception as error:
    print(type(error).__name__, error)
"""
    command = [sys.executable, "-c", program, str(path)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60).stdout


def noting(text: str) -> Callable[[sqlite3.Connection], None]:
    return lambda db: note(db, text)


class Gate:
    """Holds the writer thread at a job, so that what is asked for meanwhile shares the next commit."""

    def __init__(self) -> None:
        self.reached, self.open = threading.Event(), threading.Event()

    def job(self, db: sqlite3.Connection) -> None:
        self.reached.set()
        self.open.wait(30)

    async def hold(self, database: Database) -> asyncio.Task[None]:
        held = asyncio.create_task(database.write(self.job))
        await asyncio.to_thread(self.reached.wait, 30)
        return held


class Commits:
    """Counts what a statement trace calls a commit."""

    def __init__(self) -> None:
        self.count = 0

    def watch(self, db: sqlite3.Connection) -> None:
        db.set_trace_callback(self._see)

    def _see(self, statement: str) -> None:
        self.count += statement == "COMMIT"


async def test_a_read_sees_what_was_written_before(database: Database) -> None:
    await database.write(noting("a"))
    assert await database.read(notes) == ["a"]


async def test_a_read_does_not_see_what_is_not_committed(database: Database) -> None:
    gate = Gate()

    def write_and_stop(db: sqlite3.Connection) -> None:
        note(db, "a")
        gate.job(db)

    writing = asyncio.create_task(database.write(write_and_stop))
    await asyncio.to_thread(gate.reached.wait, 30)
    assert await database.read(notes) == []
    gate.open.set()
    await writing
    assert await database.read(notes) == ["a"]


async def test_a_read_cannot_write(database: Database) -> None:
    with pytest.raises(StoreUnavailable, match="readonly"):
        await database.read(noting("a"))


async def test_jobs_that_were_asked_for_together_share_a_commit(database: Database) -> None:
    commits, gate = Commits(), Gate()
    await database.write(commits.watch)
    commits.count = 0
    held = await gate.hold(database)
    writing = [asyncio.create_task(database.write(noting(f"n{n}"))) for n in range(50)]
    await asyncio.sleep(0)
    gate.open.set()
    await asyncio.gather(held, *writing)
    assert commits.count == 2  # the gate's, and one for all fifty
    assert len(await database.read(notes)) == 50


async def test_a_job_that_fails_is_undone_alone(database: Database) -> None:
    gate = Gate()
    held = await gate.hold(database)

    def half(db: sqlite3.Connection) -> None:
        note(db, "half")
        raise ValueError("changed my mind")

    writing = [asyncio.create_task(database.write(job)) for job in (noting("a"), half, noting("a"), noting("b"))]
    await asyncio.sleep(0)
    gate.open.set()
    await held
    first, second, third, fourth = await asyncio.gather(*writing, return_exceptions=True)
    assert (first, fourth) == (None, None)
    assert isinstance(second, ValueError)
    assert isinstance(third, sqlite3.IntegrityError)
    assert await database.read(notes) == ["a", "b"]


async def test_a_job_in_wrong_sql_is_told_so_and_fails_alone(database: Database) -> None:
    gate = Gate()
    held = await gate.hold(database)
    writing = [
        asyncio.create_task(database.write(job))
        for job in (noting("a"), lambda db: db.execute("INSERT INTO nowhere VALUES (1)"), noting("b"))
    ]
    await asyncio.sleep(0)
    gate.open.set()
    await held
    first, second, third = await asyncio.gather(*writing, return_exceptions=True)
    assert (first, third) == (None, None)
    assert isinstance(second, sqlite3.OperationalError)
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        await database.read(lambda db: db.execute("SELECT * FROM nowhere"))


async def test_a_job_whose_caller_went_away_does_not_disturb_the_others(database: Database) -> None:
    gate = Gate()
    held = await gate.hold(database)
    gone = asyncio.create_task(database.write(noting("gone")))
    stays = asyncio.create_task(database.write(noting("stays")))
    await asyncio.sleep(0)
    gone.cancel()
    gate.open.set()
    await asyncio.gather(held, stays)
    assert "stays" in await database.read(notes)


async def test_closing_finishes_what_was_asked_for(path: Path) -> None:
    database, gate = await Database.open(path), Gate()
    await database.migrate("notes", NOTES)
    held = await gate.hold(database)
    writing = [asyncio.create_task(database.write(noting(f"n{n}"))) for n in range(20)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(database.close())
    await asyncio.sleep(0)
    gate.open.set()
    await asyncio.gather(held, closing, *writing)
    again = await Database.open(path)
    assert len(await again.read(notes)) == 20
    await again.close()


async def test_a_closed_database_refuses_rather_than_lets_wait(path: Path) -> None:
    database = await Database.open(path)
    await database.close()
    await database.close()  # changes nothing: the file may belong to another by now
    for asking in (database.read(notes), database.write(noting("a"))):
        with pytest.raises(StoreUnavailable, match=r"shop\.db was closed"):
            await asyncio.wait_for(asking, 30)


async def test_the_file_belongs_to_one_process_and_the_error_names_it(database: Database, path: Path) -> None:
    with pytest.raises(StoreLocked, match=rf"shop\.db is in use by process {os.getpid()}; stop that process"):
        await Database.open(path)


async def test_another_process_is_told_who_has_the_file(database: Database, path: Path) -> None:
    said = await asyncio.to_thread(opened_elsewhere, path)
    assert said.startswith("StoreLocked ")
    assert f"in use by process {os.getpid()}" in said


async def test_nobody_else_on_the_machine_can_read_it(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "data" / "tactful.db")
    await database.migrate("numbers", ["CREATE TABLE number (n INTEGER)"])
    assert {file.suffix for file in (tmp_path / "data").iterdir()} >= {".db", ".db-wal", ".db-shm"}
    assert [file.name for file in (tmp_path / "data").iterdir() if file.stat().st_mode & 0o077] == []
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0
    await database.close()


async def test_acknowledged_writes_are_synchronous_on_disk(database: Database) -> None:
    def modes(db: sqlite3.Connection) -> tuple[str, int]:
        return db.execute("PRAGMA journal_mode").fetchone()[0], db.execute("PRAGMA synchronous").fetchone()[0]

    assert await database.write(modes) == ("wal", 2)  # 2 is FULL


async def test_migrations_are_applied_once_and_only_the_new_ones(database: Database) -> None:
    await database.migrate("notes", NOTES)
    await database.migrate("notes", (*NOTES, "ALTER TABLE note ADD COLUMN author TEXT"))
    await database.write(lambda db: db.execute("INSERT INTO note VALUES ('a', 'me')"))
    assert await database.read(lambda db: db.execute("SELECT author FROM note").fetchall()) == [("me",)]


async def test_components_have_versions_of_their_own(database: Database) -> None:
    await database.migrate("other", ("CREATE TABLE one (x)", "CREATE TABLE two (x)"))
    versions = await database.read(lambda db: dict(db.execute("SELECT component, version FROM schema")))
    assert versions == {"notes": 1, "other": 2}


async def test_a_step_that_fails_leaves_those_before_it(database: Database) -> None:
    def broken(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE half (x)")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await database.migrate("other", ("CREATE TABLE one (x)", broken))
    tables = await database.read(lambda db: [name for (name,) in db.execute("SELECT name FROM sqlite_master")])
    assert "one" in tables
    assert "half" not in tables
    await database.migrate("other", ("CREATE TABLE one (x)", "CREATE TABLE half (x)"))


async def test_tables_of_a_newer_program_are_refused_by_name_and_version(database: Database) -> None:
    await database.migrate("other", ("CREATE TABLE one (x)", "CREATE TABLE two (x)"))
    with pytest.raises(StoreTooNew, match="other have version 2, this program knows 1; use the newer program"):
        await database.migrate("other", ("CREATE TABLE one (x)",))


def fill(path: Path, content: bytes) -> bytes:
    path.write_bytes(content)
    return content


def content(path: Path) -> bytes:
    return path.read_bytes()


def foreign_database(path: Path) -> bytes:
    foreign = sqlite3.connect(path)
    foreign.execute("CREATE TABLE theirs (x)")
    foreign.commit()
    foreign.close()
    return content(path)


async def test_a_database_of_another_program_is_refused_and_left_as_it_was(path: Path) -> None:
    before = foreign_database(path)
    with pytest.raises(StoreUnavailable, match="database of another program; choose another folder"):
        await Database.open(path)
    assert content(path) == before


async def test_a_file_that_is_no_database_is_refused_and_left_as_it_was(path: Path) -> None:
    before = fill(path, b"my diary, which happens to be called like this\n" * 100)
    with pytest.raises(StoreUnavailable, match=r"cannot be used as a database.*move the file away"):
        await Database.open(path)
    assert content(path) == before


async def test_a_refused_file_is_not_locked(path: Path) -> None:
    fill(path, b"nothing of ours " * 100)
    with pytest.raises(StoreUnavailable):
        await Database.open(path)
    os.unlink(path)
    await (await Database.open(path)).close()


async def test_a_disk_that_is_full_at_the_start_is_named_rather_than_waited_for(path: Path) -> None:
    said = await asyncio.to_thread(opened_elsewhere, path, "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))")
    assert said.startswith(f"StoreUnavailable {path} cannot be written: ")
    await (await Database.open(path)).close()


async def test_on_a_full_disk_nobody_is_told_to_move_away_the_file_that_they_have(path: Path) -> None:
    await (await Database.open(path)).close()
    said = await asyncio.to_thread(opened_elsewhere, path, "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))")
    assert said.startswith(f"StoreUnavailable {path} cannot be written: disk I/O error; make room")
    await (await Database.open(path)).close()


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    fill(tmp_path / "file", b"")
    with pytest.raises(StoreUnavailable, match=r"file/shop\.db cannot be written: "):
        await Database.open(tmp_path / "file" / "shop.db")


def flood(db: sqlite3.Connection) -> None:
    for number in range(100, 200):
        note(db, f"{number}" * 2000)


async def test_a_full_disk_fails_the_commit_whole_and_works_again_afterwards(database: Database) -> None:
    pages = await database.write(lambda db: int(db.execute("PRAGMA page_count").fetchone()[0]))
    await database.write(lambda db: db.execute(f"PRAGMA max_page_count = {pages + 2}"))
    with pytest.raises(StoreUnavailable, match="full"):
        await database.write(flood)
    assert await database.read(notes) == []
    await database.write(lambda db: db.execute(f"PRAGMA max_page_count = {pages + 1000}"))
    await database.write(noting("there is room again"))
    assert await database.read(notes) == ["there is room again"]


async def test_what_could_not_be_undone_at_once_is_undone_before_the_next_write(database: Database) -> None:
    refusals = [sqlite3.SQLITE_DENY]

    def judge(action: int, operation: str | None, *_: str | None) -> int:
        is_undoing = (action, operation) == (sqlite3.SQLITE_TRANSACTION, "ROLLBACK")
        return refusals.pop() if is_undoing and refusals else sqlite3.SQLITE_OK

    def fail(db: sqlite3.Connection) -> None:
        note(db, "half")
        db.set_authorizer(judge)
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error

    for job in (fail, lambda db: note(db, "refused")):
        with pytest.raises(StoreUnavailable):
            await database.write(job)
    await database.write(lambda db: note(db, "whole"))
    assert (refusals, await database.read(notes)) == ([], ["whole"])


@pytest.mark.parametrize("count", [0, 1, ROWS_PER_STATEMENT, 2 * ROWS_PER_STATEMENT + 1])
async def test_rows_are_inserted_whole_whatever_their_number(database: Database, count: int) -> None:
    rows = [(f"note {number:04}",) for number in range(count)]
    await database.write(lambda db: insert(db, "INSERT INTO note", rows))
    assert await database.read(notes) == [text for (text,) in rows]


async def test_a_file_whose_pages_are_damaged_is_named(database: Database, path: Path) -> None:
    await database.write(flood)
    await database.close()
    first_page = content(path)[:4096]
    fill(path, first_page.ljust(len(content(path)), b"\xff"))
    reopened = await Database.open(path)
    for asking in (reopened.read(notes), reopened.write(noting("a"))):
        with pytest.raises(StoreUnavailable, match=r"shop\.db: .*malformed"):
            await asking
    await reopened.close()


def test_a_crash_point_strikes_at_its_nth_time_only() -> None:
    struck: list[str] = []
    crashpoints.arm("relay: appended", 2, lambda: struck.append("!"))
    try:
        for point in ("relay: appended", "trigger: mid-slice", "relay: appended", "relay: appended"):
            crashpoints.reach(point)
            struck.append(point)
    finally:
        crashpoints.disarm()
    assert struck == ["relay: appended", "trigger: mid-slice", "!", "relay: appended", "relay: appended"]


def test_a_crash_point_that_the_code_does_not_have_is_refused() -> None:
    with pytest.raises(KeyError, match="no crash point 'nowhere'"):
        crashpoints.arm("nowhere")


async def test_a_cursor_never_leaves_the_thread_that_writes(tmp_path: Path) -> None:
    """Whoever lets go of one resets its statement, which may be running there again."""
    database = await Database.open(tmp_path / "a.db")
    try:
        assert await database.write(lambda db: db.execute("SELECT 1")) is None
        assert await database.write(lambda db: db.execute("SELECT 1").fetchall()) == [(1,)]
    finally:
        await database.close()
