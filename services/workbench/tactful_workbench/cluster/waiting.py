"""A service whose servers are not there yet waits for them. Meanwhile it is alive and not ready, and answers all else by 503."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from tactful.errors import LogUnavailable, SchemaBehind, StoreUnavailable, TactfulError, TopicMissing
from tactful_workbench.process.listening import deaf_server_of

T = TypeVar("T")

_logger = logging.getLogger(__name__)

LOOK: Final = 2.0  # seconds between two looks whether everything is there
SOON: Final = 1.0  # seconds before it answers: most have begun by then
RARELY: Final = 60.0  # seconds until the same is said again
_MISSING: Final = {
    LogUnavailable: "kafka",
    StoreUnavailable: "postgres",
    TopicMissing: "topics",
    SchemaBehind: "schema",
}


class Waiting:
    """`async with waiting(listener) as wait: … = await wait.until(begin)`. Implements an ASGI application."""

    def __init__(self) -> None:
        self.missing: list[str] = []
        self._said, self._said_at = "", 0.0

    async def until(self, begin: Callable[[], Awaitable[T]]) -> T:
        """What `begin` gives once nothing it needs is missing. Raises what has to be mended."""
        while True:
            try:
                return await begin()
            except tuple(_MISSING) as error:
                self._say(error)
            await asyncio.sleep(LOOK)

    def _say(self, error: TactfulError) -> None:
        self.missing = [name for kind, name in _MISSING.items() if isinstance(error, kind)]
        now = time.monotonic()
        if str(error) != self._said or now - self._said_at > RARELY:
            self._said, self._said_at = str(error), now
            _logger.warning("waiting: %s", error)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(Request(scope).url.path)(scope, receive, send)

    def _answer(self, path: str) -> JSONResponse:
        if path == "/livez":
            return JSONResponse({"status": "ok"})
        if path == "/readyz":
            return JSONResponse({"status": "unavailable", "missing": self.missing}, 503)
        later = {"code": "starting", "message": "this service waits for its servers; come again"}
        return JSONResponse(later, 503, {"Retry-After": "5"})


@asynccontextmanager
async def waiting(listener: socket.socket | None) -> AsyncIterator[Waiting]:
    """`listener` is free again afterwards; None where others answer for this process. SIGTERM cancels whoever waits."""
    wait, loop, me = Waiting(), asyncio.get_running_loop(), asyncio.current_task()
    assert me is not None
    before = signal.getsignal(signal.SIGTERM)
    loop.add_signal_handler(signal.SIGTERM, me.cancel)
    answering = asyncio.create_task(asyncio.sleep(0) if listener is None else _answered(wait, listener))
    try:
        yield wait
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, before)
        answering.cancel()
        with suppress(asyncio.CancelledError):
            await answering


async def _answered(wait: Waiting, listener: socket.socket) -> None:
    await asyncio.sleep(SOON)
    server = deaf_server_of(wait)
    serving = asyncio.create_task(server.serve([listener.dup()]))
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await serving
