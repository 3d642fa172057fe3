"""Trigger's store in memory: for virtual time, and the twin that the contract suite holds against the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from heapq import nsmallest

from tactful.errors import Fenced
from tactful.partitions.memory import MemoryPartition, MemoryPartitions
from tactful_trigger.state import cursor as cursors
from tactful_trigger.state.cursor import Cursor
from tactful_trigger.state.history import HistoryRow
from tactful_trigger.state.row import count_runs, has_run
from tactful_trigger.store import SliceResult, StepRequest


class _Partition(MemoryPartition):
    def __init__(self, number: int) -> None:
        super().__init__()
        self.cursor = cursors.encode(Cursor(partition=number))
        self.rows: dict[str, bytes] = {}
        self.dues: dict[str, int] = {}
        self.busy: set[str] = set()
        self.steps: list[StepRequest] = []


class MemoryTriggerStore(MemoryPartitions[_Partition]):
    """Implements `tactful_trigger.store.TriggerStore`. Never suspends."""

    def __init__(self, *, keep_history: bool = True) -> None:
        super().__init__(_Partition)
        self._history: defaultdict[str, list[HistoryRow]] = defaultdict(list)
        self._keep_history = keep_history

    async def claim(self, partition: int, owner: str, now: int, until: int) -> Cursor | None:
        held = self._at(partition)
        if not held.take(owner, now, until):
            return None
        cursor = cursors.decode(held.cursor)
        cursor.epoch = held.epoch
        cursor.attempts += 1
        held.cursor = cursors.encode(cursor)
        return cursor

    async def load(self, partition: int, customers: Collection[str]) -> dict[str, bytes]:
        rows = self._at(partition).rows
        return {customer: rows[customer] for customer in customers if customer in rows}

    async def busy(self, partition: int) -> set[str]:
        return set(self._at(partition).busy)

    async def due(self, partition: int, start: tuple[int, str], before: int, most: int) -> list[tuple[int, str]]:
        dues = ((due, customer) for customer, due in self._at(partition).dues.items() if due < before)
        return nsmallest(most, (entry for entry in dues if entry >= start))

    async def earliest_due(self, partition: int, start: int) -> int | None:
        return min((due for due in self._at(partition).dues.values() if due >= start), default=None)

    async def commit(self, result: SliceResult, until: int) -> None:
        held = self._at(result.partition)
        if held.epoch != result.epoch or cursors.decode(held.cursor).offset != result.before:
            raise Fenced(f"partition {result.partition}: epoch {held.epoch} holds it now")
        held.lease_until = until
        held.cursor = cursors.encode(result.cursor)
        self._bury(held, result)
        for row in result.rows:
            held.rows[row.customer] = row.value
            held.busy.add(row.customer) if row.busy else held.busy.discard(row.customer)
            if row.due is None:
                held.dues.pop(row.customer, None)
            else:
                held.dues[row.customer] = row.due
        held.outbox += result.outbox
        held.steps += result.steps
        if self._keep_history:
            for line in result.history:
                self._history[line.customer].append(line)

    def _bury(self, held: _Partition, result: SliceResult) -> None:
        for gone in result.erasures:
            held.rows.pop(gone.customer, None)
            held.dues.pop(gone.customer, None)
            held.busy.discard(gone.customer)
            self._history.pop(gone.customer, None)
            held.steps = [step for step in held.steps if step.customer != gone.customer]
        for erased in (*(gone.erased for gone in result.erasures), *result.graves):
            held.graves[erased.grave] = erased.at
        for grave in result.revived:
            held.graves.pop(grave, None)

    async def everybody(self, partition: int, after: str, limit: int) -> list[str]:
        return sorted(customer for customer in self._at(partition).rows if customer > after)[:limit]

    async def cursor(self, partition: int) -> Cursor | None:
        return cursors.decode(self._at(partition).cursor)

    async def steps(self, partition: int, limit: int) -> list[StepRequest]:
        return self._at(partition).steps[:limit]

    async def forget_steps(self, partition: int, done: Sequence[StepRequest]) -> None:
        held = self._at(partition)
        held.steps = [step for step in held.steps if step not in done]

    async def history(self, customer: str, limit: int, since: int = 0) -> list[HistoryRow]:
        return [line for line in self._history.get(customer, []) if line.at >= since][-limit:]

    async def forget_history(self, now: int, before: int) -> int:
        gone = 0
        for customer, lines in tuple(self._history.items()):
            kept = [line for line in lines if line.at >= before]
            gone += len(lines) - len(kept)
            if kept:
                self._history[customer] = kept
            else:
                del self._history[customer]
        return gone

    async def customers(self, text: str, limit: int) -> list[str]:
        everybody = (customer for held in self._partitions.values() for customer in held.rows)
        return sorted(customer for customer in everybody if customer.startswith(text))[:limit]

    async def active(self, limit: int) -> list[str]:
        return sorted(self._history, key=lambda customer: -self._history[customer][-1].at)[:limit]

    async def running(self, rule: str, *, parked: bool = False) -> list[str]:
        rows = [each for held in self._partitions.values() for each in held.rows.items()]
        return sorted(customer for customer, value in rows if has_run(value, rule, parked=parked))

    async def live_runs(self, *, parked: bool = False) -> dict[str, int]:
        rows = (value for held in self._partitions.values() for value in held.rows.values())
        return count_runs(rows, parked=parked)
