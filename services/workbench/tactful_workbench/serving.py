"""Serving the embedded size: listen, live, end cleanly."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from tactful.errors import SettingsError, TactfulError, Transient
from tactful_workbench import collecting
from tactful_workbench.embedded import Plan, Product, opened
from tactful_workbench.housekeeping import Housekeeping, forget_history, prune
from tactful_workbench.office import ServerFile
from tactful_workbench.web import web

GRACE: Final = 3  # seconds for requests in flight when told to stop
SWITCH: Final = 0.0002  # seconds: the writer thread asks for the interpreter after every statement
LOOK: Final = 1.0  # seconds between two looks at the settings file

Banner = Callable[[Product, str], str]


def run_server(plan: Plan, host: str, port: int, banner: Banner) -> None:
    """Serve until SIGINT or SIGTERM. Prints the banner once requests are answered."""
    with asyncio.Runner(loop_factory=event_loop) as runner:
        runner.run(_serve(plan, host, port, banner))


def event_loop() -> asyncio.AbstractEventLoop:
    with suppress(ImportError):
        import uvloop

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()


async def _serve(plan: Plan, host: str, port: int, banner: Banner) -> None:
    listener = listen(host, port)
    async with opened(plan) as product:
        url = f"http://{host}:{port}"
        server = server_of(web(product, url, command_name()))
        serving = asyncio.create_task(server.serve([listener]))
        while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn offers no event for it
            await asyncio.sleep(0.01)
        collecting.settle()
        sys.setswitchinterval(SWITCH)
        product.running.start()
        housekeeping = Housekeeping(log=lambda: prune(product), history=lambda: forget_history(product))
        housekeeping.start()
        file = ServerFile(url, os.getpid(), product.token)
        file.write(plan.data)
        print(banner(product, url), flush=True)
        looking = asyncio.create_task(_watch_settings(product))
        try:
            await serving
        finally:
            looking.cancel()
            housekeeping.stop()
            await product.running.stop()
            with suppress(FileNotFoundError):
                file.path(plan.data).unlink()


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


async def _watch_settings(product: Product) -> None:
    """A saved file takes effect at once; a broken one is named and changes nothing."""
    seen = product.settings.path.stat().st_mtime_ns
    while True:
        await asyncio.sleep(LOOK)
        with suppress(FileNotFoundError):
            changed = product.settings.path.stat().st_mtime_ns
            if changed == seen:
                continue
            seen = changed
            try:
                if await product.settings.tell(product.log, product.clock, ""):
                    print("settings.toml was read again", flush=True)
            except SettingsError as error:
                print(f"not taken: {error}", file=sys.stderr, flush=True)
            except Transient as error:
                print(f"not taken: {error}; save it again", file=sys.stderr, flush=True)


def command_name() -> str:
    """How this command is called from where the developer stands."""
    name = sys.argv[0]
    return os.path.relpath(name) if os.path.isabs(name) and name.startswith(os.getcwd()) else "tactful"
