"""Bodies that are posted to dispatch by anybody."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import Request
from starlette.types import Message

from tactful.errors import InvalidInput
from tactful_dispatch.body import bounded


async def test_a_body_that_does_not_come_is_given_up() -> None:
    came = [b"do=", b"stop"]

    async def receive() -> Message:
        if not came:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": came.pop(0), "more_body": True}

    with pytest.raises(InvalidInput, match="did not come in time"):
        await bounded(Request({"type": "http", "headers": []}, receive), 8192, patience=0)
