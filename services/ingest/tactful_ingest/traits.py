"""Who the customer says they are, in one form: clients spell traits in camel case, and some put them elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tactful.errors import InvalidInput
from tactful.events import Identify
from tactful.localtime import zone_names

_SPELLINGS: Final = {
    "firstName": "first_name",
    "lastName": "last_name",
    "pushToken": "push_token",
    "timeZone": "timezone",
}
_COUNTRIES: Final = ("country_code", "countryCode", "country")  # in an address
_FIELDS: Final = frozenset(Identify.__struct_fields__) - {"meta", "traits", "unset", "implied"}


def identify_properties(traits: Any, context: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of `Identify`: its own fields, and under `traits` whatever has no field. Raises InvalidInput.

    A trait that is null or empty is one that they have no more. What only `context.traits` says counts too (Rudder). Language
    and zone are taken from the context, the country from the address, where no trait tells them. What names no zone there, like
    `GMT+0100` of Rudder's pages, is left out: it would take the place of one that the shop knows.
    """
    told = {**_object(context.get("traits"), "context.traits"), **_object(traits, "traits")}
    told |= _object(told.pop("traits", None), "traits.traits")
    spelled = {_SPELLINGS.get(name, name): value for name, value in told.items()}
    address = spelled.get("address")
    beside = {"locale": context.get("locale"), "timezone": _zone(context.get("timezone"))}
    beside["country"] = _country(address) if isinstance(address, dict) else None
    beside = {name: value for name, value in beside.items() if value not in (None, "") and name not in spelled}
    spelled |= beside
    rest = {name: value for name, value in spelled.items() if name not in _FIELDS}
    known = {name: value for name, value in spelled.items() if name in _FIELDS and value not in (None, "")}
    unset = [name for name, value in spelled.items() if name in _FIELDS and value in (None, "")]
    implied = {"implied": ["locale"]} if "locale" in beside else {}  # a zone is where they are, and news
    return known | ({"traits": rest} if rest else {}) | ({"unset": unset} if unset else {}) | implied


def _country(address: Mapping[str, Any]) -> Any:
    """By its code, where a shop (Shopify) tells the name as well."""
    return next((code for name in _COUNTRIES if (code := address.get(name)) not in (None, "")), None)


def _zone(given: Any) -> str | None:
    return given if isinstance(given, str) and given in zone_names() else None


def _object(given: Any, field: str) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise InvalidInput("wrong_type", "traits are an object", field)
    return given
