"""The orders: the latest by when they happened, and how many there were."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tactful.customer import Order, Orders
from tactful.events import (
    Event,
    OrderCancelled,
    OrderCompleted,
    OrderRefunded,
    OrderUpdated,
    ShipmentDelivered,
)
from tactful_trigger.projections.versions import unknown_version

KEPT: Final = 64


class OrdersProjection:
    """Implements `tactful.projections.Projection` for `Orders`."""

    name = "orders"
    version = 1
    state = Orders
    events = (OrderCompleted, OrderUpdated, OrderCancelled, OrderRefunded, ShipmentDelivered)

    def fold(self, state: Orders, event: Event) -> Orders:
        if isinstance(event, OrderCompleted):
            return _completed(state, event)
        if isinstance(event, OrderCancelled):
            return _marked(state, event.order_id, status="cancelled")
        if isinstance(event, OrderRefunded):
            marked = _marked(state, event.order_id, status="refunded")
            return msgspec.structs.replace(marked, refunded_at=max(state.refunded_at, event.meta.occurred_at))
        if isinstance(event, OrderUpdated):
            return _marked(state, event.order_id, **({"total": event.total} if event.total else {}))
        if isinstance(event, ShipmentDelivered):
            late = bool(event.promised_at) and event.meta.occurred_at > event.promised_at
            return _marked(state, event.order_id, delivered_at=event.meta.occurred_at, late=late)
        return state

    def merge(self, mine: Orders, theirs: Orders) -> Orders:
        """All orders of both; one order id counts once."""
        known = {order.order_id for order in mine.recent if order.order_id}
        new = [order for order in theirs.recent if order.order_id not in known]
        shared = len(theirs.recent) - len(new)
        spent = dict(mine.spent)
        for order in new:
            if order.total:
                spent[order.total.currency] = spent.get(order.total.currency, 0) + order.total.minor
        return Orders(
            count=mine.count + theirs.count - shared,
            recent=_latest((*mine.recent, *new)),
            refunded_at=max(mine.refunded_at, theirs.refunded_at),
            spent=spent,
        )

    def migrate(self, version: int, old: Any) -> Orders:
        raise unknown_version(self.name, version, self.version)


def _completed(state: Orders, event: OrderCompleted) -> Orders:
    if event.order_id and any(order.order_id == event.order_id for order in state.recent):
        return state
    total = event.total or event.revenue or event.value
    order = Order(
        order_id=event.order_id,
        at=event.meta.occurred_at,
        total=total,
        channel=event.channel,
        products=tuple(p.product_id or p.sku for p in event.products[:20]),
    )
    spent = state.spent
    if total:
        spent = {**spent, total.currency: spent.get(total.currency, 0) + total.minor}
    return Orders(
        count=state.count + 1, recent=_latest((*state.recent, order)), refunded_at=state.refunded_at, spent=spent
    )


def _latest(orders: tuple[Order, ...]) -> tuple[Order, ...]:
    return tuple(sorted(orders, key=lambda order: (order.at, order.order_id)))[-KEPT:]


def _marked(state: Orders, order_id: str, **changes: Any) -> Orders:
    if not order_id or not changes or not any(order.order_id == order_id for order in state.recent):
        return state
    recent = tuple(
        msgspec.structs.replace(order, **changes) if order.order_id == order_id else order for order in state.recent
    )
    return msgspec.structs.replace(state, recent=recent)
