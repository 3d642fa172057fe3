"""Two customers turn out to be one: what the one knew travels to the other, and what still comes for them follows. Pure.

An anonymous customer ends at their first link. Links go from anonymous to known, and between known customers from the
larger id to the smaller, so that nothing goes round in a circle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from tactful.events import Identify
from tactful.events.model import VISITOR, name_of
from tactful.identity import digest, is_anonymous
from tactful.log import Stored
from tactful.records import (
    DISPATCH,
    EVENTS,
    AbsorbBody,
    AbsorbRecord,
    EventBody,
    EventRecord,
    LinkBody,
    LinkedBody,
    LinkedRecord,
    LinkRecord,
    MergeBody,
    MergeRecord,
)
from tactful_trigger.applying.telling import Telling
from tactful_trigger.applying.unfolding import Unfolding
from tactful_trigger.effects import Effects
from tactful_trigger.happening import Seen, is_forwarded, refuse_to_forward
from tactful_trigger.partition import Partition
from tactful_trigger.projections import OURS
from tactful_trigger.runs.life import Runs
from tactful_trigger.runs.replay import CANCELLED
from tactful_trigger.state.history import FROM_LOG
from tactful_trigger.state.row import WEIGHED, Goal, Mark, Row, Run, beginnings_in, decode

RECOGNISED: Final = "Customer Recognised"
IDENTIFY: Final = name_of(Identify)
_decode_record = msgspec.json.Decoder(EventRecord).decode


class Joining:
    """Links, absorbs and forwards within one slice."""

    def __init__(self, partition: Partition, effects: Effects, runs: Runs) -> None:
        self._partition, self._effects, self._runs = partition, effects, runs
        self._unfolding = Unfolding(partition.book, effects, runs)
        self._telling = Telling(partition.book.settings, effects)

    # -- at the customer who ends

    def link(self, record: LinkRecord, at: int) -> None:
        """The first link ends the customer; later ones say where an anonymous one's events go from now on."""
        row, other = self._partition.row(record.key), record.body.customer
        if row.linked_to:
            self._link_again(row, other, at)
        elif is_anonymous(row.id) or other < row.id:
            self._end(row, other, at)

    def merge(self, record: MergeRecord, at: int) -> None:
        """Two known ids are one person: the larger one ends, once the smaller has heard of it. One who was erased hears nothing, and
        nobody ends in a grave. An id that nobody has used is no customer to end others for."""
        key, body, row = record.key, record.body, self._partition.rows.get(record.key)
        if row is not None and row.linked_to:
            self._ask_to_merge(row.linked_to, body.customer, at)
        elif body.customer < key:
            name = digest("asked", key, body.customer)
            asked = MergeBody(key, asked=True)
            self._effects.put(EVENTS, MergeRecord(id=name, key=body.customer, at=at, body=asked))
        elif (row is not None or body.asked) and body.customer != key:
            name = digest("link", body.customer, key)
            self._effects.put(EVENTS, LinkRecord(id=name, key=body.customer, at=at, body=LinkBody(key)))

    def forward(self, row: Row, record: EventRecord, stored: Stored) -> None:
        """What comes for somebody who has ended goes on to who they are, with its first append time; what their device posts, to
        whoever uses it now. What we tell ourselves (a decision, a click) is about what was asked before."""
        refuse_to_forward(stored)
        at, body = record.at if is_forwarded(record) else stored.appended, record.body
        device_of = "" if body.scope == "system" else row.device_of
        if body.name == IDENTIFY and body.scope == "server" and is_anonymous(row.id):
            body = msgspec.structs.replace(body, scope=VISITOR)  # whoever sits at the device now may be somebody else
        self._effects.put(EVENTS, EventRecord(id=record.id, key=device_of or row.linked_to, at=at, body=body))

    def _link_again(self, row: Row, other: str, at: int) -> None:
        if (row.device_of or row.linked_to) == other:
            return  # every process of the door tells it, and again after a while
        if is_anonymous(row.id):  # another person uses the device: whoever they are, they are not merged with the first
            row.device_of = "" if other == row.linked_to else other
            self._effects.dirty[row.id] = row
            self._tell_dispatch(row, other, at)
        else:
            self._ask_to_merge(row.linked_to, other, at)

    def _ask_to_merge(self, one: str, other: str, at: int) -> None:
        if one != other:
            larger, smaller = max(one, other), min(one, other)
            name = digest("merge", larger, smaller)
            self._effects.put(EVENTS, MergeRecord(id=name, key=larger, at=at, body=MergeBody(smaller)))

    def _end(self, row: Row, other: str, at: int) -> None:
        row.linked_to = other
        for index, image in enumerate(row.parts()):
            name = digest("absorb", row.id, other, str(index))
            body = AbsorbBody(row.id, msgspec.Raw(image))
            self._effects.put(EVENTS, AbsorbRecord(id=name, key=other, at=at, body=body))
        self._partition.cursor.late.discard(row.id)
        row.empty()
        self._tell_dispatch(row, other, at)
        self._effects.tell(row, at, "linked", "", "", {"customer": other})

    def _tell_dispatch(self, row: Row, other: str, at: int) -> None:
        name = digest("linked", row.id, other)
        self._effects.put(DISPATCH, LinkedRecord(id=name, key=row.id, at=at, body=LinkedBody(other)))

    # -- at the customer who lives on

    def absorb(self, record: AbsorbRecord, at: int) -> None:
        """Take in a part of somebody. Nothing starts because of it."""
        body, row = record.body, self._partition.row(record.key)
        if row.linked_to:
            self._effects.put(EVENTS, AbsorbRecord(id=record.id, key=row.linked_to, at=at, body=body))
            return
        theirs = decode(body.absorbed, bytes(body.image), self._partition.book.projections)
        if body.absorbed not in row.absorbed:
            row.absorbed = (*row.absorbed, body.absorbed)
            self._effects.tell(row, at, "absorbed", "", "", {"customer": body.absorbed})
        self._join(row, theirs, at)
        for run in [run for run in row.runs if self._runs.is_settled(run, theirs.goals)]:
            self._runs.end(row, run, at, "superseded")
        self._telling.tell(row, at)
        for run in theirs.runs:
            self._adopt(row, run, body.absorbed, at)
        self._runs.feeds_arrived(row, at)
        self._partition.timers.watch(row)

    def _join(self, row: Row, theirs: Row, at: int) -> None:
        for name in theirs.states:
            row.states[name] = self._joined(row, theirs, name, at)
        row.absorbed = (*row.absorbed, *(name for name in theirs.absorbed if name not in row.absorbed))
        row.marks = _joined_marks(row.marks, theirs.marks)
        row.goals = _joined_goals(row.goals, theirs.goals)
        row.remember_all(theirs.trail)
        row.blocked, row.weight = row.blocked or theirs.blocked, WEIGHED

    def _joined(self, row: Row, other: Row, name: str, at: int) -> tuple[int, Any]:
        projection = self._partition.book.projections.get(name)
        if name not in row.states or projection is None:
            return row.states.get(name, other.states[name])
        mine, theirs = row.state(name), other.state(name)
        try:
            if name in OURS:
                return projection.version, projection.merge(mine, theirs)
            return projection.version, self._unfolding.asked(projection, projection.merge, mine, theirs)
        except Exception as error:  # noqa: BLE001 - as when it folds
            self._unfolding.blame(row, projection, error, at)
            return row.states[name]

    def _adopt(self, row: Row, run: Run, absorbed: str, at: int) -> None:
        """The run goes on under another name. First it sees what the customer has done since it began."""
        if run.message:
            run.asked_as = run.asked_as or absorbed
            self._telling.tell_alias(row, run.asked_as, at)
        rival = None if self._runs.may_be_many(run.rule) else row.run_of(run.rule, run.key)
        row.runs.append(run)
        if run.late_since is not None:
            self._partition.cursor.late.add(row.id)
        self._effects.tell(row, at, "adopted", run.rule, run.id, {"customer": absorbed})
        past = tuple(self._past(row, run))
        if self._is_over(row, run, past, at):  # then it is nobody's rival
            return
        if rival is not None:
            loser = min(rival, run, key=_standing)
            self._runs.end(row, loser, at, "merged: another run of this rule has said more, or is older")
        self._show(row, run, past)
        if run in row.runs:
            if is_anonymous(absorbed):
                self._runs.offer(row, run, _recognised(row.id, run, absorbed, at))
            run.clamp(at)

    def _is_over(self, row: Row, run: Run, past: Sequence[Seen], at: int) -> bool:
        if any(self._runs.is_over(row, run, seen, at) for seen in past):
            return True
        cancelled = self._partition.cursor.cancels(run.rule, run.started)
        if cancelled or self._runs.is_settled(run, row.goals):
            self._runs.end(row, run, at, CANCELLED.why if cancelled else "superseded")
            return True
        return False

    def _show(self, row: Row, run: Run, past: Sequence[Seen]) -> None:
        for seen in past:
            if run in row.runs and seen.at >= run.waits_since:
                self._runs.offer(row, run, seen)

    def _past(self, row: Row, run: Run) -> Iterator[Seen]:
        """What the customer did since the run began, as far as it changed anything."""
        now = [line for line in self._effects.history if line.customer == row.id]
        for line in (*self._partition.pasts.get(row.id, ()), *now):
            if line.kind in FROM_LOG and line.at >= run.started:
                record = _decode_record(line.data)
                if not record.body.history:
                    yield Seen(record, line.at)


def adopters(records: Sequence[Any]) -> dict[str, int]:
    """The customers who take somebody in within a slice, each with the instant (ms) from which the runs that come along may have to be
    shown their past: that at which the oldest began."""
    since: dict[str, int] = {}
    for record in [record for record in records if type(record) is AbsorbRecord]:
        for began in beginnings_in(record.body.image):
            since[record.key] = min(began, since.get(record.key, began))
    return since


def _standing(run: Run) -> tuple[bool, bool, int, int, str]:
    """By which of two runs of one rule and key the greater lives on: one that is not parked, then the one that has said more,
    then the older one."""
    return not run.parked, run.reached, run.generation + run.sends, -run.started, run.id


def _joined_marks(mine: dict[str, Mark] | None, theirs: dict[str, Mark] | None) -> dict[str, Mark] | None:
    joined = dict(mine or {})
    for key, mark in (theirs or {}).items():
        joined[key] = max(mark, joined.get(key, mark), key=lambda mark: mark.at)
    return joined or None


def _joined_goals(mine: dict[str, Goal] | None, theirs: dict[str, Goal] | None) -> dict[str, Goal] | None:
    joined = dict(mine or {})
    for rule, goal in (theirs or {}).items():
        joined[rule] = goal.joined(joined.get(rule, goal))
    return joined or None


def _recognised(customer: str, run: Run, absorbed: str, at: int) -> Seen:
    properties = msgspec.Raw(msgspec.json.encode({"anonymous": absorbed}))
    body = EventBody(name=RECOGNISED, source="trigger", scope="system", occurred_at=at, properties=properties)
    return Seen(EventRecord(id=digest("recognised", run.id), key=customer, at=at, body=body), at)
