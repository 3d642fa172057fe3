"""`/livez`: the process answers. `/readyz`: its log can be reached, so events would be taken."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial

from fastapi import Request, Response
from starlette.routing import Route

from tactful.errors import LogUnavailable
from tactful.records import EVENTS
from tactful_ingest.answers import answer
from tactful_ingest.door import Door


def probe_routes(door: Door) -> Iterator[Route]:
    """For orchestrators; no key is asked for."""
    yield Route("/livez", _alive)
    yield Route("/readyz", partial(_ready, door))


async def _alive(request: Request) -> Response:
    return answer({"status": "ok"})


async def _ready(door: Door, request: Request) -> Response:
    try:
        async with asyncio.timeout(door.limits.probe_seconds):
            await door.log.end(EVENTS, 0)
    except (LogUnavailable, TimeoutError):
        return answer({"status": "unavailable", "code": "log_unavailable", "message": "the log cannot be reached"}, 503)
    return answer({"status": "ok"})
