"""The Segment tracking API: request bodies and calls (https://segment.com/docs/connections/spec/common/).

`integrations` address other tools and are ignored. A batch's `context` is merged into each call's, top level only.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tactful.errors import InvalidInput
from tactful.events.wire import clean
from tactful_ingest.answers import Refusal
from tactful_ingest.door import Visit
from tactful_ingest.jsontext import BROKEN, decode_event, lenient, raw
from tactful_ingest.limits import Limits
from tactful_ingest.posting import Posting

CALLS: Final = ("track", "identify", "page", "screen", "group", "alias")
SHORT: Final = {call[0]: call for call in CALLS}


class Head(msgspec.Struct, frozen=True, rename="camel"):
    """What is said once for all calls of a request."""

    write_key: Any = None
    batch: list[msgspec.Raw] | None = None
    context: Any = None
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


_heads: Final = msgspec.json.Decoder(Head)
_singles: Final = msgspec.json.Decoder(Single)
_calls: Final = msgspec.json.Decoder(Call)


def single_key(body: bytes) -> object:
    """The `writeKey` of a single call. Raises Refusal 400 if the body is not a JSON object."""
    try:
        return _singles.decode(body).write_key
    except BROKEN:
        return _object(body).get("writeKey")


def batch_head(body: bytes, limits: Limits) -> tuple[Head, list[bytes]]:
    """A batch and the text of its calls. Raises Refusal 400."""
    try:
        head = _heads.decode(body)
        calls = None if head.batch is None else [bytes(call) for call in head.batch]
    except BROKEN:
        value = _object(body)
        batch = value.get("batch")
        head = Head(value.get("writeKey"), None, value.get("context"), value.get("sentAt"))
        calls = [raw(call) for call in batch] if isinstance(batch, list) else None
    if calls is None:
        raise Refusal(400, "no_batch", '"batch" must be an array of calls', "batch")
    if len(calls) > limits.events:
        raise Refusal(
            400, "too_many_events", f"a batch holds {limits.events:,} events, this one {len(calls):,}", "batch"
        )
    return head, calls


def read_call(text: bytes, visit: Visit, call_type: str | None = None, head: Head | None = None) -> Posting:
    """A call of the API. `call_type` is given by the path of a single call. Raises InvalidInput."""
    call = decode_event(text, _calls, visit.door.limits)
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
        sent=call.sent_at if call.sent_at is not None or head is None else head.sent_at,
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


def _context(own: Any, head: Head | None) -> dict[str, Any]:
    """A batch's context that cannot be kept spoils each of its calls, not the request: so each is there to be mended."""
    shared = None if head is None else head.context
    if shared is not None:
        clean(shared, "context")
    merged: dict[str, Any] = {}
    for context in (shared, own):
        if isinstance(context, dict):
            merged |= context
        elif context is not None:
            raise InvalidInput("wrong_type", "the context is an object", "context")
    return merged


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _object(body: bytes) -> dict[str, Any]:
    value = lenient(body)
    if not isinstance(value, dict):
        raise Refusal(400, "not_an_object", "the body must be a JSON object")
    return value
