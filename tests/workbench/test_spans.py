"""Where spans go, and what they must not tell."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from providerserver import provider_server
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tactful.telemetry import SILENT
from tactful.telemetry.memory import MemoryTelemetry
from tactful_workbench.cluster.spans import telemetry_of, traced

TOKEN = "c2VjcmV0LWxpbms"


async def page(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def test_a_request_is_told_without_the_signed_part_of_its_path_and_an_unknown_path_not_at_all() -> None:
    telemetry = MemoryTelemetry()
    app = traced(Starlette(routes=[Route("/p/{token}", page)]), telemetry)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as http:
        await http.get(f"/p/{TOKEN}", headers={"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"})
        await http.get("/guess")
    known, unknown = telemetry.ended
    assert (known.name, known.facts) == ("GET", {"status": 200, "path": "/p"})
    assert known.trace[3:35] == "a" * 32
    assert unknown.facts == {"status": 404}
    assert TOKEN not in repr(telemetry.ended)


def test_without_a_place_to_send_them_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    app = Starlette()
    with telemetry_of("ingest") as telemetry:
        assert telemetry is SILENT
        assert traced(app, telemetry) is app


async def test_spans_are_posted_to_the_collector_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    async with provider_server() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.port}")

        def tell() -> None:
            with telemetry_of("ingest") as telemetry, telemetry.span("POST", "server", path="/v1"):
                pass

        await asyncio.to_thread(tell)
        (asked,) = collector.asked
    assert asked.path == "/v1/traces"
    assert b"tactful-ingest" in asked.body
    assert b"tactful.path" in asked.body
