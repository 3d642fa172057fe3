"""How many parts an SMS takes: each is paid for, and a single letter outside GSM-7 more than halves what fits.

3GPP TS 23.038 §6.2.1 (the alphabet), TS 23.040 §9.2.3.24.1 (what the header of a part takes away).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED: Final = frozenset("\f^{}\\[~]|€")  # two septets each


class Parts(NamedTuple):
    """`encoding` is `GSM-7` or `UCS-2`."""

    number: int
    encoding: str


def foreign(text: str) -> str:
    """The letters outside GSM-7, each once, in their order."""
    return "".join(letter for letter in dict.fromkeys(text) if letter not in _BASIC | _EXTENDED)


def parts(text: str) -> Parts:
    """What `text` takes. An empty text takes one part."""
    if _BASIC.union(_EXTENDED).issuperset(text):
        return Parts(_count((2 if letter in _EXTENDED else 1 for letter in text), 160, 153), "GSM-7")
    return Parts(_count((2 if ord(letter) > 0xFFFF else 1 for letter in text), 70, 67), "UCS-2")


def _count(sizes: Iterable[int], alone: int, joined: int) -> int:
    """A letter of two units is never cut in half."""
    known = list(sizes)
    if sum(known) <= alone:
        return 1
    count, filled = 1, 0
    for size in known:
        if filled + size > joined:
            count, filled = count + 1, 0
        filled += size
    return count
