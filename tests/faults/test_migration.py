"""A migration that stops half-way is taken up where it stood; files of others and of newer programs are left alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tactful import crashpoints
from tactful.clock import ManualClock
from tactful.errors import StoreTooNew, StoreUnavailable
from tactful.log import sqlite as log
from tactful.sqlite import Database
from tactful_dispatch.channels import sqlite_shelf as shelf
from tactful_dispatch.store import sqlite as dispatch
from tactful_trigger.store import sqlite as trigger
from tactful_workbench.embedded import devclock
from tactful_workbench.embedded.product import Plan, opened
from tactful_workbench.keyring import sqlite as keyring

COMPONENTS = {
    "log": log.MIGRATIONS,
    "trigger": trigger.MIGRATIONS,
    "dispatch": dispatch.MIGRATIONS,
    "inbox": shelf.MIGRATIONS,
    "dev_clock": devclock.MIGRATIONS,
    "keys": keyring.MIGRATIONS,
}


class Struck(BaseException):
    """Stands for the end of the process: nothing catches it."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dev.db"


@pytest.fixture(autouse=True)
def unarmed() -> Iterator[None]:
    yield
    crashpoints.disarm()


def strike() -> None:
    raise Struck


def schema(path: Path) -> list[str]:
    db = sqlite3.connect(path)
    try:
        return [sql for (sql,) in db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")]
    finally:
        db.close()


def versions(path: Path) -> dict[str, int]:
    db = sqlite3.connect(path)
    try:
        return dict(db.execute("SELECT component, version FROM schema"))
    finally:
        db.close()


async def migrate(path: Path, component: str, steps: Sequence[object]) -> None:
    database = await Database.open(path)
    try:
        await database.migrate(component, steps)  # type: ignore[arg-type]
    finally:
        await database.close()


@pytest.mark.parametrize("component", COMPONENTS)
async def test_tables_are_the_same_wherever_a_migration_was_interrupted(tmp_path: Path, component: str) -> None:
    steps = COMPONENTS[component]
    await migrate(tmp_path / "whole.db", component, steps)
    for done in range(1, len(steps) + 1):
        path = tmp_path / f"{done}.db"
        crashpoints.arm("store: migration", done, strike)
        with pytest.raises(Struck):
            await migrate(path, component, steps)
        crashpoints.disarm()
        assert versions(path) == {component: done}
        await migrate(path, component, steps)
        assert (schema(path), versions(path)) == (schema(tmp_path / "whole.db"), {component: len(steps)})


async def test_a_new_step_keeps_what_was_stored_before(path: Path) -> None:
    database = await Database.open(path)
    kept = await log.SqliteLog.open(database, 4, ManualClock(1))
    await kept.append("events", [(0, b"kept")])
    await database.migrate("log", [*log.MIGRATIONS, "ALTER TABLE log_events_0 ADD COLUMN later TEXT"])
    assert await database.read(lambda db: db.execute("SELECT value, later FROM log_events_0").fetchall()) == [
        (b"kept", None)
    ]
    await database.close()


async def test_a_log_that_stood_in_one_table_goes_on_in_one_for_each_partition(path: Path) -> None:
    database = await Database.open(path)
    await database.migrate("log", log.MIGRATIONS[:-1])
    for statement in (
        "INSERT INTO log VALUES ('events', 0, 4, 70, x'61'), ('events', 0, 5, 80, x'62'), ('dispatch', 0, 0, 75, x'63')",
        "INSERT INTO log_partition VALUES ('events', 0, 6, 80), ('events', 3, 2, 60), ('dispatch', 0, 1, 75)",
        "INSERT INTO log_shape VALUES (4)",
    ):
        await database.write(lambda db, statement=statement: db.execute(statement).close())  # type: ignore[misc]
    kept = await log.SqliteLog.open(database, 4, ManualClock(90))
    await kept.append("events", [(0, b"d"), (3, b"e"), (1, b"f")])
    found = [
        (s.partition, s.offset, s.appended, s.value) for p in range(4) for s in await kept.read("events", p, 0, 10)
    ]
    assert found == [(0, 4, 70, b"a"), (0, 5, 80, b"b"), (0, 6, 90, b"d"), (1, 0, 90, b"f"), (3, 2, 90, b"e")]
    assert [await kept.beginning("events", partition) for partition in range(4)] == [4, 0, 0, 2]
    assert [stored.value for stored in await kept.read("dispatch", 0, 0, 10)] == [b"c"]
    await database.close()


async def test_rows_of_customers_are_kept_when_their_table_changes_its_form(path: Path) -> None:
    database = await Database.open(path)
    await database.migrate("trigger", trigger.MIGRATIONS[:-1])
    rows = "(1, 'u1', x'7b7d', 70, 1), (1, 'u2', x'7b7d', NULL, 0)"
    await database.write(lambda db: db.execute(f"INSERT INTO trigger_row VALUES {rows}").close())
    store = await trigger.SqliteTriggerStore.open(database)
    assert await store.load(1, ["u1", "u2", "u3"]) == {"u1": b"{}", "u2": b"{}"}
    assert (await store.due(1, (0, ""), 100, 10), await store.busy(1)) == ([(70, "u1")], {"u1"})
    await database.close()


@pytest.mark.parametrize("component", COMPONENTS)
async def test_a_product_refuses_a_file_of_a_newer_program_by_name(tmp_path: Path, component: str) -> None:
    plan = Plan(tmp_path, dev=True)
    async with opened(plan):
        pass
    database = await Database.open(plan.file)
    await database.migrate(component, [*COMPONENTS[component], "CREATE TABLE from_the_future (x)"])
    await database.close()
    with pytest.raises(StoreTooNew, match=rf"dev\.db: the tables of {component} have version"):
        async with opened(plan):
            pass
    await (await Database.open(plan.file)).close()  # and lets go of it


async def test_a_product_leaves_a_database_of_another_program_alone(tmp_path: Path) -> None:
    plan = Plan(tmp_path, dev=True)
    foreign = sqlite3.connect(plan.file)
    foreign.execute("CREATE TABLE theirs (x)")
    foreign.close()
    before = schema(plan.file)
    with pytest.raises(StoreUnavailable, match="database of another program"):
        async with opened(plan):
            pass
    assert schema(plan.file) == before
