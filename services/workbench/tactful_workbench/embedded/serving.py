"""Serving the embedded size: listen, live, end cleanly."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from typing import Final

from tactful.errors import SettingsError, Transient
from tactful_workbench.embedded.banner import stop_line
from tactful_workbench.embedded.product import Plan, Product, opened
from tactful_workbench.embedded.serverfile import ServerFile
from tactful_workbench.embedded.web import web
from tactful_workbench.process import collecting
from tactful_workbench.process.housekeeping import Housekeeping, forget_history, forget_messages, prune
from tactful_workbench.process.listening import event_loop, listen, server_of, url_of
from tactful_workbench.process.logs import BARE, TIMED, log_in
from tactful_workbench.settings.unheard import unheard

SWITCH: Final = 0.0002  # seconds: the writer thread asks for the interpreter after every statement
LOOK: Final = 1.0  # seconds between two looks at the settings file
UNSEEN: Final = -1  # in place of when it was saved, where nobody can tell

Banner = Callable[[Product, str], str]

_logger = logging.getLogger(__name__)


def run_server(plan: Plan, host: str, port: int, banner: Banner) -> None:
    """Serve until SIGINT or SIGTERM. Prints the banner once requests are answered."""
    log_in(BARE if plan.dev else TIMED)
    with asyncio.Runner(loop_factory=event_loop) as runner:
        runner.run(serve(plan, host, port, banner))


async def serve(plan: Plan, host: str, port: int, banner: Banner) -> None:
    """Until the server is told to end. Raises StoreUnavailable where the folder cannot say that it runs."""
    listener = listen(host, port)
    async with opened(plan) as product:
        url = url_of(host, port)
        server = server_of(web(product, command_name()))
        serving = asyncio.create_task(server.serve([listener]))
        while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn offers no event for it
            await asyncio.sleep(0.01)
        try:
            await _live(product, url, banner, serving)
        finally:
            server.should_exit = True  # where it could not live
            await asyncio.wait([serving])


async def _live(product: Product, url: str, banner: Banner, serving: asyncio.Task[None]) -> None:
    """Until the server ends. What has begun ends with it, whatever cannot: the file closes behind it."""
    file = ServerFile(url, os.getpid(), product.token)
    file.write(product.plan.data)
    collecting.settle()
    sys.setswitchinterval(SWITCH)
    product.running.start()
    housekeeping = Housekeeping(
        log=lambda: prune(product),
        history=lambda: forget_history(product, product.clock.now()),
        messages=lambda: forget_messages(product, product.clock.now()),
    )
    housekeeping.start()
    looking = asyncio.create_task(watch_settings(product))
    try:
        print(banner(product, url), flush=True)
        standing = await product.button.standing()
        if standing.stopped:
            print(stop_line(standing, product.settings.latest.shop.zone), flush=True)
        await serving
    finally:
        looking.cancel()
        housekeeping.stop()
        await product.running.stop()
        file.remove(product.plan.data)


async def watch_settings(product: Product, every: float = LOOK) -> None:
    """Look for ever. What was saved after the start had read the file is found by the first look."""
    seen = 0
    while True:
        await asyncio.sleep(every)
        seen = await look_at_settings(product, seen)


async def look_at_settings(product: Product, seen: int) -> int:
    """A saved file takes effect at once; a broken one is named and changes nothing, whatever is wrong with it. When it was saved,
    `seen` being when that was at the look before."""
    try:
        saved = product.settings.path.stat().st_mtime_ns
    except FileNotFoundError:
        return seen
    except OSError:  # a link that leads to itself: named once, and read when it is mended
        saved = UNSEEN
    if saved != seen:
        await _read_again(product)
    return saved


async def _read_again(product: Product) -> None:
    try:
        if await product.settings.tell(product.log, product.clock, ""):
            for text in ("settings.toml was read again", *unheard(product.settings.latest, product.loaded.rules)):
                _logger.info(text)
    except SettingsError as error:
        _logger.error("not taken: %s", error)
    except Transient as error:
        _logger.error("not taken: %s; save it again", error)
    except Exception as error:  # noqa: BLE001 - or no later save would be read either
        _logger.error("not taken: %s: %s; save it again", type(error).__name__, error)


def command_name() -> str:
    """How this command is called from where the developer stands."""
    name = sys.argv[0]
    return os.path.relpath(name) if os.path.isabs(name) and name.startswith(os.getcwd()) else "tactful"
