"""What every log keeps: bytes in, the same bytes out, in order, stamped by a clock that never falls."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servers import SERVERS, fresh_topics

from tactful.errors import LogUnavailable, SettingsError, StoreUnavailable
from tactful.log import PAGE, ClosingLog, Log, Stored, onward
from tactful.log.kafka import KafkaLog
from tactful.log.memory import MemoryLog
from tactful.log.sqlite import SqliteLog
from tactful.partitions.continuing import is_another
from tactful.sqlite import Database

NOON: Final = 1_795_518_000_000
PARTITIONS: Final = 4
AT_ONCE: Final = 0.0
PATIENCE: Final = 30.0  # seconds: long enough that only a wake-up ends the wait


class SettableClock:
    """A clock that somebody sets, backwards too."""

    def __init__(self, now: int) -> None:
        self.time = now

    def now(self) -> int:
        return self.time


@asynccontextmanager
async def memory(folder: Path, clock: SettableClock) -> AsyncIterator[ClosingLog]:
    yield MemoryLog(PARTITIONS, clock)


@asynccontextmanager
async def sqlite(folder: Path, clock: SettableClock, partitions: int = PARTITIONS) -> AsyncIterator[ClosingLog]:
    database = await Database.open(folder / "log.db")
    try:
        yield await SqliteLog.open(database, partitions, clock)
    finally:
        await database.close()


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(NOON)


@pytest.fixture(params=[memory, sqlite])
async def closing(request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock) -> AsyncIterator[ClosingLog]:
    """Logs with one writer, stamped by our own clock."""
    async with request.param(tmp_path, clock) as made:
        yield made


@pytest.fixture(params=[memory, sqlite, pytest.param("kafka", marks=SERVERS)])
async def log(request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock) -> AsyncIterator[Log]:
    if request.param != "kafka":
        async with request.param(tmp_path, clock) as made:
            yield made
        return
    topics = await fresh_topics(request.getfixturevalue("kafka"), PARTITIONS)
    async with KafkaLog.open(topics) as there:
        yield there


async def values(log: Log, partition: int = 0, topic: str = "events") -> list[bytes]:
    return [stored.value for stored in await log.read(topic, partition, 0, 1000)]


async def test_records_come_back_in_the_order_in_which_they_were_appended(log: Log) -> None:
    await log.append("events", [(1, b"a"), (2, b"x"), (1, b"b")])
    await log.append("events", [(1, b"c")])
    assert await values(log, 1) == [b"a", b"b", b"c"]
    assert await values(log, 2) == [b"x"]


async def test_a_log_in_which_something_else_stands_where_it_was_read_is_another_one(log: Log) -> None:
    [_, latest] = await log.append("events", [(1, b"a"), (1, b"b")])
    for offset, clock, another in (
        (2, latest.appended, False),
        (2, latest.appended - 1, True),
        (0, 0, False),
        (3, latest.appended, True),  # it ends before that
    ):
        assert await is_another(log, "events", 1, offset, clock) is another, (offset, clock)


async def test_an_append_says_where_and_when_each_record_landed(closing: ClosingLog) -> None:
    await closing.append("events", [(1, b"before")])
    positions = await closing.append("events", [(1, b"a"), (2, b"x"), (1, b"b")])
    assert positions == [(1, 1, NOON), (2, 0, NOON), (1, 2, NOON)]
    assert await closing.read("events", 1, 1, 1) == [Stored("events", 1, 1, NOON, b"a")]


async def test_bytes_of_any_kind_come_back_as_they_were(log: Log) -> None:
    odd = [b"", b"\x00", b"\xff\xfe", bytes(range(256)), "\u2615".encode()]
    await log.append("events", [(0, value) for value in odd])
    assert await values(log) == odd


@pytest.mark.parametrize("entry", [(0, "text"), (0, bytearray(b"a")), (PARTITIONS, b"a"), (-1, b"a")])
async def test_an_append_with_one_impossible_entry_stores_nothing_at_all(log: Log, entry: Any) -> None:
    with pytest.raises(ValueError, match="log of 4 partitions takes bytes"):
        await log.append("events", [(0, b"good"), entry])
    assert await values(log) == []
    assert await log.end("events", 0) == 0


async def test_nothing_appended_is_nothing_stored(log: Log) -> None:
    assert await log.append("events", []) == []
    assert await log.end("events", 0) == 0


async def test_append_times_never_fall_when_the_clock_goes_backwards(closing: ClosingLog, clock: SettableClock) -> None:
    times = []
    for now in (NOON, NOON - 3_600_000, NOON + 5, NOON - 1):
        clock.time = now
        times.append((await closing.append("events", [(0, b"a")]))[0].appended)
    assert times == [NOON, NOON, NOON + 5, NOON + 5]
    assert [stored.appended for stored in await closing.read("events", 0, 0, 10)] == times


async def test_what_follows_a_closed_instant_is_stamped_strictly_later(closing: ClosingLog) -> None:
    [tick] = await closing.close_instant("events", [(0, b"tick")], NOON)
    [after] = await closing.append("events", [(0, b"after")])
    assert (tick.appended, after.appended) == (NOON, NOON + 1)


async def test_an_instant_is_closed_only_in_the_partitions_that_were_told(closing: ClosingLog) -> None:
    await closing.close_instant("events", [(0, b"tick")], NOON)
    [other] = await closing.append("events", [(1, b"other")])
    [topic] = await closing.append("dispatch", [(0, b"another topic")])
    assert (other.appended, topic.appended) == (NOON, NOON)


async def test_closing_an_earlier_instant_does_not_open_a_later_one(closing: ClosingLog) -> None:
    await closing.close_instant("events", [(0, b"tick")], NOON + 10)
    await closing.close_instant("events", [(0, b"tick")], NOON)
    [after] = await closing.append("events", [(0, b"after")])
    assert after.appended == NOON + 11


async def test_reading_stops_at_the_limit_and_goes_on_from_there(log: Log) -> None:
    await log.append("events", [(0, b"%d" % number) for number in range(7)])
    first, rest = await log.read("events", 0, 0, 3), await log.read("events", 0, 3, 100)
    assert [stored.offset for stored in first] == [0, 1, 2]
    assert [stored.offset for stored in rest] == [3, 4, 5, 6]


@pytest.mark.parametrize("offset", [1, 2, 10**12])
async def test_there_is_nothing_beyond_the_end(log: Log, offset: int) -> None:
    await log.append("events", [(0, b"a")])
    assert await log.read("events", 0, offset, 10) == []
    assert await log.end("events", 0) == 1


async def test_a_log_that_has_everything_still_begins_at_the_beginning(log: Log) -> None:
    assert await log.beginning("events", 0) == 0
    await log.append("events", [(0, b"a"), (0, b"b")])
    assert await log.beginning("events", 0) == 0
    assert [stored.value async for stored in onward(log, "events", 0, -5)] == [b"a", b"b"]


async def test_whoever_looks_begins_with_what_is_still_there(tmp_path: Path, clock: SettableClock) -> None:
    async with sqlite(tmp_path, clock) as log:
        assert isinstance(log, SqliteLog)
        await log.append("events", [(0, b"a"), (0, b"b")])
        clock.time += 1
        await log.append("events", [(0, b"c")])
        await log.prune("events", 0, clock.time, 3)
        assert await log.beginning("events", 0) == 2
        assert [stored.value async for stored in onward(log, "events", 0, 0)] == [b"c"]
        await log.prune("events", 0, clock.time + 1, 3)
        assert await log.beginning("events", 0) == await log.end("events", 0) == 3


async def test_what_its_reader_has_not_reached_stays_however_old_it_is(tmp_path: Path, clock: SettableClock) -> None:
    async with sqlite(tmp_path, clock) as log:
        assert isinstance(log, SqliteLog)
        await log.append("events", [(0, b"a"), (0, b"b"), (1, b"x")])
        assert await log.prune("events", 0, clock.time + 1, 1) == 1
        assert (await values(log), await values(log, 1)) == ([b"b"], [b"x"])


async def test_whoever_looks_misses_nothing_where_a_page_ends(closing: ClosingLog) -> None:
    wanted = [b"%d" % number for number in range(2 * PAGE + 1)]
    await closing.append("events", [(0, value) for value in wanted])
    assert [stored.value async for stored in onward(closing, "events", 0, 1)] == wanted[1:]


async def test_topics_and_partitions_count_for_themselves(log: Log) -> None:
    await log.append("events", [(0, b"e"), (1, b"f")])
    await log.append("dispatch", [(0, b"d")])
    assert [await log.end("events", 0), await log.end("events", 1), await log.end("events", 2)] == [1, 1, 0]
    assert await values(log, topic="dispatch") == [b"d"]
    assert await values(log, topic="quarantine") == []


async def test_waiting_ends_at_once_when_there_is_more_already(log: Log) -> None:
    await log.append("events", [(2, b"a")])
    await asyncio.wait_for(log.wait("events", {1: 0, 2: 0}, PATIENCE), PATIENCE / 2)


async def test_waiting_ends_when_one_of_the_partitions_grows(log: Log) -> None:
    waiting = asyncio.create_task(log.wait("events", {1: 0, 2: 0}, PATIENCE))
    await asyncio.sleep(0)
    await log.append("events", [(3, b"not waited for")])
    await log.append("dispatch", [(2, b"not waited for")])
    await asyncio.sleep(0)
    assert not waiting.done()
    await log.append("events", [(2, b"a")])
    await asyncio.wait_for(waiting, PATIENCE / 2)


async def test_everybody_who_waits_is_woken(log: Log) -> None:
    waiting = [asyncio.create_task(log.wait("events", {0: 0}, PATIENCE)) for _ in range(3)]
    await asyncio.sleep(0)
    await log.append("events", [(0, b"a")])
    await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE / 2)


async def test_waiting_gives_up_after_its_time(log: Log) -> None:
    await log.append("events", [(0, b"a")])
    await log.wait("events", {0: 1, 1: 0}, AT_ONCE)
    assert await log.end("events", 0) == 1


async def test_appends_at_the_same_time_each_stay_together(log: Log) -> None:
    batches = [[(0, b"%d-%d" % (batch, number)) for number in range(3)] for batch in range(20)]
    await asyncio.gather(*(log.append("events", entries) for entries in batches))
    stored = await values(log)
    assert len(stored) == 60
    for start in range(0, 60, 3):
        assert [value.split(b"-")[1] for value in stored[start : start + 3]] == [b"0", b"1", b"2"]


async def test_each_of_many_appends_at_the_same_time_is_told_where_its_own_records_landed(log: Log) -> None:
    lots = [[(number % 3, b"%d-%d" % (number, part)) for part in range(1 + number % 5)] for number in range(400)]
    landed = await asyncio.gather(*(log.append("events", entries) for entries in lots))
    stored = {(s.partition, s.offset): s.value for p in range(3) for s in await log.read("events", p, 0, 10_000)}
    for entries, positions in zip(lots, landed, strict=True):
        assert [stored[position.partition, position.offset] for position in positions] == [v for _, v in entries]


async def test_what_is_appended_with_a_closed_instant_comes_in_the_order_in_which_it_was_asked_for(
    closing: ClosingLog,
) -> None:
    before, tick, after = await asyncio.gather(
        closing.append("events", [(0, b"before")]),
        closing.close_instant("events", [(0, b"tick")], NOON),
        closing.append("events", [(0, b"after")]),
    )
    assert await values(closing) == [b"before", b"tick", b"after"]
    assert [position.appended for (position,) in (before, tick, after)] == [NOON, NOON, NOON + 1]


async def test_after_a_full_disk_offsets_go_on_where_they_stood(tmp_path: Path, clock: SettableClock) -> None:
    database = await Database.open(tmp_path / "log.db")
    log = await SqliteLog.open(database, PARTITIONS, clock)
    await log.append("events", [(0, b"a")])
    pages = await database.write(lambda db: int(db.execute("PRAGMA page_count").fetchone()[0]))
    await database.write(lambda db: db.execute(f"PRAGMA max_page_count = {pages + 1}"))
    with pytest.raises(LogUnavailable):
        await log.append("events", [(0, b"too much" * 1000)] * 10)
    await database.write(lambda db: db.execute(f"PRAGMA max_page_count = {pages + 1000}"))
    assert await log.append("events", [(0, b"b")]) == [(0, 1, NOON)]
    await database.close()


@pytest.mark.parametrize("is_first", [True, False])  # or its turn does not come any more
async def test_offsets_go_on_where_they_stood_after_somebody_else_s_job_undid_the_transaction(
    tmp_path: Path, clock: SettableClock, is_first: bool
) -> None:
    database, begun, opened = await Database.open(tmp_path / "log.db"), threading.Event(), threading.Event()
    log = await SqliteLog.open(database, PARTITIONS, clock)
    await log.append("events", [(0, b"a")])

    def hold(db: sqlite3.Connection) -> None:
        begun.set()
        opened.wait(PATIENCE)

    held = asyncio.create_task(database.write(hold))
    await asyncio.to_thread(begun.wait, PATIENCE)  # or what follows were of its transaction
    both = [log.append("events", [(0, b"lost")]), database.write(full)]
    asked = []
    for each in both if is_first else reversed(both):
        asked.append(asyncio.ensure_future(each))
        for _ in range(10):  # until it is asked of the database
            await asyncio.sleep(0)
    opened.set()
    failures = (await asyncio.gather(held, *asked, return_exceptions=True))[1:]
    assert {type(failure) for failure in failures} == {LogUnavailable, StoreUnavailable}
    assert await log.append("events", [(0, b"b")]) == [(0, 1, NOON)]
    assert await values(log) == [b"a", b"b"]
    await database.close()


def full(db: sqlite3.Connection) -> None:
    """As on a full disk."""
    pages = int(db.execute("PRAGMA page_count").fetchone()[0])
    db.execute(f"PRAGMA max_page_count = {pages}")
    try:
        db.execute("CREATE TABLE large AS SELECT zeroblob(100000)")
    finally:
        db.execute(f"PRAGMA max_page_count = {pages + 1000}")


async def test_what_was_stored_for_somebody_who_went_away_can_be_read(log: Log) -> None:
    """The record is in the log whether or not anybody waits for the answer, and readers must not miss it."""
    reading = asyncio.create_task(log.wait("events", {0: 0}, PATIENCE))
    posting = asyncio.create_task(log.append("events", [(0, b"a")]))
    await asyncio.sleep(0)
    posting.cancel()
    await asyncio.wait_for(reading, PATIENCE / 2)
    assert (await log.end("events", 0), await values(log)) == (1, [b"a"])


def test_the_log_in_memory_never_suspends_its_caller(clock: SettableClock) -> None:
    log = MemoryLog(PARTITIONS, clock)
    for asked in (
        log.append("events", [(0, b"a")]),
        log.close_instant("events", [(0, b"tick")], NOON),
        log.read("events", 0, 0, 10),
        log.end("events", 0),
    ):
        with pytest.raises(StopIteration):
            asked.send(None)


async def test_a_log_is_the_same_after_it_was_closed_and_opened_again(tmp_path: Path, clock: SettableClock) -> None:
    async with sqlite(tmp_path, clock) as log:
        await log.append("events", [(0, b"a"), (3, b"b")])
        await log.close_instant("events", [(0, b"tick")], NOON)
    async with sqlite(tmp_path, clock) as log:
        assert (await values(log), await values(log, 3)) == ([b"a", b"tick"], [b"b"])
        assert await log.end("events", 0) == 2
        assert await log.append("events", [(0, b"later")]) == [(0, 2, NOON + 1)]


async def test_an_opened_log_tells_how_late_it_was_left(tmp_path: Path, clock: SettableClock) -> None:
    database = await Database.open(tmp_path / "log.db")
    log = await SqliteLog.open(database, PARTITIONS, clock)
    await log.append("events", [(0, b"a")])
    clock.time = NOON + 5
    await log.close_instant("dispatch", [(1, b"tick")], NOON + 5)
    again = await SqliteLog.open(database, PARTITIONS, clock)
    assert (log.opened_at, again.opened_at) == (0, NOON + 6)
    await database.close()


async def test_a_log_is_not_read_with_another_partition_count(tmp_path: Path, clock: SettableClock) -> None:
    async with sqlite(tmp_path, clock, 4):
        pass
    with pytest.raises(SettingsError, match=r"made with 4 partitions and cannot be read with 8.*Start with 4"):
        async with sqlite(tmp_path, clock, 8):
            pass


Steps = st.lists(
    st.tuples(st.integers(-3, 3), st.booleans(), st.lists(st.integers(0, PARTITIONS - 1), min_size=1, max_size=4)),
    max_size=20,
)


@settings(max_examples=60)
@given(Steps)
async def test_offsets_have_no_gaps_and_times_never_fall_whatever_the_clock_does(
    steps: list[tuple[int, bool, list[int]]],
) -> None:
    clock = SettableClock(NOON)
    log, closed = MemoryLog(PARTITIONS, clock), dict.fromkeys(range(PARTITIONS), 0)
    for leap, closes, partitions in steps:
        clock.time += leap
        entries = [(partition, b"") for partition in partitions]
        appended = await (log.close_instant("events", entries, clock.time) if closes else log.append("events", entries))
        assert all(position.appended > closed[position.partition] for position in appended)
        if closes:
            closed |= {partition: max(closed[partition], clock.time) for partition in partitions}
    for partition in range(PARTITIONS):
        stored = await log.read("events", partition, 0, 1000)
        assert [record.offset for record in stored] == list(range(len(stored)))
        assert [record.appended for record in stored] == sorted(record.appended for record in stored)
