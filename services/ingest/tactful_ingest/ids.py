"""Whose event it is, and which one: customer ids and message ids as clients spell them."""

from __future__ import annotations

from typing import Final

from tactful.errors import InvalidInput
from tactful.identity import ANONYMOUS, digest, is_anonymous

LONGEST: Final = 255  # characters of an id
# What programs write when they know nobody. Under such an id thousands of strangers would become one customer.
PLACEHOLDERS: Final = frozenset(
    {
        "null",
        "(null)",
        "nil",
        "none",
        "undefined",
        "nan",
        "n/a",
        "false",
        "true",
        "0",
        "-1",
        "guest",
        "anonymous",
        "anon",
        "unknown",
        "not set",
        "(not set)",
        "[object object]",
        "00000000-0000-0000-0000-000000000000",
    }
)


def customer_id(value: object, field: str) -> str | None:
    """An id as a string without surrounding space; null and "" are nobody.

    Raises InvalidInput `placeholder_id`, `id_too_long` or `wrong_type`.
    """
    if value is None:
        return None
    text = (value if type(value) is str else _text(value, field)).strip()
    if len(text) > LONGEST:
        raise InvalidInput("id_too_long", f"an id has at most {LONGEST} characters, this one has {len(text)}", field)
    if text.lower() in PLACEHOLDERS:
        raise InvalidInput("placeholder_id", f'"{text}" stands for nobody; send the customer\'s own id or none', field)
    return text or None


def known_id(value: object, field: str) -> str | None:
    """The id of a known customer. Raises InvalidInput `reserved_id` too, for a name that only strangers have."""
    text = customer_id(value, field)
    if text is not None and is_anonymous(text):
        raise InvalidInput("reserved_id", f'a known id may not begin with "{ANONYMOUS}"', field)
    return text


def message_id(value: object, field: str) -> str | None:
    """The id under which a client would send this again. One that is too long becomes its digest; "" is none."""
    if value is None:
        return None
    text = value if type(value) is str else _text(value, field)
    return "h_" + digest("message id", text) if len(text) > LONGEST else text or None


def content_id(*parts: str) -> str:
    """The id of an event that came without one: a hash of what it says, so that the same again is the same."""
    return "c_" + digest("content", *parts)


def link_id(one: str, other: str) -> str:
    """One link for one pair, however often it is told."""
    return "l_" + digest("link", one, other)


def _text(value: object, field: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 64:
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53:
        return str(int(value))
    raise InvalidInput("wrong_type", "an id is a string or a whole number", field)
