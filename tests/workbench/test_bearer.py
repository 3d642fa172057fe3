"""Who holds a letter and the key that everybody can read, and knows somebody else's id."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tactful_workbench.embedded.product import Plan, opened
from tactful_workbench.embedded.web import web


class Shop:
    """`tactful dev` over HTTP."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def post(self, key: str, **call: Any) -> None:
        answer = await self.client.post("/v1/batch", json={"batch": [call]}, auth=(key, ""))
        assert answer.json() == {"success": True}

    async def advance(self, **step: str) -> None:
        assert (await self.client.post("/dev/clock", json=step)).status_code == 200

    async def letter_to_a_visitor(self, email: str) -> str:
        """The token of its preference page."""
        asked = {"purpose": "marketing", "channel": "email", "state": "requested"}
        await self.post("dev_server", type="identify", anonymousId="x", traits={"email": email})
        await self.post("dev_server", type="track", anonymousId="x", event="Consent Changed", properties=asked)
        await self.advance(to="message")
        found = re.search(r"/p/([\w-]+)", (await self.client.get("/inbox/1.json")).json()["text"])
        assert found is not None
        return found[1]


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with opened(Plan(tmp_path, dev=True, disposable=True)) as product:
        transport = httpx.ASGITransport(web(product, "tactful"))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
            yield Shop(client)


@pytest.mark.parametrize(("email", "status"), [("eve@example.test", 403), ("Uma@example.test", 200)])
async def test_a_letter_to_a_visitor_opens_what_is_a_customers_only_if_it_went_to_them(
    shop: Shop, email: str, status: int
) -> None:
    await shop.post(
        "dev_server", type="identify", userId="u1", traits={"email": "uma@example.test", "firstName": "Uma"}
    )
    token = await shop.letter_to_a_visitor(email)
    await shop.post("dev_browser", type="page", anonymousId="x", userId="u1")
    await shop.advance(advance="1m")
    copy = await shop.client.get(f"/d/{token}")
    assert (copy.status_code, "uma@example.test" in copy.text) == (status, status == 200)
    assert ("Uma" in (await shop.client.get(f"/p/{token}")).text) == (status == 200)


async def test_an_erasure_by_a_letter_to_a_visitor_reaches_nobody_whom_they_turn_out_to_be_meanwhile(
    shop: Shop,
) -> None:
    """What a browser has said of them is in the log, and nobody has read it yet."""
    await shop.post("dev_server", type="identify", userId="u1", traits={"email": "uma@example.test"})
    token = await shop.letter_to_a_visitor("eve@example.test")
    await shop.post("dev_browser", type="page", anonymousId="x", userId="u1")
    assert (await shop.client.post(f"/e/{token}", data={"do": "erase"})).status_code == 200
    await shop.advance(advance="1m")
    assert (await shop.client.get("/console/customers/u1.json")).status_code == 200
