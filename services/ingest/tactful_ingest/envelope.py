"""The Segment tracking API: request bodies and calls (https://segment.com/docs/connections/spec/common/).

`integrations` address other tools and are ignored. A batch's `context` is merged into each call's, top level only, and
counts as a part of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec

from tactful.errors import InvalidInput
from tactful.events.wire import clean
from tactful_ingest.answers import Refusal
from tactful_ingest.door import Visit
from tactful_ingest.jsontext import BROKEN, decode_event, diagnosis, lenient, limited, raw
from tactful_ingest.limits import Limits
from tactful_ingest.posting import Posting

CALLS: Final = ("track", "identify", "page", "screen", "group", "alias")
SHORT: Final = {call[0]: call for call in CALLS}


class Head(NamedTuple):
    """What a batch says once for all of its calls. `context_bytes`: the length of its context. `wrong`: why that cannot be kept, for which
    each call is refused."""

    write_key: Any = None
    sent_at: Any = None
    context: Mapping[str, Any] = MappingProxyType({})
    context_bytes: int = 0
    wrong: InvalidInput | None = None


ALONE: Final = Head()


class Batch(msgspec.Struct, frozen=True, rename="camel"):
    """A batch as posted."""

    write_key: Any = None
    batch: list[msgspec.Raw] | None = None
    context: msgspec.Raw = msgspec.Raw(b"null")
    sent_at: Any = None


class Call(msgspec.Struct, frozen=True, rename="camel"):
    """One call as posted."""

    type: Any = None
    event: Any = None
    user_id: Any = None
    anonymous_id: Any = None
    message_id: Any = None
    timestamp: Any = None
    original_timestamp: Any = None
    sent_at: Any = None
    properties: Any = None
    traits: Any = None
    context: Any = None
    name: Any = None
    category: Any = None
    group_id: Any = None
    previous_id: Any = None


class Single(msgspec.Struct, frozen=True, rename="camel"):
    """What has to be known of a single call before it is read."""

    write_key: Any = None


_batches: Final = msgspec.json.Decoder(Batch)
_singles: Final = msgspec.json.Decoder(Single)
_calls: Final = msgspec.json.Decoder(Call)


def single_key(body: bytes) -> object:
    """The `writeKey` of a single call. Raises Refusal 400 if the body is not a JSON object."""
    try:
        return _singles.decode(body).write_key
    except BROKEN:
        return _object(body).get("writeKey")


def batch_head(body: bytes, limits: Limits) -> tuple[Head, list[bytes]]:
    """A batch's head, and each of its calls as JSON text. Raises Refusal 400."""
    posted = _batch(body, limits)
    if posted.batch is None:
        raise Refusal(400, "no_batch", '"batch" must be an array of calls', "batch")
    calls = [bytes(call) for call in limited(posted.batch, limits, "batch")]
    try:
        context = _shared(posted.context, len(calls), limits)
    except InvalidInput as error:
        return Head(posted.write_key, posted.sent_at, wrong=error), calls
    return Head(posted.write_key, posted.sent_at, context, len(posted.context) if context else 0), calls


def read_call(text: bytes, visit: Visit, call_type: str | None = None, head: Head = ALONE) -> Posting:
    """A call of the API. `call_type` is given by the path of a single call. Raises InvalidInput."""
    call = decode_event(text, _calls, visit.door.limits, head.context_bytes)
    kind = call_type or call.type or "track"
    if kind not in CALLS:
        raise InvalidInput("unknown_call", f"a call is one of {', '.join(CALLS)}", "type")
    name, properties, root = _said(kind, call)
    return Posting(
        name=name,
        properties=properties,
        root=root,
        user_id=call.user_id,
        anonymous_id=call.anonymous_id,
        message_id=call.message_id,
        source=visit.source,
        told=call.original_timestamp if call.timestamp is None else call.timestamp,
        sent=head.sent_at if call.sent_at is None else call.sent_at,
        context=_context(call.context, head),
    )


def _said(kind: str, call: Call) -> tuple[Any, Any, str]:
    """Name, properties, and what the sender calls the properties."""
    if kind == "track":
        return call.event, call.properties, "properties"
    if kind == "identify":
        return "Identify", call.traits, "traits"
    if kind == "group":
        return "Group", _given(group_id=call.group_id, traits=call.traits), "traits"
    if kind == "alias":
        return "Alias", _given(previous_id=call.previous_id), "properties"
    if call.properties is not None and not isinstance(call.properties, dict):
        raise InvalidInput("wrong_type", "properties are an object", "properties")
    return kind.capitalize(), _given(name=call.name, category=call.category) | (call.properties or {}), "properties"


def _context(own: Any, head: Head) -> dict[str, Any]:
    if head.wrong is not None:
        raise head.wrong.with_traceback(None)  # raised once for each call
    if own is not None and not isinstance(own, dict):
        raise InvalidInput("wrong_type", "the context is an object", "context")
    return {**head.context, **(own or {})}


def _batch(body: bytes, limits: Limits) -> Batch:
    try:
        return _batches.decode(body)
    except BROKEN:
        value = _object(body)
    batch = value.get("batch")
    calls = [msgspec.Raw(raw(call)) for call in limited(batch, limits, "batch")] if isinstance(batch, list) else None
    return Batch(value.get("writeKey"), calls, msgspec.Raw(raw(value.get("context"))), value.get("sentAt"))


def _shared(text: msgspec.Raw, calls: int, limits: Limits) -> dict[str, Any]:
    """A batch's context. Written into each of its calls it may not make more of a request than a request may hold, or a
    few bytes that anybody may post became a hundred thousand times as many. Raises InvalidInput."""
    if len(text) > limits.event_bytes or len(text) * calls > limits.body_bytes:
        told = f"the batch's context of {len(text):,} bytes is a part of each of its {calls:,} events: too much"
        raise InvalidInput("too_large", told, "context")
    try:
        context = msgspec.json.decode(text)
    except BROKEN as error:
        raise diagnosis(bytes(text), error, "context") from None
    clean(context, "context")
    if context is not None and not isinstance(context, dict):
        raise InvalidInput("wrong_type", "the context is an object", "context")
    return context or {}


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _object(body: bytes) -> dict[str, Any]:
    value = lenient(body)
    if not isinstance(value, dict):
        raise Refusal(400, "not_an_object", "the body must be a JSON object")
    return value
