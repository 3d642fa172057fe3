"""A socket, an event loop and an HTTP server that end cleanly."""

from __future__ import annotations

import asyncio
import logging
import re
import resource
import signal
import socket
from contextlib import AbstractContextManager, nullcontext, suppress
from contextvars import ContextVar
from errno import EADDRNOTAVAIL
from ipaddress import ip_address
from types import FrameType
from typing import Final

import uvicorn
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tactful.errors import TactfulError

GRACE: Final = 3  # seconds for requests in flight when told to stop
SILENCE: Final = 10  # seconds that a connection may ask nothing
# Balancers of load keep connections for 60 to 600 s: one that we close before them, they post into, and tell their client 502.
KEPT: Final = 620  # seconds that a connection may wait after an answer
HINT: Final = 4  # seconds after which clients that heed it open another
CROWD: Final = 2_000  # connections, beyond which none that asks nothing is kept for longer than `SILENCE`
_OFFER: Final = re.compile(rb"^upgrade[ \t]*:", re.IGNORECASE | re.MULTILINE)
UNTOLD: Final = 65_536  # bytes of a head, or behind a body: the parser copies what it has with every piece that comes
AGAIN: Final = 5  # seconds after which another server may be there
_STOPPING: Final = {"code": "stopping", "message": "the server stops, and this may or may not be done; send it again"}
_cut_off = ContextVar("cut_off", default=False)  # of the answer at hand
FILES: Final = 65_536  # connections are files: where 1,024 are allowed, that many silent ones would shut the door


def event_loop() -> asyncio.AbstractEventLoop:
    with suppress(ImportError):
        import uvloop

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()


class Connection(HttpToolsProtocol):
    """Closed when it does not come to a request: uvicorn by itself waits for ever for the first one, and for the end of a head
    that has begun, however long.

    An offer to go on in another protocol is passed over (RFC 9110, 7.8). Java's own client offers HTTP/2 with whatever it posts over
    plain HTTP, and the parser would take the body for that protocol's.
    """

    _looking: asyncio.TimerHandle
    _untold = 0  # bytes that came since a head, or a part of a body, was complete

    def on_headers_complete(self) -> None:
        self._untold = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Where the request was answered before its body has ended, other connections are served between two pieces of it."""
        self._untold = 0
        super().on_body(body)
        if self.cycle.response_complete and not self.flow.read_paused:
            self.flow.pause_reading()
            self.loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        if not self.transport.is_closing():
            self.flow.resume_reading()

    def data_received(self, data: bytes) -> None:
        self._untold += len(data)
        if self.cycle is None or not self.cycle.more_body:  # a head begins or goes on
            head, end, rest = data.partition(b"\r\n\r\n")
            if b"upgrade" in head.lower():  # much faster than to look for a line
                data = _OFFER.sub(b"x-declined:", head) + end + rest
        super().data_received(data)
        if self._untold > UNTOLD and not self.transport.is_closing():
            self.send_400_response("The head of this request is too long.")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._look_later(None)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._looking.cancel()

    def _look_later(self, last: object) -> None:
        self._looking = self.loop.call_later(SILENCE, self._look, last)

    def _look(self, last: object) -> None:
        """`last` is the latest request when we looked before, if it had been answered by then."""
        busy = self.cycle is not None and not self.cycle.response_complete
        kept = self.timeout_keep_alive_task is not None and len(self.connections) <= CROWD
        if not busy and not kept and self.cycle is last:
            self.transport.close()
        else:
            self._look_later(self if busy else self.cycle)


def server_of(app: ASGIApp) -> uvicorn.Server:
    """A server for a socket that is bound already; SIGINT and SIGTERM end it.

    It does not limit connections: the door counts requests and bytes, and answers what is too much in its own words. It believes
    the `X-Forwarded-Proto` of anybody, wherever their proxy stands: only the settings that browsers fetch depend on it, and nothing
    depends on the client's address.
    """
    server = uvicorn.Server(_config(app))
    _end_on_signal(server)
    return server


def deaf_server_of(app: ASGIApp) -> uvicorn.Server:
    """The same, which leaves signals to others."""
    return _Deaf(_config(app))


def _answered(app: ASGIApp) -> ASGIApp:
    """The same application. What a server that stops gives up is told to come again, and with the answer it is over; uvicorn would
    call it a fault of the application, and print where it stood."""

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def told(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await app(scope, receive, told)
        except asyncio.CancelledError:
            if begun:
                _cut_off.set(True)
            else:
                await JSONResponse(_STOPPING, 503, {"Retry-After": str(AGAIN)})(scope, receive, send)

    return answered


def _in_our_words(record: logging.LogRecord) -> bool:
    """uvicorn says in its own, and as an error, that an answer came to no end."""
    if _cut_off.get():
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg, record.args = "an answer was cut off, since the server stops; whoever asked has to ask again", ()
    return True


class _Deaf(uvicorn.Server):
    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()


def _config(app: ASGIApp) -> uvicorn.Config:
    logging.getLogger("uvicorn.error").addFilter(_in_our_words)
    return uvicorn.Config(
        _answered(app),
        http=Connection,
        log_config=None,  # what it says goes where the process logs
        log_level="warning",
        lifespan="off",
        timeout_graceful_shutdown=GRACE,
        server_header=False,
        timeout_keep_alive=KEPT,
        headers=[("Keep-Alive", f"timeout={HINT}")],
        forwarded_allow_ips="*",
    )


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
    _allow_connections()
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if isinstance(error, socket.gaierror) or error.errno == EADDRNOTAVAIL:
            raise TactfulError(
                f"{host} is no address of this machine ({error.strerror}); choose another with --host, like 127.0.0.1 or 0.0.0.0"
            ) from None
        raise TactfulError(
            f"port {port} of {host} cannot be used ({error.strerror}); choose another with --port"
        ) from None
    return listener


def url_of(host: str, port: int) -> str:
    """Under which this machine reaches who listens there: where that is everywhere, by loopback."""
    with suppress(ValueError):
        address = ip_address(host)
        if address.is_unspecified:
            host = "127.0.0.1" if address.version == 4 else "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _allow_connections() -> None:
    """As many files as the system lets this process have, within reason."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if most == resource.RLIM_INFINITY else min(FILES, most)
    if now != resource.RLIM_INFINITY and now < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
