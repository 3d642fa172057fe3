"""One service of many machines: an application that listens, and what goes on beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol

from prometheus_client.core import Metric
from starlette.types import ASGIApp

from tactful_workbench.cluster.ground import Ground
from tactful_workbench.process.housekeeping import Chore
from tactful_workbench.process.running import Alive, Trouble


class Worker(Protocol):
    """Owns partitions of a topic: TriggerWorker or DispatchWorker."""

    @property
    def owned(self) -> Collection[int]: ...
    @property
    def stopped(self) -> Collection[int]: ...
    @property
    def offsets(self) -> Mapping[int, int]:
        """By partition that it owns, the offset of the next record."""
        ...

    async def earliest_due(self, partition: int) -> int | None: ...
    async def release(self) -> None: ...


@dataclass(frozen=True)
class Work:
    """What a service does with the records of a topic."""

    worker: Worker
    alive: Alive
    topic: str
    counted: Callable[[], list[Metric]]  # since it started
    looked_up: Callable[[], Coroutine[Any, Any, list[Metric]]] | None = None  # what the servers know


@dataclass(frozen=True)
class Service:
    """What one process serves, and what it does besides."""

    app: ASGIApp  # with probes
    work: Work | None = None
    chores: Mapping[str, Chore] = field(default_factory=dict)  # now and every hour
    answers: Counter[int] = field(default_factory=Counter)  # HTTP statuses
    trouble: Trouble = field(default_factory=Trouble)


Maker = Callable[[Ground, AsyncExitStack], Awaitable[Service]]  # what it opens ends with the stack


def maker(name: str) -> Maker:
    """The maker of ingest, trigger, dispatch or console, from the module of that name."""
    made: Maker = import_module(f"tactful_workbench.cluster.{name}").service
    return made
