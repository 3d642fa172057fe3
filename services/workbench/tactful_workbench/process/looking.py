"""Asking a server that may stand still."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def within(seconds: float, look: Coroutine[Any, Any, T]) -> T:
    """What `look` gives. Raises TimeoutError after so many seconds. A look that is cancelled may take seconds to let go of its
    connection, as of a database that is frozen; that is not waited for."""
    looking = asyncio.create_task(look)
    looking.add_done_callback(_hear)
    try:
        if not (await asyncio.wait([looking], timeout=seconds))[0]:
            raise TimeoutError
        return looking.result()
    finally:
        looking.cancel()


def _hear(looking: asyncio.Task[Any]) -> None:
    """An error that came too late is taken note of, or asyncio would print that nobody did."""
    if not looking.cancelled():
        looking.exception()
