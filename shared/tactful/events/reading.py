"""How one posted value becomes canonical, by the type its field declares. A reader knows no path: who calls it adds that.

Numeric strings are numbers, numbers in place of ids are strings, `null` is absent, and so is `""` where something else than
text belongs, and `false`, which is what PHP has of a product without a picture. Money becomes `[minor units, currency]`,
whether it was `39.9`, `"39.90"`, `40` or `{"amount": "39.90", "currency": "EUR"}`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, lru_cache, partial
from types import UnionType
from typing import Any, Final, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec

from tactful.clock import DAY
from tactful.errors import InvalidInput
from tactful.events.amounts import LARGEST, minor_units, number
from tactful.events.commerce import Product
from tactful.events.instants import instant, is_day
from tactful.events.model import Money

ID_LENGTH: Final = 255
# Beside an amount, as shops and payment services call it.
_CURRENCIES: Final = ("currency", "currencyCode", "currency_code")
Reader = Callable[[Any, str], Any]  # a value and the event's currency


class Unreadable(Exception):
    """A value that its field cannot mean. The path grows on the way out, from the inside."""

    def __init__(self, wanted: str, value: Any, path: str = "", code: str = "wrong_type") -> None:
        super().__init__(wanted)
        self.wanted, self.value, self.path, self.code = wanted, value, path, code

    def under(self, step: str) -> Unreadable:
        """The same, seen from one level further out."""
        return Unreadable(self.wanted, self.value, step + self.path, self.code)

    def told(self) -> InvalidInput:
        """The error as the sender is told."""
        path = self.path.removeprefix(".")
        return InvalidInput(self.code, f"{path} must be {self.wanted}, not {_shown(self.value)}", path)


class Fields(NamedTuple):
    """What a struct takes from the wire."""

    readers: Mapping[str, Reader]
    spellings: Mapping[str, str]  # another name on the wire -> the field's
    required: tuple[str, ...]


@cache
def fields_of(kind: type[msgspec.Struct]) -> Fields:
    """A field's own name, its camel case form, and the class's `spellings` all mean the field."""
    hints = get_type_hints(kind)
    fields = [field for field in msgspec.structs.fields(kind) if field.name != "meta"]
    camel = {_camel(field.encode_name): field.encode_name for field in fields if "_" in field.encode_name}
    return Fields(
        {field.encode_name: _reader(field.encode_name, hints[field.name]) for field in fields},
        {**camel, **getattr(kind, "spellings", {})},
        tuple(field.encode_name for field in fields if field.required),
    )


def read_object(values: Mapping[str, Any], fields: Fields, currency: str) -> dict[str, Any]:
    """The canonical form of an object: known fields read, others as they came. Raises Unreadable."""
    readers, key = fields.readers, ""
    result: dict[str, Any] = {}
    try:
        for key, value in values.items():
            if value is None:
                continue
            name, reader = key, readers.get(key)
            if reader is None:
                name = _field(key, values, result, fields)
                reader = readers.get(name, as_it_came)
            if type(value) is str and (reader is text or (reader is identifier and len(value) <= ID_LENGTH)):
                result[name] = value  # most values: spared the call
            elif not _says_nothing(value, reader):
                result[name] = reader(value, currency)
    except Unreadable as unreadable:
        raise unreadable.under(f".{key}") from None
    return result


def _says_nothing(value: Any, reader: Reader) -> bool:
    return (value == "" and reader not in _MAY_BE_EMPTY) or (value is False and reader not in _MAY_BE_FALSE)


def _field(key: str, values: Mapping[str, Any], result: Mapping[str, Any], fields: Fields) -> str:
    """The field that `key` spells, unless the same object says that field itself."""
    name = fields.spellings.get(key)
    return key if name is None or name in result or values.get(name) is not None else name


def as_it_came(value: Any, _currency: str) -> Any:
    """What has no field."""
    return value


def text(value: Any, _currency: str) -> str:
    """Text; a whole number stands for its digits."""
    if type(value) is str:
        return value
    if type(value) is float and value.is_integer() and abs(value) <= LARGEST:
        return str(int(value))
    if type(value) is float and abs(value) <= LARGEST:
        return repr(value)
    if type(value) is int and abs(value) < 1 << 64:
        return str(value)
    raise Unreadable("text", value)


def identifier(value: Any, currency: str) -> str:
    """Text short enough for a key."""
    name = value if type(value) is str else text(value, currency)
    if len(name) > ID_LENGTH:
        raise Unreadable(f"at most {ID_LENGTH} characters long", value, code="id_too_long")
    return name


def whole(value: Any, _currency: str) -> int:
    """A whole number."""
    if type(value) is int and abs(value) <= LARGEST:
        return value
    decimal = number(value)
    if decimal is None or decimal != decimal.to_integral_value():
        raise Unreadable("a whole number", value)
    return int(decimal)


def pieces(value: Any, currency: str) -> int:
    """How many. A fraction is of something that is weighed or measured, and that is one thing: 0.75 (kilos of cheese) is 1. An
    order must not be lost for it."""
    if type(value) is int and abs(value) <= LARGEST:
        return value
    decimal = number(value)
    if decimal is None or decimal == decimal.to_integral_value():
        return whole(value, currency)
    return 1 if decimal > 0 else -1


def moment(value: Any, _currency: str) -> int:
    """An instant in ms, however it is written; 0 is none."""
    at = 0 if type(value) is int and value == 0 else instant(value)
    if at is None:
        raise Unreadable('a time like "2026-11-23T14:00:00Z"', value)
    return at


def promise(value: Any, currency: str) -> int:
    """An instant in ms; what was promised for a day is late once that is over (UTC)."""
    at = moment(value, currency)
    return at + DAY - 1 if is_day(value) else at


def real(value: Any, _currency: str) -> float:
    """A number."""
    decimal = number(value)
    if decimal is None:
        raise Unreadable("a number", value)
    return float(decimal)


def truth(value: Any, _currency: str) -> bool:
    """True or false, also as text or as 1 and 0."""
    if value in ("true", "false", 0, 1):
        return value in ("true", 1)
    raise Unreadable("true or false", value)


def currency_code(value: Any, _currency: str) -> str:
    """Three letters (ISO 4217) in upper case; empty if none is said."""
    code = _code(value) if type(value) is str else None
    if code is None:
        raise Unreadable('a currency like "EUR"', value)
    return code


@lru_cache(maxsize=512)
def _code(value: str) -> str | None:
    code = value.strip().upper()
    return code if code == "" or (len(code) == 3 and code.isascii() and code.isalpha()) else None


def money(value: Any, currency: str) -> list[Any]:
    """`[minor units, currency]`. The list is what we write ourselves; a number or text is in major units."""
    if type(value) is list:
        return _canonical_money(value)
    if type(value) is dict:
        currency = _own_currency(value) or currency
        amount = value.get("amount", value.get("value"))
    else:
        amount = value
    minor = minor_units(amount, currency)
    if minor is None:
        raise Unreadable("an amount of money", value)
    return [minor, currency]


def _canonical_money(value: list[Any]) -> list[Any]:
    if len(value) != 2 or type(value[0]) is not int or abs(value[0]) > LARGEST or not value[1]:
        raise Unreadable('an amount of money like 39.90 or [3990, "EUR"]', value)
    return [value[0], currency_code(value[1], "")]


def _own_currency(amount: Mapping[str, Any]) -> str:
    for name in _CURRENCIES:
        if (own := amount.get(name)) is not None:
            try:
                return currency_code(own, "")
            except Unreadable as unreadable:
                raise unreadable.under(f".{name}") from None
    return ""


def products(value: Any, currency: str) -> list[Any]:
    """A list of product objects."""
    if type(value) is not list:
        raise Unreadable("a list of products", value)
    return [_product(product, currency, index) for index, product in enumerate(value)]


def _product(value: Any, currency: str, index: int) -> dict[str, Any]:
    try:
        if type(value) is not dict:
            raise Unreadable("a product", value)
        return read_object(value, fields_of(Product), _own_currency(value) or currency)
    except Unreadable as unreadable:
        raise unreadable.under(f"[{index}]") from None


def exactly(kind: Any, value: Any, _currency: str) -> Any:
    """A value that is canonical as it came, or nothing: objects, and what services of ours say to one another."""
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise Unreadable(f"what its event declares ({error})", value) from None
    return value


_MAY_BE_EMPTY: Final = frozenset({as_it_came, text, identifier, currency_code})
_MAY_BE_FALSE: Final = frozenset({as_it_came, truth, currency_code})
_BY_TYPE: Final[Mapping[Any, Reader]] = {
    str: text,
    int: whole,
    float: real,
    bool: truth,
    Money: money,
    tuple[Product, ...]: products,
    Any: as_it_came,
}


def _reader(name: str, declared: Any) -> Reader:
    kind = _present(declared)
    if name == "currency":
        return currency_code
    if kind is str and name.endswith("_id"):
        return identifier
    if name == "quantity":
        return pieces
    if name == "promised_at":
        return promise
    if kind is int and (name.endswith("_at") or name == "through"):
        return moment
    return _BY_TYPE.get(kind) or partial(exactly, kind)


def _present(declared: Any) -> Any:
    """The type without None: what is null never reaches a reader."""
    if get_origin(declared) not in (Union, UnionType):
        return declared
    return next(kind for kind in get_args(declared) if kind is not type(None))


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _shown(value: Any) -> str:
    shown = "a number with very many digits" if type(value) is int and value.bit_length() > 256 else repr(value)
    return shown if len(shown) <= 60 else shown[:59] + "…"
