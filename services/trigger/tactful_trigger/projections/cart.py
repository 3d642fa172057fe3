"""The cart: what the customer has left in the basket.

Events come in order of arrival; what counts is when they happened, and of two at one millisecond the later arrival.
An add that is older than the latest order, the latest whole cart or the latest removal of its product stays out.

Which products are in the basket does not depend on the order of arrival. Their order and quantities do in one case: when
a removal, an order or a whole cart arrives later than a newer add of a product that was in before. The pieces of both
adds are then one number, and all of them stay. And what is left when some pieces are taken out depends on how many are
known to be in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, Final

from msgspec.structs import replace

from tactful.customer import Cart, CartItem
from tactful.events import (
    CartShared,
    CartUpdated,
    CheckoutStarted,
    Event,
    OrderCompleted,
    Product,
    ProductAdded,
    ProductRemoved,
    WishlistProductAddedToCart,
)
from tactful_trigger.projections.versions import FirstVersion

LINES: Final = 100
MARKS: Final = 64

Items = tuple[CartItem, ...]
Marks = tuple[tuple[str, int], ...]
Adding = ProductAdded | WishlistProductAddedToCart

_added_at: Final = attrgetter("added_at")


def _add(state: Cart, event: Adding) -> Cart:
    at, product = event.meta.occurred_at, event.product_id or event.sku
    if not product or event.quantity < 1 or at < state.settled_at or _was_removed_after(state, product, at):
        return state
    return replace(
        state,
        cart_id=_cart_id(state, event.cart_id, at),
        items=_put(state.items, _item(event, product, at)),
        changed_at=max(state.changed_at, at),
    )


def _remove(state: Cart, event: ProductRemoved) -> Cart:
    """Takes so many pieces out. Without a number, or where there are no more, it is the whole line, and a mark is left against
    adds that arrive late."""
    at, product = event.meta.occurred_at, event.product_id or event.sku
    if not product or at < state.settled_at or _was_removed_after(state, product, at):
        return state
    lines = (item if item.product_id != product else _without(item, event.quantity, at) for item in state.items)
    items, marks = _in_order(item for item in lines if item is not None), state.removed
    stays = any(item.product_id == product and item.added_at <= at for item in items)
    if not stays and at > state.settled_at:
        marks = _by_time((*(mark for mark in marks if mark[0] != product), (product, at)))
    return replace(state, items=items, changed_at=max(state.changed_at, at), removed=marks)


def _replace(state: Cart, event: CartUpdated | CheckoutStarted) -> Cart:
    """The whole cart as it was at that instant, and on top what was added since. One that is told again as it was is no change."""
    at = event.meta.occurred_at
    if at < state.settled_at or (isinstance(event, CartUpdated) and not event.tells_lines):
        return state
    lines: dict[str, CartItem] = {}
    for product in event.products:
        name = product.product_id or product.sku
        if name and product.quantity > 0 and not _was_removed_after(state, name, at):
            line = _item(product, name, at)
            lines[name] = _again(lines[name], line) if name in lines else line
    items = tuple(lines.values())[-LINES:]
    for item in state.items:
        if (left := _since(item, at)) is not None:
            items = _put(items, left)
    given = event.cart_id if isinstance(event, CartUpdated) else ""
    after = _settled(state, at, items, _cart_id(state, given, at))
    return after if _pieces(items) != _pieces(state.items) else replace(after, changed_at=state.changed_at)


def _check_out(state: Cart, event: CheckoutStarted) -> Cart:
    """A shop that posts no cart events tells at each checkout what is in the basket; otherwise the basket knows better,
    since a checkout may be of one product bought at once."""
    if not event.products or any(item.last_added_at != state.checkout_at for item in state.items):
        return state
    after = _replace(state, event)
    return after if after is state else replace(after, checkout_at=event.meta.occurred_at)


def _order(state: Cart, event: OrderCompleted) -> Cart:
    """Any order, on any channel, empties the basket of what was put in before."""
    at = event.meta.occurred_at
    if at < state.settled_at:
        return state
    items = _in_order(left for item in state.items if (left := _since(item, at)) is not None)
    return _settled(state, at, items, state.cart_id if items else "")


def _share(state: Cart, event: CartShared) -> Cart:
    at = event.meta.occurred_at
    return replace(state, shared_at=at) if at > state.shared_at else state


def _settled(state: Cart, at: int, items: Items, cart_id: str) -> Cart:
    """Nothing older than `at` can change the basket any more, so older marks have done their work."""
    return replace(
        state,
        cart_id=cart_id,
        items=items,
        changed_at=max(state.changed_at, at),
        removed=state.removed and tuple(mark for mark in state.removed if mark[1] > at),
        settled_at=at,
    )


def _pieces(items: Items) -> dict[str, int]:
    return {item.product_id: item.quantity for item in items}


def _was_removed_after(state: Cart, product: str, at: int) -> bool:
    for name, when in state.removed:
        if name == product:
            return at < when
    return False


def _cart_id(state: Cart, given: str, at: int) -> str:
    """The latest name of the basket."""
    return (given or state.cart_id) if at >= state.changed_at else (state.cart_id or given)


def _put(items: Items, new: CartItem) -> Items:
    """One line a product, in order of the first add; at one millisecond, of arrival."""
    for place, old in enumerate(items):
        if old.product_id == new.product_id:
            line = _again(old, new)
            if line.added_at == old.added_at:
                return (*items[:place], line, *items[place + 1 :])
            return _in_order((*items[:place], *items[place + 1 :], line))
    if not items or items[-1].added_at <= new.added_at:
        return (*items, new)[-LINES:]
    return _in_order((*items, new))


def _in_order(items: Iterable[CartItem]) -> Items:
    return tuple(sorted(items, key=_added_at))[-LINES:]


def _by_time(marks: Iterable[tuple[str, int]]) -> Marks:
    return tuple(sorted(marks, key=lambda mark: (mark[1], mark[0])))[-MARKS:]


def _again(one: CartItem, other: CartItem) -> CartItem:
    """A product that was added twice: the pieces of both, and the words and the price of the later add."""
    later = other if other.last_added_at >= one.last_added_at else one
    first, last = min(one.added_at, other.added_at), later.last_added_at
    quantity = one.quantity + other.quantity
    return replace(later, quantity=quantity, added_at=first, again_at=last if last > first else 0)


def _without(item: CartItem, quantity: int, at: int) -> CartItem | None:
    """What is left of a line when so many pieces are taken out; if that is all of them, or it is not told how many, what was
    added since."""
    if 0 < quantity < item.quantity and item.added_at <= at:
        return replace(item, quantity=item.quantity - quantity)
    return _since(item, at)


def _since(item: CartItem, at: int) -> CartItem | None:
    """What is left of a line when all that happened up to `at` is gone."""
    if item.added_at > at:
        return item
    if item.again_at <= at:
        return None
    return replace(item, added_at=item.again_at, again_at=0)


def _item(product: Product | Adding, name: str, at: int) -> CartItem:
    return CartItem(
        product_id=name,
        sku=product.sku,
        name=product.name,
        category=product.category,
        quantity=product.quantity,
        price=product.price,
        url=product.url,
        image_url=product.image_url,
        added_at=at,
    )


_FOLDS: Final[dict[type[Event], Callable[[Cart, Any], Cart]]] = {
    ProductAdded: _add,
    WishlistProductAddedToCart: _add,
    ProductRemoved: _remove,
    CartUpdated: _replace,
    CheckoutStarted: _check_out,
    OrderCompleted: _order,
    CartShared: _share,
}


class CartProjection(FirstVersion):
    """Implements `tactful.projections.Projection` for `Cart`."""

    name = "cart"
    state = Cart
    events = tuple(_FOLDS)

    def fold(self, state: Cart, event: Event) -> Cart:
        fold = _FOLDS.get(type(event))
        return state if fold is None else fold(state, event)

    def merge(self, mine: Cart, theirs: Cart) -> Cart:
        """The newer basket, by the last add, without what is older than the other side's latest order or whole cart."""
        settled = max(mine.settled_at, theirs.settled_at)
        winner, items = mine, _standing(mine, settled)
        others = _standing(theirs, settled)
        if others and (not items or _newest(others) > _newest(items)):
            winner, items = theirs, others
        return replace(
            winner,
            cart_id=winner.cart_id if items else mine.cart_id or theirs.cart_id,
            items=items,
            changed_at=max(mine.changed_at, theirs.changed_at),
            removed=_marks(mine, theirs, settled),
            settled_at=settled,
            shared_at=max(mine.shared_at, theirs.shared_at),
        )


def _standing(cart: Cart, settled: int) -> Items:
    return _in_order(left for item in cart.items if (left := _since(item, settled - 1)) is not None)


def _newest(items: Items) -> int:
    return max(item.last_added_at for item in items)


def _marks(mine: Cart, theirs: Cart, settled: int) -> Marks:
    """The later removal of each product."""
    marks = dict(mine.removed)
    for product, when in theirs.removed:
        marks[product] = max(when, marks.get(product, 0))
    return _by_time(mark for mark in marks.items() if mark[1] > settled)
