"""The routes behind the command line: for whom they do anything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx

from tactful_workbench.admin import admin_app


async def test_of_whoever_has_no_token_no_body_is_read() -> None:
    product: Any = SimpleNamespace(token="secret", log=None, dispatch=None, clock=None)
    pieces = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal pieces
        while pieces < 10:
            pieces += 1
            yield b"x" * 1000

    transport = httpx.ASGITransport(admin_app(product))
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        answer = await client.post("/admin/stop", content=body(), headers={"Authorization": "Bearer guess"})
    assert (answer.status_code, answer.json()["code"], pieces) == (401, "invalid_token", 0)
    assert answer.headers["www-authenticate"] == "Bearer"
