"""`/livez`: the process answers. `/readyz`: what is missing of the servers it stands on."""

from __future__ import annotations

import asyncio
from typing import Final

from sqlalchemy import text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from tactful.errors import Transient
from tactful.records import EVENTS
from tactful.together import all_done
from tactful_workbench.cluster.ground import Ground

PATIENCE: Final = 2.0  # seconds for a probe's look at the servers


def probed(app: ASGIApp | None, here: Ground) -> Starlette:
    """The same application with probes for orchestrators; no key is asked for."""

    async def alive(request: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def ready(request: Request) -> JSONResponse:
        missing = await _missing(here)
        status = 503 if missing else 200
        return JSONResponse({"status": "unavailable" if missing else "ok", "missing": missing}, status)

    return Starlette(
        routes=[
            Route("/livez", alive),
            Route("/readyz", ready),
            *([Mount("", app)] if app is not None else []),
        ]
    )


async def _missing(here: Ground) -> list[str]:
    """Which servers do not answer."""
    missing = []
    try:
        async with asyncio.timeout(PATIENCE):
            await here.log.end(EVENTS, 0)
    except (Transient, TimeoutError):
        missing.append("kafka")
    try:
        async with asyncio.timeout(PATIENCE):
            await all_done(database.ask(text("SELECT 1")) for database in here.databases)
    except (Transient, TimeoutError):
        missing.append("postgres")
    return missing
