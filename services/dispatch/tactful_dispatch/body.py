"""Bodies of requests, no larger than they may be."""

from __future__ import annotations

from starlette.requests import Request


async def bounded(request: Request, most: int) -> bytes | None:
    """The body; None if it is larger than so many bytes, of which the rest is not read."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            return None
    return bytes(body)
