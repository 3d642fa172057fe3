"""The cart: what the customer has left in the basket.

Events come in order of arrival. By when they happened: an add that is older than the latest order, whole cart or removal
of its product stays out. Of two at one millisecond the later arrival counts.
"""

from __future__ import annotations

from typing import Any, Final

from tactful.customer import Cart, CartItem
from tactful.events import (
    CartShared,
    CartUpdated,
    Event,
    OrderCompleted,
    Product,
    ProductAdded,
    ProductRemoved,
    WishlistProductAddedToCart,
)
from tactful_trigger.projections.versions import unknown_version

LINES: Final = 100
REMOVED: Final = 64


class CartProjection:
    """Implements `tactful.projections.Projection` for `Cart`."""

    name = "cart"
    version = 1
    state = Cart
    events = (ProductAdded, WishlistProductAddedToCart, ProductRemoved, CartUpdated, OrderCompleted, CartShared)

    def fold(self, state: Cart, event: Event) -> Cart:
        at = event.meta.occurred_at
        if isinstance(event, ProductAdded | WishlistProductAddedToCart):
            return _added(state, event, at)
        if isinstance(event, ProductRemoved):
            return _removed(state, event.product_id or event.sku, at)
        if isinstance(event, CartUpdated):
            return _replaced(state, event, at)
        if isinstance(event, OrderCompleted):
            return _ordered(state, at)
        return Cart(**{**_fields(state), "shared_at": max(state.shared_at, at)})

    def merge(self, mine: Cart, theirs: Cart) -> Cart:
        """The newer basket; mine unless it is empty."""
        if not mine.items and theirs.items and theirs.changed_at > mine.emptied_at:
            return theirs
        if not theirs.items or theirs.changed_at <= mine.changed_at:
            return mine
        return theirs

    def migrate(self, version: int, old: Any) -> Cart:
        raise unknown_version(self.name, version, self.version)


def _fields(state: Cart) -> dict[str, Any]:
    return {field: getattr(state, field) for field in state.__struct_fields__}


def _added(state: Cart, event: ProductAdded | WishlistProductAddedToCart, at: int) -> Cart:
    product = event.product_id or event.sku
    if not product or at < state.emptied_at or any(name == product and at < when for name, when in state.removed):
        return state
    known = next((item for item in state.items if item.product_id == product), None)
    item = _item(event, at if known is None else known.added_at, event.quantity + (known.quantity if known else 0))
    items = tuple(item if old is known else old for old in state.items) if known else (*state.items, item)[-LINES:]
    return Cart(
        cart_id=event.cart_id or state.cart_id,
        items=items,
        changed_at=max(state.changed_at, at),
        removed=state.removed,
        emptied_at=state.emptied_at,
        shared_at=state.shared_at,
    )


def _removed(state: Cart, product: str, at: int) -> Cart:
    if not product or at < state.emptied_at:
        return state
    items = tuple(item for item in state.items if item.product_id != product or item.added_at > at)
    removed = (*(mark for mark in state.removed if mark[0] != product), (product, at))[-REMOVED:]
    return Cart(
        cart_id=state.cart_id,
        items=items,
        changed_at=max(state.changed_at, at),
        removed=removed,
        emptied_at=state.emptied_at,
        shared_at=state.shared_at,
    )


def _replaced(state: Cart, event: CartUpdated, at: int) -> Cart:
    if at < state.changed_at or at < state.emptied_at:
        return state
    items = tuple(
        _item(product, at, product.quantity) for product in event.products if product.product_id or product.sku
    )
    return Cart(
        cart_id=event.cart_id or state.cart_id,
        items=items[:LINES],
        changed_at=at,
        emptied_at=state.emptied_at,
        shared_at=state.shared_at,
    )


def _ordered(state: Cart, at: int) -> Cart:
    """Any order empties the basket of what was put in before it."""
    if at < state.emptied_at:
        return state
    items = tuple(item for item in state.items if item.added_at > at)
    return Cart(
        cart_id=state.cart_id if items else "", items=items, changed_at=max(state.changed_at, at), emptied_at=at
    )


def _item(product: Product | ProductAdded | WishlistProductAddedToCart, at: int, quantity: int) -> CartItem:
    return CartItem(
        product_id=product.product_id or product.sku,
        sku=product.sku,
        name=product.name,
        category=product.category,
        quantity=quantity,
        price=product.price,
        url=product.url,
        image_url=product.image_url,
        added_at=at,
    )
