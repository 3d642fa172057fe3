"""The way of every request: room, body, key, reading, log, answer. Errors become answers here and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import Request, Response

from tactful import crashpoints
from tactful.errors import InvalidInput, LogUnavailable, RecordTooLarge, Transient
from tactful_ingest.admission import KEY_SCOPE
from tactful_ingest.answers import Refusal, answer, refused
from tactful_ingest.authentication import authenticate
from tactful_ingest.body import read_body
from tactful_ingest.door import Door, Visit, visit
from tactful_ingest.intake import Intake
from tactful_ingest.overload import Rate, Ticket
from tactful_ingest.placement import Placement

STOPPING: Final = "the server stops, and this may or may not have been stored; post it again"
Handle = Callable[[Request], Awaitable[Response]]


class Entrance:
    """One process's door: its ports, what is in flight, and the links it remembers."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self._rate = Rate(door.clock)
        self._placement = Placement(door.log, door.limits.links_remembered)

    def guarded(self, work: Callable[[Request, Ticket], Awaitable[Response]]) -> Handle:
        """Answers what `work` answers, or the refusal that it raises. A server that stops gives up what takes too long: its client is told
        to come back as well, and with the answer the task is over."""

        async def handle(request: Request) -> Response:
            try:
                with self.door.flight.enter() as ticket:
                    return await work(request, ticket)
            except Refusal as refusal:
                return refused(refusal, self.door.jitter)
            except asyncio.CancelledError:
                return refused(Refusal(503, "stopping", STOPPING, later=True), self.door.jitter)

        return handle

    async def body(self, request: Request, ticket: Ticket) -> bytes:
        """Raises Refusal."""
        return await read_body(request, self.door.limits, ticket)

    async def admitted(self, request: Request, key_in_body: object) -> Visit:
        """Who posts, and when. Raises Refusal 401, 429, or 503 while nobody knows whose key it is."""
        try:
            async with asyncio.timeout(self.door.limits.append_seconds):
                key = await authenticate(request, key_in_body, self.door.keys)
        except (Transient, TimeoutError):
            raise Refusal(503, "keys_unavailable", "keys cannot be read now; post again later", later=True) from None
        self._rate.take(key)
        return visit(self.door, key)

    async def store(self, intake: Intake) -> None:
        """Returns when all of it is durable. Raises Refusal 503: it may or may not have been stored. Raises Refusal 413 for what
        the log will never take."""
        try:
            async with asyncio.timeout(self.door.limits.append_seconds):
                await self._placement.store(intake)
        except RecordTooLarge as error:
            raise Refusal(413, "too_large", str(error)) from None
        except (LogUnavailable, TimeoutError):
            raise Refusal(
                503, "log_unavailable", "events cannot be stored now; post them again later", later=True
            ) from None
        crashpoints.reach("ingest: appended")


def accepted(intake: Intake) -> Response:
    """The tracking API's answer: success, and how many events were refused or not stored."""
    body: dict[str, object] = {"success": True}
    if intake.quarantined:
        body["rejected"] = len(intake.quarantined)
    if unstored := sum(result.status == "not_stored" for result in intake.results):
        body["not_stored"] = unstored
    return answer(body)


def scope_refusal(intake: Intake) -> Refusal | None:
    """A single call beyond its key's scope is refused as a request: its sender must learn of it."""
    for record in intake.quarantined:
        if record.body.reason == KEY_SCOPE:
            return Refusal(403, KEY_SCOPE, record.body.message)
    return None


def wrong(error: InvalidInput) -> Refusal:
    """A single event that is wrong, where its sender asked to be told."""
    status = {KEY_SCOPE: 403, "too_large": 413}.get(error.code, 400)
    return Refusal(status, error.code, error.message, error.field)
