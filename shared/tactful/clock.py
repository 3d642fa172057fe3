"""Port: what time it is. Instants are integer milliseconds since the Unix epoch, UTC, everywhere."""

from __future__ import annotations

import time
from typing import Protocol

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


class Clock(Protocol):
    """Tells the time. Handed to whoever needs it by the composition root."""

    def now(self) -> int:
        """Milliseconds since the epoch."""
        ...


class WallClock:
    """The machine's own clock."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000


class ShiftedClock:
    """The dev clock: another clock plus an offset that only grows."""

    def __init__(self, clock: Clock, offset: int = 0) -> None:
        self._clock, self.offset = clock, offset

    def now(self) -> int:
        return self._clock.now() + self.offset

    def forward_to(self, instant: int) -> None:
        """Move on to `instant`; an instant in the past changes nothing."""
        self.offset += max(0, instant - self.now())


class ManualClock:
    """A clock that stands still until told otherwise: virtual time."""

    def __init__(self, now: int = 0) -> None:
        self._now = now

    def now(self) -> int:
        return self._now

    def forward_to(self, instant: int) -> None:
        """Move on to `instant`; an instant in the past changes nothing."""
        self._now = max(self._now, instant)
