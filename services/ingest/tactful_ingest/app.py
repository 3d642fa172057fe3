"""The door as an ASGI application. Bodies are read raw: clients post JSON under any content type."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from tactful.telemetry import UNTOLD
from tactful_ingest.answers import answer, unknown_path
from tactful_ingest.door import Door
from tactful_ingest.entrance import Entrance
from tactful_ingest.events_api import events_routes
from tactful_ingest.probes import probe_routes
from tactful_ingest.tracking import tracking_routes

PATHS: Final = ("/v1/", "/api/s/", "/beacon/", "/events", "/sourceConfig")


def create_app(door: Door) -> FastAPI:
    """The door alone. Beside other routes in one process, mount it last, or take `routes` and `no_such_path`."""
    return FastAPI(
        routes=routes(door),
        openapi_url=None,
        redirect_slashes=False,
        telemetry=UNTOLD,
        exception_handlers={HTTPException: no_such_path},
    )


def routes(door: Door) -> list[BaseRoute]:
    """The door's routes; they answer their own errors."""
    entrance = Entrance(door)
    return [*tracking_routes(entrance), *events_routes(entrance), *probe_routes(door)]


def is_at_the_door(request: Request) -> bool:
    """Whether a request that nothing answers meant the door: a path of its own, or a POST that no route of this process takes."""
    posted = request.method == "POST" and "endpoint" not in request.scope
    return posted or request.url.path.startswith(PATHS)


async def no_such_path(request: Request, error: Exception) -> Response:
    """404 and 405 as clients of the door expect them."""
    if isinstance(error, HTTPException) and error.status_code == 405:
        return answer({"code": "method_not_allowed", "message": f"{request.method} means nothing here"}, 405)
    return unknown_path()
