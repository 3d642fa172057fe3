"""What was recorded, as a person reads it: prices in major units, a product a line. Nothing recorded is left out."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from tactful.events import Money, Product
from tactful.events.amounts import minor_digits
from tactful.events.model import class_of, known_names
from tactful_console.entries import Fact

_KINDS: Final[tuple[type[msgspec.Struct], ...]] = (Product, *map(class_of, known_names()))
# By name as well as by shape: in an event of the shop's own, `[42, "EUR"]` may be the size of a shoe.
_AMOUNTS: Final = frozenset(
    field.name for kind in _KINDS for field in msgspec.structs.fields(kind) if field.type == Money | None
)


def facts_of(values: Mapping[str, Any]) -> tuple[Fact, ...]:
    """A line for each value that says something."""
    return tuple(Fact(name, _plain(name, value)) for name, value in values.items() if value not in (None, "", {}, []))


def _plain(name: str, value: Any) -> str:
    match value:
        case str():
            return value
        case [int(minor), str(currency)] if name in _AMOUNTS:
            return f"{Decimal(minor).scaleb(-minor_digits(currency)):f} {currency}"
        case [{}, *_] if name == "products" and all(isinstance(product, dict) for product in value):
            return "\n".join(" · ".join(f"{fact.name} {fact.value}" for fact in facts_of(product)) for product in value)
    return msgspec.json.encode(value).decode()
