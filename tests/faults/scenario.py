"""Two days of a small shop, played by a program that may be killed at any named point and started again.

`python scenario.py FOLDER [--crash POINT NTH] [--virtual]`

Whoever posts gets an acknowledgement written to `acks.ndjson` and asks again after a restart for what was not
acknowledged, with the same ids. The provider writes what it was sent to `provider.ndjson` before it answers. Both are
on the disk before anything else happens. A run that comes to its end writes what the product knows to `report.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec

from tactful import crashpoints
from tactful.clock import HOUR, MINUTE, Clock
from tactful.customer import Cart
from tactful.partitioning import partition_of
from tactful.records import DISPATCH, EVENTS, EventRecord, MessageRecord, decode_any
from tactful_dispatch.channels import Accepted, Capabilities, Envelope, Outcome
from tactful_dispatch.ledger import broken_at
from tactful_dispatch.live import LiveDispatch
from tactful_ingest.app import create_app
from tactful_trigger.history import HistoryRow
from tactful_trigger.live import LiveTrigger
from tactful_trigger.row import decode as decode_row
from tactful_workbench.embedded import Plan, Product, opened

START: Final = 1_795_438_800_000  # Mon 23 Nov 2026 14:00 in Madrid
CUSTOMERS: Final = ("ann", "bob", "cleo", "dora", "eve", "fay")
SETTINGS: Final = """
[rules.abandoned_cart]
mode = "live"
holdout = 0.0
push = false

[sending]
mode = "live"
"""


def note(path: Path, **line: Any) -> None:
    """Append a line; it is on the disk when this returns."""
    with path.open("ab") as file:
        file.write(msgspec.json.encode(line) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def lines(path: Path) -> list[dict[str, Any]]:
    """What was noted; nothing yet is nothing."""
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()] if path.exists() else []


class Provider:
    """Remembers everything it was sent, honours no key, and accepts."""

    name = "provider"
    capabilities = Capabilities(frozenset({"email", "sms"}))

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        self.clock: Clock

    async def send(self, envelope: Envelope) -> Outcome:
        note(self._ledger, message=envelope.message_id, customer=envelope.customer, at=self.clock.now())
        return Accepted(f"p-{envelope.message_id}")


class Shop:
    """Acts in order, each until it is acknowledged; then lets time pass."""

    def __init__(self, product: Product, acks: Path, *, virtual: bool) -> None:
        assert product.dev_clock is not None
        self.product, self.clock, self._acks, self._virtual = product, product.dev_clock, acks, virtual
        self._done = {line["act"] for line in lines(acks)}
        self._http = httpx.AsyncClient(
            transport=httpx.ASGITransport(create_app(product.door)),
            base_url="http://shop.example",
            auth=("dev_server", ""),
        )
        log, clock = product.log, product.clock
        self._trigger = LiveTrigger(product.trigger_worker, log, product.trigger, clock)
        self._dispatch = LiveDispatch(product.dispatch_worker, log, clock)

    async def act(self, name: str, act: Callable[[], Awaitable[object]]) -> None:
        """Unless it was acknowledged before a restart."""
        if name not in self._done:
            await act()
            note(self._acks, act=name, at=self.clock.now())
            await self.settle()

    async def post(self, path: str, id: str, **call: Any) -> None:
        async def send() -> None:
            answer = await self._http.post(path, json={"messageId": id, **call})
            assert answer.status_code == 200, answer.text

        await self.act(id, send)

    async def track(self, customer: str, id: str, event: str, **properties: Any) -> None:
        await self.post("/v1/track", id, userId=customer, event=event, properties=properties)

    async def until(self, instant: int) -> None:
        """Let time pass, as `tactful dev` does when somebody moves its clock or as a server that is left alone."""
        if self._virtual:
            await self.product.time.advance(instant)
        self.clock.forward_to(instant)
        await self.clock.keep()
        await self.settle()

    async def settle(self) -> None:
        """Rounds of both services until neither has anything left to do."""
        if self._virtual:
            await self.product.time.drain()
            return
        idle = 0
        while idle < 2:  # a tick that one service appends is read in its next round
            moved = await self._trigger.round()
            moved |= await self._dispatch.round()
            idle = 0 if moved else idle + 1


async def play(shop: Shop) -> None:
    """Ann, bob and eve are reminded; cleo buys; dora and fay change their minds."""
    for customer in CUSTOMERS:
        address = f"{customer}@example.test"
        traits = {"email": address, "firstName": customer.title(), "timezone": "Europe/Madrid"}
        await shop.post("/v1/identify", f"{customer}-known", userId=customer, traits=traits)
        await say(shop, customer, "granted")
    for customer in ("ann", "bob", "cleo", "fay"):
        await add(shop, customer, "kettle")
    await add(shop, "ann", "tea", 2)
    await shop.until(START + 10 * MINUTE)
    await say(shop, "fay", "withdrawn")
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
    item = {"product_id": product, "name": product, "price": 39.9, "currency": "EUR", "quantity": quantity}
    await shop.track(customer, f"{customer}-adds-{product}", "Product Added", cart_id=f"cart-{customer}", **item)


async def say(shop: Shop, customer: str, state: str) -> None:
    consent = {"purpose": "marketing", "channel": "email", "state": state, "basis": "consent", "source": "form"}
    await shop.track(customer, f"{customer}-{state}", "Consent Changed", **consent)


async def withdraw(shop: Shop, customer: str) -> int:
    return await shop.product.desk.consent(customer, "marketing", "email", "withdrawn", via="one-click")


async def report(product: Product) -> dict[str, Any]:
    """What the log and the stores say at the end, without anything that depends on the hour of the test."""
    log, partitions = product.log, range(product.log.partitions)
    cursors = [cursor for partition in partitions if (cursor := await product.trigger.cursor(partition))]
    workers, stores = (product.trigger_worker, product.dispatch_worker), (product.trigger, product.dispatch)
    ledgers = [await product.dispatch.ledger(partition) for partition in partitions]
    return {
        "customers": {customer: await customer_report(product, customer) for customer in CUSTOMERS},
        "messages": await _messages(product),
        "events": await _events(product),
        "duplicates": sum(cursor.duplicates for cursor in cursors),
        "unread": sum([await log.end(EVENTS, cursor.partition) - cursor.offset for cursor in cursors]),
        "unsent": sum([len(await store.unsent(partition, 9)) for store in stores for partition in partitions]),
        "consents": sum(len(ledger) for ledger in ledgers),
        "broken_chains": [number for ledger in ledgers if (number := broken_at(ledger)) is not None],
        "stopped": [str(stop) for worker in workers for stop in worker.stopped.values()],
    }


async def customer_report(product: Product, customer: str) -> dict[str, Any]:
    """The customer's cart, and what happened to them in the order in which it was applied."""
    stored = await product.trigger.load(partition_of(customer, product.log.partitions), [customer])
    row = decode_row(customer, stored[customer], product.book.projections)
    cart: Cart = row.states.get("cart", Cart())
    told = await product.trigger.history(customer, 1000)
    return {
        "cart": [[item.product_id, item.quantity] for item in cart.items],
        "runs": len(row.runs),
        "history": [[line.offset, _what(line)] for line in told],
    }


def _what(line: HistoryRow) -> str:
    """The kind, and for an event its name and id."""
    if line.kind != "event":
        return line.kind
    record = msgspec.json.decode(line.data, type=EventRecord)
    return f"{record.body.name} {record.id}"


async def _messages(product: Product) -> list[dict[str, Any]]:
    return [
        {"id": record.body.message_id, "customer": record.key, "asked": record.body.requested_at}
        for record, _ in await _records(product, DISPATCH)
        if isinstance(record, MessageRecord)
    ]


async def _events(product: Product) -> list[dict[str, Any]]:
    return [
        {"id": record.id, "name": record.body.name, "customer": record.key, "appended": appended, **_decided(record)}
        for record, appended in await _records(product, EVENTS)
        if isinstance(record, EventRecord)
    ]


def _decided(record: EventRecord) -> dict[str, str]:
    if record.body.name != "Message Decided":
        return {}
    said = msgspec.json.decode(record.body.properties)
    return {"message": said["message_id"], "verdict": said["verdict"]}


async def _records(product: Product, topic: str) -> list[tuple[Any, int]]:
    stored = [await product.log.read(topic, p, 0, 100_000) for p in range(product.log.partitions)]
    return [(decode_any(record.value), record.appended) for partition in stored for record in partition]


async def main(folder: Path, *, virtual: bool) -> None:
    """Open, play what is left to play, report."""
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    (data / "settings.toml").write_text(SETTINGS)
    provider = Provider(folder / "provider.ndjson")
    async with opened(Plan(data, dev=True, start=START), {"email": provider, "sms": provider}) as product:
        provider.clock = product.clock
        shop = Shop(product, folder / "acks.ndjson", virtual=virtual)
        await play(shop)
        (folder / "report.json").write_bytes(msgspec.json.encode(await report(product)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--crash", nargs=2, metavar=("POINT", "NTH"))
    parser.add_argument("--virtual", action="store_true")
    options = parser.parse_args()
    if options.crash:
        crashpoints.arm(options.crash[0], int(options.crash[1]))
    asyncio.run(main(options.folder, virtual=options.virtual))
