"""An event as the engine offers it: decoded only as far as somebody asks."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec.structs import replace

from tactful.errors import InvalidInput
from tactful.events.model import Event, Meta, decode, is_act
from tactful.events.own import REACTIONS
from tactful.journal import Answer, Kept, Notice
from tactful.log import Stored
from tactful.records import EVENTS, EventBody, EventRecord

_ENDING: Final = frozenset({"Message Bounced", "Message Complained"})
ANSWERS: Final = frozenset({"Message Decided", "Hold Opened", "Step Finished"})  # to one run, by which it is woken
FORWARDED: Final = 512 * 1024  # bytes; the door takes events of 32 KB, other producers what the broker takes
INTERNAL: Final = ANSWERS | {"Message Delivered", *REACTIONS, *_ENDING}


class _Pointer(msgspec.Struct, frozen=True):
    """What tells a run that an event from dispatch or a step is its own."""

    message_id: str = ""
    run_id: str = ""
    channel: str = ""
    verdict: str = ""
    reason: str | None = None
    scope: str | None = None
    rule: str = ""
    run_key: str = ""
    contact: str = ""
    prefetched: bool = False
    hold: int = 0
    n: int = 0


_decode_pointer = msgspec.json.Decoder(_Pointer).decode
_NO_POINTER: Final = _Pointer()


def _as_of_its_arrival(record: EventRecord, at: int) -> EventRecord:
    """No event happens after it was appended: whoever posted it has a clock that is ahead, and what comes next would be older news."""
    return replace(record, body=replace(record.body, occurred_at=at))


def recalled(kept: Kept, customer: str, at: int) -> Seen:
    """An event that was kept, as it is shown at a later instant."""
    body = EventBody(
        name=kept.name, source=kept.source, scope=kept.scope, occurred_at=kept.occurred_at, properties=kept.properties
    )
    return Seen(EventRecord(id=kept.id, key=customer, at=kept.appended_at, body=body), at)


def is_forwarded(record: EventRecord) -> bool:
    """Whether the event was first appended under another name; `at` says when."""
    return record.origin is not None and record.origin.topic == EVENTS


def refuse_to_forward(stored: Stored) -> None:
    """Raises InvalidInput for a record too large to be appended once more: in the outbox it would stand for ever."""
    if (size := len(stored.value)) > FORWARDED:
        raise InvalidInput("too_large", f"a record of {size:,} bytes is too large to be forwarded")


class Seen:
    """One event record at its place in the log. `at` is its append time; `first_at`, if it was first appended under another
    name, the time of that."""

    __slots__ = ("_event", "at", "first_at", "message_id", "name", "pointer", "record")

    def __init__(self, record: EventRecord, at: int) -> None:
        self.at = at
        self.first_at = first_at = min(at, record.at) if is_forwarded(record) else at
        self.record = record if record.body.occurred_at <= first_at else _as_of_its_arrival(record, first_at)
        self.name = name = record.body.name
        self._event: Event | None = None
        self.pointer = pointer = _decode_pointer(record.body.properties) if name in INTERNAL else _NO_POINTER
        self.message_id = pointer.message_id

    @property
    def event(self) -> Event:
        """The typed event."""
        if self._event is None:
            body = self.record.body
            meta = Meta(self.record.id, body.source, body.occurred_at, self.at, body.scope, body.history)
            self._event = decode(self.name, body.properties, meta)
        return self._event

    @property
    def act(self) -> bool:
        return is_act(self.name, self.record.body.scope)

    @property
    def answer(self) -> Answer | None:
        """What a run is told by a `Message Decided`; None for another event."""
        p = self.pointer
        if self.name != "Message Decided":
            return None
        return Answer(
            message_id=p.message_id, channel=p.channel, verdict=p.verdict, at=self.at, reason=p.reason, scope=p.scope
        )

    @property
    def notice(self) -> Notice | None:
        """What a receipt tells of the customer's having noticed the message; None for another event, and where a machine fetched
        it ahead."""
        if self.name in REACTIONS and not self.pointer.prefetched:
            return Notice(self.name, self.at, True)
        return Notice(self.name, self.at, False) if self.name in _ENDING else None

    @property
    def step(self) -> tuple[str, int, msgspec.Raw] | None:
        """Run, number and answer (JSON: value or error) of a `Step Finished`; None for another event."""
        if self.name != "Step Finished":
            return None
        return self.pointer.run_id, self.pointer.n, self.record.body.properties

    def kept(self) -> Kept:
        body = self.record.body
        properties = body.properties.copy()  # not a view that keeps the whole record in memory
        return Kept(self.name, self.record.id, body.source, body.occurred_at, self.at, body.scope, properties)
