"""New, repeat or loyal: by the orders that stand.

Which orders are counted does not depend on the order of arrival as long as news about one come within sixteen others.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from tactful.customer import Segments
from tactful.events import Event, OrderCancelled, OrderCompleted
from tactful_trigger.projections.versions import FirstVersion

KEPT: Final = 16


class SegmentsProjection(FirstVersion):
    """Implements `tactful.projections.Projection` for `Segments`."""

    name = "segments"
    state = Segments
    events = (OrderCompleted, OrderCancelled)

    def fold(self, state: Segments, event: Event) -> Segments:
        if isinstance(event, OrderCompleted):
            return _ordered(state, event.order_id or event.meta.id)
        if isinstance(event, OrderCancelled) and event.order_id:
            return _cancelled(state, event.order_id)
        return state

    def merge(self, mine: Segments, theirs: Segments) -> Segments:
        """The orders of both; one that both know counts once."""
        merged = replace(mine, older=mine.older + theirs.older)
        for order in theirs.cancelled:
            merged = _cancelled(merged, order)
        for order in theirs.orders:
            merged = _ordered(merged, order)
        return merged


def _ordered(state: Segments, order: str) -> Segments:
    if order in state.orders or order in state.cancelled:
        return state
    orders = (*state.orders, order)
    return replace(state, orders=orders[-KEPT:], older=state.older + (len(orders) > KEPT))


def _cancelled(state: Segments, order: str) -> Segments:
    if order in state.cancelled:
        return state
    left = tuple(known for known in state.orders if known != order)
    return replace(state, orders=left, cancelled=(*state.cancelled, order)[-KEPT:])
