"""Numbers as people and programs write them, and money in whole minor units. Exact: no binary fraction is computed with.

A comma is never a decimal point: `"1,234"` means two things, so it is refused rather than guessed at.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Final

LARGEST: Final = 2**53  # beyond it neighbouring integers are one and the same number to most JSON readers

# ISO 4217, column "minor unit": what is not listed has two digits.
_DIGITS: Final = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI"), 0),
    **dict.fromkeys(("VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
_WRITTEN: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE)
_LONGEST: Final = 40  # characters of a number
_EXACT: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)  # more digits than `_LONGEST` lets in
_ONE: Final = Decimal(1)


def minor_digits(currency: str) -> int:
    """Decimal digits of a currency's minor unit: EUR 2, JPY 0, KWD 3."""
    return _DIGITS.get(currency, 2)


def minor_units(value: Any, currency: str) -> int | None:
    """An amount in major units (`39.9`, `"39.90"`, `40`) as minor units (3990, 3990, 4000); None if it is none.

    Digits beyond the minor unit are rounded half to even, as accountants do. Amounts beyond 2**53 are none.
    """
    digits = minor_digits(currency)
    if type(value) is float:  # most prices: what was written has no more digits than the currency
        whole, point, fraction = repr(value).partition(".")
        if point and len(fraction) <= digits and len(whole) <= 11 and fraction.isdigit():
            return int(whole + fraction.ljust(digits, "0"))
    amount = number(value)
    if amount is None:
        return None
    minor = int(amount.scaleb(digits, _EXACT).quantize(_ONE, context=_EXACT))
    return minor if abs(minor) <= LARGEST else None


def number(value: Any) -> Decimal | None:
    """The decimal that was written, whether as a number or as text; None if it is none, or absurdly large."""
    kind = type(value)
    if kind is str:
        text = value.strip()
    elif kind is float:
        text = repr(value)
    elif kind is int and abs(value) <= LARGEST:
        return Decimal(value)
    else:
        return None
    if len(text) > _LONGEST or not _WRITTEN.fullmatch(text):
        return None
    decimal = Decimal(text)
    return decimal if decimal.copy_abs() <= LARGEST else None
