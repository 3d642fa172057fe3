"""From what was posted to what is logged: names, types and money in one canonical form.

Known events are checked against their class; an unknown event is kept as it came. Money becomes `[minor units, currency]`
whatever the wire said: `39.9`, `"39.90"`, `{"amount": "39.90", "currency": "EUR"}`. A comma is never a decimal point.
Amounts with more digits than the currency has are rounded half to even.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from functools import cache
from types import UnionType
from typing import Any, Final, NamedTuple, get_args, get_origin, get_type_hints

import msgspec

from tactful.errors import InvalidInput
from tactful.events.commerce import Product
from tactful.events.model import Money, UnknownEvent, canonical_name, class_of

DEPTH: Final = 32
LARGEST: Final = 2**53
# ISO 4217: currencies whose minor unit is not a hundredth
_EXPONENTS: Final = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    **dict.fromkeys(["CLF", "UYW"], 4),
}
_encode: Final = msgspec.json.Encoder().encode


class Canonical(NamedTuple):
    """The canonical name, and the properties as JSON that the event's class decodes strictly."""

    name: str
    properties: bytes


def canonical(name: str, properties: Mapping[str, Any], currency: str) -> Canonical:
    """Raises InvalidInput(`wrong_type` | `missing` | `hostile_text` | `too_deep`) with the field's path."""
    name = canonical_name(name)
    fields = _fields(name)
    if fields is None:
        return Canonical(name, _encode({k: v for k, v in properties.items() if v is not None}))
    own = properties.get("currency")
    currency = own.strip().upper() if isinstance(own, str) and own.strip() else currency
    result = _object(properties, fields, currency, "properties")
    for required in _required(name):
        if required not in result:
            raise InvalidInput("missing", f"{name} means nothing without {required}", f"properties.{required}")
    return Canonical(name, _encode(result))


def clean(value: Any, path: str = "", depth: int = 0) -> None:
    """Raises InvalidInput for NUL characters, lone surrogates, numbers without end, and nesting beyond 32."""
    if isinstance(value, str):
        if "\0" in value or not _encodable(value):
            raise InvalidInput("hostile_text", f"{path or 'the text'} holds a character that no store can keep", path)
    elif isinstance(value, dict):
        _deep_enough(depth, path)
        for key, inner in value.items():
            clean(key, path, depth + 1)
            clean(inner, f"{path}.{key}" if path else str(key), depth + 1)
    elif isinstance(value, list):
        _deep_enough(depth, path)
        for index, inner in enumerate(value):
            clean(inner, f"{path}[{index}]", depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise InvalidInput("wrong_type", f"{path} is not a finite number", path)


def _deep_enough(depth: int, path: str) -> None:
    if depth >= DEPTH:
        raise InvalidInput("too_deep", f"nested more than {DEPTH} levels", path)


def _encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


Reader = Callable[[Any, str, str], Any]  # value, currency, path


def _object(values: Mapping[str, Any], fields: Mapping[str, Reader], currency: str, path: str) -> dict[str, Any]:
    result = {}
    for key, value in values.items():
        if value is None:
            continue
        reader = fields.get(key)
        result[key] = value if reader is None else reader(value, currency, f"{path}.{key}")
    return result


def _wrong(path: str, wanted: str, value: Any) -> InvalidInput:
    shown = repr(value)
    return InvalidInput("wrong_type", f"{path} must be {wanted}, not {shown[:60]}", path)


def _text(value: Any, currency: str, path: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() else str(value)
    raise _wrong(path, "text", value)


def _whole(value: Any, currency: str, path: str) -> int:
    number = _decimal(value, path, "a whole number")
    if number != number.to_integral_value() or abs(number) > LARGEST:
        raise _wrong(path, "a whole number", value)
    return int(number)


def _number(value: Any, currency: str, path: str) -> float:
    return float(_decimal(value, path, "a number"))


def _truth(value: Any, currency: str, path: str) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false", 0, 1):
        return value in ("true", 1)
    raise _wrong(path, "true or false", value)


def _money(value: Any, currency: str, path: str) -> list[Any]:
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], int) and isinstance(value[1], str):
        return value  # canonical already
    if isinstance(value, dict):
        inner = value.get("currency", currency)
        currency = inner.upper() if isinstance(inner, str) else currency
        value = value.get("amount", value.get("value"))
    exponent = _EXPONENTS.get(currency, 2)
    amount = _decimal(value, path, "an amount of money")
    if abs(amount) > LARGEST:
        raise _wrong(path, "an amount of money", value)
    return [int(amount.scaleb(exponent).quantize(Decimal(1), ROUND_HALF_EVEN)), currency]


def _decimal(value: Any, path: str, wanted: str) -> Decimal:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float | str)
        or (isinstance(value, str) and len(value) > 40)
    ):
        raise _wrong(path, wanted, value)
    try:
        number = Decimal(
            repr(value) if isinstance(value, float) else value.strip() if isinstance(value, str) else value
        )
    except InvalidOperation:
        raise _wrong(path, wanted, value) from None
    if not number.is_finite() or abs(number) > 10**18:
        raise _wrong(path, wanted, value)
    return number


def _products(value: Any, currency: str, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong(path, "a list of products", value)
    fields = _struct_fields(Product)
    products = []
    for index, product in enumerate(value):
        if not isinstance(product, dict):
            raise _wrong(f"{path}[{index}]", "a product", product)
        products.append(_object(product, fields, currency, f"{path}[{index}]"))
    return products


def _mapping(value: Any, currency: str, path: str) -> Any:
    if not isinstance(value, dict):
        raise _wrong(path, "an object", value)
    return value


def _objects(value: Any, currency: str, path: str) -> Any:
    if not isinstance(value, list) or not all(isinstance(inner, dict) for inner in value):
        raise _wrong(path, "a list of objects", value)
    return value


def _reader(kind: Any) -> Reader | None:
    if isinstance(kind, UnionType) or (get_origin(kind) is not None and type(None) in get_args(kind)):
        kind = next(arg for arg in get_args(kind) if arg is not type(None))
    simple: dict[Any, Reader] = {str: _text, int: _whole, float: _number, bool: _truth, Money: _money}
    if kind in simple:
        return simple[kind]
    if get_origin(kind) is tuple:
        return _products if get_args(kind)[0] is Product else _objects
    return _mapping if get_origin(kind) is dict else None


@cache
def _struct_fields(kind: type[msgspec.Struct]) -> dict[str, Reader]:
    readers = {field.encode_name: _reader(field.type) for field in _typed(kind)}
    return {name: reader for name, reader in readers.items() if reader is not None}


@cache
def _typed(kind: type[msgspec.Struct]) -> tuple[Any, ...]:
    hints = get_type_hints(kind)
    return tuple(_Field(field.encode_name, hints[field.name], field.required) for field in msgspec.structs.fields(kind))


class _Field(NamedTuple):
    encode_name: str
    type: Any
    required: bool


@cache
def _fields(name: str) -> dict[str, Reader] | None:
    kind = class_of(name)
    return None if kind is UnknownEvent else _struct_fields(kind)


@cache
def _required(name: str) -> tuple[str, ...]:
    return tuple(field.encode_name for field in _typed(class_of(name)) if field.required)
