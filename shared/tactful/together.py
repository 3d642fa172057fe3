"""Several things at the same time, all of them waited for: what is left behind unfinished would be done by nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from typing import Any, TypeVar

K = TypeVar("K")
T = TypeVar("T")


async def all_done(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Their results, in order. Raises the first error once every one of them has ended. A single one is awaited as it is, which
    needs no event loop."""
    waiting = list(coroutines)
    if len(waiting) == 1:
        return [await waiting[0]]
    results: list[T] = []
    for result in await asyncio.gather(*waiting, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
        results.append(result)
    return results


async def settled(coroutines: Mapping[K, Coroutine[Any, Any, T]]) -> AsyncIterator[dict[K, T]]:
    """Results as they come, by key: those that are there when somebody asks, together. A single one needs no event loop."""
    if len(coroutines) == 1:
        ((key, coroutine),) = coroutines.items()
        yield {key: await coroutine}
        return
    waiting = {asyncio.ensure_future(coroutine): key for key, coroutine in coroutines.items()}
    try:
        while waiting:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            yield {waiting.pop(task): task.result() for task in tuple(waiting) if task in done}  # in their own order
    finally:
        if waiting:
            await asyncio.gather(*waiting, return_exceptions=True)
