"""What a rule decides by, of states that may be large: in its journal, words and products of many orders would leave no room."""

from __future__ import annotations

from msgspec.structs import replace

from tactful.customer import Orders
from tactful.rhythm import Rhythm


def when_ordered(rhythm: Rhythm) -> Rhythm:
    """The rhythm without what was in the orders."""
    orders = (replace(beat, lines=(), returned=(), pieces=beat.given_back) for beat in rhythm.orders)
    return replace(rhythm, orders=tuple(orders))


def what_became_of(orders: Orders) -> Orders:
    """The orders without what was in them and what they cost."""
    recent = (replace(order, order_id="", total=None, products=(), returned=()) for order in orders.recent)
    return replace(orders, recent=tuple(recent), spent={})
