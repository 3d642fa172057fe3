"""Port: spans, by which an operator follows one event through the services.

What is appended to the log carries the span in which it was (`traceparent`, W3C Trace Context); whoever reads it links its own span to
that one. A slice has many causes and a reminder comes an hour after its event, so they are linked rather than nested.

Implementations: `Silent`, `tactful.telemetry.memory`, `tactful.telemetry.otel`. Facts hold no personal data.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, Literal, Protocol

Kind = Literal["server", "consumer", "client"]


class Note(Protocol):
    """Adds to a span what is known later."""

    def __call__(self, **facts: str | int) -> None: ...


class Telemetry(Protocol):
    """Handed to whoever has something to tell by the composition root. A traceparent that cannot be read counts as none."""

    def span(
        self, name: str, kind: Kind, *, parent: str = "", links: Iterable[str] = (), **facts: str | int
    ) -> AbstractContextManager[Note]:
        """A span as long as the context. `parent` and `links` are traceparents; without a parent it is a child of the span around
        it. An error that passes through is told by its class, since its words may hold what a customer wrote."""
        ...

    def within(self, trace: str) -> AbstractContextManager[object]:
        """What is done inside belongs to a span of elsewhere or earlier."""
        ...

    def current(self) -> str:
        """The traceparent of the span around us; "" if there is none."""
        ...


class Silent:
    """Tells nobody."""

    def span(
        self, name: str, kind: Kind, *, parent: str = "", links: Iterable[str] = (), **facts: str | int
    ) -> AbstractContextManager[Note]:
        return nullcontext(_unheard)

    def within(self, trace: str) -> AbstractContextManager[object]:
        return nullcontext()

    def current(self) -> str:
        return ""


def _unheard(**facts: str | int) -> None:
    """Nobody listens."""


SILENT = Silent()
# What FastAPI is given as `telemetry`: its own spans hold whole paths, and ours hold signed links.
UNTOLD: Final[Any] = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
