"""A cart left alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec

from tactful import Cart, Customer, Ladder, Run, rule
from tactful.customer import CartItem, Contact
from tactful.durations import milliseconds
from tactful.events import (
    CartShared,
    CartUpdated,
    CheckoutStarted,
    ComplaintOpened,
    CustomerRecognised,
    OrderCompleted,
    ProductAdded,
    ProductRemoved,
    WishlistProductAddedToCart,
)
from tactful.operations import Data
from tactful.run import Again
from tactful_trigger.rules.products import is_sensitive, sensitive_names, title_of

SHOWN = 3  # items in a message; the rest is a number
ROOM = 16 * 1024  # bytes of the lines whose words and pictures a message holds
STRANGER = "24h"  # for so long the cart of somebody whom nobody knows may wait for them
NOBODY = "nobody knows who it is"
RETURNED = "90d"  # for so long a product that was given back is not shown


@rule(
    on=(ProductAdded, WishlistProductAddedToCart, ProductRemoved, CartUpdated, CheckoutStarted),
    goal=OrderCompleted,
    exit_on=(CartShared, ComplaintOpened),
    purpose="marketing.cart",
    uses=("cart", "engagement", "orders"),
    cooldown="3d",
    holdout=0.1,
    priority=40,
    version=1,
)
async def abandoned_cart(run: Run, first: Any) -> str | Again:
    """A cart left alone for an hour: remind once, by the quietest channel that reaches them."""
    if run.began_anonymous and await run.wait_for(CustomerRecognised, within=STRANGER) is None:
        cart = await run.get("cart", _outline)
        return NOBODY if cart.changed_at <= _before(run.now, STRANGER) else run.again()
    known_at = run.now
    await run.quiet(run.param("delay", "1h"))
    cart = await run.get("cart", _outline)
    sensitive = sensitive_names(run.param("sensitive", []))
    if why := _unfit(run, cart, known_at, sensitive):
        return why
    engagement = await run.get("engagement")
    ladders = engagement.ladders("abandoned_cart")
    if isinstance(first, CartUpdated) and ladders and cart.changed_at <= ladders[-1].sent_at:
        return "nothing has changed since the last reminder"  # a shop may tell whole carts every night
    if why := _often_enough(run, ladders):
        return why
    ladder = Ladder(*_rungs(run, cart), expires={"push": "6h", "sms": "6h"}, quiet=run.param("delay", "1h"))
    variant = run.variant("wording", run.param("variants", ["plain"]))
    basket = partial(_basket, since=_before(run.now, RETURNED), sensitive=sensitive)
    unnamed = partial(_without_a_gift, basket=basket)
    about: dict[str, Data] = {"email": basket, "push": unnamed, "sms": unnamed}
    ended = await ladder.climb(run, "abandoned_cart", data=about, variant=variant)
    if ended != "engaged on email" or not (second_after := run.param("second_after", "", like="48h")):
        return ended
    await run.sleep_until(ladder.begun + timedelta(milliseconds=milliseconds(second_after)))
    if (await run.get("cart", _outline)).changed_at > ladder.begun.timestamp() * 1000:
        return "came back to the cart"
    second = await run.send("email", "abandoned_cart", data=partial(basket, again=True), variant=variant)
    return "reminded twice" if second else second.reason or "refused"


def _outline(cart: Cart) -> Cart:
    """What decides whether to speak of it. Words and pictures of a hundred lines would fill the journal."""
    lines = (CartItem(product_id="", category=i.category, quantity=i.quantity, price=i.price) for i in cart.items)
    return Cart(items=tuple(lines), changed_at=cart.changed_at)


def _unfit(run: Run, cart: Cart, known_at: datetime, sensitive: frozenset[str]) -> str:
    """Why a cart is not spoken of; "" if it may be."""
    if not cart.items:
        return "cart emptied"
    if run.began_anonymous and cart.changed_at <= _before(known_at, STRANGER):
        return NOBODY
    if sensitive and all(is_sensitive(item.category, sensitive) for item in cart.items):
        return "only sensitive categories"
    return "below min_value" if _worth(cart) < run.param("min_value", 0) else ""


def _worth(cart: Cart) -> int:
    value = cart.value
    return value.minor if value else 0


def _rungs(run: Run, cart: Cart) -> list[tuple[str, str]]:
    """E-mail, then push; SMS only where the shop wants it and the cart is worth it."""
    rungs = [("email", run.param("email_patience", "24h"))]
    if run.param("push", True):
        rungs.append(("push", run.param("push_patience", "4h")))
    if run.param("sms", False) and _worth(cart) >= run.param("sms_min_value", 0):
        rungs.append(("sms", run.param("sms_patience", "1d")))
    return rungs


def _often_enough(run: Run, ladders: tuple[Contact, ...]) -> str:
    """At most so many reminders in 90 days, and none for 90 days once that many in a row found no reaction."""
    most, since = run.param("most_in_90_days", 4), _before(run.now, "90d")
    if sum(ladder.sent_at > since for ladder in ladders) >= most:
        return f"{most} reminders in 90 days"
    latest = ladders[-most:]
    if len(latest) == most and latest[-1].sent_at > since and not any(ladder.engaged_at for ladder in latest):
        return f"{most} reminders in a row unnoticed"
    return ""


def _before(now: datetime, length: str) -> int:
    return int(now.timestamp() * 1000) - milliseconds(length)


def _basket(customer: Customer, since: int, sensitive: frozenset[str], again: bool = False) -> dict[str, Any] | None:
    """What the message is about, without what was given back lately or is sensitive; None when there is nothing left to
    remind of. `again`: it is the second letter about this basket."""
    cart, returned = customer.cart, _returned(customer, since)
    left = [
        item for item in cart.items if item.product_id not in returned and not is_sensitive(item.category, sensitive)
    ]
    if not left:
        return None
    gift = any(item.is_gift for item in left)
    value = msgspec.structs.replace(cart, items=tuple(left)).value
    categories = sorted({item.category for item in left if item.category})
    about: dict[str, Any] = {"categories": categories} if categories else {}
    if any(order.in_store for order in customer.orders.recent):
        about["store"] = True  # they may have bought it there since, and the till tells at night
    return {
        "cart_id": cart.cart_id,
        "items": list(_lines(left)),
        "shown": SHOWN,
        "value": value,
        "gift": gift,
        "again": again,
        **about,
    }


def _lines(items: Sequence[CartItem]) -> Iterator[dict[str, Any]]:
    """All of them, since a link fills the basket with them; behind the first ones, which a letter shows, without their words."""
    room = ROOM
    for item in items:
        line = {
            "product_id": item.product_id,
            "title": title_of(item.name, item.product_id),
            "quantity": item.quantity,
            "price": item.price,
            "url": item.url,
            "image_url": item.image_url,
            **({"category": item.category} if item.category else {}),
        }
        room -= len(msgspec.json.encode(line))
        yield line if room > 0 else line | {"title": item.product_id, "url": "", "image_url": ""}


def _without_a_gift(customer: Customer, basket: Data) -> Mapping[str, Any] | None:
    """Nothing while a gift is in it: somebody else may read the lock screen."""
    return None if any(item.is_gift for item in customer.cart.items) else basket(customer)


def _returned(customer: Customer, since: int) -> set[str]:
    """Products that were given back since then: those that the refund named, or all of its order."""
    refunded = [order for order in customer.orders.recent if order.refunded_at > since]
    return {product for order in refunded for product in order.returned or order.products}
