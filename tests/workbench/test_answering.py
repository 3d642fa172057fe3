"""What operators' pages and commands hear when something is wrong."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.types import Message

from tactful.errors import InvalidInput, LogUnavailable, StoreUnavailable, TactfulError
from tactful_workbench.answering import answer_by_name


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InvalidInput("unknown_rule", "there is no rule x"), 400, "unknown_rule"),
        (StoreUnavailable("PostgreSQL: connection refused"), 503, "unavailable"),
        (LogUnavailable("no broker answers"), 503, "unavailable"),
    ],
)
async def test_what_may_go_better_later_is_no_fault_of_whoever_asks(
    error: TactfulError, status: int, code: str
) -> None:
    app = FastAPI()
    answer_by_name(app)

    @app.get("/")
    async def look() -> None:
        raise error

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console") as client:
        answer = await client.get("/")
    assert (answer.status_code, answer.json()) == (status, {"code": code, "message": str(error)})
    assert ("retry-after" in answer.headers) == (status == 503)


async def test_whoever_leaves_in_the_middle_of_their_body_is_no_fault_of_ours() -> None:
    app = FastAPI()
    answer_by_name(app)

    @app.post("/")
    async def read(request: Request) -> None:
        await request.body()

    came: list[Message] = [
        {"type": "http.request", "body": b"do=", "more_body": True},
        {"type": "http.disconnect"},
    ]
    told: list[Message] = []

    async def receive() -> Message:
        return came.pop(0)

    async def send(message: Message) -> None:
        told.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b""}
    await app(scope, receive, send)
    assert told[0]["status"] == 400
