"""Whether what was ordered has come."""

from __future__ import annotations

from tactful.customer import Orders


def is_under_way(orders: Orders) -> bool:
    """Whether the last order has not come, where the shop tells what has."""
    last, told = orders.last, any(order.delivered_at for order in orders.recent)
    return told and last is not None and not last.arrived
