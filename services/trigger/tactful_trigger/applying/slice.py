"""Computing one slice: many records of one partition, applied in order, timers first. Pure.

Before a record is applied, every timer of the partition that is due strictly before its append time has fired, in
(due, customer, run) order; a tick that closes an instant lets that instant's timers fire too. So the outcome does not
depend on where slices are cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Final

import msgspec

from tactful.erasure import ERASED, Erased, Graves
from tactful.errors import InvalidInput
from tactful.events.model import Meta
from tactful.events.model import decode as decode_event
from tactful.events.own import FEED, FeedComplete
from tactful.identity import digest
from tactful.log import Stored
from tactful.log.partitioning import partition_of
from tactful.log.quarantine import passed_over
from tactful.partitions.outbox import Outbox, Taken, origin_of
from tactful.records import (
    EVENTS,
    QUARANTINE,
    AbsorbRecord,
    BroadcastBody,
    BroadcastRecord,
    CommandRecord,
    EraseRecord,
    EventRecord,
    EventsTopic,
    LinkRecord,
    MergeRecord,
    TickRecord,
    decode_events,
)
from tactful_trigger.applying.commanding import Commanding
from tactful_trigger.applying.erasing import Erasing
from tactful_trigger.applying.event import Applying
from tactful_trigger.applying.joining import Joining
from tactful_trigger.effects import Effects
from tactful_trigger.happening import refuse_to_forward
from tactful_trigger.partition import Partition
from tactful_trigger.runs.life import Runs
from tactful_trigger.runs.replay import Watch
from tactful_trigger.state.cursor import PAUSE_AFTER_FAILURES
from tactful_trigger.state.row import Row
from tactful_trigger.state.timers import NEVER
from tactful_trigger.store import ChangedRow, SliceResult

PAUSE_AFTER_SLOW: Final = 3  # interrupted runs of a rule, before it is paused everywhere
_BY_ID: Final = attrgetter("id")


def read(slice_: Sequence[Stored]) -> list[EventsTopic]:
    """Decode a slice. Raises InvalidInput for a record that is none of ours."""
    try:
        return [decode_events(stored.value) for stored in slice_]
    except msgspec.MsgspecError as error:
        raise InvalidInput("unreadable_record", str(error)) from None


def limit_of(stored: Stored, record: EventsTopic) -> int:
    """Timers due before this instant fire before the record is applied."""
    if type(record) is TickRecord and record.body.closes is not None:
        return record.body.closes + 1
    return stored.appended


def unknown_customers(partition: Partition, records: Sequence[EventsTopic]) -> set[str]:
    """The customers whose rows a slice may touch and memory does not have, timers aside. An event that no rule or projection
    names (which no setting changes) does nothing to whoever has no run."""
    rows, busy, routes = partition.rows, partition.busy, partition.book.routes
    return {
        key
        for record in records
        if (key := record.key) not in rows
        and (type(record) is not EventRecord or record.body.name in routes or key in busy)
    } | partition.missing(partition.cursor.late)


class Slice:
    """One computation over a partition whose rows and timers are in memory."""

    def __init__(self, partition: Partition, partitions: int, watch: Watch, graves: Graves, room: int = NEVER) -> None:
        """`room`: so many timers may fire. After an outage everybody's may be due, and too many for one transaction."""
        self._partition, self._partitions, self._watch, self._graves = partition, partitions, watch, graves
        self._room = room
        self._before, self._fired = partition.cursor.offset, 0
        self._cursor = partition.cursor = partition.cursor.copy()
        self._taken = Taken(self._cursor.taken)
        number = self._cursor.partition
        self._effects = Effects(Outbox(EVENTS, number, partitions, self._cursor.sequences))
        self._bind()

    def _bind(self) -> None:
        self._runs = Runs(self._partition.book, self._cursor, self._effects, self._watch)
        self._applying = Applying(self._partition, self._effects, self._runs)
        self._erasing = Erasing(self._partition, self._effects, self._graves)
        self._joining = Joining(self._partition, self._effects, self._runs)
        self._routes, self._rows = self._partition.book.routes, self._partition.rows

    def compute(self, slice_: Sequence[Stored], records: Sequence[EventsTopic]) -> SliceResult:
        """Apply the records and say what changed: all of them, or those before the first one ahead of which more timers are due
        than may fire here, or are known. The partition's memory is only good if the result is committed."""
        effects, cursor, timers = self._effects, self._cursor, self._partition.timers
        horizon, _ = timers.horizon
        self._look_at_feeds_under_other_rules(slice_)
        for stored, record in zip(slice_, records, strict=True):
            effects.offset = stored.offset
            limit = limit_of(stored, record) if type(record) is TickRecord else stored.appended
            if (timers.nearest < limit or horizon < limit) and not self._fire_before(limit):
                slice_ = [each for each in slice_ if each.offset < stored.offset]
                break
            if record.origin is not None and not self._taken.take(record.origin):
                continue
            if stored.foreign and self._goes_elsewhere(record):
                refuse_to_forward(stored)
                effects.put(EVENTS, msgspec.structs.replace(record, at=stored.appended))
            elif self._partition.graves and self._erasing.is_gone(record):
                cursor.counted += 1
            elif type(record) is EventRecord:
                self._event(record, stored)
            else:
                self._apply(stored, record)
        if slice_:
            cursor.clock, cursor.offset = max(cursor.clock, slice_[-1].appended), slice_[-1].offset + 1
        cursor.attempts = 0
        self._forget_poison(records[: len(slice_)])
        return self._result()

    def _forget_poison(self, applied: Sequence[EventsTopic]) -> None:
        """Our own ticks come through in the worst of floods, and say nothing."""
        if self._cursor.poison and any(type(record) is not TickRecord for record in applied):
            self._cursor.poison = 0

    def _goes_elsewhere(self, record: EventsTopic) -> bool:
        """Whether another partition is the customer's. A foreign producer may hash keys in another way than Kafka's own."""
        if type(record) is TickRecord or type(record) is BroadcastRecord:
            return False
        return partition_of(record.key, self._partitions) != self._cursor.partition

    def quarantine(self, stored: Stored, why: str) -> SliceResult:
        """Pass over a record that cannot be applied: it goes to quarantine with the reason."""
        self._taken.take(origin_of(stored.value))
        self._effects.offset = stored.offset
        self._effects.put(QUARANTINE, passed_over(stored, why))
        self._cursor.clock = max(self._cursor.clock, stored.appended)
        self._cursor.offset, self._cursor.poison = stored.offset + 1, self._cursor.poison + 1
        return self._result()

    def _fire_before(self, limit: int) -> bool:
        """Whether everything that falls due before an instant has fired now."""
        timers, rows = self._partition.timers, self._partition.rows
        end = min((limit, ""), timers.horizon)
        while self._room > 0 and (entry := timers.next_before(end)) is not None:
            row = rows.get(entry[1])
            if row is None:
                continue
            row.pushed = None
            due = row.next_due
            if due == entry[0]:
                self._fire(row, due)
                self._room -= 1
            timers.watch(row)
        if timers.nearest < limit or timers.horizon < (limit, ""):
            return False
        self._pause_failing(limit)
        self._effects.because_of_record()
        return True

    def _fire(self, row: Row, due: int) -> None:
        self._effects.because_of_timer(due, row.id)
        runs, moved = row.runs, False
        for run in sorted(runs, key=_BY_ID) if len(runs) > 1 else tuple(runs):
            if run.due == due and run in row.runs:
                if self._runs.fire(row, run, due):
                    moved = True
                else:
                    row.held |= {run.id}
        self._fired += moved

    def _apply(self, stored: Stored, record: EventsTopic) -> None:
        if type(record) is BroadcastRecord:
            self._broadcast(record.body, stored.appended)
        elif type(record) is LinkRecord:
            self._joining.link(record, stored.appended)
        elif type(record) is AbsorbRecord:
            self._joining.absorb(record, stored.appended)
        elif type(record) is MergeRecord:
            self._joining.merge(record, stored.appended)
        elif type(record) is EraseRecord:
            self._erasing.erase(record, stored.appended)
        elif type(record) is CommandRecord:
            Commanding(self._partition, self._effects, self._runs).obey(record, stored.appended)
        self._pause_failing(stored.appended)

    def _event(self, record: EventRecord, stored: Stored) -> None:
        name = record.body.name
        route, row = self._routes.get(name), self._rows.get(record.key)
        if row is not None and row.linked_to:
            self._joining.forward(row, record, stored)
            return
        if route is None and (row is None or not row.runs):
            return
        if name == FEED:
            self._feed_complete(record, stored.appended)
            return
        changed = self._applying.event(record, route, row, stored.appended, stored.value)
        if changed is not None and changed.runs:
            self._partition.timers.watch(changed)
        self._pause_failing(stored.appended)

    def _feed_complete(self, record: EventRecord, at: int) -> None:
        event = decode_event(record.body.name, record.body.properties, Meta())
        if isinstance(event, FeedComplete):
            # Nobody knows of what is to come: a slip of the pen would open `after` for good.
            told = {"feed": event.feed, "through": min(event.through, at)}
            self._tell_all(FEED, told, record.id, at)

    def _broadcast(self, body: BroadcastBody, at: int) -> None:
        data = msgspec.json.decode(body.data)
        cursor = self._cursor
        if body.name == "Settings Changed":
            cursor.settings = bytes(body.data).decode()
            self._partition.adopt_settings()
            self._bind()
            self._look_at_feeds(at)
        elif body.name == "Rule Paused":
            cursor.pause(data["rule"], data.get("why", ""))
        elif body.name == "Rule Drained":
            cursor.drain(data["rule"], at, cancels=data.get("cancels", False))
        elif body.name == "Rule Resumed":
            cursor.resume(data["rule"], at)
            self._resume(data["rule"], at)
        elif body.name == ERASED:
            self._erasing.remember(Erased(data["grave"], data["at"]))
        elif body.name == FEED:
            awaited = {feed for terms in self._partition.book.terms.values() for feed in terms.after}
            cursor.note_feed(data["feed"], data["through"], at, awaited)
            self._look_at_feeds(at)

    def _look_at_feeds_under_other_rules(self, slice_: Sequence[Stored]) -> None:
        if slice_ and not self._partition.looked_at_feeds:
            self._effects.offset = slice_[0].offset
            self._look_at_feeds(slice_[0].appended)
            self._partition.looked_at_feeds = True

    def _look_at_feeds(self, at: int) -> None:
        for customer in sorted(self._cursor.late):
            row = self._partition.row(customer)
            self._runs.feeds_arrived(row, at)
            self._partition.timers.watch(row)

    def _resume(self, rule: str, at: int) -> None:
        """What fell due while the rule was paused comes up now, at the instant of the news."""
        for row in [row for row in self._partition.rows.values() if row is not None and row.held]:
            for run in [run for run in row.runs if run.rule == rule and run.id in row.held]:
                row.held -= {run.id}
                run.clamp(at)
            self._effects.dirty[row.id] = row
            self._partition.timers.watch(row)

    def _pause_failing(self, at: int) -> None:
        """Every partition hears of a rule that does not come back, or that fails run after run."""
        cursor = self._cursor
        if not cursor.slow and not cursor.failing:
            return
        for rule, times in sorted(cursor.slow.items()):
            if times >= PAUSE_AFTER_SLOW and rule not in cursor.paused:
                self._tell_all("Rule Paused", {"rule": rule, "why": "too slow"}, digest("slow", rule, str(at)), at)
        cursor.slow = {r: n for r, n in cursor.slow.items() if n < PAUSE_AFTER_SLOW}
        for rule in sorted(rule for rule, failing in cursor.failing.items() if failing.times >= PAUSE_AFTER_FAILURES):
            why = cursor.paused_why.get(rule, "")
            self._tell_all("Rule Paused", {"rule": rule, "why": why}, digest("failing", rule, str(at)), at)
            del cursor.failing[rule]

    def _tell_all(self, name: str, data: dict[str, object], cause: str, at: int) -> None:
        body = BroadcastBody(name, msgspec.Raw(msgspec.json.encode(data)))
        for partition in range(self._partitions):
            record = BroadcastRecord(id=digest("broadcast", name, cause), key="all", at=at, body=body)
            self._effects.put(EVENTS, record, partition)

    def _result(self) -> SliceResult:
        cursor, effects = self._cursor, self._effects
        cursor.taken, cursor.sequences = self._taken.last, effects.outbox.sequences
        rows = [
            ChangedRow(name, row.encode(), row.due, bool(row.runs or row.linked_to))
            for name, row in effects.dirty.items()
        ]
        return SliceResult(
            cursor.partition,
            cursor.epoch,
            self._before,
            cursor,
            rows,
            effects.outbox.rows,
            effects.history,
            effects.steps,
            effects.erasures,
            effects.graves,
            effects.revived,
            self._fired,
            effects.decided,
            effects.parked,
        )
