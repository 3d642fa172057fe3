"""Spans for OpenTelemetry. The only module that knows it.

The provider is our own and not the process's: web frameworks that find one there tell it every path, and ours hold signed links.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tactful.telemetry import Kind, Note

_KINDS: Final = {"server": SpanKind.SERVER, "consumer": SpanKind.CONSUMER, "client": SpanKind.CLIENT}
_wire: Final = TraceContextTextMapPropagator()


class OtelTelemetry:
    """Implements `tactful.telemetry.Telemetry`."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("tactful")

    @contextmanager
    def span(
        self, name: str, kind: Kind, *, parent: str = "", links: Iterable[str] = (), **facts: str | int
    ) -> Iterator[Note]:
        around = _context(parent) if parent and _read(parent).is_valid else None
        linked = [Link(read) for each in links if (read := _read(each)).is_valid]
        with self._tracer.start_as_current_span(
            name, around, _KINDS[kind], links=linked, record_exception=False, set_status_on_exception=False
        ) as span:

            def note(**more: str | int) -> None:
                for key, value in more.items():
                    span.set_attribute(f"tactful.{key}", value)

            note(**facts)
            try:
                yield note
            except BaseException as error:
                note(error=type(error).__name__)
                span.set_status(StatusCode.ERROR)
                raise

    @contextmanager
    def within(self, trace: str) -> Iterator[None]:
        token = attach(_context(trace))
        try:
            yield
        finally:
            detach(token)

    def current(self) -> str:
        carrier: dict[str, str] = {}
        _wire.inject(carrier)
        return carrier.get("traceparent", "")


def _context(traceparent: str) -> Context:
    return _wire.extract({"traceparent": traceparent}, Context())


def _read(traceparent: str) -> SpanContext:
    return trace.get_current_span(_context(traceparent)).get_span_context()
