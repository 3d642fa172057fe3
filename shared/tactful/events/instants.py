"""Instants as people and programs write them, in ms UTC."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Final

EARLIEST: Final = 315_532_800_000  # 1980: before that it is a clock that was never set
_SECONDS_END: Final = 100_000_000_000  # smaller numbers are seconds (until the year 5138), larger ones ms
_NUMBER_END: Final = 1e15
_SINCE_1970: Final = re.compile(r"\d{9,16}(?:\.\d{1,9})?", re.ASCII)


def instant(value: object) -> int | None:
    """ISO 8601 with any offset (none: UTC), or seconds or ms since 1970 as number or text; None if it is no time."""
    if isinstance(value, str):
        return _from_text(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _NUMBER_END:
        return None
    return _sane(round(value * 1_000 if abs(value) < _SECONDS_END else value))


def is_day(value: object) -> bool:
    """Whether it names a day and no time of it."""
    try:
        return isinstance(value, str) and bool(date.fromisoformat(value.strip().upper()))
    except ValueError:
        return False


def _from_text(text: str) -> int | None:
    if _SINCE_1970.fullmatch(text):
        return instant(float(text))
    try:
        read = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    return _sane(round((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp() * 1_000))


def _sane(at: int) -> int | None:
    return at if at >= EARLIEST else None
