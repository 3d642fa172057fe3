"""How somebody is called, in letters and on the pages behind them. Pure."""

from __future__ import annotations

import re
from html import unescape
from typing import Final

LONGEST: Final = 40  # characters: what is longer fills a subject by itself
_ADDRESS: Final = re.compile(r"[/@]|\w\w\.\w\w")  # mail programs make a link of casino.example too; M.Carmen is a name


def called(first_name: str | None) -> str:
    """`first_name`, if it reads like one; "" for what else stands in that field, as whoever signs up may write anything there:
    advertising with its address, a mailbox, blanks."""
    name = unescape(first_name or "").strip()
    is_name = any(letter.isalnum() for letter in name) and not _ADDRESS.search(name)
    return name if is_name and len(name) <= LONGEST else ""
