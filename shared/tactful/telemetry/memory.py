"""Spans in memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from tactful.telemetry import Kind, Note

_TRACEPARENT: Final = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")


@dataclass
class Span:
    """`parent` and `links` as traceparents."""

    trace: str
    name: str
    kind: Kind
    parent: str
    links: list[str]
    facts: dict[str, str | int] = field(default_factory=dict)


class MemoryTelemetry:
    """Keeps what has ended, in the order in which it ended. Implements `tactful.telemetry.Telemetry`."""

    def __init__(self) -> None:
        self.ended: list[Span] = []
        self._numbers = count(1)
        self._around = ContextVar("around", default="")

    @contextmanager
    def span(
        self, name: str, kind: Kind, *, parent: str = "", links: Iterable[str] = (), **facts: str | int
    ) -> Iterator[Note]:
        parent = _read(parent) or self._around.get()
        number = next(self._numbers)
        whole = parent[3:35] if parent else f"{number:032x}"
        span = Span(f"00-{whole}-{number:016x}-01", name, kind, parent, [each for each in links if _read(each)], facts)
        token = self._around.set(span.trace)
        try:
            yield span.facts.update
        except BaseException as error:
            span.facts["error"] = type(error).__name__
            raise
        finally:
            self._around.reset(token)
            self.ended.append(span)

    @contextmanager
    def within(self, trace: str) -> Iterator[None]:
        token = self._around.set(_read(trace))
        try:
            yield
        finally:
            self._around.reset(token)

    def current(self) -> str:
        return self._around.get()


def _read(trace: str) -> str:
    return trace if _TRACEPARENT.fullmatch(trace) else ""
