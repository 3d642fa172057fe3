"""Applying one event to one customer: fold, tell dispatch, end and wake runs, start runs, remember the event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tactful.clock import HOUR, MINUTE
from tactful.events import (
    ComplaintClosed,
    ComplaintOpened,
    ComplaintReopened,
    ContactMade,
    CustomerFlagged,
    OrderCancelled,
    OrderCompleted,
    OrderRefunded,
)
from tactful.events.model import Event, is_fact, name_of
from tactful.identity import event_hash
from tactful.projections import Projection
from tactful.records import EventRecord
from tactful.rules import Rule
from tactful_trigger.applying.contacts import OBJECTIONS, Contacts
from tactful_trigger.applying.recipient import tells_dispatch
from tactful_trigger.applying.telling import Telling
from tactful_trigger.applying.unfolding import Unfolding
from tactful_trigger.effects import Effects
from tactful_trigger.happening import Seen
from tactful_trigger.partition import Partition
from tactful_trigger.projections import OURS
from tactful_trigger.projections.orders import OrdersProjection
from tactful_trigger.projections.tickets import TicketsProjection
from tactful_trigger.rulebook import Route
from tactful_trigger.runs.life import Runs
from tactful_trigger.runs.replay import Parked, RuleFailed
from tactful_trigger.runs.starting import Freed
from tactful_trigger.state.history import KIND_OF_EVENT, TOLD_ALWAYS
from tactful_trigger.state.row import LEAST, SEEN_MINUTES, WEIGHED, Goal, Row

_NOWHERE: Final = Route()
_NOBODY: Final[Mapping[str, Parked]] = {}
_FLAG: Final = name_of(CustomerFlagged)
# They know again what they have been told.
_BY_NUMBER: Final[tuple[Projection[Any], ...]] = (OrdersProjection(), TicketsProjection())
_NUMBERED: Final = frozenset(
    name_of(event)
    for event in (OrderCompleted, OrderCancelled, OrderRefunded, ComplaintOpened, ComplaintReopened, ComplaintClosed)
)
BEYOND: Final = "more than 256 events within a minute"


class Applying:
    """Applies the events of one slice."""

    def __init__(self, partition: Partition, effects: Effects, runs: Runs) -> None:
        self._partition, self._effects, self._runs = partition, effects, runs
        self._rows = partition.rows
        self._unfolding = Unfolding(partition.book, effects, runs)
        self._telling = Telling(partition.book.settings, effects)
        self._contacts = Contacts(partition, effects)
        self._blamed = _NOBODY  # rules that must not go by this event

    def event(self, record: EventRecord, route: Route | None, row: Row | None, at: int, value: bytes) -> Row | None:
        """Apply a record to its customer's row, if there is one; the row if it changed."""
        body = record.body
        if route is None and (
            row is None or not (row.waits_for(body.name, body.scope) or body.name in self._runs.ends_of_absent)
        ):
            return None
        name = event_hash(body.source, record.id)
        is_new = row is None
        if row is None:
            row = Row(record.key)
        elif row.trail and not self._is_welcome(row, name, record, route, at):
            return None
        if not self._changes(row, route or _NOWHERE, Seen(record, at)):
            return None
        if is_new:
            self._rows[row.id] = row
        row.remember(name, at)
        row.weight += len(body.properties) + LEAST
        if row.weight > WEIGHED or row.blocked:
            row.weigh()
        self._effects.record(row, at, KIND_OF_EVENT.get(body.name, "event"), value)
        return row

    def _is_welcome(self, row: Row, id: bytes, record: EventRecord, route: Route | None, at: int) -> bool:
        """No repeat, and no act beyond a limit. Facts are always heard, so are orders, goals and the past: who has ordered or must
        not be written to is not for a crawler to hide, and runs wait for what dispatch says. Of exits only those of a run that is
        alive: one may be what a crawler does all day."""
        cursor = self._partition.cursor
        if row.has_seen(id):
            cursor.duplicates += 1
            return False
        why = row.blocked or (BEYOND if row.is_flooding(at) else "")
        if not why or _always_counts(row, record, route):
            return True
        cursor.counted += 1
        if row.limited != at // HOUR:
            row.limited = at // HOUR
            self._effects.tell(
                row, at, "note", "", "", {"text": f"{why}: what else they do is counted and not applied"}
            )
        return False

    def _changes(self, row: Row, route: Route, seen: Seen) -> bool:
        goals = row.goals  # before this event: it is not later than itself
        self._blamed = _NOBODY
        if _is_told_again(row, seen):
            self._partition.cursor.duplicates += 1
            return False
        changed = (bool(route.folds) and self._fold(row, route, seen)) or seen.name in TOLD_ALWAYS
        if seen.record.body.history:
            return changed or bool(route.starts)  # somebody may be enrolled for it
        if seen.name == "Message Decided":
            changed |= self._contacts.decided(row, seen)
        elif seen.name in OBJECTIONS:
            changed |= self._contacts.objected(row, seen)
        if seen.name == "Hold Opened":
            self._runs.confirm(row, seen)
            return True
        return self._move_runs(row, route, seen, goals) or changed

    def _move_runs(self, row: Row, route: Route, seen: Seen, goals: Mapping[str, Goal] | None) -> bool:
        """Runs end, are woken and begin; whether the row changed."""
        freed = self._end(row, route, seen) if route.ends else ()
        changed = bool(route.ends)
        if seen.name in self._runs.ends_of_absent:
            self._end_absent(row, seen)
            changed = True
        for run in tuple(row.runs):
            changed |= self._runs.offer(row, run, seen)
        for rule in route.starts:
            if rule.name not in self._blamed:
                changed |= self._runs.start(row, rule, seen, goals, freed)
        return changed

    def _fold(self, row: Row, route: Route, seen: Seen) -> bool:
        event, changed, concerns_dispatch = seen.event, False, False
        for projection in route.folds:
            name = projection.name
            before = row.state(name)
            if before is None:
                before = projection.state()
            try:
                if name in OURS:
                    after = projection.fold(before, event)
                else:
                    after = self._unfolding.asked(projection, projection.fold, before, event)
            except Exception as error:  # noqa: BLE001 - a stranger's function may raise anything
                self._blamed = {**self._blamed, **self._unfolding.blame(row, projection, error, seen.at)}
                changed = True
                continue
            if after is not before and after != before:
                row.states[name] = projection.version, after
                changed = True
                concerns_dispatch = concerns_dispatch or tells_dispatch(before, after)
        is_flag = seen.name == _FLAG
        if concerns_dispatch or is_flag:
            self._telling.tell(row, seen.at, again=is_flag)
        elif type(event) is ContactMade:
            changed |= self._telling.tell_of_contact(row, event, seen.at)
        return changed

    def _end(self, row: Row, route: Route, seen: Seen) -> Freed:
        freed = []
        for rule, is_goal in route.ends:
            terms = self._partition.book.terms[rule.name]
            if terms.key is None and self._counts(rule, seen):
                _note_goal(row, rule.name, seen)
                if is_goal:
                    self._contacts.reached(row, rule.name, terms.goal_within, seen)
            for run in tuple(row.runs):
                if run.rule == rule.name and self._runs.ends(row, rule, run, seen):
                    self._runs.end(row, run, seen.at, "goal reached" if is_goal else f"ended by {seen.name}")
                    freed.append((rule.name, run.key))
        return freed

    def _counts(self, rule: Rule, seen: Seen) -> bool:
        """Whether what was seen is a goal or an exit of the rule; True where the rule's own function fails."""
        try:
            return self._runs.counts(rule, seen)
        except RuleFailed:
            return True

    def _end_absent(self, row: Row, seen: Seen) -> None:
        """End the runs of rules that are not installed. The goal is noted for all of these rules, also for those with a key, which
        never ask for it: which have one is not known here."""
        for rule in sorted(self._runs.ends_of_absent[seen.name]):
            _note_goal(row, rule, seen)
        self._runs.end_absent(row, seen)


def _note_goal(row: Row, rule: str, seen: Seen) -> None:
    goals, goal = row.goals or {}, Goal(seen.record.body.occurred_at, seen.first_at)
    row.goals = {**goals, rule: goal.joined(goals[rule]) if rule in goals else goal}


_ORDER: Final = name_of(OrderCompleted)


def _is_told_again(row: Row, seen: Seen) -> bool:
    """Whether it is an order's or a complaint's old news, by its number: many shops tell all of them each night. Asked first, since who
    counts would count it again. Repeats of the last two days are known by their ids; what else was told of these days may have been
    an import."""
    is_old = seen.at - seen.record.body.occurred_at > SEEN_MINUTES * MINUTE
    if not is_old or seen.name not in _NUMBERED or seen.record.body.history:
        return False
    event = seen.event
    known = (_knows(keeper, row, event) for keeper in _BY_NUMBER if type(event) in keeper.events)
    return bool(getattr(event, "order_id", True)) and all(known)


def _knows(keeper: Projection[Any], row: Row, event: Event) -> bool:
    state = row.state(keeper.name) or keeper.state()
    return isinstance(state, keeper.state) and bool(keeper.fold(state, event) == state)


def _always_counts(row: Row, record: EventRecord, route: Route | None) -> bool:
    """What is applied however much comes: the past, facts, orders, goals, and what ends a run."""
    name, ends = record.body.name, route.ends if route else ()
    if record.body.history or name == _ORDER or is_fact(name):
        return True
    return any(is_goal or any(run.rule == rule.name for run in row.runs) for rule, is_goal in ends)
