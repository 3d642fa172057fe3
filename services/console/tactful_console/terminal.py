"""Text for a terminal. What a shop's customers wrote may not move the cursor, recolour the screen or reach a shell."""

from __future__ import annotations

import unicodedata
from shlex import quote


def printable(line: str) -> str:
    """One line without control, format and surrogate characters (escape sequences, bidi overrides)."""
    return "".join("�" if unicodedata.category(c) in ("Cc", "Cf", "Cs") else c for c in line)


def quoted(word: str) -> str:
    """A word as a shell takes it."""
    return quote(printable(word))
