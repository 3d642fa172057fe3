"""What durability costs: jobs and log appends through the one writer thread, beside bare SQLite doing the same.

`python benchmarks/sqlite_commits.py [--dir DIR]` prints jobs and records per second and ratios for the disk under DIR.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tactful.clock import WallClock
from tactful.log.sqlite import SqliteLog
from tactful.sqlite import Database

VALUE: Final = b"x" * 500  # about one event
SEVERAL: Final = 500
MANY: Final = 20_000
LOT: Final = 100  # records of one append, as in a batch of the tracking API
PARTITIONS: Final = 4
TABLE: Final = "CREATE TABLE job (value BLOB)"
INSERT: Final = "INSERT INTO job VALUES (?)"


@contextmanager
def bare(path: Path) -> Iterator[sqlite3.Connection]:
    """SQLite as durable as ours, with nothing around it."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute(TABLE)
    yield db
    db.close()


def one_by_one(path: Path) -> float:
    """Jobs per second with a commit each."""
    with bare(path) as db:
        start = time.perf_counter()
        for _ in range(SEVERAL):
            db.execute(INSERT, (VALUE,))
        return SEVERAL / (time.perf_counter() - start)


def all_at_once(path: Path) -> float:
    """Jobs per second with one commit for a thousand."""
    with bare(path) as db:
        start = time.perf_counter()
        for _ in range(MANY // 1000):
            db.execute("BEGIN")
            for _ in range(1000):
                db.execute(INSERT, (VALUE,))
            db.execute("COMMIT")
        return MANY / (time.perf_counter() - start)


async def ours(path: Path, callers: int, jobs: int) -> float:
    """Jobs per second with so many callers, each of whom waits for an answer before the next job."""
    database = await Database.open(path)
    await database.migrate("jobs", [TABLE])

    async def call() -> None:
        for _ in range(jobs // callers):
            await database.write(lambda db: db.execute(INSERT, (VALUE,)).rowcount)

    start = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(callers)))
    seconds = time.perf_counter() - start
    await database.close()
    return jobs / seconds


def lots(path: Path) -> float:
    """Records per second with an `executemany` and a commit for each lot."""
    with bare(path) as db:
        start = time.perf_counter()
        for _ in range(MANY // LOT):
            db.execute("BEGIN")
            db.executemany(INSERT, [(VALUE,)] * LOT)
            db.execute("COMMIT")
        return MANY / (time.perf_counter() - start)


async def lots_into_the_log(path: Path, callers: int) -> float:
    """Records per second with so many callers, each of whom waits until a lot is acknowledged."""
    database = await Database.open(path)
    log = await SqliteLog.open(database, PARTITIONS, WallClock())
    lot = [(number % PARTITIONS, VALUE) for number in range(LOT)]

    async def post() -> None:
        for _ in range(MANY // LOT // callers):
            await log.append("events", lot)

    start = time.perf_counter()
    await asyncio.gather(*(post() for _ in range(callers)))
    seconds = time.perf_counter() - start
    await database.close()
    return MANY / seconds


def main(folder: Path) -> None:
    """Measure and print."""
    measure_jobs(folder)
    measure_lots(folder)


def measure_lots(folder: Path) -> None:
    """Appends to the log."""
    rate = lots(folder / "lots.db")
    print(f"bare, a commit for each lot      {rate:>10,.0f} records/s in lots of {LOT}")
    for callers in (1, 10):
        appended = asyncio.run(lots_into_the_log(folder / f"log-{callers}.db", callers))
        print(f"the log, {callers:>2} callers at a time  {appended:>12,.0f} records/s   {appended / rate:>6.2f}x bare")


def measure_jobs(folder: Path) -> None:
    """Single jobs."""
    each, together = one_by_one(folder / "each.db"), all_at_once(folder / "together.db")
    print(f"bare, a commit for each          {each:>10,.0f} jobs/s")
    print(f"bare, a commit for a thousand    {together:>10,.0f} jobs/s")
    for callers, jobs in ((1, SEVERAL), (10, 10 * SEVERAL), (100, MANY), (1000, MANY)):
        rate = asyncio.run(ours(folder / f"ours-{callers}.db", callers, jobs))
        print(
            f"ours, {callers:>5,} callers at a time {rate:>14,.0f} jobs/s   {rate / each:>6.2f}x each   {rate / together:.2f}x together"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--dir", type=Path, help="a folder on the disk to measure (default: the system's temporary folder)"
    )
    with tempfile.TemporaryDirectory(dir=parser.parse_args().dir) as name:
        main(Path(name))
