"""What both sides of telemetry keep: spans know their parents, and whoever is linked is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext

from tactful.telemetry import Silent, Telemetry
from tactful.telemetry.memory import MemoryTelemetry, Span
from tactful.telemetry.otel import OtelTelemetry

ELSEWHERE: Final = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"  # W3C Trace Context, section 3.2
Ended = Callable[[], list[Span]]


@pytest.fixture(params=["memory", "otel"])
def telemetry(request: pytest.FixtureRequest) -> tuple[Telemetry, Ended]:
    if request.param == "memory":
        made = MemoryTelemetry()
        return made, lambda: made.ended
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return OtelTelemetry(provider), lambda: [_told(span) for span in exporter.get_finished_spans()]


def _told(span: ReadableSpan) -> Span:
    facts = {key.removeprefix("tactful."): value for key, value in (span.attributes or {}).items()}
    assert not span.events  # an exception's words would stand there
    assert span.status.description is None
    return Span(
        _written(span.get_span_context()),
        span.name,
        span.kind.name.lower(),  # type: ignore[arg-type]
        _written(span.parent),
        [_written(link.context) for link in span.links],
        facts,  # type: ignore[arg-type]
    )


def _written(context: SpanContext | None) -> str:
    if context is None:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def test_a_span_is_a_child_of_the_one_around_it_and_goes_on_with_its_trace(telemetry: tuple[Telemetry, Ended]) -> None:
    tell, ended = telemetry
    assert tell.current() == ""
    with tell.span("outer", "server"):
        outer = tell.current()
        with tell.span("inner", "client", attempt=1) as note:
            inner = tell.current()
            note(outcome="accepted")
        assert tell.current() == outer
    assert tell.current() == ""
    assert [(span.name, span.trace, span.parent, span.kind) for span in ended()] == [
        ("inner", inner, outer, "client"),
        ("outer", outer, "", "server"),
    ]
    assert ended()[0].facts == {"attempt": 1, "outcome": "accepted"}
    assert inner[3:35] == outer[3:35]


def test_a_span_goes_on_with_a_trace_of_elsewhere(telemetry: tuple[Telemetry, Ended]) -> None:
    tell, ended = telemetry
    with tell.span("request", "server", parent=ELSEWHERE):
        assert tell.current()[3:35] == ELSEWHERE[3:35]
    assert ended()[0].parent == ELSEWHERE


def test_what_is_done_within_an_earlier_span_belongs_to_it(telemetry: tuple[Telemetry, Ended]) -> None:
    tell, ended = telemetry
    with tell.span("now", "consumer"):
        with tell.within(ELSEWHERE):
            assert tell.current() == ELSEWHERE
            with tell.span("child", "client"):
                pass
        with tell.within(""):
            assert tell.current() == ""
    assert ended()[0].parent == ELSEWHERE


def test_causes_are_linked(telemetry: tuple[Telemetry, Ended]) -> None:
    tell, ended = telemetry
    with tell.span("slice", "consumer", links=[ELSEWHERE, ELSEWHERE]):
        pass
    assert ended()[0].links == [ELSEWHERE, ELSEWHERE]


@pytest.mark.parametrize(
    "nonsense", ["", "00", "é", ELSEWHERE.upper(), f"00-{'0' * 32}-b7ad6b7169203331-01", ELSEWHERE[:-3]]
)
def test_a_traceparent_that_cannot_be_read_counts_as_none(telemetry: tuple[Telemetry, Ended], nonsense: str) -> None:
    tell, ended = telemetry
    with tell.span("request", "server", parent=nonsense, links=[nonsense]):
        pass
    with tell.within(nonsense):
        assert tell.current() == ""
    assert (ended()[0].parent, ended()[0].links) == ("", [])


def test_an_error_is_told_by_its_class_and_not_by_its_words(telemetry: tuple[Telemetry, Ended]) -> None:
    tell, ended = telemetry
    with pytest.raises(ValueError, match="uma"), tell.span("slice", "consumer"):
        raise ValueError("uma@example.test cannot be read")
    assert ended()[0].facts == {"error": "ValueError"}


def test_silence_costs_nobody_anything() -> None:
    silent: Telemetry = Silent()
    with silent.span("slice", "consumer", links=iter([])) as note, silent.within(ELSEWHERE):
        note(outcome="accepted")
        assert silent.current() == ""
