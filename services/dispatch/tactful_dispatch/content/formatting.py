"""Filters of templates: money, dates and counted words as the message's language writes them."""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from babel.core import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import format_currency, get_currency_precision
from jinja2 import pass_context
from jinja2.runtime import Context

from tactful.events.amounts import minor_digits
from tactful.events.model import Money
from tactful_dispatch.content.contentset import fallbacks

_ATTACHED: Final = frozenset({"Mn", "Mc", "Me", "Cf", "Sk"})  # marks, selectors, joiners, shades of skin
_JOINER: Final = "\u200d"  # of emoji
_WAYS: Final = {"L": "ltr", "R": "rtl", "AL": "rtl"}  # of Unicode's bidirectional classes, those that have a direction
_MARKS: Final = {"ltr": "\u200e", "rtl": "\u200f"}


@pass_context
def money(context: Context, amount: Any) -> str:
    """`[3990, "EUR"]` or Money as `€39.90`; nothing for an amount that is not known."""
    if amount is None:
        return ""
    minor, currency = (amount.minor, amount.currency) if isinstance(amount, Money) else amount
    whole = Decimal(minor).scaleb(-minor_digits(currency))
    # Of some currencies CLDR knows whole units alone: a shop that asks for 99.90 dinars is quoted as asking for that.
    usual = whole == round(whole, get_currency_precision(currency))
    return str(
        format_currency(whole, currency, locale=_locale(context), currency_digits=usual, decimal_quantization=usual)
    )


@pass_context
def date(context: Context, at: int | str, form: str = "EEEE d MMMM") -> str:
    """An instant (ms, or as JSON has a datetime with a zone) as a day in the recipient's zone, or a day like `2026-11-23`. `form` is
    a pattern of Unicode TR 35."""
    day = datetime.fromisoformat(at) if isinstance(at, str) else datetime.fromtimestamp(at / 1000, UTC)
    if day.tzinfo is not None:
        day = day.astimezone(ZoneInfo(context["zone"]))
    return str(format_date(day, form, locale=_locale(context)))


@pass_context
def plural(context: Context, count: int, **forms: str) -> str:
    """The form for a count by CLDR's plural rules: `n|plural(one="thing", other="things")`; Russian adds few and many.

    Raises ValueError if the form that this count needs is not given.
    """
    wanted = _locale(context).plural_form(count)
    if wanted not in forms:
        raise ValueError(f"{count} needs the form {wanted}=…")
    return forms[wanted]


@pass_context
def short(context: Context, text: object, most: int = 40) -> str:
    """So many characters at most, cut between two words if there is a place, and never between a letter and its accents: names of
    products fill a subject by themselves."""
    words = " ".join(str(text).split())
    return isolated(words if len(words) <= most else _cut(words, most), context["direction"])


def _cut(words: str, most: int) -> str:
    end = most - 1
    while end and (unicodedata.category(words[end]) in _ATTACHED or words[end - 1] == _JOINER):
        end -= 1
    head = words[:end]
    return (head.rpartition(" ")[0] or head).rstrip(" ,;:-") + "…"


def isolated(text: str, direction: str) -> str:
    """`text`, between marks that nobody sees if it is written the other way than the message (`ltr` or `rtl`): a subject that begins
    with a name would be set in the direction of the name as a whole. The first mark is for those who look past isolates, as browsers
    do."""
    strong = next((way for letter in text if (way := unicodedata.bidirectional(letter)) in _WAYS), "")
    return f"{_MARKS[direction]}\u2068{text}\u2069" if strong and _WAYS[strong] != direction else text


FILTERS: Final = {"money": money, "date": date, "plural": plural, "short": short}


def locale_of(language: str) -> Locale:
    """How a language, or the nearest one that is known, writes. Raises UnknownLocaleError."""
    for known in fallbacks(language):
        with suppress(ValueError, UnknownLocaleError):
            return Locale.parse(known, sep="-")
    raise UnknownLocaleError(language)


def _locale(context: Context) -> Locale:
    return locale_of(context["language"])
