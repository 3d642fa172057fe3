"""The outbox: whatever is repeated, delayed or interrupted on the way, the reader takes everything once and in order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import pytest
from enginebench import drive
from hypothesis import given
from hypothesis import strategies as st

from tactful import crashpoints
from tactful.clock import ManualClock
from tactful.errors import OutboxGap
from tactful.log.memory import MemoryLog
from tactful.log.partitioning import partition_of
from tactful.partitions.outbox import Cause, Outbox, OutboxRow, Taken, append_rows, relay
from tactful.records import (
    DISPATCH,
    EVENTS,
    EventBody,
    EventRecord,
    Origin,
    Record,
    TickBody,
    TickRecord,
    decode_events,
)

PARTITIONS: Final = 3
CAUSE: Final = Cause(7, False, 5, "u1")


class Crash(Exception):
    """Stands for the end of the process."""


class Box:
    """A store of rows that may lose its last `forget`."""

    def __init__(self, rows: Iterable[OutboxRow]) -> None:
        self.rows = list(rows)

    async def unsent(self, partition: int, limit: int) -> list[OutboxRow]:
        return [row for row in self.rows if row.origin_partition == partition][:limit]

    async def forget(self, rows: Iterable[OutboxRow]) -> None:
        gone = list(rows)
        self.rows = [row for row in self.rows if row not in gone]


def record(key: str, id: str = "e1") -> EventRecord:
    return EventRecord(id=id, key=key, at=1, body=EventBody(name="Page Read", source="shop", occurred_at=1))


def tick() -> Record:
    return TickRecord(id="t", key="", at=1, body=TickBody())


def boxed(keys: Iterable[str], sequences: dict[str, int] | None = None, partition: int = 0) -> Outbox:
    box = Outbox(DISPATCH, partition, PARTITIONS, sequences or {})
    for number, key in enumerate(keys):
        box.put(EVENTS, record(key, f"e{number}"), CAUSE)
    return box


def taken(log: MemoryLog) -> dict[int, list[str]]:
    """What readers of all partitions take, each with its own cursor."""
    found: dict[int, list[str]] = {}
    for partition in range(PARTITIONS):
        reader, found[partition] = Taken({}), []
        for stored in drive(log.read(EVENTS, partition, 0, 10_000)):
            read = decode_events(stored.value)
            if reader.take(read.origin):
                found[partition].append(read.id)
    return found


def test_rows_are_numbered_from_one_for_each_target() -> None:
    box = Outbox(DISPATCH, 2, PARTITIONS, {})
    for topic, partition in ((EVENTS, 0), (EVENTS, 1), (EVENTS, 0), (DISPATCH, 0)):
        box.put(topic, tick(), CAUSE, partition)
    assert [(row.topic, row.partition, row.seq) for row in box.rows] == [
        (EVENTS, 0, 1),
        (EVENTS, 1, 1),
        (EVENTS, 0, 2),
        (DISPATCH, 0, 1),
    ]
    assert box.sequences == {"events/0": 2, "events/1": 1, "dispatch/0": 1}


def test_numbers_go_on_where_the_last_slice_ended_and_leave_its_cursor_alone() -> None:
    before = {"events/0": 41}
    box = Outbox(DISPATCH, 2, PARTITIONS, before)
    box.put(EVENTS, tick(), CAUSE, 0)
    assert (box.rows[0].seq, before) == (42, {"events/0": 41})


def test_numbers_that_the_log_has_already_are_passed_over_and_none_is_given_twice() -> None:
    box = Outbox(DISPATCH, 2, PARTITIONS, {"events/0": 41, "events/1": 41})
    box.go_on_after({"events/0": 50, "events/1": 7, "events/2": 3})
    for partition in range(3):
        box.put(EVENTS, tick(), CAUSE, partition)
    assert [row.seq for row in box.rows] == [51, 42, 4]


def test_a_record_goes_to_its_keys_partition_and_says_where_it_came_from() -> None:
    box = boxed(["anna"], partition=2)
    [row] = box.rows
    assert row.partition == partition_of("anna", PARTITIONS)
    assert decode_events(row.value).origin == Origin(DISPATCH, 2, 1)


def test_rows_of_one_slice_keep_their_order_in_their_causes() -> None:
    causes = [row.cause for row in boxed(["a", "b", "c"]).rows]
    assert [cause.index for cause in causes] == [0, 1, 2]
    assert causes == sorted(causes)


def test_what_timers_cause_comes_before_what_the_record_after_them_causes() -> None:
    timer, later, own = Cause(7, False, 100, "u1"), Cause(7, False, 200, "a"), Cause(7, True)
    assert sorted([own, later, timer, Cause(6, True)]) == [Cause(6, True), timer, later, own]


def test_a_record_without_origin_is_always_new() -> None:
    reader = Taken({})
    assert [reader.take(None), reader.take(None)] == [True, True]


def test_a_repeat_is_skipped_and_what_follows_is_taken() -> None:
    reader = Taken({"dispatch/1": 4})
    numbers = (4, 5, 1, 5, 6)
    assert [reader.take(Origin(DISPATCH, 1, n)) for n in numbers] == [False, True, False, False, True]
    assert reader.last == {"dispatch/1": 6}


def test_a_gap_stops_and_names_what_is_missing() -> None:
    reader = Taken({"dispatch/1": 4})
    with pytest.raises(OutboxGap, match="records 5 to 7 from dispatch/1 are missing"):
        reader.take(Origin(DISPATCH, 1, 8))
    assert reader.last == {"dispatch/1": 4}


def test_origins_count_for_themselves() -> None:
    reader = Taken({})
    origins = (Origin(DISPATCH, 0, 1), Origin(DISPATCH, 1, 1), Origin(EVENTS, 0, 1))
    assert [reader.take(origin) for origin in origins] == [True, True, True]


def test_a_reader_leaves_the_cursor_it_began_with_alone() -> None:
    cursor = {"dispatch/1": 4}
    Taken(cursor).take(Origin(DISPATCH, 1, 5))
    assert cursor == {"dispatch/1": 4}


def test_the_relay_appends_as_many_as_it_may_and_forgets_them() -> None:
    log, store = MemoryLog(PARTITIONS, ManualClock(1)), Box(boxed(["a"] * 5).rows)
    assert [drive(relay(log, store, 0, 2)) for _ in range(4)] == [2, 2, 1, 0]
    assert store.rows == []
    assert taken(log)[partition_of("a", PARTITIONS)] == ["e0", "e1", "e2", "e3", "e4"]


keys = st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), max_size=12)


@given(st.lists(keys, max_size=6), st.lists(st.tuples(st.integers(1, 5), st.booleans()), max_size=40))
def test_a_relay_that_is_killed_at_any_time_loses_nothing_and_doubles_nothing(
    slices: list[list[str]], rounds: list[tuple[int, bool]]
) -> None:
    log, store, sequences, wanted = MemoryLog(PARTITIONS, ManualClock(1)), Box([]), dict[str, int](), list[OutboxRow]()
    for number, slice_ in enumerate(slices):
        box = Outbox(DISPATCH, 0, PARTITIONS, sequences)
        for index, key in enumerate(slice_):
            box.put(EVENTS, record(key, f"{number}.{index}"), CAUSE)
        sequences, store.rows, wanted = box.sequences, store.rows + box.rows, wanted + box.rows
        for limit, killed in rounds[number :: len(slices)]:
            _relay(log, store, limit, killed)
    while store.rows:
        _relay(log, store, 3, killed=False)
    for partition, ids in taken(log).items():
        assert ids == [decode_events(row.value).id for row in wanted if row.partition == partition]


appends = st.tuples(st.integers(0, 2), st.integers(0, 12), st.integers(1, 12))


@given(st.lists(keys, min_size=1, max_size=3), st.lists(appends, max_size=20))
def test_whatever_is_repeated_in_whichever_mixture_each_origin_is_taken_once_and_in_order(
    origins: list[list[str]], mixture: list[tuple[int, int, int]]
) -> None:
    log, boxes = MemoryLog(PARTITIONS, ManualClock(1)), [boxed(k, partition=p).rows for p, k in enumerate(origins)]
    reached = [0] * len(boxes)
    for chosen, back, length in [*mixture, *((number, 0, 12) for number in range(len(boxes)))]:
        number = chosen % len(boxes)
        start = max(0, reached[number] - back)
        drive(append_rows(log, boxes[number][start : start + length]))
        reached[number] = max(reached[number], start + length)
    for partition in range(PARTITIONS):
        reader, seen = Taken({}), list[Origin | None]()
        for stored in drive(log.read(EVENTS, partition, 0, 10_000)):
            origin = decode_events(stored.value).origin
            if reader.take(origin):
                seen.append(origin)
        for number, rows in enumerate(boxes):
            wanted = [row.seq for row in rows if row.partition == partition]
            assert [origin.seq for origin in seen if origin and origin.partition == number] == wanted


@given(st.permutations(range(1, 7)))
def test_an_order_with_a_hole_stops_at_the_hole(order: list[int]) -> None:
    reader, expected = Taken({}), 0
    for seq in order:
        if seq > expected + 1:
            with pytest.raises(OutboxGap):
                reader.take(Origin(EVENTS, 0, seq))
            break
        expected += reader.take(Origin(EVENTS, 0, seq))
    assert reader.last.get("events/0", 0) == expected


def _relay(log: MemoryLog, store: Box, limit: int, killed: bool) -> None:
    def strike() -> None:
        raise Crash

    crashpoints.arm("relay: appended", 1 if killed else 1_000, strike)
    try:
        drive(relay(log, store, 0, limit))
    except Crash:
        pass
    finally:
        crashpoints.disarm()
