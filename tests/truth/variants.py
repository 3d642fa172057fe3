"""The other ways in which a left cart can be understood, as rules that import nothing but `tactful`.

purchase: any order empties the cart, or takes out only what was bought. activity: any act moves the hour, or only what
changes the cart. rearm: the next add after a reminder counts again, or only one after the cart has been empty.
"""

from __future__ import annotations

from itertools import product
from typing import Any

from tactful import Rule, Run, rule
from tactful.events import OrderCompleted, ProductAdded

FOREVER = "300d"


def variant(delay: str, purchase: str, activity: str, rearm: str) -> Rule:
    """The rule of one variant; its name says which."""

    async def left_cart(run: Run, first: ProductAdded) -> str:
        items = {first.product_id}
        armed = True
        while items:
            event = await _next(run, delay if armed else None, activity)
            if event is None and not armed:
                return "nothing came any more"
            if event is None:
                await run.send("email", left_cart.__name__, items=sorted(items))
                armed = False
            elif isinstance(event, ProductAdded):
                items.add(event.product_id)
                armed = armed or rearm == "on_add"
            elif purchase == "any":
                items.clear()
            else:
                items -= {bought.product_id for bought in event.products}
        return "cart empty"

    left_cart.__name__ = f"{delay} purchase={purchase} activity={activity} rearm={rearm}"
    return rule(on=ProductAdded, purpose="marketing.cart", max_age="400d", version=1)(left_cart)


async def _next(run: Run, delay: str | None, activity: str) -> Any:
    """The next change of the cart, or None when the customer has been quiet for `delay`."""
    changes = (run.wait_for(ProductAdded, within=FOREVER), run.wait_for(OrderCompleted, within=FOREVER))
    if delay is None:
        return (await run.wait_any(*changes))[1]
    of = None if activity == "any" else (ProductAdded, OrderCompleted)
    return (await run.wait_any(*changes, run.quiet(delay, of=of)))[1]


def variants(delay: str) -> list[Rule]:
    """All eight for one delay."""
    return [
        variant(delay, *choice) for choice in product(("any", "item"), ("any", "cart"), ("on_add", "once_per_cart"))
    ]
