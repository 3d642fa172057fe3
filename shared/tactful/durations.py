"""Lengths of time as people write them: `"1h"`, `"90s"`, `"1d 12h"`. A month is not a length."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import isfinite
from typing import Final

from tactful.clock import DAY, HOUR, MINUTE, SECOND
from tactful.errors import InvalidInput
from tactful.localtime import local_time

Duration = str | timedelta
LONGEST: Final = "1000000d"  # some millennia: an instant so far ahead can still be told

_UNITS = {"ms": 1, "s": SECOND, "m": MINUTE, "min": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|min|s|m|h|d|w)")


@lru_cache(maxsize=1024)
def milliseconds(duration: Duration) -> int:
    """`"30d"` is 30 x 86,400 seconds, whatever the calendar says. Raises InvalidInput for anything else."""
    if isinstance(duration, timedelta):
        return duration // timedelta(milliseconds=1)
    total, end, text = 0.0, 0, str(duration)  # a rule without types may give a number
    for part in _PART.finditer(text):
        if part.start() != end:
            break
        total, end = total + float(part[1]) * _UNITS[part[2]], part.end()
    if end == 0 or text[end:].strip() or not isfinite(total):
        raise InvalidInput(
            "invalid_duration", f'"{duration}" is not a length of time; write it like "90s", "1h" or "3d"'
        )
    return round(total)


def ahead(duration: Duration) -> int:
    """The same, for an instant that is so far ahead and will be stored and told. Raises InvalidInput for one beyond the calendar."""
    length = milliseconds(duration)
    if length > milliseconds(LONGEST):
        raise InvalidInput("invalid_duration", f'"{duration}" is longer than {LONGEST}; write at most that')
    return length


def after(instant: int, duration: Duration) -> datetime:
    """The moment so long after an instant (ms)."""
    return local_time(instant + milliseconds(duration), UTC)


@lru_cache(maxsize=1024)
def spoken(length: int) -> str:
    """Milliseconds in the largest units that fit: 5_400_000 is `"1h 30m"`."""
    parts, left = [], abs(length)
    for unit, size in (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts) or "0s"
