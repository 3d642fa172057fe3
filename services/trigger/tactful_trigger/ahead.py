"""One slice ahead: while a slice is written, the next one is computed on top of it.

What is computed stands on what is written. If that does not commit, both are worth nothing, and the partition's memory goes
back to where the latest commit left it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from tactful_trigger.partition import Partition, Savepoint


class Ahead:
    """The slice of one partition that is being written, if there is one."""

    def __init__(self, held: Partition) -> None:
        self._held, self._committed, self._computed = held, held.savepoint(), held.savepoint()
        self._writing: asyncio.Task[None] | None = None
        self.moved = False

    def write(self, writing: Coroutine[Any, Any, None]) -> None:
        """Begin to write what was just computed; nothing else may be on its way."""
        self._computed, self._writing, self.moved = self._held.savepoint(), asyncio.create_task(writing), True

    async def written(self) -> None:
        """Wait until nothing is on its way. Raises what kept it from being written."""
        if self._writing is not None:
            await self._writing
            self._committed, self._writing = self._computed, None

    async def standing(self) -> Savepoint:
        """The savepoint of the latest slice that the store has, once nothing is being written, whether or not that went well."""
        if self._writing is not None:
            await asyncio.wait([self._writing])
            if not self._writing.cancelled() and self._writing.exception() is None:
                self._committed = self._computed
            self._writing = None
        return self._committed
