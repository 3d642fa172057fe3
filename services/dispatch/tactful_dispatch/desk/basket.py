"""What a message was about, for the button that fills the shop's basket."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tactful_dispatch.desk import Basket
from tactful_dispatch.state.rows import Delivery
from tactful_dispatch.topics import without_muted


def basket_of(delivery: Delivery, muted: Iterable[str]) -> Basket | None:
    """The products that its rule gave; None if there are none. Of the categories that are `muted` only what the customer has put
    into their cart."""
    data = delivery.message.data
    listed = data.get("items")
    listed = listed if isinstance(listed, list | tuple) else ()
    items = [item for item in listed if isinstance(item, dict) and item.get("product_id")]
    if "cart_id" not in data:
        items = without_muted(items, muted)
    if not items:
        return None
    pieces = tuple((str(item["product_id"]), _pieces(item.get("quantity"))) for item in items)
    return Basket(str(data.get("cart_id") or ""), pieces, delivery.decided_at)


def _pieces(quantity: Any) -> int:
    """Whole ones and at least one, whatever a rule gave."""
    try:
        return max(1, int(float(str(quantity).replace(",", "."))))
    except (ValueError, OverflowError):
        return 1
