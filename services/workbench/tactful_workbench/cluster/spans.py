"""Spans of a service, for whoever sets `OTEL_EXPORTER_OTLP_ENDPOINT`; `docs/how-to/tracing.md`."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tactful.errors import SettingsError
from tactful.telemetry import SILENT, Silent, Telemetry

GOODBYE: Final = 2.0  # seconds for the last spans; a collector that is away would keep us for twenty
ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


@contextmanager
def telemetry_of(service: str) -> Iterator[Telemetry]:
    """As the environment says (OpenTelemetry's own variables). Raises SettingsError if it asks for what is not installed."""
    if not any(os.environ.get(name) for name in ENDPOINTS) or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        yield SILENT
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        from tactful.telemetry.otel import OtelTelemetry
    except ImportError:
        raise SettingsError(
            f"{' or '.join(ENDPOINTS)} asks for traces, and OpenTelemetry is not installed; "
            "`pip install tactful[telemetry]`, or take the variable away"
        ) from None
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": f"tactful-{service}"}
    provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    try:
        yield OtelTelemetry(provider)
    finally:
        ending = threading.Thread(target=provider.shutdown, daemon=True)
        ending.start()
        ending.join(GOODBYE)


def traced(app: ASGIApp, telemetry: Telemetry) -> ASGIApp:
    """The same application; a span for each request. It tells the first part of the path alone, since the rest may be a signed
    link, and of paths that there are not even that."""
    if isinstance(telemetry, Silent):
        return app

    async def spanned(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        parent = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"), "")
        with telemetry.span(scope["method"], "server", parent=parent) as note:

            async def told(message: Message) -> None:
                if message["type"] == "http.response.start":
                    note(status=message["status"])
                    if message["status"] != 404:
                        note(path="/" + scope["path"].split("/", 2)[1])
                await send(message)

            await app(scope, receive, told)

    return spanned
