"""Routes for whoever holds a token, and for nobody else."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute

_REFUSAL: Final = {
    "code": "invalid_token",
    "message": "this command needs the token in server.json; is --data the right folder?",
}


def for_the_bearer_of(token: str) -> type[APIRoute]:
    """A class of routes."""
    wanted = f"Bearer {token}".encode()

    class Guarded(APIRoute):
        """Asked for before anything else: FastAPI reads a body, however long, before it looks at what a route depends on."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def check(request: Request) -> Response:
                if not hmac.compare_digest(request.headers.get("authorization", "").encode(), wanted):
                    return JSONResponse(_REFUSAL, 401, {"WWW-Authenticate": "Bearer"})
                return await handle(request)

            return check

    return Guarded
