"""JSON as it really arrives: decoded once and fast when it is right, looked at slowly when it is not.

RFC 8259 with two roads. A request whose JSON is broken is refused with the byte at which it breaks. Literal `NaN`,
lone surrogates, numbers without end and brackets a thousand deep arrive inside otherwise good batches: there the one
event is at fault, so the request is taken apart by a lenient parser and the event fails by itself. Of duplicate keys the
last one counts.
"""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from typing import Any, Final, TypeVar

import msgspec

from tactful.errors import InvalidInput
from tactful.events.wire import clean
from tactful_ingest.answers import Refusal
from tactful_ingest.limits import Limits

T = TypeVar("T")
BROKEN = (msgspec.DecodeError, ValueError, RecursionError)  # UnicodeDecodeError is a ValueError

_BRACKETS: Final = re.compile(rb'(?:[^"\[\]{}]++|"[^"\\]*+(?:\\.[^"\\]*+)*+"?)*+(?:([\[{])|([\]}])|\Z)', re.DOTALL)
_WRITE_KEY: Final = re.compile(rb'("writeKey"\s*:\s*)"[^"]*"?')  # a key of ours holds no quotation mark
_CUT: Final = 64  # levels: twice what an event may have
_MOST: Final = 100_000  # brackets: to look at more would cost everybody a second


def lenient(body: bytes) -> Any:
    """The value, with NaN, infinities and lone surrogates let through. What is nested below `_CUT` levels is replaced by a number: the
    event that held it is too deep all the same. Raises Refusal 400 with the byte position."""
    with suppress(RecursionError):
        return _parsed(body)
    if body.count(b"[") + body.count(b"{") <= _MOST:
        with suppress(RecursionError):
            return _parsed(_shallow(body))
    raise Refusal(400, "too_deep", "the JSON is nested beyond reason; 32 levels are taken")


def raw(value: Any) -> bytes:
    """JSON text of a leniently parsed value, about as long as it was sent; what was wrong in it is wrong in the text too."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def limited(elements: list[T], limits: Limits, field: str | None = None) -> list[T]:
    """The elements. Raises Refusal 400 if they are too many for one request."""
    if len(elements) > limits.events:
        told = f"a request holds {limits.events:,} events, this one {len(elements):,}"
        raise Refusal(400, "too_many_events", told, field)
    return elements


def decode_event(text: bytes, decoder: msgspec.json.Decoder[T], limits: Limits, shared: int = 0) -> T:
    """One event, decoded. `shared` is the length of its batch's context, which counts as a part of it. Raises InvalidInput that says
    what in it is wrong."""
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
    """What is wrong with a text that `error` kept from being decoded as an object. It stands at `path` of what was posted."""
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
    """Refused input as text for the quarantine: without a write key, of which only a hash is kept anywhere; what is not UTF-8
    replaced; cut at the size of an event."""
    return _WRITE_KEY.sub(rb'\1"***"', text)[: limits.event_bytes].decode("utf-8", "replace")


def _wants_a_look(text: bytes, depth: int) -> bool:
    """Almost no event holds a NUL or as many brackets as levels are allowed: the rest need no walk through the value."""
    escaped = b"\\" in text and b"\\u0000" in text  # one byte is looked for much faster than six
    return escaped or len(text) - len(text.translate(None, b"{[")) > depth


def _parsed(body: bytes) -> Any:
    text = body.decode("utf-8", "surrogateescape")
    try:
        return json.loads(text, parse_int=_whole)
    except json.JSONDecodeError as error:
        at = len(text[: error.pos].encode("utf-8", "surrogateescape"))
        raise Refusal(400, "invalid_json", f"not JSON: {_lower(error.msg)} at byte {at}") from None


def _whole(digits: str) -> float:
    try:
        return int(digits)
    except ValueError:
        return math.inf  # thousands of digits


def _shallow(body: bytes) -> bytes:
    """The same length, with a number in place of what is nested too deep to be parsed at all."""
    kept: list[bytes] = []
    depth = begun = done = 0
    for bracket in _BRACKETS.finditer(body):
        end = bracket.end()
        if bracket[1]:
            depth += 1
            begun = end - 1 if depth == _CUT else begun
        elif bracket[2]:
            if depth == _CUT:
                kept += (body[done:begun], b"0".ljust(end - begun))
                done = end
            depth -= 1
    return b"".join((*kept, body[done:]))


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
