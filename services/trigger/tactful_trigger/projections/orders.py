"""The orders: the latest by when they happened, their count, and what was spent.

News about an order may arrive before the order itself: it is kept under the order's id and counts for nothing until the
order comes. A second `Order Completed` with a known id changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from msgspec.structs import replace

from tactful.customer import Order, Orders
from tactful.events import Event, OrderCancelled, OrderCompleted, OrderRefunded, OrderUpdated, ShipmentDelivered
from tactful_trigger.projections.versions import FirstVersion

KEPT: Final = 64
PRODUCTS: Final = 20
LATEST: Final = 16  # orders whose products are remembered
_STATUSES: Final = ("completed", "refunded", "cancelled")  # the later one is the stronger word


def _complete(order: Order, event: OrderCompleted) -> Order:
    if order.at:
        return order
    return replace(
        order,
        at=event.meta.occurred_at,
        total=order.total or event.amount,
        channel=event.channel,
        products=tuple(product.product_id or product.sku for product in event.products[:PRODUCTS]),
    )


def _update(order: Order, event: OrderUpdated) -> Order:
    """The latest correction of the total stands, also against an order that arrives after it."""
    at, total = event.meta.occurred_at, event.amount
    return order if total is None or at < order.updated_at else replace(order, total=total, updated_at=at)


def _cancel(order: Order, event: OrderCancelled) -> Order:
    return replace(order, status="cancelled")


def _refund(order: Order, event: OrderRefunded) -> Order:
    at = max(order.refunded_at, event.meta.occurred_at)
    named = (product.product_id or product.sku for product in event.products)
    status = order.status if order.status == "cancelled" else "refunded"
    return replace(order, refunded_at=at, status=status, returned=_names((*order.returned, *named)))


def _deliver(order: Order, event: ShipmentDelivered) -> Order:
    """The last parcel counts; one late parcel makes the order late."""
    at = event.meta.occurred_at
    late = order.late or 0 < event.promised_at < at
    return replace(order, delivered_at=max(order.delivered_at, at), late=late)


News = OrderCompleted | OrderUpdated | OrderCancelled | OrderRefunded | ShipmentDelivered
_FOLDS: Final[dict[type[Event], Callable[[Order, Any], Order]]] = {
    OrderCompleted: _complete,
    OrderUpdated: _update,
    OrderCancelled: _cancel,
    OrderRefunded: _refund,
    ShipmentDelivered: _deliver,
}


class OrdersProjection(FirstVersion):
    """Implements `tactful.projections.Projection` for `Orders`."""

    name = "orders"
    state = Orders
    events = tuple(_FOLDS)

    def fold(self, state: Orders, event: Event) -> Orders:
        if not isinstance(event, News):
            return state
        old = _known(state, event.order_id)
        if _is_forgotten(state, old, event):
            return state
        after = _with(state, old, _FOLDS[type(event)](old, event))
        if isinstance(event, OrderRefunded) and event.meta.occurred_at > after.refunded_at:
            return replace(after, refunded_at=event.meta.occurred_at)
        return after

    def merge(self, mine: Orders, theirs: Orders) -> Orders:
        """All orders of both; one that both know counts once."""
        known = {order.order_id: order for order in mine.recent if order.order_id}
        pairs = [(known[other.order_id], other) for other in theirs.recent if other.order_id in known]
        joined = {one.order_id: _joined(one, other) for one, other in pairs}
        entries = [(order, -1) for pair in pairs for order in pair] + [(order, 1) for order in joined.values()]
        others = [order for order in theirs.recent if order.order_id not in known]
        return Orders(
            count=mine.count + theirs.count + sum(sign * order.stands for order, sign in entries),
            recent=_latest((*(joined.get(order.order_id, order) for order in mine.recent), *others)),
            refunded_at=max(mine.refunded_at, theirs.refunded_at),
            spent=_sums((*mine.spent.items(), *theirs.spent.items(), *_amounts(entries))),
        )


def _known(state: Orders, order_id: str) -> Order:
    """The order of that id; orders without one are all different."""
    found = (order for order in state.recent if order_id and order.order_id == order_id)
    return next(found, Order(order_id=order_id))


def _is_forgotten(state: Orders, old: Order, event: News) -> bool:
    """Whether it is told once more of an order that was counted and is older than all that are kept. An import tells what is new."""
    if not isinstance(event, OrderCompleted) or event.meta.history or old.at or not event.order_id:
        return False
    return len(state.recent) == KEPT and event.meta.occurred_at < state.recent[0].at


def _with(state: Orders, old: Order, new: Order) -> Orders:
    if new == old or not (new.order_id or new.at):
        return state
    return Orders(
        count=state.count + new.stands - old.stands,
        recent=_latest((*(order for order in state.recent if order is not old), new)),
        refunded_at=state.refunded_at,
        spent=_sums((*state.spent.items(), *_amounts([(old, -1), (new, 1)]))),
    )


def _latest(orders: Iterable[Order]) -> tuple[Order, ...]:
    ordered = sorted(orders, key=lambda order: (order.at, order.order_id))
    return (*map(_bare, ordered[-KEPT:-LATEST]), *ordered[-LATEST:])


def _bare(order: Order) -> Order:
    """A run that asks for the orders keeps all of them: the products of sixty large ones would fill its journal."""
    return replace(order, products=(), returned=()) if order.products or order.returned else order


def _amounts(entries: Iterable[tuple[Order, int]]) -> Iterable[tuple[str, int]]:
    for order, sign in entries:
        if order.stands and order.total is not None:
            yield order.total.currency, sign * order.total.minor


def _sums(amounts: Iterable[tuple[str, int]]) -> dict[str, int]:
    """By currency, sorted, so that equal sums are equal bytes; a sum of nothing is left out."""
    sums: dict[str, int] = {}
    for currency, minor in amounts:
        sums[currency] = sums.get(currency, 0) + minor
    return {currency: minor for currency, minor in sorted(sums.items()) if minor}


def _names(products: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({product for product in products if product}))[:PRODUCTS]


def _joined(one: Order, other: Order) -> Order:
    """What both sides know of one order."""
    first = one if one.at else other
    corrected = one if one.updated_at >= other.updated_at else other
    return replace(
        first,
        total=corrected.total or first.total,
        updated_at=corrected.updated_at,
        status=max(one.status, other.status, key=_STATUSES.index),
        delivered_at=max(one.delivered_at, other.delivered_at),
        refunded_at=max(one.refunded_at, other.refunded_at),
        returned=_names((*one.returned, *other.returned)),
        late=one.late or other.late,
    )
