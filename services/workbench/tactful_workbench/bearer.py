"""Routes for whoever holds a token, and for nobody else."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from tactful.errors import InvalidInput


def for_the_bearer_of(token: str) -> type[APIRoute]:
    """A class of routes."""
    wanted = f"Bearer {token}".encode()

    class Guarded(APIRoute):
        """Asked for before anything else: FastAPI reads a body, however long, before it looks at what a route depends on."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def check(request: Request) -> Response:
                if not hmac.compare_digest(request.headers.get("authorization", "").encode(), wanted):
                    raise InvalidInput(
                        "invalid_token", "this command needs the token in server.json; is --data the right folder?"
                    )
                return await handle(request)

            return check

    return Guarded
