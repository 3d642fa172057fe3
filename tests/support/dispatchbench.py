"""Dispatch alone in virtual time: the shipped worker over memory ports, with a trigger that answers as it is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from enginebench import GRAVES, drive

from tactful.clock import ManualClock
from tactful.durations import Duration, milliseconds
from tactful.events import HoldOpened, MessageDecided
from tactful.events.model import Event, Meta, decode
from tactful.log.broadcasting import broadcast
from tactful.log.memory import MemoryHints, MemoryLog
from tactful.log.partitioning import partition_of
from tactful.partitions.outbox import OutboxRow
from tactful.records import (
    DISPATCH,
    EVENTS,
    CancelBody,
    CancelRecord,
    ConfirmBody,
    ConfirmRecord,
    ConsentBody,
    ConsentRecord,
    EventRecord,
    LinkedBody,
    LinkedRecord,
    MessageBody,
    MessageRecord,
    RecipientBody,
    RecipientRecord,
    Record,
    decode_events,
    encode,
)
from tactful.settings import Settings
from tactful_dispatch.channels import FIRST_BYTE, Accepted, Adapter, Capabilities, Envelope, Outcome
from tactful_dispatch.content import Rendered, Rendering, TemplateError
from tactful_dispatch.desk.reception import Reception
from tactful_dispatch.links import Links
from tactful_dispatch.sending.attempt import Attempts
from tactful_dispatch.state.addresses import AddressBook
from tactful_dispatch.state.rows import CustomerRow, Delivery
from tactful_dispatch.store.memory import MemoryDispatchStore
from tactful_dispatch.worker import DispatchWorker
from tactful_workbench.virtual.driver import Ordinals, VirtualTime

TUESDAY_NOON = 1_795_518_000_000  # Tue 24 Nov 2026 12:00 in Madrid
LIVE: dict[str, Any] = {"rules": {"cart": {"mode": "live"}}, "sending": {"mode": "live"}}


class ScriptedAdapter:
    """A provider that answers from a list, and accepts once the list is empty."""

    name = "scripted"

    def __init__(self, *, idempotent: bool = False) -> None:
        self.capabilities = Capabilities(idempotent=idempotent)
        self.sent: list[Envelope] = []
        self.openings: list[float] = []  # seconds that each was given for its first byte
        self.outcomes: list[Outcome | Exception] = []
        self.meanwhile: Callable[[], None] = lambda: None  # happens while a message is on its way

    async def send(self, envelope: Envelope, opening: float = FIRST_BYTE) -> Outcome:
        self.sent.append(envelope)
        self.openings.append(opening)
        self.meanwhile()
        outcome = self.outcomes.pop(0) if self.outcomes else Accepted(f"p{len(self.sent)}")
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class PlainContent:
    """Says the data; a datum called `broken` cannot be rendered, and one called `odd` is what nobody has thought of."""

    version = "v1"

    async def render(self, rendering: Rendering) -> Rendered:
        if "broken" in rendering.data:
            raise TemplateError("cart/email.en.html:3: `broken` cannot be shown")
        if "odd" in rendering.data:
            raise TypeError("'NoneType' object is not iterable")
        return Rendered(
            subject=f"about {rendering.data}",
            text=f"Hello {rendering.first_name or 'you'}",
            html="<p>text</p>",
            preheader=rendering.links["preferences"],
            version="v1",
            links=("https://shop.example/",),
        )


class ScriptedTrigger:
    """Reads `events`, confirms holds with `fresh` data unless it is None."""

    topic = EVENTS

    def __init__(self, log: Ordinals) -> None:
        self._log, self.outbox = log, self
        self._offsets = dict.fromkeys(range(log.partitions), 0)
        self.fresh: dict[str, Any] | None = {}
        self.events: list[Event] = []

    async def settle(self) -> bool:
        moved = False
        for partition, offset in self._offsets.items():
            for stored in await self._log.read(EVENTS, partition, offset, 1_000_000):
                self._offsets[partition], moved = stored.offset + 1, True
                record = decode_events(stored.value)
                if isinstance(record, EventRecord):
                    await self._hear(record, stored.appended)
        return moved

    async def _hear(self, record: EventRecord, at: int) -> None:
        meta = Meta(record.id, record.body.source, record.body.occurred_at, at, history=record.body.history)
        event = decode(record.body.name, record.body.properties, meta)
        self.events.append(event)
        if isinstance(event, HoldOpened) and self.fresh is not None:
            body = ConfirmBody(event.message_id, event.hold, self.fresh)
            answer = ConfirmRecord(id=f"c-{event.message_id}-{event.hold}", key=record.key, at=at, body=body)
            await self._log.append(DISPATCH, [(partition_of(record.key, self._log.partitions), encode(answer))])

    async def earliest_due(self, partition: int) -> int | None:
        return None

    async def unsent(self, partition: int, limit: int) -> list[OutboxRow]:
        return []

    async def forget(self, rows: Sequence[OutboxRow]) -> None:
        return None


class DispatchBench:
    """`bench.asks("m1"); bench.decisions`"""

    def __init__(
        self,
        *,
        start: int = TUESDAY_NOON,
        partitions: int = 1,
        slice_limit: int = 1000,
        settings: dict[str, Any] | None = None,
        idempotent: bool = False,
        adapters: dict[str, Adapter] | None = None,
        store: MemoryDispatchStore | None = None,
        hints: MemoryHints | None = None,
    ) -> None:
        self._hints = hints
        self.clock = ManualClock(start)
        self.log = Ordinals(MemoryLog(partitions, self.clock))
        self.store = store or MemoryDispatchStore(partitions, lambda: b"0" * 16)
        self.adapter, self.book = ScriptedAdapter(idempotent=idempotent), AddressBook(b"secret")
        self._adapters: dict[str, Adapter] = adapters or dict.fromkeys(("email", "push", "sms"), self.adapter)
        self._slice_limit, self._count, self._seconds = slice_limit, 0, 0.0
        self.lags: list[float | Callable[[], float]] = []  # seconds between readings of the monotonic clock
        self.trigger = ScriptedTrigger(self.log)
        self.desk = Reception(self.store, self.book, GRAVES, self.clock, self.log, lambda: None)
        self.restart()
        self.settings(**(LIVE if settings is None else settings))

    def restart(self, clock: ManualClock | None = None, owner: str = "bench") -> None:
        """A new process over the same store, with a clock of its own if it has one."""
        own = clock or self.clock
        links = Links("https://hello.shop.example", b"key")
        attempts = Attempts(self.store, self._adapters, PlainContent(), links, self.book, own, self._monotonic)
        self.worker = DispatchWorker(
            self.log,
            self.store,
            attempts,
            self.book,
            own,
            owner,
            graves=GRAVES,
            hints=self._hints,
            slice_limit=self._slice_limit,
        )
        self._time = VirtualTime(self.log, self.clock, (self.trigger, self.worker))

    def _monotonic(self) -> float:
        lag = self.lags.pop(0) if self.lags else 0.0
        self._seconds += lag() if callable(lag) else lag
        return self._seconds

    @property
    def now(self) -> int:
        return self.clock.now()

    def settle(self) -> None:
        drive(self._time.drain())

    def advance(self, duration: Duration) -> None:
        drive(self._time.advance(self.now + milliseconds(duration)))

    def append(self, *records: Record) -> None:
        drive(self.log.append(DISPATCH, [(partition_of(r.key, self.log.partitions), encode(r)) for r in records]))

    def settings(self, **values: Any) -> None:
        data = Settings.model_validate(values).model_dump_json().encode()
        self.broadcast("Settings Changed", data)

    def broadcast(self, name: str, data: bytes) -> None:
        self._count += 1
        drive(broadcast(self.log, [DISPATCH], f"b{self._count}", name, data, self.now))
        self.settle()

    def knows(self, customer: str = "u1", **more: Any) -> None:
        """Trigger tells who the customer is."""
        self._count += 1
        fields = {
            "addresses": {"email": f"{customer}@example.test", "push": f"token-{customer}"},
            "zone": "Europe/Madrid",
        }
        body = RecipientBody(**{**fields, **more})
        self.append(RecipientRecord(id=f"r{self._count}", key=customer, at=self.now, body=body))

    def grants(
        self, customer: str = "u1", purpose: str = "marketing", channel: str = "", state: str = "granted", **more: Any
    ) -> None:
        """The shop records a word on consent."""
        self._count += 1
        name = more.pop("id", f"k{self._count}")
        fields = {"source": "shop", "purpose": purpose, "channel": channel, "state": state, "occurred_at": self.now}
        body = ConsentBody(**{**fields, **more})
        self.append(ConsentRecord(id=name, key=customer, at=self.now, body=body))

    def consenting(self, customer: str = "u1", **more: Any) -> None:
        """A customer who may be written to."""
        self.knows(customer, **more)
        self.grants(customer)

    def wish(self, message_id: str = "m1", customer: str = "u1", **more: Any) -> MessageBody:
        """What a run would ask for now."""
        fields = {
            "message_id": message_id,
            "run_id": f"run-{message_id}",
            "customer": customer,
            "subject": customer,
            "rule": "cart",
            "rule_version": 1,
            "channel": "email",
            "template": "cart",
            "purpose": "marketing.cart",
            "requested_at": self.now,
            "expires_at": self.now + 24 * 3_600_000,
            "contact": f"run-{message_id}.0",
        }
        return MessageBody(**{**fields, **more})

    def asks(self, message_id: str = "m1", customer: str = "u1", **more: Any) -> MessageBody:
        """A run asks to say something; returns what it asked for, everything settled."""
        body = self.wish(message_id, customer, **more)
        self.append(MessageRecord(id=message_id, key=customer, at=self.now, body=body))
        self.settle()
        return body

    def cancellation(self, message_id: str = "m1", customer: str = "u1", reason: str = "cancelled") -> CancelRecord:
        self._count += 1
        return CancelRecord(id=f"x{self._count}", key=customer, at=self.now, body=CancelBody(message_id, reason))

    def cancels(self, message_id: str = "m1", customer: str = "u1", reason: str = "cancelled") -> None:
        """The run no longer wants to say it."""
        self.append(self.cancellation(message_id, customer, reason))
        self.settle()

    def confirms(self, message_id: str, hold: int) -> None:
        """The run of a message to u1 says that it still wants it, by itself."""
        self._count += 1
        body = ConfirmBody(message_id, hold, {})
        self.append(ConfirmRecord(id=f"y{self._count}", key="u1", at=self.now, body=body))
        self.settle()

    def link(self, who: str, customer: str) -> None:
        """Trigger tells that somebody turned out to be a customer."""
        self._count += 1
        self.append(LinkedRecord(id=f"l{self._count}", key=who, at=self.now, body=LinkedBody(customer)))
        self.settle()

    def row(self, customer: str = "u1") -> CustomerRow:
        row: CustomerRow = drive(self.store.customer(partition_of(customer, self.log.partitions), customer))
        return row

    def delivery(self, message_id: str = "m1") -> Delivery:
        delivery: Delivery = drive(self.store.delivery(message_id))
        return delivery

    @property
    def decisions(self) -> list[MessageDecided]:
        self.settle()
        return [event for event in self.trigger.events if isinstance(event, MessageDecided)]

    @property
    def words(self) -> list[str]:
        """Final words, short: `sent`, or the reason."""
        return [decision.reason or decision.verdict for decision in self.decisions]

    @property
    def sent(self) -> list[str]:
        """Messages that reached the provider."""
        return [envelope.message_id for envelope in self.adapter.sent]

    @property
    def holds(self) -> list[str]:
        """What was asked before it opened, with the hold's reason."""
        self.settle()
        return [f"{e.message_id} {e.reason}" for e in self.trigger.events if isinstance(e, HoldOpened)]
