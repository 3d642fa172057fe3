"""Folding by hand: events at the instants at which they happened, in whatever order they arrive."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from hypothesis import strategies as st
from msgspec.structs import force_setattr

from tactful.events.model import Event, Meta, Money
from tactful.projections import Projection

S = TypeVar("S")
E = TypeVar("E", bound=Event)


def at(instant: int, event: E, scope: str = "server", *, history: bool = False) -> E:
    """The event, happened at `instant`."""
    meta = Meta(id=f"e{instant}", source="shop", occurred_at=instant, scope=scope, history=history)
    force_setattr(event, "meta", meta)
    return event


def folded(projection: Projection[S], events: Iterable[Event], start: S | None = None) -> S:
    """The state after the events, in the order given."""
    state = projection.state() if start is None else start
    for event in events:
        state = projection.fold(state, event)
    return state


def by_time(events: Iterable[Event]) -> list[Event]:
    """In the order in which they happened."""
    return sorted(events, key=lambda event: event.meta.occurred_at)


@st.composite
def scripts(draw: st.DrawFn, events: st.SearchStrategy[Event], most: int = 12) -> list[Event]:
    """Some events at distinct instants, in any order of arrival."""
    instants = draw(st.lists(st.integers(1, 10**6), unique=True, max_size=most))
    return [at(instant, draw(events)) for instant in instants]


def euros(minor: int) -> Money:
    """An amount in EUR."""
    return Money(minor, "EUR")


def ids(items: Iterable[Any]) -> list[str]:
    """The products of lines."""
    return [item.product_id for item in items]
