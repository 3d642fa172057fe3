"""Serving one of the services: wait for its servers, listen, live, hand over."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tactful.errors import Transient
from tactful.telemetry import Telemetry
from tactful_workbench.cluster.ground import Ground, Site, ground
from tactful_workbench.cluster.metrics import metrics_served
from tactful_workbench.cluster.probes import PROBES
from tactful_workbench.cluster.service import Maker, Service
from tactful_workbench.cluster.spans import telemetry_of, traced
from tactful_workbench.cluster.waiting import waiting
from tactful_workbench.process import collecting
from tactful_workbench.process.housekeeping import Housekeeping
from tactful_workbench.process.listening import event_loop, listen, server_of
from tactful_workbench.process.logs import AsJson, log_in
from tactful_workbench.process.running import Running
from tactful_workbench.process.workers import run_processes

GOODBYE: Final = 10.0  # seconds for handing partitions over


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service listens. Several processes share `port`; metrics of the n-th are on `metrics_port` + n."""

    host: str
    port: int
    metrics_port: int
    workers: int = 1


def run_service(name: str, make: Maker, site: Site, place: Place) -> int:
    """Serve until SIGINT or SIGTERM; the exit code. Raises a named error if the servers are not as they must be."""
    log_in(AsJson(name))
    starting = _Starting(name, make, site, place, listen(place.host, place.port))
    if place.workers > 1:
        return run_processes(place.workers, starting.work)
    starting.work(0, False)
    return 0


@dataclass(frozen=True, slots=True)
class _Starting:
    """What every process of a service is started with."""

    name: str
    make: Maker
    site: Site
    place: Place
    listener: socket.socket

    def work(self, number: int, again: bool) -> None:
        """The whole life of the n-th process. `again`: it takes the place of one that died, and others answer at the port until
        its servers are there."""
        with asyncio.Runner(loop_factory=event_loop) as runner:
            runner.run(self._serve(number, again))

    async def _serve(self, number: int, again: bool) -> None:
        async with AsyncExitStack() as stack:
            telemetry = stack.enter_context(telemetry_of(self.name))
            try:
                async with waiting(None if again else self.listener) as wait:
                    here, service = await wait.until(lambda: self._begun(telemetry, stack))
            except asyncio.CancelledError:  # told to end before it began
                return
            metrics_port = self.place.metrics_port + number
            async with metrics_served(self.name, self.place.host, metrics_port, here, service):
                await self._live(here, service)

    async def _begun(self, telemetry: Telemetry, stack: AsyncExitStack) -> tuple[Ground, Service]:
        """What is opened ends with the stack, or at once if something is missing."""
        async with AsyncExitStack() as opened:
            here = await opened.enter_async_context(ground(self.site, telemetry))
            made = await self.make(here, opened)
            stack.push_async_callback(opened.pop_all().aclose)
        return here, made

    async def _live(self, here: Ground, service: Service) -> None:
        server = server_of(counting(traced(service.app, here.telemetry), service.answers))
        alive = [service.work.alive] if service.work is not None else []
        running = Running(*alive, arrivals=lambda: 0, trouble=service.trouble)
        housekeeping = Housekeeping(**service.chores)
        collecting.settle()
        running.start()
        housekeeping.start()
        host, port = self.listener.getsockname()[:2]
        print(f"{self.name} serves {host}:{port}", flush=True)
        try:
            await server.serve([self.listener])
        finally:
            housekeeping.stop()
            await running.stop()
            await _hand_over(service)


async def _hand_over(service: Service) -> None:
    """Give every partition up, so that others go on at once."""
    with suppress(Transient, TimeoutError):
        async with asyncio.timeout(GOODBYE):
            if service.work is not None:
                await service.work.worker.release()


def counting(app: ASGIApp, answers: Counter[int]) -> ASGIApp:
    """The same application; counts its answers by status, but for those to probes."""

    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in PROBES:
            await app(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                answers[message["status"]] += 1
            await send(message)

        await app(scope, receive, told)

    return counted
