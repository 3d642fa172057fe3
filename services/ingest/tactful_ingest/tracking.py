"""The tracking API's routes: single calls, batches, and the short forms and foreign paths that clients use."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from fastapi import Request, Response
from starlette.routing import Route

from tactful_ingest.answers import answer, preflight
from tactful_ingest.client_settings import rudder_source, segment_settings
from tactful_ingest.entrance import Entrance, Handle, accepted, scope_refusal
from tactful_ingest.envelope import CALLS, SHORT, batch_head, read_call, single_key
from tactful_ingest.intake import take_in
from tactful_ingest.overload import Ticket

_BATCHES: Final = ("/v1/batch", "/v1/import", "/v1/b", "/beacon/v1/batch", "/api/s/batch", "/api/s/s2s/batch")


def tracking_routes(entrance: Entrance) -> Iterator[Route]:
    """Every path with and without a slash at its end: a redirect would lose the body at some clients."""
    for call in CALLS:
        for path in (f"/v1/{call}", f"/api/s/{call}", f"/api/s/s2s/{call}"):
            yield from both(path, partial(_single, entrance, call))
    for letter, call in SHORT.items():
        yield from both(f"/v1/{letter}", partial(_single, entrance, call))
    for path in _BATCHES:
        yield from both(path, partial(_batch, entrance))
    yield from both("/v1/m", partial(_metrics, entrance))
    yield from both("/v1/projects/{write_key}/settings", segment_settings, "GET")
    yield from both("/sourceConfig", rudder_source, "GET")


def both(path: str, handle: Handle, method: str = "POST") -> Iterator[Route]:
    """A path and the same with a slash, open to preflights."""

    async def endpoint(request: Request) -> Response:
        return preflight(request) if request.method == "OPTIONS" else await handle(request)

    for spelling in (path, path + "/"):
        yield Route(spelling, endpoint, methods=[method, "OPTIONS"])


async def _single(entrance: Entrance, call: str, request: Request) -> Response:
    async def work(ticket: Ticket) -> Response:
        body = await entrance.body(request, ticket)
        visit = await entrance.admitted(request, single_key(body))
        intake = take_in([body], partial(read_call, call_type=call), visit)
        if refusal := scope_refusal(intake):
            raise refusal
        await entrance.store(intake)
        return accepted(intake)

    return await entrance.guarded(work)


async def _batch(entrance: Entrance, request: Request) -> Response:
    async def work(ticket: Ticket) -> Response:
        head, calls = batch_head(await entrance.body(request, ticket), entrance.door.limits)
        visit = await entrance.admitted(request, head.write_key)
        intake = take_in(calls, partial(read_call, head=head), visit)
        await entrance.store(intake)
        return accepted(intake)

    return await entrance.guarded(work)


async def _metrics(entrance: Entrance, request: Request) -> Response:
    """What an SDK measures about itself: taken, and thrown away."""

    async def work(ticket: Ticket) -> Response:
        await entrance.body(request, ticket)
        return answer({"success": True})

    return await entrance.guarded(work)
