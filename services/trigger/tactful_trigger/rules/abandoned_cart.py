"""A cart left alone."""

from __future__ import annotations

from typing import Any

from tactful import Cart, Customer, Ladder, Run, rule
from tactful.customer import Contact
from tactful.durations import milliseconds
from tactful.events import (
    CartShared,
    CartUpdated,
    CheckoutStarted,
    ComplaintOpened,
    OrderCompleted,
    ProductAdded,
    ProductRemoved,
)

SHOWN = 3  # items in a message; the rest is a number


@rule(
    on=(ProductAdded, ProductRemoved, CartUpdated, CheckoutStarted),
    goal=OrderCompleted,
    exit_on=(CartShared, ComplaintOpened),
    purpose="marketing.cart",
    uses=("cart", "engagement"),
    cooldown="3d",
    holdout=0.1,
    priority=40,
    version=1,
)
async def abandoned_cart(run: Run, first: Any) -> str:
    """A cart left alone for an hour: remind once, by the quietest channel that reaches them."""
    await run.quiet(run.param("delay", "1h"))
    cart = await run.get("cart")
    if not cart.items:
        return "cart emptied"
    if (cart.value.minor if cart.value else 0) < run.param("min_value", 0):
        return "below min_value"
    engagement = await run.get("engagement")
    if why := _often_enough(run, engagement.recent):
        return why
    ladder = Ladder(*_rungs(run, cart), expires={"push": "6h", "sms": "6h"})
    variant = run.variant("wording", run.param("variants", ["plain"]))
    return await ladder.climb(run, "abandoned_cart", data=_basket, variant=variant)


def _rungs(run: Run, cart: Cart) -> list[tuple[str, str]]:
    """E-mail, then push; SMS only where the shop wants it and the cart is worth it. A gift is not named on a lock screen."""
    rungs = [("email", run.param("email_patience", "24h"))]
    if any(item.is_gift for item in cart.items):
        return rungs
    if run.param("push", True):
        rungs.append(("push", run.param("push_patience", "4h")))
    worth = cart.value.minor if cart.value else 0
    if run.param("sms", False) and worth >= run.param("sms_min_value", 0):
        rungs.append(("sms", run.param("sms_patience", "1d")))
    return rungs


def _often_enough(run: Run, contacts: tuple[Contact, ...]) -> str:
    """At most so many reminders in 90 days, and none for 90 days once that many in a row found no reaction."""
    most, since = run.param("most_in_90_days", 4), int(run.now.timestamp() * 1000) - milliseconds("90d")
    mine = [c for c in contacts if c.rule == "abandoned_cart" and c.channel == "email" and c.sent_at > since]
    if len(mine) >= most:
        ignored = not any(contact.engaged_at for contact in mine)
        return f"{len(mine)} reminders in 90 days" + (", none noticed" if ignored else "")
    return ""


def _basket(customer: Customer) -> dict[str, Any] | None:
    """What the message is about; None when there is nothing left to remind of."""
    cart = customer.cart
    if not cart.items:
        return None
    items = [
        {
            "product_id": item.product_id,
            "title": item.name or item.product_id,
            "quantity": item.quantity,
            "price": item.price,
            "url": item.url,
            "image_url": item.image_url,
        }
        for item in cart.items
    ]
    gift = any(item.is_gift for item in cart.items)
    return {"cart_id": cart.cart_id, "items": items, "shown": SHOWN, "value": cart.value, "gift": gift}
