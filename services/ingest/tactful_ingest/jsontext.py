"""JSON as it really arrives: decoded once and fast when it is right, looked at slowly when it is not.

RFC 8259 with two roads. A request whose JSON is broken is refused with the byte at which it breaks. Literal `NaN`,
lone surrogates and numbers without end arrive inside otherwise good batches: there the one event is at fault, so the
request is taken apart by a lenient parser and the event fails by itself. Of duplicate keys the last one counts.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

import msgspec

from tactful.errors import InvalidInput
from tactful.events.wire import clean
from tactful_ingest.answers import Refusal
from tactful_ingest.limits import Limits

T = TypeVar("T")
BROKEN = (msgspec.DecodeError, ValueError, RecursionError)  # UnicodeDecodeError is a ValueError


def lenient(body: bytes) -> Any:
    """The value, with NaN, infinities and lone surrogates let through. Raises Refusal 400 with the byte position."""
    text = body.decode("utf-8", "surrogateescape")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        at = len(text[: error.pos].encode("utf-8", "surrogateescape"))
        raise Refusal(400, "invalid_json", f"not JSON: {_lower(error.msg)} at byte {at}") from None
    except RecursionError:
        raise Refusal(400, "too_deep", "the JSON is nested beyond reason; 32 levels are taken") from None
    except ValueError as error:
        raise Refusal(400, "invalid_json", f"not usable JSON: {_lower(str(error))}") from None


def raw(value: Any) -> bytes:
    """JSON text of a leniently parsed value; what was wrong in it is wrong in the text too."""
    return json.dumps(value).encode()


def decode_event(text: bytes, decoder: msgspec.json.Decoder[T], limits: Limits, shared: int = 0) -> T:
    """One event; so many bytes are `shared` with others and a part of it. Raises InvalidInput that says what in it is wrong."""
    size = len(text) + shared
    if size > limits.event_bytes:
        what = "this one and its batch's context have" if shared else "this one has"
        raise InvalidInput("too_large", f"an event may hold {limits.event_bytes:,} bytes, {what} {size:,}")
    try:
        event = decoder.decode(text)
    except BROKEN as error:
        raise diagnosis(text, error) from None
    if _wants_a_look(text, limits.depth):
        clean(msgspec.json.decode(text))
    return event


def diagnosis(text: bytes, error: Exception, path: str = "") -> InvalidInput:
    """What is wrong with an object, at `path` of what was posted, that could not be decoded."""
    try:
        value = lenient(text)
        clean(value, path)
    except Refusal as refusal:
        return InvalidInput(refusal.code, refusal.message, path or None)
    except InvalidInput as found:
        return found
    if not isinstance(value, dict):
        return InvalidInput("not_an_object", f"{path or 'an event'} is a JSON object", path or None)
    return InvalidInput("invalid_json", f"not usable JSON: {_lower(str(error))}", path or None)


def shown(text: bytes, limits: Limits) -> str:
    """Refused input as text for the quarantine: what is not UTF-8 replaced, cut at the size of an event."""
    return text[: limits.event_bytes].decode("utf-8", "replace")


def _wants_a_look(text: bytes, depth: int) -> bool:
    """Almost no event holds a NUL or as many brackets as levels are allowed: the rest need no walk through the value."""
    escaped = b"\\" in text and b"\\u0000" in text  # one byte is looked for much faster than six
    return escaped or len(text) - len(text.translate(None, b"{[")) > depth


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
