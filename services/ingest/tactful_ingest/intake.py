"""What one request comes to: records for the log, refused events with their reasons, and a result for each event."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from tactful.errors import InvalidInput
from tactful.events.own import FEED
from tactful.identity import digest
from tactful.records import ConsentRecord, EventRecord, QuarantineBody, QuarantineRecord
from tactful_ingest.admission import admit
from tactful_ingest.door import Visit
from tactful_ingest.jsontext import BROKEN, shown
from tactful_ingest.posting import Posting

Read = Callable[[bytes, Visit], Posting]


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to one event. `status`: `accepted`, `quarantined`, or `not_stored` where the customer allows no storage."""

    id: str | None
    status: str
    code: str | None = None
    field: str | None = None


class _Names(msgspec.Struct, frozen=True):
    id: Any = None
    message_id: Any = msgspec.field(default=None, name="messageId")


_names: Final = msgspec.json.Decoder(_Names)


@dataclass(frozen=True, slots=True)
class Intake:
    """What was read of one request so far. Each list is in the order of the request."""

    events: list[EventRecord] = field(default_factory=list)
    feeds: list[EventRecord] = field(default_factory=list)  # say that what was posted before them is all
    consents: list[ConsentRecord] = field(default_factory=list)
    quarantined: list[QuarantineRecord] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)


def take_in(calls: Iterable[bytes], read: Read, visit: Visit) -> Intake:
    """Read each call by itself: one that is wrong is quarantined, and the rest goes on."""
    intake = Intake()
    for text in calls:
        try:
            note(intake, admit(read(text, visit), visit))
        except InvalidInput as error:
            intake.quarantined.append(_quarantine(error, text, visit))
            intake.results.append(Result(_id(text), "quarantined", error.code, error.field))
    return intake


def note(intake: Intake, record: EventRecord | ConsentRecord | None) -> None:
    """Add an admitted event to the lists; None is one whose customer allows no storage."""
    if record is None:
        intake.results.append(Result(None, "not_stored"))
        return
    if isinstance(record, EventRecord):
        (intake.feeds if record.body.name == FEED else intake.events).append(record)
    else:
        intake.consents.append(record)
    intake.results.append(Result(record.id, "accepted"))


def _id(text: bytes) -> str | None:
    """The id under which the sender will look for a refused event; None if it has none."""
    try:
        names = _names.decode(text)
    except BROKEN:
        return None
    return next((name for name in (names.id, names.message_id) if isinstance(name, str)), None)


def _quarantine(error: InvalidInput, text: bytes, visit: Visit) -> QuarantineRecord:
    raw = shown(text, visit.door.limits)
    body = QuarantineBody(reason=error.code, message=error.message, field=error.field, source=visit.source, raw=raw)
    return QuarantineRecord(id="q_" + digest(visit.source, raw), key=visit.source, at=visit.received, body=body)
