"""What operators want of one customer's runs: begin one for what happened before, try those again that were parked, or end all
of a rule. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from tactful.clock import DAY
from tactful.partitions.outbox import Outbox
from tactful.records import EVENTS, AbsorbRecord, CommandRecord, EventRecord
from tactful.rules import Rule
from tactful_trigger.effects import Effects
from tactful_trigger.happening import Seen
from tactful_trigger.partition import Partition
from tactful_trigger.runs.life import Runs
from tactful_trigger.runs.replay import CANCELLED, NoWatch, RuleFailed
from tactful_trigger.state.history import HistoryRow
from tactful_trigger.state.row import Row, names_in

_decode = msgspec.json.Decoder(EventRecord).decode
_FAST: Final = DAY  # whose clock is ahead by less may say that something happened after it was written down


class Commanding:
    """Commands within one slice."""

    def __init__(self, partition: Partition, effects: Effects, runs: Runs) -> None:
        self._partition, self._effects, self._runs = partition, effects, runs

    def obey(self, record: CommandRecord, at: int) -> None:
        row = self._partition.rows.get(record.key)
        if row is None:
            return
        if row.linked_to:
            self._pass_on(row, record)
        elif record.body.name == "cancel":
            self._cancel(row, record.body.rule, at)
        elif record.body.name == "retry":
            self._retry(row, record.body.rule, at)
        elif record.body.name == "enrol" and (rule := self._partition.book.rules.get(record.body.rule)) is not None:
            self._enrol(row, rule, record, at)

    def _pass_on(self, row: Row, record: CommandRecord) -> None:
        """A command goes on to the customer whom this one turned out to be, as the runs did. Not so an enrolment, which is for what
        this one did."""
        if record.body.name != "enrol":
            self._effects.put(EVENTS, msgspec.structs.replace(record, key=row.linked_to))

    def _cancel(self, row: Row, rule: str, at: int) -> None:
        for run in [run for run in row.runs if run.rule == rule]:
            self._runs.end(row, run, at, CANCELLED.why)

    def _retry(self, row: Row, rule: str, at: int) -> None:
        for run in [run for run in row.runs if run.rule == rule and run.parked]:
            self._runs.retry(row, run, at)
        self._partition.timers.watch(row)

    def _enrol(self, row: Row, rule: Rule, record: CommandRecord, at: int) -> None:
        terms = self._partition.book.terms[rule.name]
        now = [line for line in self._effects.history if line.customer == row.id]
        before = [line for line in self._partition.earlier.get(row.id, ()) if line.customer in row.absorbed]
        past = (*before, *self._partition.pasts.get(row.id, ()), *now)
        first = beginning(past, terms.on, record.body.since)
        if first is None:
            self._effects.tell(row, at, "not_started", rule.name, "", {"why": "nothing to begin with"})
        else:
            self._runs.enrol(row, rule, Seen(first, at), record.id)
            self._partition.timers.watch(row)


def beginning(past: Iterable[HistoryRow], names: Sequence[str], since: int) -> EventRecord | None:
    """The latest event of these names that happened since then, history included: what a run is enrolled for."""
    events = (_decode(line.data) for line in past if line.kind == "event")
    fitting = (event for event in events if event.body.name in names and event.body.occurred_at >= since)
    return max(fitting, key=lambda event: event.body.occurred_at, default=None)


def foreseen(partition: Partition, customer: str, rule: Rule, first: EventRecord, at: int) -> str:
    """Why this customer, whose row is in the partition's memory, would not be enrolled; "" if they would."""
    row, cursor = partition.rows.get(customer), partition.cursor
    if row is None or row.linked_to:
        return "somebody else by now"
    runs = Runs(partition.book, cursor, Effects(Outbox(EVENTS, cursor.partition, 1, {})), NoWatch())
    try:
        return runs.why_not_enrolled(row, rule, Seen(first, at))
    except RuleFailed as failed:
        return f"the rule fails: {failed.parked.why}"


def from_when(happened: int) -> int:
    """From which append time on (ms) to look for what has happened since an instant."""
    return max(0, happened - _FAST)


def enrolled(records: Iterable[Any]) -> dict[str, int]:
    """The customers whom a slice enrols, each with the instant (ms) from which it needs their past."""
    since: dict[str, int] = {}
    for record in records:
        if type(record) is CommandRecord and record.body.name == "enrol":
            began = from_when(record.body.since)
            since[record.key] = min(began, since.get(record.key, began))
    return since


def earlier_names(partition: Partition, records: Sequence[Any]) -> dict[str, list[str]]:
    """By customer whom a slice enrols, the names (sorted) of those who turned out to be them, earlier or in this slice: what they
    did before stands under those names."""
    names = {customer: {*row.absorbed} for customer in enrolled(records) if (row := partition.rows.get(customer))}
    for record in records:
        if type(record) is AbsorbRecord and record.key in names:
            names[record.key] |= {record.body.absorbed, *names_in(record.body.image)[1]}
    return {customer: sorted(earlier) for customer, earlier in names.items() if earlier}
