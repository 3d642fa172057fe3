"""Serving one of the services: wait for the schema, listen, live, hand over."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from sqlalchemy import text
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tactful.errors import SchemaBehind, Transient
from tactful.records import EVENTS
from tactful.together import all_done
from tactful_workbench import collecting
from tactful_workbench.cluster import Ground, Service, Site, ground, service
from tactful_workbench.housekeeping import Housekeeping
from tactful_workbench.jsonlog import log_as_json
from tactful_workbench.metrics import metrics_served
from tactful_workbench.processes import run_processes
from tactful_workbench.running import Running
from tactful_workbench.serving import event_loop, listen, server_of

LOOK: Final = 2.0  # seconds between two looks whether the schema is there
GOODBYE: Final = 10.0  # seconds for handing partitions over
PATIENCE: Final = 2.0  # seconds for a probe's look at the servers


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service listens. Several processes share `port`; metrics of the n-th are on `metrics_port` + n."""

    host: str
    port: int
    metrics_port: int
    workers: int = 1


def run_service(name: str, site: Site, place: Place) -> int:
    """Serve until SIGINT or SIGTERM; the exit code. Raises a named error if the servers are not as they must be."""
    log_as_json(name)
    listener = listen(place.host, place.port)

    def work(number: int) -> None:
        with asyncio.Runner(loop_factory=event_loop) as runner:
            runner.run(_serve(name, site, listener, place.host, place.metrics_port + number))

    if place.workers > 1:
        return run_processes(place.workers, work)
    work(0)
    return 0


async def _serve(name: str, site: Site, listener: socket.socket, host: str, metrics_port: int) -> None:
    while True:
        try:
            async with ground(site) as here, service(name, here) as serving:
                async with metrics_served(name, host, metrics_port, here, serving):
                    await _live(name, here, serving, listener)
                return
        except SchemaBehind as error:
            print(f"waiting: {error}", file=sys.stderr, flush=True)
            await asyncio.sleep(LOOK)


async def _live(name: str, here: Ground, serving: Service, listener: socket.socket) -> None:
    if name != "ingest":  # the door has its own
        _add_probes(serving.app, here)
    server = server_of(counting(serving.app, serving.answers))
    running = Running(*serving.alive, arrivals=lambda: 0)
    housekeeping = Housekeeping(**serving.chores)
    collecting.settle()
    running.start()
    housekeeping.start()
    host, port = listener.getsockname()[:2]
    print(f"{name} serves {host}:{port}", flush=True)
    try:
        await server.serve([listener])
    finally:
        housekeeping.stop()
        await running.stop()
        await _hand_over(serving)


async def _hand_over(serving: Service) -> None:
    """Give every partition up, so that others go on at once."""
    with suppress(Transient, TimeoutError):
        async with asyncio.timeout(GOODBYE):
            for worker in serving.workers:
                await worker.release()


def counting(app: ASGIApp, answers: Counter[int]) -> ASGIApp:
    """The same application; counts its answers by status."""

    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                answers[message["status"]] += 1
            await send(message)

        await app(scope, receive, told)

    return counted


def _add_probes(app: FastAPI, here: Ground) -> None:
    async def alive() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def ready() -> JSONResponse:
        missing = await _missing(here)
        status = 503 if missing else 200
        return JSONResponse({"status": "unavailable" if missing else "ok", "missing": missing}, status)

    app.add_api_route("/livez", alive, methods=["GET"])
    app.add_api_route("/readyz", ready, methods=["GET"])


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
