"""CloudEvents 1.0 over HTTP (https://github.com/cloudevents/spec, bindings/http-protocol-binding.md): three modes.

`type` is the event's name, `subject` the userId, the extension `anonymousid` the anonymous id, `data` the properties.
`source` and `id` together identify the event. Other extensions become its context; `history` is one of them.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from tactful.errors import InvalidInput
from tactful.events.instants import instant
from tactful.events.wire import clean
from tactful_ingest.door import Visit, foreign_source
from tactful_ingest.ids import LONGEST
from tactful_ingest.jsontext import decode_event
from tactful_ingest.posting import Posting

_PREFIX: Final = b"ce-"
_OWN: Final = frozenset(
    {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data", "data_base64"}
    | {"anonymousid", "writeKey"}
)
_ESCAPED: Final = re.compile(r"\\(.)")  # in a quoted value
_json: Final = msgspec.json.Decoder()
_objects: Final = msgspec.json.Decoder(dict[str, Any])


def is_binary(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the attributes stand in the headers."""
    return any(name.lower() == b"ce-specversion" for name, _ in headers)


def read_structured(text: bytes, visit: Visit) -> Posting:
    """Attributes and data in one JSON object. Raises InvalidInput."""
    event = decode_event(text, _objects, visit.door.limits)
    if event.get("data_base64") is not None:
        event["data"] = _decoded(_from_base64(event["data_base64"]), event.get("datacontenttype"), visit)
    return _posting(event, visit)


def read_binary(headers: Iterable[tuple[bytes, bytes]], body: bytes, visit: Visit) -> Posting:
    """Attributes in `ce-` headers, the data as body. Raises InvalidInput."""
    event = _attributes(headers)
    event["data"] = _decoded(body, event.get("datacontenttype"), visit) if body else None
    return _posting(event, visit)


def _posting(event: Mapping[str, Any], visit: Visit) -> Posting:
    if event.get("specversion") != "1.0":
        raise InvalidInput("unsupported_version", 'the specversion is "1.0"', "specversion")
    source = _required(event, "source")
    time = event.get("time")
    if time is not None and instant(time) is None:
        raise InvalidInput("invalid_time", 'the time is written like "2026-11-23T14:00:00Z" (RFC 3339)', "time")
    return Posting(
        name=_required(event, "type"),
        name_field="type",
        properties=event.get("data"),
        root="data",
        user_id=event.get("subject"),
        user_field="subject",
        anonymous_id=event.get("anonymousid"),
        message_id=_required(event, "id"),
        id_field="id",
        source=foreign_source(visit, source),
        told=time,
        context={name: _extension(value) for name, value in event.items() if name not in _OWN},
    )


def _required(event: Mapping[str, Any], name: str) -> str:
    value = event.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidInput("missing_attribute", f'a CloudEvent needs "{name}", a string that is not empty', name)
    if len(value) > LONGEST:
        raise InvalidInput("too_long", f"{name} has at most {LONGEST} characters", name)
    return value


def _extension(value: Any) -> Any:
    """Headers have no booleans: `true` and `false` are meant as such in every mode."""
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _attributes(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, Any]:
    """Values are percent-encoded by the standard; some clients send UTF-8 or spaces as they are, and the JavaScript SDK Latin-1,
    as Node writes headers. What is percent-encoded and no UTF-8 is refused: with one character in place of each other, many
    customers would become one. Raises InvalidInput."""
    event: dict[str, Any] = {}
    for raw_name, raw_value in headers:
        name = raw_name.lower()
        if name == b"content-type":
            event["datacontenttype"] = raw_value.decode("latin-1")
        elif name.startswith(_PREFIX):
            event[name.removeprefix(_PREFIX).decode("latin-1")] = _percent_decoded(raw_value)
    clean(event)
    return event


def _percent_decoded(value: bytes) -> str:
    try:
        text = value.decode().strip()
    except UnicodeDecodeError:
        text = value.decode("latin-1").strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = _ESCAPED.sub(r"\1", text[1:-1])
    return unquote(text, errors="surrogateescape")


def _decoded(data: bytes, content_type: Any, visit: Visit) -> Any:
    """JSON data. Raises InvalidInput for any other media type."""
    media = str(content_type or "application/json").partition(";")[0].strip().lower()
    if media not in ("application/json", "text/json") and not media.endswith("+json"):
        raise InvalidInput(
            "unsupported_data", f'data of type "{media[:80]}" cannot be read; send JSON', "datacontenttype"
        )
    return decode_event(data, _json, visit.door.limits)


def _from_base64(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise InvalidInput("invalid_base64", "data_base64 is not base64", "data_base64") from None
