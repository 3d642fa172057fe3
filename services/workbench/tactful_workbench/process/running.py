"""Trigger and dispatch alive in one process: each does rounds and pauses in turn, and none while virtual time has the floor."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, Protocol

from tactful.errors import Transient

RETRY: Final = 1.0  # seconds after infrastructure trouble
REST: Final = 3.0  # times as long as a round took, while requests arrive
LONGEST: Final = 1.0  # seconds: a round may have waited for a provider

_logger = logging.getLogger(__name__)


class Alive(Protocol):
    """A service that can do a round of what is to be done, and sleep until there is more."""

    async def round(self) -> bool: ...
    def pause(self) -> Awaitable[None]: ...


def rest(took: float, came: int) -> float:
    """Seconds to wait after a round that `took` so many seconds, while `came` requests arrived; none if nobody came."""
    return min(REST * took, LONGEST) if came else 0.0


class Trouble:
    """Since when every round of a process has failed. `seconds` gives seconds that never go back."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._since = seconds, dict[Alive, float]()

    def note(self, service: Alive, *, failed: bool) -> None:
        """What came of a round of one of its services."""
        if failed:
            self._since.setdefault(service, self._seconds())
        else:
            self._since.pop(service, None)

    def lasts(self) -> float:
        """For how long (s) a service has failed in every round; 0 if the last one of each came to its end."""
        return self._seconds() - min(self._since.values()) if self._since else 0.0


class Running:
    """Keeps services going. None waits for another's round: a provider that does not answer holds dispatch up, and not trigger.

    While requests arrive they rest between rounds: who waits for an answer at the door goes first, and the next round
    takes a larger slice, which costs less.
    """

    def __init__(self, *services: Alive, arrivals: Callable[[], int], trouble: Trouble | None = None) -> None:
        """`arrivals` counts the requests since the start. `trouble` hears what comes of each round."""
        self._turns, self._arrivals = [(service, asyncio.Lock()) for service in services], arrivals
        self._trouble = trouble or Trouble()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; once."""
        self._tasks = [asyncio.create_task(self._keep_going(service, turn)) for service, turn in self._turns]

    @asynccontextmanager
    async def floor(self) -> AsyncIterator[None]:
        """While it is held, all services stand still."""
        async with AsyncExitStack() as stack:
            for _, turn in self._turns:
                await stack.enter_async_context(turn)
            yield

    async def stop(self) -> None:
        """Finish the present rounds, then end."""
        async with self.floor():
            for task in self._tasks:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep_going(self, service: Alive, turn: asyncio.Lock) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            try:
                async with turn:
                    began, before = clock(), self._arrivals()
                    moved = await service.round()
                    took = clock() - began
                self._trouble.note(service, failed=False)
                if not moved:
                    await service.pause()
                else:
                    await asyncio.sleep(rest(took, self._arrivals() - before))
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:
                if _is_told_to_end():
                    raise
                self._trouble.note(service, failed=True)
                _tell(service, error)
                await asyncio.sleep(RETRY)


def _is_told_to_end() -> bool:
    """A cancellation may also be somebody else's, which has leaked out of a round."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _tell(service: Alive, error: BaseException) -> None:
    if isinstance(error, Transient):
        _logger.warning("waiting for infrastructure: %s", error)
    else:
        _logger.error("%s failed; trying again", type(service).__name__, exc_info=error)
