"""Providers that do not answer: their messages wait for a while, so that they neither delay those of other providers nor end as unknown one
by one."""

from __future__ import annotations

import logging
from typing import Final, NamedTuple

from tactful.clock import MINUTE, SECOND
from tactful_dispatch.channels import Outcome, Retry, Unknown

IN_A_ROW: Final = 5  # attempts without an answer
SLOW: Final = 3.0  # seconds: whoever refuses more quickly holds nobody up
REST: Final = 30 * SECOND
LONGEST: Final = 5 * MINUTE

_logger = logging.getLogger(__name__)


class Silence(NamedTuple):
    """Of one provider: attempts in a row without an answer, how often it was left alone since the last answer, until when (ms), and what
    the latest attempt met."""

    times: int = 0
    rests: int = 0
    until: int = 0
    detail: str = ""


class Providers:
    """What the attempts of this process have met, by the provider's name."""

    def __init__(self) -> None:
        self._silent: dict[str, Silence] = {}

    def note(self, name: str, outcome: Outcome, seconds: float, now: int) -> None:
        """Note the outcome of an attempt that took so many seconds. Any answer ends the silence, also one that refuses."""
        if not isinstance(outcome, Unknown) and not (isinstance(outcome, Retry) and seconds > SLOW):
            self._silent.pop(name, None)
            return
        known = self._silent.get(name, Silence())
        times, rests, until = known.times + 1, known.rests, known.until
        if times >= IN_A_ROW and now >= until:
            rests, until = rests + 1, now + min(REST << min(known.rests, 8), LONGEST)
            _logger.warning("%s does not answer: its messages wait for %s s", name, (until - now) // SECOND)
        self._silent[name] = Silence(times, rests, until, outcome.detail)

    def silence_of(self, name: str) -> Silence:
        """Until when a provider's messages wait, and why."""
        return self._silent.get(name, Silence())
