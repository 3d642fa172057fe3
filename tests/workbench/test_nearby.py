"""The pages of `tactful dev` ask for no key; other sites in a developer's browser get nothing of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tactful.clock import HOUR
from tactful_workbench.embedded.product import Plan, opened
from tactful_workbench.embedded.web import web

PAGES = ("/inbox", "/inbox.json", "/console", "/dev/clock")


@pytest.fixture
async def dev(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with opened(Plan(tmp_path, dev=True, disposable=True)) as product:
        transport = httpx.ASGITransport(web(product, "tactful"))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
            yield client


async def test_a_site_whose_name_leads_here_reads_no_page(dev: httpx.AsyncClient) -> None:
    for host in ("evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example.", "[::1"):
        for page in PAGES:
            answer = await dev.get(page, headers={"host": host})
            assert (answer.status_code, answer.json()["code"]) == (400, "unknown_host"), (host, page)


async def test_whoever_works_here_opens_them_by_any_name_that_leads_here_alone(dev: httpx.AsyncClient) -> None:
    for host in ("127.0.0.1:8080", "localhost:8080", "[::1]:8080", "shop.localhost", "host.docker.internal:8080"):
        for page in PAGES:
            assert (await dev.get(page, headers={"host": host})).status_code == 200, (host, page)


async def test_another_site_cannot_move_the_clock(dev: httpx.AsyncClient) -> None:
    before = (await dev.get("/dev/clock")).json()["now"]
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}, {"origin": "null"}):
        answer = await dev.post("/dev/clock", content='{"advance":"1d"}', headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "cross_site")
    assert (await dev.get("/dev/clock")).json()["now"] - before < HOUR
