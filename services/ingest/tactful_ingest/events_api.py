"""`POST /events`: CloudEvents in three modes, or a JSON array, with a word on every event.

An element with `specversion` is a CloudEvent; one without is a call of the tracking API. A single event that is wrong
gets a 4xx with code and field; in an array it is quarantined and the rest goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import msgspec
from fastapi import Request, Response
from starlette.routing import Route

from tactful.errors import InvalidInput
from tactful_ingest.admission import admit
from tactful_ingest.answers import answer
from tactful_ingest.cloudevents import is_binary, read_binary, read_structured
from tactful_ingest.door import Visit
from tactful_ingest.entrance import Entrance, wrong
from tactful_ingest.envelope import read_call
from tactful_ingest.intake import Intake, note, take_in
from tactful_ingest.jsontext import BROKEN, lenient, limited, raw
from tactful_ingest.limits import Limits
from tactful_ingest.overload import Ticket
from tactful_ingest.posting import Posting
from tactful_ingest.tracking import both


class _Kind(msgspec.Struct, frozen=True):
    specversion: Any = None
    write_key: Any = msgspec.field(default=None, name="writeKey")


_kinds: Final = msgspec.json.Decoder(_Kind)
_arrays: Final = msgspec.json.Decoder(list[msgspec.Raw])


def events_routes(entrance: Entrance) -> Iterator[Route]:
    """`/events`."""
    yield from both("/events", entrance.guarded(partial(_events, entrance)))


async def _events(entrance: Entrance, request: Request, ticket: Ticket) -> Response:
    intake = await _read(entrance, request, await entrance.body(request, ticket))
    await entrance.store(intake)
    answered: dict[str, object] = {"success": True, "results": intake.results}
    if intake.quarantined:
        answered["rejected"] = len(intake.quarantined)
    return answer(answered)


async def _read(entrance: Entrance, request: Request, body: bytes) -> Intake:
    headers = request.headers.raw
    if is_binary(headers):
        visit = await entrance.admitted(request, None)
        return _one(visit, partial(read_binary, headers, body))
    if body.lstrip()[:1] != b"[":
        visit = await entrance.admitted(request, _kind(body).write_key)
        return _one(visit, partial(read_either, body))
    elements = _elements(body, entrance.door.limits)
    return take_in(elements, read_either, await entrance.admitted(request, None))


def _one(visit: Visit, read: Callable[[Visit], Posting]) -> Intake:
    intake = Intake()
    try:
        note(intake, admit(read(visit), visit))
    except InvalidInput as error:
        raise wrong(error) from None
    return intake


def read_either(text: bytes, visit: Visit) -> Posting:
    """A CloudEvent or a call. Raises InvalidInput."""
    if _kind(text).specversion is None:
        return read_call(text, visit)
    return read_structured(text, visit)


def _kind(text: bytes) -> _Kind:
    """What an element is; one that cannot be decoded is read as a call, which tells what is wrong with it."""
    try:
        return _kinds.decode(text)
    except BROKEN:
        return _Kind()


def _elements(body: bytes, limits: Limits) -> list[bytes]:
    try:
        return [bytes(element) for element in limited(_arrays.decode(body), limits)]
    except BROKEN:
        return [raw(element) for element in limited(lenient(body), limits)]
