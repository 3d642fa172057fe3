"""A look at servers that may stand still ends in time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def within(seconds: float, look: Coroutine[Any, Any, T]) -> T:
    """Raises TimeoutError. A look that is cancelled may take seconds to let go of its connection; nobody waits for that."""
    looking = asyncio.create_task(look)
    looking.add_done_callback(_hear)
    try:
        if not (await asyncio.wait([looking], timeout=seconds))[0]:
            raise TimeoutError
        return looking.result()
    finally:
        looking.cancel()


def _hear(looking: asyncio.Task[Any]) -> None:
    """Of what came too late, asyncio would complain that nobody has asked."""
    if not looking.cancelled():
        looking.exception()
