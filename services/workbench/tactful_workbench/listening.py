"""A socket, an event loop and an HTTP server that end cleanly."""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import suppress
from types import FrameType
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from tactful.errors import TactfulError

GRACE: Final = 3  # seconds for requests in flight when told to stop


def event_loop() -> asyncio.AbstractEventLoop:
    with suppress(ImportError):
        import uvloop

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()


def server_of(app: ASGIApp) -> uvicorn.Server:
    """For a socket that is listened on already; SIGINT and SIGTERM end it."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        lifespan="off",
        timeout_graceful_shutdown=GRACE,
        limit_concurrency=2000,
        server_header=False,
    )
    server = uvicorn.Server(config)
    _end_on_signal(server)
    return server


def _end_on_signal(server: uvicorn.Server) -> None:
    """uvicorn raises the signal again once it has ended; by default that kills us before anything is put away."""

    def end(number: int, frame: FrameType | None) -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to an address. Raises TactfulError that says what to do.

    asyncio switches Nagle's algorithm off only for sockets that name their protocol; with it on, every answer waits for
    the client's delayed acknowledgement (40 ms).
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise TactfulError(
            f"port {port} of {host} cannot be used ({error.strerror}); choose another with --port"
        ) from None
    return listener
