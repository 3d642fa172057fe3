"""Trigger alone in virtual time: the shipped worker over memory ports, with a dispatch that does as it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from tactful.clock import ManualClock
from tactful.durations import Duration, milliseconds
from tactful.erasure import Graves
from tactful.events.model import Event, name_of
from tactful.identity import digest
from tactful.log.broadcasting import broadcast
from tactful.log.memory import MemoryLog
from tactful.log.partitioning import partition_of
from tactful.partitions.outbox import Cause, Outbox, OutboxRow
from tactful.projections import Projection
from tactful.records import (
    DISPATCH,
    EVENTS,
    CancelRecord,
    ConfirmRecord,
    EventBody,
    EventRecord,
    LinkBody,
    LinkRecord,
    MergeBody,
    MergeRecord,
    MessageBody,
    MessageRecord,
    RecipientRecord,
    Record,
    decode_dispatch,
    encode,
)
from tactful.rules import Rule
from tactful_trigger.partition import Partition
from tactful_trigger.projections import SHIPPED
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.state.history import HistoryRow
from tactful_trigger.state.row import Row, Run
from tactful_trigger.store.memory import MemoryTriggerStore
from tactful_trigger.worker import ROWS_IN_MEMORY, TriggerWorker
from tactful_workbench.virtual.driver import Input, Ordinals, VirtualTime

GRAVES = Graves(b"bench")
MONDAY = 1_795_442_400_000  # Mon 23 Nov 2026 14:00 UTC

Word = dict[str, Any]
Decide = Callable[[MessageBody], Word | None]


def drive(coroutine: Any) -> Any:
    """Run a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("a port in memory suspended")


def sent(message: MessageBody) -> Word:
    """Every message leaves at once."""
    return {"verdict": "sent"}


def refused(reason: str, scope: str = "customer") -> Decide:
    """Every message is refused."""
    return lambda message: {"verdict": "not_sent", "reason": reason, "scope": scope}


def event_record(
    customer: str, event: Event | str, at: int, id: str, occurred: int | None = None, **more: Any
) -> EventRecord:
    """The record that the door would write."""
    named = isinstance(event, str)
    properties = more.pop("properties", {}) if named else event
    body = EventBody(
        name=event if isinstance(event, str) else name_of(type(event)),
        source=more.pop("source", "shop"),
        occurred_at=at if occurred is None else occurred,
        user_id=customer,
        properties=msgspec.Raw(msgspec.json.encode(properties)),
        **more,
    )
    return EventRecord(id=id, key=customer, at=at, body=body)


class ScriptedDispatch:
    """Reads every message and answers as `decide` says; None keeps it waiting until `say`."""

    topic = DISPATCH

    def __init__(self, log: Ordinals, decide: Decide) -> None:
        self._log, self.decide = log, decide
        self._offsets = dict.fromkeys(range(log.partitions), 0)
        self._boxes = {p: Outbox(DISPATCH, p, log.partitions, {}) for p in range(log.partitions)}
        self._rows: list[OutboxRow] = []
        self.records: list[Record] = []
        self.outbox = self

    async def settle(self) -> bool:
        moved = False
        for partition, offset in self._offsets.items():
            for stored in await self._log.read(DISPATCH, partition, offset, 1_000_000):
                record = decode_dispatch(stored.value)
                self.records.append(record)
                self._offsets[partition] = stored.offset + 1
                moved = True
                if isinstance(record, MessageRecord) and (word := self.decide(record.body)):
                    self.say(record.body, stored.appended, offset=stored.offset, **word)
        return moved

    def say(self, message: MessageBody, at: int, offset: int = 0, name: str = "Message Decided", **word: Any) -> None:
        properties = {
            "message_id": message.message_id,
            "run_id": message.run_id,
            "rule": message.rule,
            "template": message.template,
            "run_key": message.run_key,
            "channel": message.channel,
            "contact": message.contact,
            **word,
        }
        body = EventBody(
            name=name,
            source="dispatch",
            scope="system",
            occurred_at=at,
            properties=msgspec.Raw(msgspec.json.encode(properties)),
        )
        id = digest(name, message.message_id, str(word.get("hold", "")))
        partition = partition_of(message.customer, self._log.partitions)
        box = self._boxes[partition]
        box.put(EVENTS, EventRecord(id=id, key=message.customer, at=at, body=body), Cause(offset, True))
        self._rows.append(box.rows[-1])

    async def earliest_due(self, partition: int) -> int | None:
        return None

    async def unsent(self, partition: int, limit: int) -> list[OutboxRow]:
        return [row for row in self._rows if row.origin_partition == partition]

    async def forget(self, rows: Sequence[OutboxRow]) -> None:
        self._rows = [row for row in self._rows if row not in rows]


class EngineBench:
    """`bench.emits("u1", ProductAdded(...)); bench.advance("1h"); bench.messages`"""

    def __init__(
        self,
        *rules: Rule,
        start: int = MONDAY,
        partitions: int = 1,
        slice_limit: int = 1000,
        decide: Decide = sent,
        projections: Iterable[Projection[Any]] = SHIPPED,
        log: type[MemoryLog] = MemoryLog,
        rows: int = ROWS_IN_MEMORY,
    ) -> None:
        self.clock = ManualClock(start)
        self.log = Ordinals(log(partitions, self.clock))
        self.store = MemoryTriggerStore()
        self._slice_limit, self._projections, self._rows = slice_limit, tuple(projections), rows
        self.dispatch = ScriptedDispatch(self.log, decide)
        self._count = 0
        self.deploy(*rules)

    def deploy(self, *rules: Rule, projections: Iterable[Projection[Any]] | None = None) -> None:
        """Start the worker (again) with these rules."""
        if projections is not None:
            self._projections = tuple(projections)
        book = Rulebook(rules, self._projections)
        self.worker = TriggerWorker(
            self.log,
            self.store,
            book,
            self.clock,
            "bench",
            graves=GRAVES,
            slice_limit=self._slice_limit,
            rows=self._rows,
        )
        drive(self.worker.claim())
        self._time = VirtualTime(self.log, self.clock, (self.worker, self.dispatch))

    @property
    def now(self) -> int:
        return self.clock.now()

    def emits(self, customer: str, *events: Event | str, ago: Duration = "0s", id: str = "", **more: Any) -> None:
        """Append events of one customer now; they happened so long ago."""
        for event in events:
            self._count += 1
            name = id or f"e{self._count}"
            occurred = self.now - milliseconds(ago)
            self.append(EVENTS, event_record(customer, event, self.now, name, occurred, **more))

    def broadcast(self, name: str, **data: Any) -> None:
        """The same news for every partition."""
        self._count += 1
        drive(broadcast(self.log, [EVENTS], f"b{self._count}", name, msgspec.json.encode(data), self.now))
        drive(self._time.drain())

    def link(self, stranger: str, customer: str) -> None:
        """Somebody has logged in."""
        self._count += 1
        record = LinkRecord(id=f"l{self._count}", key=stranger, at=self.now, body=LinkBody(customer))
        self.append(EVENTS, record)

    def merge(self, one: str, other: str) -> None:
        """A server says that two known customers are one."""
        self._count += 1
        self.append(EVENTS, MergeRecord(id=f"m{self._count}", key=one, at=self.now, body=MergeBody(other)))

    def append(self, topic: str, record: Record) -> None:
        """Append any record on its key's partition, and let everybody settle."""
        drive(self.log.append(topic, [(partition_of(record.key, self.log.partitions), encode(record))]))
        drive(self._time.drain())

    def advance(self, duration: Duration, inputs: Iterable[Input] = ()) -> None:
        self.advance_to(self.now + milliseconds(duration), inputs)

    def advance_to(self, instant: int, inputs: Iterable[Input] = ()) -> None:
        drive(self._time.advance(instant, inputs))

    def decides(self, message: MessageBody, **word: Any) -> None:
        """Dispatch says its final word, or something else about a message, now."""
        self.dispatch.say(message, self.now, **word)
        drive(self._time.drain())

    @property
    def messages(self) -> list[MessageBody]:
        return [record.body for record in self.dispatch.records if isinstance(record, MessageRecord)]

    @property
    def cancelled(self) -> list[str]:
        return [record.body.message_id for record in self.dispatch.records if isinstance(record, CancelRecord)]

    @property
    def confirms(self) -> list[ConfirmRecord]:
        return [record for record in self.dispatch.records if isinstance(record, ConfirmRecord)]

    @property
    def recipients(self) -> list[RecipientRecord]:
        return [record for record in self.dispatch.records if isinstance(record, RecipientRecord)]

    def sent(self) -> list[str]:
        """What was asked for: channel and template."""
        return [f"{m.channel} {m.template}" for m in self.messages]

    def row(self, customer: str) -> Row | None:
        partition = self.worker.owned[partition_of(customer, self.log.partitions)]
        return partition.rows.get(customer)

    def partition(self, number: int = 0) -> Partition:
        return self.worker.owned[number]

    def runs(self, customer: str) -> list[Run]:
        row = self.row(customer)
        return [] if row is None else row.runs

    def history(self, customer: str) -> list[HistoryRow]:
        rows: list[HistoryRow] = drive(self.store.history(customer, 10_000))
        return rows

    def endings(self, customer: str) -> list[str]:
        """Why runs ended, did not start, or were parked."""
        return [
            msgspec.json.decode(line.data)["why"]
            for line in self.history(customer)
            if line.kind in ("ended", "not_started", "parked")
        ]
