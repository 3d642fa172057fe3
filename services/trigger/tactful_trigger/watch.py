"""Interrupts a rule in pure Python that does not come back within a second: `signal.setitimer`, main thread only."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import ClassVar, Final, Self

from tactful_trigger.runs.replay import TooSlow

LIMIT: Final = 1.0  # seconds
_BEAT: Final = 0.25


class SignalWatch:
    """While it is entered as a context, an alarm beats four times a second; a rule that outlives four beats is interrupted.

    Entering and leaving a rule costs an assignment each: the timer belongs to the context, not to the rule.
    """

    outside: ClassVar[tuple[type[BaseException], ...]] = ()  # a server is ended by handlers that raise nothing

    def __init__(self) -> None:
        self._running = ""
        self._beats = 0
        self.interrupted = False

    def enter(self, rule: str) -> None:
        self._beats, self.interrupted, self._running = 0, False, rule

    def leave(self) -> None:
        self._running = ""

    def __enter__(self) -> Self:
        self._previous = signal.signal(signal.SIGALRM, self._beat)
        signal.setitimer(signal.ITIMER_REAL, _BEAT, _BEAT)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._previous)

    def _beat(self, signum: int, frame: FrameType | None) -> None:
        if not self._running:
            return
        self._beats += 1
        if self._beats * _BEAT > LIMIT:
            self._beats, self.interrupted = 0, True  # who swallows it is interrupted again
            raise TooSlow
