"""Trigger's store in PostgreSQL. Rows of a partition are written by its owner alone, a slice in one transaction.

Hot statements are constant text over arrays that are unpacked on the server, sorted by key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Any, Final

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tactful import crashpoints
from tactful.clock import DAY, HOUR, MINUTE
from tactful.errors import Fenced
from tactful.postgres import Postgres, keep_days, spans
from tactful.postgres.names import known, stored
from tactful.postgres.partitions import PostgresPartitions
from tactful.records import EVENTS
from tactful_trigger.state import cursor as cursors
from tactful_trigger.state.cursor import Cursor
from tactful_trigger.state.history import HistoryRow
from tactful_trigger.state.row import count_runs, has_run
from tactful_trigger.store import BEYOND, SliceResult, StepRequest

_KNOW: Final = text(
    "INSERT INTO trigger_cursor VALUES (:partition, :value, 0, 0, '', 0) ON CONFLICT (partition) DO NOTHING"
)
_CLAIM: Final = text(
    """UPDATE trigger_cursor SET epoch = epoch + 1, owner = :owner, lease_until = :until
       WHERE partition = :partition AND (lease_until <= :now OR owner = :owner) RETURNING value, epoch"""
)
_REMEMBER: Final = text("UPDATE trigger_cursor SET value = :value WHERE partition = :partition")
_LOAD: Final = text(
    "SELECT customer, value FROM trigger_row WHERE partition = :partition AND customer = ANY(CAST(:customers AS text[]))"
)
_DUE: Final = text(
    """SELECT due, customer FROM trigger_row
       WHERE partition = :partition AND due < :before AND (due, customer) >= (:due, :customer)
       ORDER BY due, customer LIMIT :most"""
)
_EARLIEST: Final = text("SELECT min(due) FROM trigger_row WHERE partition = :partition AND due >= :start")
# A slice, whole, in one statement: once to the server and back. Nothing is written where the cursor does not move.
_COMMIT: Final = text(
    """WITH moved AS (
           UPDATE trigger_cursor SET value = :value, next_offset = :offset, lease_until = :until
           WHERE partition = :partition AND epoch = :epoch AND next_offset = :before RETURNING partition),
       rows AS (
           INSERT INTO trigger_row (partition, customer, value, due, busy)
           SELECT moved.partition, changed.* FROM moved, unnest(
               CAST(:customers AS text[]), CAST(:values AS bytea[]), CAST(:dues AS bigint[]), CAST(:busy AS boolean[]))
               AS changed
           ON CONFLICT (partition, customer)
           DO UPDATE SET value = excluded.value, due = excluded.due, busy = excluded.busy),
       asked AS (
           INSERT INTO trigger_outbox (partition, topic, target, seq, value, cause)
           SELECT moved.partition, topic, target, seq, asked.value, cause FROM moved, unnest(
               CAST(:topics AS text[]), CAST(:targets AS integer[]), CAST(:seqs AS bigint[]), CAST(:records AS bytea[]),
               CAST(:causes AS bytea[])) WITH ORDINALITY AS asked (topic, target, seq, value, cause, place)
           ORDER BY place),
       told AS (
           INSERT INTO trigger_history (customer, at, log_offset, position, kind, rule, run, data)
           SELECT customer, at, log_offset, position, kind, rule, run, data FROM moved, unnest(
               CAST(:told AS text[]), CAST(:ats AS bigint[]), CAST(:offsets AS bigint[]), CAST(:positions AS integer[]),
               CAST(:kinds AS text[]), CAST(:rules AS text[]), CAST(:runs AS text[]), CAST(:data AS bytea[]))
               WITH ORDINALITY AS lines (customer, at, log_offset, position, kind, rule, run, data, place)
           ORDER BY place),
       requested AS (
           INSERT INTO trigger_step (run, number, partition, customer, value)
           SELECT run, number, moved.partition, customer, steps.value FROM moved, unnest(
               CAST(:step_runs AS text[]), CAST(:step_numbers AS integer[]), CAST(:step_customers AS text[]),
               CAST(:steps AS bytea[])) WITH ORDINALITY AS steps (run, number, customer, value, place)
           ORDER BY place ON CONFLICT DO NOTHING)
       SELECT partition FROM moved"""
)
_HOLD: Final = text(
    """SELECT partition FROM trigger_cursor
       WHERE partition = :partition AND epoch = :epoch AND next_offset = :before FOR UPDATE"""
)
_BURY: Final = text(
    """INSERT INTO trigger_grave VALUES (:partition, :grave, :at)
       ON CONFLICT (partition, grave) DO UPDATE SET erased_at = excluded.erased_at"""
)
_LATEST: Final = """SELECT id, at, log_offset, position, kind, rule, run, data FROM trigger_history
    WHERE customer = :customer AND at >= :since AND {} ORDER BY id DESC LIMIT :limit"""
_CLEAR: Final = """WITH mine AS (
        SELECT partition FROM trigger_cursor
        WHERE partition = :partition AND epoch = :epoch AND next_offset = :before FOR UPDATE),
    gone AS (DELETE FROM trigger_history USING mine WHERE customer = ANY(CAST(:customers AS text[])) AND {})
    SELECT partition FROM mine"""
_EVERYBODY: Final = text(
    """SELECT customer FROM trigger_row WHERE partition = :partition AND customer > :after ORDER BY customer LIMIT :limit"""
)
# By partition, since rows are found by partition and customer.
_FOUND: Final = text(
    """SELECT customer FROM trigger_cursor, LATERAL (
           SELECT customer FROM trigger_row
           WHERE trigger_row.partition = trigger_cursor.partition AND customer >= :text AND customer < :beyond
           ORDER BY customer LIMIT :limit) found
       ORDER BY customer LIMIT :limit"""
)
_ACTIVE: Final = """SELECT customer FROM trigger_history WHERE {}
    GROUP BY customer ORDER BY max(id) DESC LIMIT :limit"""
_WINDOWS: Final = (5 * MINUTE, HOUR, DAY, 15 * DAY, 30 * DAY)  # of history that is looked through for who is active
_ALIVE: Final = text(
    """SELECT partition, customer, value FROM trigger_row
       WHERE busy AND (partition, customer) > (:partition, :customer) ORDER BY partition, customer LIMIT :lot"""
)
_LOT: Final = 5_000  # rows that are taken into memory together


class PostgresTriggerStore(PostgresPartitions):
    """Implements `tactful_trigger.store.TriggerStore`."""

    def __init__(self, database: Postgres) -> None:
        super().__init__(database, "trigger", EVENTS)

    async def claim(self, partition: int, owner: str, now: int, until: int) -> Cursor | None:
        async def take(db: AsyncConnection) -> Cursor | None:
            await db.execute(_KNOW, {"partition": partition, "value": cursors.encode(Cursor(partition=partition))})
            given = {"partition": partition, "owner": owner, "now": now, "until": until}
            row = (await db.execute(_CLAIM, given)).one_or_none()
            if row is None:
                return None
            cursor = cursors.decode(row.value)
            cursor.epoch = row.epoch
            cursor.attempts += 1
            await db.execute(_REMEMBER, {"partition": partition, "value": cursors.encode(cursor)})
            return cursor

        self.look_again(partition)
        return await self._database.run(take)

    async def load(self, partition: int, customers: Collection[str]) -> dict[str, bytes]:
        rows = await self._database.ask(_LOAD, partition=partition, customers=sorted(map(stored, customers)))
        return {known(customer): bytes(value) for customer, value in rows}

    async def busy(self, partition: int) -> set[str]:
        query = text("SELECT customer FROM trigger_row WHERE partition = :partition AND busy")
        return {known(customer) for (customer,) in await self._database.ask(query, partition=partition)}

    async def due(self, partition: int, start: tuple[int, str], before: int, most: int) -> list[tuple[int, str]]:
        given = {"partition": partition, "due": start[0], "customer": stored(start[1]), "before": before, "most": most}
        rows = await self._database.ask(_DUE, **given)
        return [(due, known(customer)) for due, customer in rows]

    async def earliest_due(self, partition: int, start: int) -> int | None:
        [(due,)] = await self._database.ask(_EARLIEST, partition=partition, start=start)
        return None if due is None else int(due)

    async def commit(self, result: SliceResult, until: int) -> None:
        given = _whole(result, until)
        crashpoints.reach("trigger: before commit")
        if not (result.erasures or result.graves or result.revived):
            moved = await self._database.ask(_COMMIT, **given)
        else:
            latest = await self._clear(given, result)
            moved = await self._database.run(lambda db: _bury_and_commit(db, result, given, latest))
        if not moved:
            raise Fenced(f"events/{result.partition}: another owner has moved the cursor")

    async def _clear(self, given: Mapping[str, Any], result: SliceResult) -> str:
        """Of whoever is erased all history goes beforehand, days after days as `spans` says, oldest first, but for the latest, which
        is returned: if this ends half-way the slice is computed again, and needs nothing of what is gone."""
        if not result.erasures:
            return ""
        latest, *before = await spans(self._database, "trigger_history")
        where = {name: given[name] for name in ("partition", "epoch", "before")}
        customers = sorted(stored(gone.customer) for gone in result.erasures)
        for span in reversed(before):
            await self._database.ask(text(_CLEAR.format(span)), customers=customers, **where)
        return latest

    async def cursor(self, partition: int) -> Cursor | None:
        query = text("SELECT value FROM trigger_cursor WHERE partition = :partition")
        rows = await self._database.ask(query, partition=partition)
        return cursors.decode(rows[0][0]) if rows else None

    async def everybody(self, partition: int, after: str, limit: int) -> list[str]:
        rows = await self._database.ask(_EVERYBODY, partition=partition, after=stored(after), limit=limit)
        return [known(customer) for (customer,) in rows]

    async def steps(self, partition: int, limit: int) -> list[StepRequest]:
        query = text("SELECT value FROM trigger_step WHERE partition = :partition ORDER BY id LIMIT :limit")
        rows = await self._database.ask(query, partition=partition, limit=limit)
        return [msgspec.json.decode(value, type=StepRequest) for (value,) in rows]

    async def forget_steps(self, partition: int, done: Sequence[StepRequest]) -> None:
        query = text("DELETE FROM trigger_step WHERE run = :run AND number = :number")
        given = [{"run": step.run_id, "number": step.number} for step in done]
        if given:
            await self._database.run(lambda db: db.execute(query, given))

    async def forget_history(self, now: int, before: int) -> int:
        return await keep_days(self._database, "trigger_history", now, before)

    async def history(self, customer: str, limit: int, since: int = 0) -> list[HistoryRow]:
        found: list[Any] = []
        for span in await spans(self._database, "trigger_history", since):
            given = {"customer": stored(customer), "since": since, "limit": limit - len(found)}
            found += await self._database.ask(text(_LATEST.format(span)), **given)
            if len(found) >= limit:
                break
        return [
            HistoryRow(customer, at, offset, position, kind, rule, run, bytes(data))
            for _, at, offset, position, kind, rule, run, data in sorted(found, key=itemgetter(0))
        ]

    async def customers(self, text: str, limit: int) -> list[str]:
        beginning = stored(text)
        rows = await self._database.ask(_FOUND, text=beginning, beyond=beginning + BEYOND, limit=limit)
        return [known(customer) for (customer,) in rows]

    async def active(self, limit: int) -> list[str]:
        cursors_now = await self._database.ask(text("SELECT value FROM trigger_cursor"))
        now = max((cursors.decode(value).clock for (value,) in cursors_now), default=0)
        first, *others = [now - window for window in _WINDOWS]
        found: dict[str, None] = {}
        for span in (f"at >= {first}", *(f"at >= {start} AND at < {end}" for end, start in pairwise((first, *others)))):
            rows = await self._database.ask(text(_ACTIVE.format(span)), limit=limit)
            found |= {known(customer): None for (customer,) in rows if known(customer) not in found}
            if len(found) >= limit:
                break
        return list(found)[:limit]

    async def running(self, rule: str, *, parked: bool = False) -> list[str]:
        return sorted([name async for name, value in self._with_runs() if has_run(value, rule, parked=parked)])

    async def live_runs(self, *, parked: bool = False) -> dict[str, int]:
        counts: Counter[str] = Counter()
        async for _, value in self._with_runs():
            counts.update(count_runs([value], parked=parked))
        return dict(counts)

    async def _with_runs(self) -> AsyncIterator[tuple[str, bytes]]:
        latest = -1, ""
        while rows := await self._database.ask(_ALIVE, partition=latest[0], customer=latest[1], lot=_LOT):
            for _, name, value in rows:
                yield known(name), bytes(value)
            latest = rows[-1].partition, rows[-1].customer


async def _bury_and_commit(
    db: AsyncConnection, result: SliceResult, given: dict[str, Any], latest: str
) -> Sequence[Any]:
    """Erase and commit in one transaction. Nothing is erased for whoever does not hold the cursor any more: then it gives nothing."""
    where = {name: given[name] for name in ("partition", "epoch", "before")}
    if not (await db.execute(_HOLD, where)).all():
        return ()
    await _bury(db, result, latest)
    return (await db.execute(_COMMIT, given)).all()


def _whole(result: SliceResult, until: int) -> dict[str, Any]:
    return {
        "partition": result.partition,
        "value": cursors.encode(result.cursor),
        "offset": result.cursor.offset,
        "until": until,
        "epoch": result.epoch,
        "before": result.before,
        **_rows_of(result),
        **_outbox_of(result),
        **_history_of(result),
        **_steps_of(result),
    }


def _rows_of(result: SliceResult) -> dict[str, Any]:
    rows = sorted(result.rows, key=lambda row: row.customer)  # two transactions lock them in one order
    return {
        "customers": [stored(row.customer) for row in rows],
        "values": [row.value for row in rows],
        "dues": [row.due for row in rows],
        "busy": [row.busy for row in rows],
    }


def _outbox_of(result: SliceResult) -> dict[str, Any]:
    rows = result.outbox
    return {
        "topics": [row.topic for row in rows],
        "targets": [row.partition for row in rows],
        "seqs": [row.seq for row in rows],
        "records": [row.value for row in rows],
        "causes": [msgspec.json.encode(row.cause) for row in rows],
    }


def _history_of(result: SliceResult) -> dict[str, Any]:
    lines = result.history
    return {
        "told": [stored(line.customer) for line in lines],
        "ats": [line.at for line in lines],
        "offsets": [line.offset for line in lines],
        "positions": [line.index for line in lines],
        "kinds": [line.kind for line in lines],
        "rules": [line.rule for line in lines],
        "runs": [line.run for line in lines],
        "data": [bytes(line.data) for line in lines],
    }


def _steps_of(result: SliceResult) -> dict[str, Any]:
    steps = result.steps
    return {
        "step_runs": [step.run_id for step in steps],
        "step_numbers": [step.number for step in steps],
        "step_customers": [stored(step.customer) for step in steps],
        "steps": [msgspec.json.encode(step) for step in steps],
    }


async def _bury(db: AsyncConnection, result: SliceResult, latest: str) -> None:
    partition = result.partition
    for gone in result.erasures:
        given = {"partition": partition, "customer": stored(gone.customer)}
        await db.execute(text("DELETE FROM trigger_row WHERE partition = :partition AND customer = :customer"), given)
        await db.execute(text(f"DELETE FROM trigger_history WHERE customer = :customer AND {latest}"), given)
        await db.execute(text("DELETE FROM trigger_step WHERE partition = :partition AND customer = :customer"), given)
    for erased in (*(gone.erased for gone in result.erasures), *result.graves):
        await db.execute(_BURY, {"partition": partition, "grave": erased.grave, "at": erased.at})
    for grave in result.revived:
        query = text("DELETE FROM trigger_grave WHERE partition = :partition AND grave = :grave")
        await db.execute(query, {"partition": partition, "grave": grave})
