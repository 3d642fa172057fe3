"""The tracking API's routes: single calls, batches, and the short forms and foreign paths that clients use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from fastapi import Request, Response
from starlette.routing import Route

from tactful_ingest.answers import answer, preflight, unknown_path
from tactful_ingest.client_settings import rudder_source, segment_settings
from tactful_ingest.entrance import Entrance, Handle, accepted, scope_refusal
from tactful_ingest.envelope import CALLS, SHORT, batch_head, read_call, single_key
from tactful_ingest.intake import take_in
from tactful_ingest.overload import Ticket


def tracking_routes(entrance: Entrance) -> Iterator[Route]:
    """Few routes and a table of names: the router tries one route after another, and single posts feel each try."""
    batch = entrance.guarded(partial(_batch, entrance))
    long = {call: entrance.guarded(partial(_single, entrance, call)) for call in CALLS}
    short = {letter: long[call] for letter, call in SHORT.items()}
    metrics = entrance.guarded(partial(_metrics, entrance))
    jitsu = long | {"batch": batch}
    yield from both("/v1/{name}", _named(jitsu | short | {"import": batch, "b": batch, "m": metrics}))
    yield from both("/api/s/{name}", _named(jitsu))
    yield from both("/api/s/s2s/{name}", _named(jitsu))
    yield from both("/beacon/v1/batch", batch)
    yield from both("/v1/projects/{write_key}/settings", segment_settings, "GET")
    yield from both("/sourceConfig", rudder_source, "GET")


def both(path: str, handle: Handle, method: str = "POST") -> Iterator[Route]:
    """A path, and the same with a slash at its end (a redirect would lose the body at some clients), for preflights too."""

    async def endpoint(request: Request) -> Response:
        return preflight(request) if request.method == "OPTIONS" else await handle(request)

    for spelling in (path, path + "/"):
        yield Route(spelling, endpoint, methods=[method, "OPTIONS"])


def _named(handles: Mapping[str, Handle]) -> Handle:
    async def handle(request: Request) -> Response:
        found = handles.get(request.path_params["name"])
        return unknown_path() if found is None else await found(request)

    return handle


async def _single(entrance: Entrance, call: str, request: Request, ticket: Ticket) -> Response:
    body = await entrance.body(request, ticket)
    visit = await entrance.admitted(request, single_key(body))
    intake = take_in([body], partial(read_call, call_type=call), visit)
    if refusal := scope_refusal(intake):
        raise refusal
    await entrance.store(intake)
    return accepted(intake)


async def _batch(entrance: Entrance, request: Request, ticket: Ticket) -> Response:
    head, calls = batch_head(await entrance.body(request, ticket), entrance.door.limits)
    visit = await entrance.admitted(request, head.write_key)
    intake = take_in(calls, partial(read_call, head=head), visit)
    await entrance.store(intake)
    return accepted(intake)


async def _metrics(entrance: Entrance, request: Request, ticket: Ticket) -> Response:
    """What an SDK measures about itself: taken, and thrown away."""
    await entrance.body(request, ticket)
    return answer({"success": True})
