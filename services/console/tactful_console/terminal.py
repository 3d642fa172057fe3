"""Text for a terminal. What a shop's customers wrote may not move the cursor, recolour the screen or reach a shell."""

from __future__ import annotations

import unicodedata
from shlex import quote
from typing import Final

_MARKS: Final = "\u200e\u200f\u2068\u2069"


def printable(line: str) -> str:
    """One line without control, format and surrogate characters (escape sequences, bidi overrides). Of the marks that subjects have
    around a name, nothing is seen anywhere."""
    shown = (c for c in line if c not in _MARKS)
    return "".join("�" if unicodedata.category(c) in ("Cc", "Cf", "Cs") else c for c in shown)


def quoted(word: str) -> str:
    """A word as a shell takes it."""
    return quote(printable(word))
