"""`/livez`: the process answers. `/readyz`: what is missing of the servers it stands on; 503 if its pages cannot do without."""

from __future__ import annotations

from collections.abc import Collection, Coroutine
from typing import Any, Final

from sqlalchemy import text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from tactful.errors import Transient
from tactful.records import EVENTS
from tactful.together import all_done
from tactful_workbench.cluster.ground import Ground
from tactful_workbench.process.looking import within

PROBES: Final = ("/livez", "/readyz")
PATIENCE: Final = 2.0  # seconds for a probe
SERVERS: Final = ("kafka", "postgres")


def probed(app: ASGIApp | None, here: Ground, needs: Collection[str] = SERVERS) -> Starlette:
    """The same application with probes for orchestrators, which ask for no key; None: probes alone. It is ready while the servers
    that it `needs` answer."""

    async def alive(request: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def ready(request: Request) -> JSONResponse:
        missing = await _missing(here)
        ready = not set(missing).intersection(needs)
        return JSONResponse({"status": "ok" if ready else "unavailable", "missing": missing}, 200 if ready else 503)

    return Starlette(
        routes=[
            Route("/livez", alive),
            Route("/readyz", ready),
            *([Mount("", app)] if app is not None else []),
        ]
    )


async def _missing(here: Ground) -> list[str]:
    """Which servers do not answer. Kafka does as long as one partition answers: one that no broker leads makes no other unready."""
    looks: tuple[list[Coroutine[Any, Any, object]], ...] = (
        [here.log.end(EVENTS, partition) for partition in range(here.log.partitions)],
        [all_done([here.time.look(), *(database.ask(text("SELECT 1")) for database in here.databases[1:])])],
    )
    answered = await all_done(_one_answers(each) for each in looks)
    return [name for name, is_there in zip(SERVERS, answered, strict=True) if not is_there]


async def _one_answers(looks: list[Coroutine[Any, Any, object]]) -> bool:
    return any(await all_done(_answers(look) for look in looks))


async def _answers(look: Coroutine[Any, Any, object]) -> bool:
    try:
        await within(PATIENCE, look)
    except (Transient, TimeoutError):
        return False
    return True
