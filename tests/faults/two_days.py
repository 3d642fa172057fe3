"""Two days of a small shop: carts, consent and its withdrawal, a reminder that waits for the morning."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from shopplay import START, Ledger, Provider, Shop, World, item, perform

from tactful.clock import HOUR, MINUTE

CUSTOMERS: Final = ("ann", "bob", "cleo", "dora", "eve", "fay")


async def play(shop: Shop) -> None:
    """Ann, bob and eve are reminded; cleo buys; dora and fay change their minds."""
    for customer in CUSTOMERS:
        address = f"{customer}@example.test"
        traits = {"email": address, "firstName": customer.title(), "timezone": "Europe/Madrid"}
        await shop.post("/v1/identify", f"{customer}-known", userId=customer, traits=traits)
        await shop.say(customer, "granted")
    for customer in ("ann", "bob", "cleo", "fay"):
        await add(shop, customer, "kettle")
    await add(shop, "ann", "tea", 2)
    await shop.until(START + 10 * MINUTE)
    await shop.say("fay", "withdrawn")
    await shop.track("cleo", "cleo-buys", "Order Completed", order_id="o1", products=[])
    await shop.until(START + 90 * MINUTE)  # ann and bob are reminded
    await shop.act("bob-stops", lambda: shop.product.desk.stop_all("bob", "preference-page"))
    await shop.until(START + 6 * HOUR + 30 * MINUTE)
    for customer in ("dora", "eve"):
        await add(shop, customer, "kettle")
    await shop.until(START + 7 * HOUR + 40 * MINUTE)  # both wait for the morning
    await shop.act("dora-stops", lambda: withdraw(shop, "dora"))
    await shop.until(START + 19 * HOUR + 5 * MINUTE)  # eve is asked once more and reminded
    await shop.track("ann", "ann-buys", "Order Completed", order_id="o2", products=[])
    await shop.until(START + 44 * HOUR)
    await shop.until(START + 44 * HOUR + MINUTE)


async def add(shop: Shop, customer: str, product: str, quantity: int = 1) -> None:
    cart = {"cart_id": f"cart-{customer}", **item(product, quantity)}
    await shop.track(customer, f"{customer}-adds-{product}", "Product Added", **cart)


async def withdraw(shop: Shop, customer: str) -> int:
    return await shop.product.desk.consent(customer, "marketing", "email", "withdrawn", via="one-click")


@asynccontextmanager
async def surroundings(folder: Path) -> AsyncIterator[World]:
    """One provider for every channel."""
    ledger = Ledger(folder)
    yield World(ledger, dict.fromkeys(("email", "sms"), Provider(ledger)))


if __name__ == "__main__":
    perform(play, CUSTOMERS, surroundings)
