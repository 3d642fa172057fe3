"""The whole product in memory and in virtual time: the shipped trigger and dispatch over memory ports, one writer.

`simulation.post(...)` gives input, `simulation.advance(...)` lets time pass; nothing here suspends, so that everything can
be called from ordinary functions.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tactful.clock import ManualClock
from tactful.erasure import Graves
from tactful.events import ConsentChanged, Event
from tactful.events.model import name_of
from tactful.identity import digest
from tactful.log.memory import MemoryLog
from tactful.log.partitioning import partition_of
from tactful.records import (
    DISPATCH,
    EVENTS,
    BroadcastBody,
    BroadcastRecord,
    ConsentBody,
    ConsentRecord,
    EventBody,
    EventRecord,
    MessageBody,
    MessageRecord,
    Record,
    decode_dispatch,
    decode_events,
    encode,
)
from tactful.rules import Rule
from tactful.settings import Settings, parse
from tactful_dispatch.channels.inbox import InboxAdapter, Letter, MemoryShelf
from tactful_dispatch.content import Content
from tactful_dispatch.content.contentset import ContentSet
from tactful_dispatch.content.direct import DirectContent
from tactful_dispatch.desk.reception import Reception
from tactful_dispatch.links import Links
from tactful_dispatch.sending.attempt import Attempts
from tactful_dispatch.state.addresses import AddressBook
from tactful_dispatch.store.memory import MemoryDispatchStore
from tactful_dispatch.worker import DispatchWorker
from tactful_trigger.projections import SHIPPED
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.store.memory import MemoryTriggerStore
from tactful_trigger.worker import TriggerWorker
from tactful_workbench.settings.file import text_of
from tactful_workbench.virtual.driver import Input, Ordinals, VirtualTime

T = TypeVar("T")


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends. Raises RuntimeError if it does."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    coroutine.close()
    raise RuntimeError("something in virtual time waits for the real world")


class Simulation:
    """Rules, settings and a clock that stands at `start` (ms); one partition. `keep_history=False` saves memory in long runs."""

    def __init__(
        self,
        rules: Iterable[Rule],
        settings: Settings,
        start: int,
        *,
        content: Content | None = None,
        keep_history: bool = True,
    ) -> None:
        self.clock = ManualClock(start)
        self.log = Ordinals(MemoryLog(1, self.clock))
        self.shelf = MemoryShelf()
        book, links = AddressBook(b"simulation"), Links("https://simulation.invalid", b"simulation")
        adapter, graves = InboxAdapter(self.shelf, self.clock), Graves(b"simulation")
        self.trigger = MemoryTriggerStore(keep_history=keep_history)
        self.dispatch = MemoryDispatchStore(1, lambda: b"\0" * 16)
        rulebook = Rulebook(rules, SHIPPED)
        self.worker = TriggerWorker(self.log, self.trigger, rulebook, self.clock, "simulation", graves=graves)
        attempts = Attempts(
            self.dispatch,
            dict.fromkeys(("email", "push", "sms"), adapter),
            content or DirectContent(ContentSet.load()),
            links,
            book,
            self.clock,
            lambda: 0.0,
        )
        self.dispatcher = DispatchWorker(
            self.log, self.dispatch, attempts, book, self.clock, "simulation", graves=graves
        )
        self.desk = Reception(self.dispatch, book, graves, self.clock, self.log, lambda: None)
        self.time = VirtualTime(self.log, self.clock, (self.worker, self.dispatcher))
        self._settle_settings(settings)

    @property
    def now(self) -> int:
        return self.clock.now()

    def input(self, topic: str, record: Record, at: int) -> Input:
        """A record to come at an instant, on its key's partition."""
        return Input(at, topic, [(partition_of(record.key, self.log.partitions), encode(record))])

    def advance(self, to: int, inputs: Iterable[Input] = ()) -> None:
        """Go on to an instant, through every input and everything that falls due on the way."""
        drive(self.time.advance(to, inputs))

    def run_out(self, inputs: Iterable[Input] = ()) -> None:
        """Go on until nothing waits any more."""
        drive(self.time.advance(2**62, inputs))

    def messages(self) -> list[MessageBody]:
        """Everything that trigger asked dispatch to say, in log order."""
        return [r.body for r in self._records(DISPATCH, decode_dispatch) if isinstance(r, MessageRecord)]

    def decided(self) -> list[tuple[str, dict[str, Any]]]:
        """Every final word in log order: the customer, and the properties of `Message Decided`."""
        return [
            (record.key, msgspec.json.decode(record.body.properties))
            for record in self._records(EVENTS, decode_events)
            if isinstance(record, EventRecord) and record.body.name == "Message Decided"
        ]

    def letters(self) -> list[Letter]:
        """What would have arrived, the latest first."""
        return drive(self.shelf.letters(10**9))

    def _records(self, topic: str, decode: Any) -> Iterable[Any]:
        for partition in range(self.log.partitions):
            for stored in drive(self.log.read(topic, partition, 0, 10**9)):
                yield decode(stored.value)

    def _settle_settings(self, settings: Settings) -> None:
        body = BroadcastBody("Settings Changed", msgspec.Raw(settings.model_dump_json().encode()))
        record = encode(BroadcastRecord(id="settings", key="all", at=self.now, body=body))
        for topic in (DISPATCH, EVENTS):
            drive(self.log.append(topic, [(partition, record) for partition in range(self.log.partitions)]))
        drive(self.time.drain())


def event_record(customer: str, event: Event, at: int, id: str, *, source: str = "simulation") -> EventRecord:
    """The record that the door would write for an event that happens now."""
    body = EventBody(
        name=name_of(type(event)),
        source=source,
        occurred_at=at,
        user_id=customer,
        properties=msgspec.Raw(msgspec.json.encode(event)),
    )
    return EventRecord(id=id, key=customer, at=at, body=body)


def consent_record(customer: str, consent: ConsentChanged, at: int) -> ConsentRecord:
    """The record that the door would write for a word on consent."""
    body = ConsentBody(
        source="simulation",
        purpose=consent.purpose,
        channel=consent.channel,
        state=consent.state,
        basis=consent.basis,
        wording=consent.wording,
        via=consent.via,
        occurred_at=at,
        proof=consent.proof,
    )
    id = digest("consent", customer, consent.purpose, consent.channel, consent.state, str(at))
    return ConsentRecord(id=id, key=customer, at=at, body=body)


def settings_from(file: Path) -> Settings:
    """Settings from a TOML file. Raises SettingsError naming file, line and mend."""
    return parse(text_of(file), str(file))
