"""From what was posted to what is logged: one name, one set of types, one form of money (see `tactful.events.reading`).

Properties outside the vocabulary are kept as they came, and so are all properties of an event outside it. Few events
need a field; the ones without a default in their class mean nothing without it (a complaint without its ticket could
never be closed).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from tactful.errors import InvalidInput
from tactful.events.model import UnknownEvent, canonical_name, class_of
from tactful.events.reading import Unreadable, currency_code, fields_of, read_object

DEPTH: Final = 32  # objects and lists inside one another
_COUNTED: Final = frozenset({"currency", "products"})  # an event with neither has no use for a currency
_RESERVED: Final = "$meta"  # where the typed event keeps what the log knows: a poster has no say in it
_encode: Final = msgspec.json.Encoder().encode


class Canonical(NamedTuple):
    """The canonical name, and the properties as JSON that `tactful.events.model.decode` takes strictly."""

    name: str
    properties: bytes


def canonical(name: str, properties: Mapping[str, Any], currency: str) -> Canonical:
    """What is logged of an event whose properties are `clean`. `currency` (ISO 4217) holds where the event names none.

    Raises InvalidInput (`wrong_type`, `id_too_long`, `missing`) with the path of the field.
    """
    kind = class_of(name)
    if kind is UnknownEvent:
        return Canonical(name, _encode(properties))
    fields = fields_of(kind)
    own = properties.get("currency")
    if own is not None and not _COUNTED.isdisjoint(fields.readers):
        currency = _currency(own) or currency
    try:
        read = read_object(properties, fields, currency)
    except Unreadable as unreadable:
        raise unreadable.under("properties").told() from None
    read.pop(_RESERVED, None)
    for required in fields.required:
        if read.get(required, "") == "":
            raise InvalidInput(
                "missing", f"{canonical_name(name)} means nothing without {required}", f"properties.{required}"
            )
    return Canonical(canonical_name(name), _encode(read))


def clean(value: Any, path: str = "", depth: int = 0) -> None:
    """Whether a JSON value can be kept by every store and read by every reader. Raises InvalidInput with the first path.

    Refused: NUL and lone surrogates in text and keys (`hostile_text`), nesting beyond 32 (`too_deep`), numbers that
    are not finite or that no double comes near (`wrong_type`).
    """
    if isinstance(value, str):
        _clean_text(value, path)
    elif isinstance(value, dict):
        _shallow(depth, path)
        for key, inner in value.items():
            _clean_text(key, path)
            clean(inner, f"{path}.{key}" if path else key, depth + 1)
    elif isinstance(value, list):
        _shallow(depth, path)
        for index, inner in enumerate(value):
            clean(inner, f"{path}[{index}]", depth + 1)
    elif not _finite(value):
        raise InvalidInput("wrong_type", f"{path or 'the value'} is not a finite number", path or None)


def _currency(own: Any) -> str:
    try:
        return currency_code(own, "")
    except Unreadable as unreadable:
        raise unreadable.under("properties.currency").told() from None


def _clean_text(text: str, path: str) -> None:
    if "\0" in text or not _encodable(text):
        raise InvalidInput(
            "hostile_text", f"{path or 'the text'} holds a character that no store can keep", path or None
        )


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _finite(value: Any) -> bool:
    if isinstance(value, int):
        return value.bit_length() < 1024
    return not isinstance(value, float) or math.isfinite(value)


def _shallow(depth: int, path: str) -> None:
    if depth >= DEPTH:
        raise InvalidInput("too_deep", f"{path or 'the value'} is nested more than {DEPTH} levels deep", path)
