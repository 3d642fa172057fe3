"""Bodies of requests, no larger than they may be, and no slower."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.requests import Request

from tactful.errors import InvalidInput

PATIENCE: Final = 30.0  # seconds; uvicorn itself waits for ever
_SLOWEST: Final = 64 * 1024  # bytes a second of what is larger than that


async def bounded(request: Request, most: int, patience: float = PATIENCE) -> bytes | None:
    """The body; None if it is larger than so many bytes, of which the rest is not read. Raises InvalidInput `slow_body`."""
    body = bytearray()
    try:
        async with asyncio.timeout(patience + most // _SLOWEST):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    return None
    except TimeoutError:
        raise InvalidInput("slow_body", "the body did not come in time; send it again") from None
    return bytes(body)
