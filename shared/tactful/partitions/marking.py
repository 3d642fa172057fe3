"""How far a service has read, told beside the log now and then: nothing depends on it but what is seen from outside."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from tactful.clock import MINUTE, SECOND, Clock
from tactful.errors import Transient

APART: Final = 5 * SECOND

_logger = logging.getLogger(__name__)


class Marking:
    """Calls `mark` every five seconds at most; where it cannot be done, it is tried again in a minute."""

    def __init__(self, service: str, mark: Callable[[], Awaitable[None]], clock: Clock) -> None:
        self._service, self._mark, self._clock = service, mark, clock
        self._latest, self._apart = 0, APART

    async def now_and_then(self) -> None:
        if 0 <= self._clock.now() - self._latest < self._apart:
            return
        try:
            await self._mark()
            self._apart = APART
        except Transient as error:
            _logger.warning("how far %s has read could not be noted beside the log: %s", self._service, error)
            self._apart = MINUTE
        self._latest = self._clock.now()
