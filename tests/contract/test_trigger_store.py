"""What every store of trigger keeps: one transaction a slice, fenced by epoch and offset."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from servers import DATABASE, fresh_database

from tactful.clock import DAY
from tactful.erasure import Erased
from tactful.errors import Fenced
from tactful.journal import Kept
from tactful.partitions.outbox import Cause, OutboxRow
from tactful.postgres import Postgres
from tactful.sqlite import Database
from tactful_trigger.state.cursor import Cursor
from tactful_trigger.state.history import HistoryRow
from tactful_trigger.state.row import Image, Run
from tactful_trigger.store import ChangedRow, Erasure, SliceResult, StepRequest, TriggerStore
from tactful_trigger.store.memory import MemoryTriggerStore
from tactful_trigger.store.postgres import PostgresTriggerStore
from tactful_trigger.store.spread import SpreadTriggerStore
from tactful_trigger.store.sqlite import SqliteTriggerStore

NOW: Final = 1_795_518_000_000
LEASE: Final = 10_000
UNTIL: Final = NOW + LEASE


@asynccontextmanager
async def memory(folder: Path) -> AsyncIterator[TriggerStore]:
    yield MemoryTriggerStore()


@asynccontextmanager
async def sqlite(folder: Path) -> AsyncIterator[TriggerStore]:
    database = await Database.open(folder / "trigger.db")
    try:
        yield await SqliteTriggerStore.open(database)
    finally:
        await database.close()


@asynccontextmanager
async def spread(folder: Path) -> AsyncIterator[TriggerStore]:
    yield SpreadTriggerStore([MemoryTriggerStore() for _ in range(3)])


@pytest.fixture(params=[memory, sqlite, spread, pytest.param("postgres", marks=DATABASE)])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[TriggerStore]:
    if request.param != "postgres":
        async with request.param(tmp_path) as made:
            yield made
        return
    url = await fresh_database(request.getfixturevalue("postgres"))
    async with Postgres.open(url) as database:
        yield PostgresTriggerStore(database)


async def claimed(store: TriggerStore, partition: int = 0, owner: str = "one", now: int = NOW) -> Cursor:
    cursor = await store.claim(partition, owner, now, now + LEASE)
    assert cursor is not None
    return cursor


def result(cursor: Cursor, to: int | None = None, **changes: Any) -> SliceResult:
    """A slice that moves the cursor one record on, or to an offset."""
    after = cursor.copy()
    after.offset = cursor.offset + 1 if to is None else to
    parts: dict[str, Any] = {"rows": [], "outbox": [], "history": [], "steps": []} | changes
    return SliceResult(partition=cursor.partition, epoch=cursor.epoch, before=cursor.offset, cursor=after, **parts)


def row(customer: str, value: bytes = b"{}", due: int | None = None) -> ChangedRow:
    return ChangedRow(customer, value, due)


def letter(seq: int, topic: str = "dispatch", target: int = 0, partition: int = 0) -> OutboxRow:
    return OutboxRow("events", partition, seq, topic, target, b"record %d" % seq, Cause(seq, True, -1, "u1", 0))


def line(customer: str, offset: int) -> HistoryRow:
    return HistoryRow(customer, NOW + offset, offset, 0, "note", "cart", "r_1", b'{"why":"because"}')


def step(number: int, run: str = "r_1") -> StepRequest:
    return StepRequest("u1", run, number, "ask", "shop.stock:ask", ["p1", number])


async def test_a_new_partition_begins_at_the_beginning(store: TriggerStore) -> None:
    cursor = await claimed(store, 3)
    assert (cursor.partition, cursor.offset, cursor.clock, cursor.epoch) == (3, 0, 0, 1)


async def test_a_partition_whose_lease_runs_is_nobody_elses(store: TriggerStore) -> None:
    await claimed(store, owner="one")
    assert await store.claim(0, "two", UNTIL - 1, UNTIL + LEASE) is None
    assert (await claimed(store, 1, owner="two")).epoch == 1


async def test_a_lease_that_ran_out_passes_on_with_a_higher_epoch(store: TriggerStore) -> None:
    await claimed(store, owner="one")
    assert (await claimed(store, owner="two", now=UNTIL)).epoch == 2


async def test_its_own_owner_may_claim_again_at_once_with_a_higher_epoch(store: TriggerStore) -> None:
    assert [(await claimed(store)).epoch for _ in range(3)] == [1, 2, 3]


async def test_claims_are_counted_until_something_is_committed(store: TriggerStore) -> None:
    """A record that kills whoever applies it is known by that."""
    assert [(await claimed(store)).attempts for _ in range(3)] == [1, 2, 3]
    moved = result(await claimed(store))
    moved.cursor.attempts = 0
    await store.commit(moved, UNTIL)
    assert (await claimed(store)).attempts == 1


async def test_a_released_partition_may_be_claimed_at_once(store: TriggerStore) -> None:
    await store.release(0, (await claimed(store, owner="one")).epoch)
    assert (await claimed(store, owner="two")).epoch == 2


async def test_a_former_owner_cannot_release_what_is_anothers(store: TriggerStore) -> None:
    await claimed(store, owner="one")
    await claimed(store, owner="two", now=UNTIL)
    await store.release(0, 1)
    assert await store.claim(0, "three", UNTIL, UNTIL + LEASE) is None


async def test_a_commit_renews_the_lease(store: TriggerStore) -> None:
    await store.commit(result(await claimed(store, owner="one")), UNTIL + LEASE)
    assert await store.claim(0, "two", UNTIL, UNTIL + LEASE) is None


async def test_leases_are_renewed_for_their_own_epochs_alone(store: TriggerStore) -> None:
    for partition in (0, 1, 2, 2):
        await claimed(store, partition, owner="one")
    assert await store.renew({0: 1, 1: 1, 2: 1}, UNTIL + LEASE) == {0, 1}
    taken = [await store.claim(partition, "two", UNTIL, UNTIL + LEASE) for partition in range(3)]
    assert [cursor and cursor.epoch for cursor in taken] == [None, None, 3]


async def test_a_claim_finds_the_cursor_that_was_committed(store: TriggerStore) -> None:
    moved = result(await claimed(store, owner="one"), to=7)
    moved.cursor.clock, moved.cursor.sequences = NOW, {"dispatch/0": 4}
    moved.cursor.taken, moved.cursor.paused = {"dispatch/0": 9}, {"cart"}
    await store.commit(moved, UNTIL)
    found = await claimed(store, owner="two", now=UNTIL)
    assert (found.offset, found.clock, found.sequences) == (7, NOW, {"dispatch/0": 4})
    assert (found.taken, found.paused, found.epoch) == ({"dispatch/0": 9}, {"cart"}, 2)


async def test_the_busy_are_those_whose_latest_row_is(store: TriggerStore) -> None:
    busy, idle = ChangedRow("u1", b"{}", None), ChangedRow("u2", b"{}", None, busy=False)
    cursor = await claimed(store)
    await store.commit(first := result(cursor, rows=[busy, idle]), UNTIL)
    assert await store.busy(0) == {"u1"}
    changed = [ChangedRow("u1", b"{}", None, busy=False), ChangedRow("u2", b"{}", 5), ChangedRow("u3", b"{}", 5)]
    await store.commit(second := result(first.cursor, rows=changed), UNTIL)
    assert await store.busy(0) == {"u2", "u3"}
    await store.commit(result(second.cursor, erasures=[Erasure("u2", Erased("g", 1))]), UNTIL)
    assert (await store.busy(0), await store.busy(1)) == ({"u3"}, set())


async def test_the_cursor_can_be_read_to_learn_whether_a_commit_took_place(store: TriggerStore) -> None:
    await store.commit(result(await claimed(store), to=5), UNTIL)
    cursor = await store.cursor(0)
    assert cursor is not None
    assert cursor.offset == 5


async def test_a_slice_of_an_earlier_epoch_is_fenced(store: TriggerStore) -> None:
    old = await claimed(store, owner="one")
    await claimed(store, owner="two", now=UNTIL)
    with pytest.raises(Fenced):
        await store.commit(result(old, rows=[row("u1")]), UNTIL + LEASE)
    assert await store.load(0, ["u1"]) == {}


async def test_a_slice_that_was_committed_already_is_fenced_and_changes_nothing(store: TriggerStore) -> None:
    cursor = await claimed(store)
    slice_ = result(cursor, rows=[row("u1", b"1", NOW)], outbox=[letter(1)], history=[line("u1", 0)], steps=[step(1)])
    await store.commit(slice_, UNTIL)
    with pytest.raises(Fenced):
        await store.commit(msgspec.structs.replace(slice_, rows=[row("u1", b"2", None)]), UNTIL)
    assert await store.load(0, ["u1"]) == {"u1": b"1"}
    assert await store.due(0, (0, ""), NOW + 1, 9) == [(NOW, "u1")]
    assert len(await store.unsent(0, 10)) == len(await store.steps(0, 10)) == len(await store.history("u1", 10)) == 1


async def test_rows_come_back_as_they_were_and_unknown_customers_are_left_out(store: TriggerStore) -> None:
    odd = "кот ☕ 'quoted' \x00"
    await store.commit(result(await claimed(store), rows=[row(odd, b"\x00\xff"), row("u2", b"two")]), UNTIL)
    assert await store.load(0, [odd, "u2", "u3"]) == {odd: b"\x00\xff", "u2": b"two"}
    assert await store.load(0, []) == {}


async def test_a_later_row_replaces_the_earlier_one(store: TriggerStore) -> None:
    cursor = await claimed(store)
    await store.commit(result(cursor, rows=[row("u1", b"1", NOW)]), UNTIL)
    cursor.offset = 1
    await store.commit(result(cursor, rows=[row("u1", b"2", None)]), UNTIL)
    assert await store.load(0, ["u1"]) == {"u1": b"2"}
    assert await store.due(0, (0, ""), NOW + 1, 9) == []


async def test_more_rows_than_a_statement_takes_values_are_all_loaded(store: TriggerStore) -> None:
    names = [f"u{number}" for number in range(1_203)]
    await store.commit(result(await claimed(store), rows=[row(name, name.encode()) for name in names]), UNTIL)
    assert await store.load(0, names) == {name: name.encode() for name in names}


async def test_partitions_do_not_see_each_others_rows(store: TriggerStore) -> None:
    await store.commit(result(await claimed(store, 0), rows=[row("u1", b"here", NOW)]), UNTIL)
    await claimed(store, 1)
    assert await store.load(1, ["u1"]) == {}
    assert await store.due(1, (0, ""), NOW + 1, 9) == []
    assert await store.earliest_due(1, 0) is None


async def test_what_is_due_comes_by_instant_and_then_by_customer(store: TriggerStore) -> None:
    rows = [row("b", due=20), row("a", due=20), row("c", due=10), row("d"), row("e", due=30)]
    await store.commit(result(await claimed(store), rows=rows), UNTIL)
    assert await store.due(0, (0, ""), 30, 9) == [(10, "c"), (20, "a"), (20, "b")]
    assert await store.due(0, (11, ""), 31, 9) == [(20, "a"), (20, "b"), (30, "e")]
    assert await store.due(0, (31, ""), 100, 9) == []


async def test_of_what_is_due_the_first_come_from_a_place_on(store: TriggerStore) -> None:
    rows = [row("d", due=10), row("c", due=20), row("b", due=20), row("a", due=20), row("e", due=30), row("f")]
    await store.commit(result(await claimed(store), rows=rows), UNTIL)
    ordered = [(10, "d"), (20, "a"), (20, "b"), (20, "c"), (30, "e")]
    assert [await store.due(0, (0, ""), 99, most) for most in range(1, 7)] == [ordered[:most] for most in range(1, 7)]
    for place, start in enumerate(ordered):
        assert await store.due(0, start, 99, 2) == ordered[place : place + 2]
    assert await store.due(0, (20, "bb"), 30, 9) == [(20, "c")]


async def test_the_earliest_due_instant_is_looked_for_from_a_start_on(store: TriggerStore) -> None:
    await store.commit(result(await claimed(store), rows=[row("a", due=10), row("b", due=20), row("c")]), UNTIL)
    assert [await store.earliest_due(0, start) for start in (0, 10, 11, 20, 21)] == [10, 10, 20, 20, None]


async def test_the_outbox_keeps_its_order_until_the_log_has_it(store: TriggerStore) -> None:
    rows = [letter(1), letter(1, "events", 2), letter(2), letter(2, "events", 2)]
    await store.commit(result(await claimed(store), outbox=rows), UNTIL)
    assert await store.unsent(0, 10) == rows
    assert await store.unsent(0, 2) == rows[:2]
    await store.forget(rows[:2])
    assert await store.unsent(0, 10) == rows[2:]
    await store.forget(rows)
    assert await store.unsent(0, 10) == []


async def test_forgetting_leaves_the_same_numbers_of_other_partitions(store: TriggerStore) -> None:
    mine, other = letter(1), letter(1, partition=1)
    await store.commit(result(await claimed(store, 0), outbox=[mine]), UNTIL)
    await store.commit(result(await claimed(store, 1), outbox=[other]), UNTIL)
    await store.forget([mine])
    assert (await store.unsent(0, 10), await store.unsent(1, 10)) == ([], [other])


async def test_history_is_told_oldest_first_and_only_the_latest(store: TriggerStore) -> None:
    lines = [line("u1", offset) for offset in range(5)]
    await store.commit(result(await claimed(store), history=[*lines[:3], line("u2", 9), *lines[3:]]), UNTIL)
    assert await store.history("u1", 10) == lines
    assert await store.history("u1", 2) == lines[3:]
    assert await store.history("u1", 10, NOW + 3) == lines[3:]
    assert await store.history("u1", 1, NOW + 3) == lines[4:]
    assert await store.history("nobody", 10) == []


async def test_everybody_is_told_of_one_partition_after_the_other_a_page_at_a_time(store: TriggerStore) -> None:
    for partition, people in {0: ["u3", "u1", "u2", "u\0"], 1: ["u4"]}.items():
        await store.commit(result(await claimed(store, partition), rows=[row(name) for name in people]), UNTIL)
    assert await store.everybody(0, "", 2) == ["u\0", "u1"]
    assert await store.everybody(0, "u\0", 2) == ["u1", "u2"]
    assert await store.everybody(0, "u2", 2) == ["u3"]
    assert await store.everybody(1, "", 2) == ["u4"]
    assert await store.everybody(2, "", 2) == []


async def test_customers_are_found_by_how_their_id_begins_in_order_of_id(store: TriggerStore) -> None:
    names = {0: ["bob", "anna", "a%", "ann"], 1: ["annika", "zoe"], 2: ["an\u0000", "anné"]}
    for partition, people in names.items():
        rows = [row(name) for name in people]
        await store.commit(result(await claimed(store, partition), rows=rows), UNTIL)
    assert await store.customers("ann", 10) == ["ann", "anna", "annika", "anné"]
    assert await store.customers("ann", 2) == ["ann", "anna"]
    assert await store.customers("a%", 10) == ["a%"]
    assert await store.customers("an\u0000", 10) == ["an\u0000"]
    assert await store.customers("Ann", 10) == []
    assert len(await store.customers("", 10)) == 8


async def test_who_was_active_lately_comes_first(store: TriggerStore) -> None:
    told = [line("ann", 1), line("bob", 2), line("anna", 3), line("a%", 4), line("ann", 5)]
    await store.commit(result(await claimed(store), history=told), UNTIL)
    assert await store.active(2) == ["ann", "a%"]
    assert await store.active(10) == ["ann", "a%", "anna", "bob"]


async def test_steps_wait_in_order_until_they_are_answered(store: TriggerStore) -> None:
    asked = [step(2, "r_b"), step(1, "r_a"), step(3, "r_b")]
    await store.commit(result(await claimed(store), steps=asked), UNTIL)
    assert await store.steps(0, 10) == asked
    assert await store.steps(0, 1) == asked[:1]
    await store.forget_steps(0, asked[:2])
    assert await store.steps(0, 10) == asked[2:]
    assert await store.steps(1, 10) == []


def holding(*rules: str, parked: str = "") -> bytes:
    first = Kept(
        name="Product Added",
        id="e1",
        source="shop",
        occurred_at=NOW,
        appended_at=NOW,
        scope="server",
        properties=msgspec.Raw(b"{}"),
    )
    runs = [
        Run(id=f"r_{rule}", rule=rule, version=1, subject="u1", first=first, started=NOW, deadline=NOW, parked=parked)
        for rule in rules
    ]
    return msgspec.json.encode(Image(runs=runs))


async def test_live_runs_are_counted_by_rule_over_all_partitions(store: TriggerStore) -> None:
    rows = [row("u1", holding("cart", "price"), NOW), row("u2", holding("cart", parked="version"), None), row("u3")]
    await store.commit(result(await claimed(store, 0), rows=rows), UNTIL)
    await store.commit(result(await claimed(store, 1), rows=[row("u4", holding("cart"), NOW)]), UNTIL)
    assert await store.live_runs() == {"cart": 3, "price": 1}
    assert await store.live_runs(parked=True) == {"cart": 1}
    assert await store.running("cart") == ["u1", "u2", "u4"]
    assert await store.running("cart", parked=True) == ["u2"]
    assert await store.running("price", parked=True) == []


async def test_whoever_is_asked_for_is_told_in_order_over_all_partitions(store: TriggerStore) -> None:
    for partition, customer in enumerate(("u3", "u1", "u2")):
        rows, lines = [row(customer, holding("cart"), NOW)], [line(customer, partition)]
        await store.commit(result(await claimed(store, partition), rows=rows, history=lines), UNTIL)
    assert await store.running("cart") == ["u1", "u2", "u3"]
    assert await store.customers("u", 2) == ["u1", "u2"]
    assert len(await store.active(2)) == 2


async def test_however_many_run_each_is_counted_once(store: TriggerStore) -> None:
    for partition, count in ((0, 5_000), (1, 5_200)):  # more than are looked at together
        rows = [row(f"u{partition}-{number}", holding("cart"), NOW) for number in range(count)]
        await store.commit(result(await claimed(store, partition), rows=rows), UNTIL)
    assert await store.live_runs() == {"cart": 10_200}
    assert len(set(await store.running("cart"))) == 10_200


async def test_everything_committed_outlives_the_process(tmp_path: Path) -> None:
    async with sqlite(tmp_path) as store:
        cursor = await claimed(store, owner="one")
        changes: dict[str, Any] = {"rows": [row("u1", b"1", NOW)], "outbox": [letter(1)], "steps": [step(1)]}
        await store.commit(result(cursor, history=[line("u1", 0)], **changes), UNTIL)
    async with sqlite(tmp_path) as store:
        assert await store.claim(0, "two", UNTIL - 1, UNTIL) is None
        assert (await claimed(store, owner="two", now=UNTIL)).epoch == 2
        assert await store.load(0, ["u1"]) == {"u1": b"1"}
        assert (await store.unsent(0, 9), await store.steps(0, 9)) == ([letter(1)], [step(1)])
        assert await store.history("u1", 9) == [line("u1", 0)]


async def test_an_erasure_takes_row_history_and_steps_of_one_customer_and_leaves_a_grave(store: TriggerStore) -> None:
    cursor = await claimed(store)
    rows = [ChangedRow(name, b"{}", NOW) for name in ("u1", "u2")]
    history = [HistoryRow(name, NOW, 0, n, "note", "", "", b"{}") for n, name in enumerate(("u1", "u2"))]
    steps = [
        StepRequest(name, f"r_{name}", 1, "score", "m:f", []) for name in ("u1", "u2")
    ]  # of runs that may have ended
    first = result(cursor, rows=rows, history=history, steps=steps)
    await store.commit(first, UNTIL)
    gone = Erasure("u1", Erased("5f", NOW + 1))
    await store.commit(result(first.cursor, erasures=[gone], graves=[Erased("6a", NOW + 2)]), UNTIL)
    assert await store.load(0, {"u1", "u2"}) == {"u2": b"{}"}
    assert await store.history("u1", 9) == []
    assert [line.customer for line in await store.history("u2", 9)] == ["u2"]
    assert [step.customer for step in await store.steps(0, 9)] == ["u2"]
    assert await store.due(0, (0, ""), NOW + 1, 9) == [(NOW, "u2")]
    assert await store.graves(0) == {"5f": NOW + 1, "6a": NOW + 2}
    assert await store.graves(1) == {}
    assert await store.everybody(0, "", 99) == ["u2"]


async def test_who_is_erased_and_comes_back_in_one_slice_keeps_what_came_afterwards(store: TriggerStore) -> None:
    first = result(await claimed(store), rows=[ChangedRow("u1", b"1", NOW)], history=[line("u1", 0)], steps=[step(1)])
    await store.commit(first, UNTIL)
    gone = Erasure("u1", Erased("5f", NOW + 1))
    back = ChangedRow("u1", b"2", NOW + 9, busy=True)
    after: dict[str, Any] = {"rows": [back], "history": [line("u1", 2)], "steps": [step(1, "r_2")]}
    await store.commit(result(first.cursor, erasures=[gone], revived=["5f"], **after), UNTIL)
    assert await store.load(0, {"u1"}) == {"u1": b"2"}
    assert (await store.due(0, (0, ""), NOW + 10, 9), await store.busy(0)) == ([(NOW + 9, "u1")], {"u1"})
    assert await store.history("u1", 9) == [line("u1", 2)]
    assert await store.steps(0, 9) == [step(1, "r_2")]
    assert await store.graves(0) == {}


async def test_who_has_lost_the_partition_erases_nobody(store: TriggerStore) -> None:
    cursor = await claimed(store)
    first = result(cursor, rows=[ChangedRow("u1", b"1", NOW)])
    await store.commit(first, UNTIL)
    with pytest.raises(Fenced):
        await store.commit(result(cursor, erasures=[Erasure("u1", Erased("5f", NOW))]), UNTIL)
    assert (await store.load(0, {"u1"}), await store.graves(0)) == ({"u1": b"1"}, {})


async def test_a_grave_is_taken_away_when_its_customer_is_back(store: TriggerStore) -> None:
    cursor = await claimed(store)
    first = result(cursor, erasures=[Erasure("u1", Erased("5f", NOW))])
    await store.commit(first, UNTIL)
    await store.commit(result(first.cursor, rows=[ChangedRow("u1", b"{}", None)], revived=["5f"]), UNTIL)
    assert await store.graves(0) == {}
    assert await store.everybody(0, "", 99) == ["u1"]


async def test_history_that_is_too_old_goes_and_the_rest_stays(store: TriggerStore) -> None:
    lines = [HistoryRow("u1", NOW + n * DAY, n, 0, "note", "", "", b"{}") for n in range(-40, 3)]
    await store.commit(result(await claimed(store), history=lines), UNTIL)
    old = HistoryRow("u9", NOW - 30 * DAY, 1, 0, "note", "", "", b"{}")
    await store.commit(result(await claimed(store, 1), history=[old]), UNTIL)
    for _ in range(2):  # a second time there is nothing left to do
        await store.forget_history(NOW + 2 * DAY, NOW)
        kept = await store.history("u1", 99)
        assert kept == [line for line in lines if line.at >= NOW]
        assert await store.active(9) == ["u1"]
    await store.commit(result((await claimed(store)), history=[line("u2", 7)]), UNTIL)
    assert len(await store.history("u2", 9)) == 1
