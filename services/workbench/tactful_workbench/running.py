"""Trigger and dispatch alive in one process: rounds and pauses in turn, and never while virtual time has the floor."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Final, Protocol

from tactful.errors import Transient

RETRY: Final = 1.0  # seconds after infrastructure trouble

_logger = logging.getLogger(__name__)


class Alive(Protocol):
    """A service that can do a round of what is to be done, and sleep until there is more."""

    async def round(self) -> bool: ...
    def pause(self) -> Awaitable[None]: ...


class Running:
    """Keeps services going. Whoever holds `floor` has them stand still."""

    def __init__(self, *services: Alive) -> None:
        self._services, self.floor = services, asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; once."""
        self._tasks = [asyncio.create_task(self._keep_going(service)) for service in self._services]

    async def stop(self) -> None:
        """Finish the present round, then end."""
        async with self.floor:
            for task in self._tasks:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep_going(self, service: Alive) -> None:
        while True:
            try:
                async with self.floor:
                    moved = await service.round()
                if not moved:
                    await service.pause()
            except Transient as error:
                _logger.warning("waiting for infrastructure: %s", error)
                await asyncio.sleep(RETRY)
            except Exception:
                _logger.exception("%s failed; trying again", type(service).__name__)
                await asyncio.sleep(RETRY)
