"""A small shop, played by a program that may be killed at any named point and started again.

`python PLAY.py FOLDER [--crash POINT NTH [--during ACT]] [--virtual]`

Whoever posts gets an acknowledgement written to `acks.ndjson` and asks again after a restart for what was not
acknowledged, with the same ids. A provider writes what it was sent to `provider.ndjson` before it answers. Both are
on the disk before anything else happens. A run that comes to its end writes what the product knows to `report.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec

from tactful import crashpoints
from tactful.clock import Clock
from tactful.customer import Cart
from tactful.log.partitioning import partition_of
from tactful.records import DISPATCH, EVENTS, EventRecord, MessageRecord, decode_any
from tactful_dispatch.channels import FIRST_BYTE, Accepted, Adapter, Capabilities, Envelope, Outcome
from tactful_dispatch.live import LiveDispatch
from tactful_dispatch.state.ledger import broken_at
from tactful_trigger.live import LiveTrigger
from tactful_trigger.state.history import HistoryRow
from tactful_trigger.state.row import decode as decode_row
from tactful_workbench.embedded.product import Plan, Product, opened
from tactful_workbench.embedded.web import web

START: Final = 1_795_438_800_000  # Mon 23 Nov 2026 14:00 in Madrid
SETTINGS: Final = """
[rules.abandoned_cart]
mode = "live"
holdout = 0.0
push = false

[sending]
mode = "live"
"""
PUBLIC_URL: Final = "https://hello.shop.example"


def note(path: Path, **line: Any) -> None:
    """Append a line; it is on the disk when this returns."""
    with path.open("ab") as file:
        file.write(msgspec.json.encode(line) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def lines(path: Path) -> list[dict[str, Any]]:
    """What was noted; nothing yet is nothing."""
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()] if path.exists() else []


class Ledger:
    """What reached a provider, on the disk before it answers. The play sets `clock` once there is one."""

    clock: Clock

    def __init__(self, folder: Path) -> None:
        self.file = folder / "provider.ndjson"

    def note(self, message: str, customer: str, channel: str = "") -> None:
        note(self.file, message=message, customer=customer, channel=channel, at=self.clock.now())


class Provider:
    """Remembers everything it was sent, honours no key, and accepts."""

    name = "provider"
    capabilities = Capabilities()

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def send(self, envelope: Envelope, opening: float = FIRST_BYTE) -> Outcome:
        self._ledger.note(envelope.message_id, envelope.customer, envelope.channel)
        return Accepted(f"p-{envelope.message_id}")


@dataclass(frozen=True)
class World:
    """What is around the product in a play."""

    ledger: Ledger
    adapters: Mapping[str, Adapter]
    settings: str = SETTINGS
    own: Path | None = None  # a folder with `rules` and `templates` of the shop's own
    sms: str = ""


@dataclass(frozen=True)
class Crash:
    """Where the process is to be killed: the n-th time at a point, from the beginning of an act if one is named."""

    point: str
    nth: int
    during: str = ""

    def arm(self, act: str = "") -> None:
        if act == self.during:
            crashpoints.arm(self.point, self.nth)


class Shop:
    """Acts in order, each until it is acknowledged; then lets time pass."""

    def __init__(self, product: Product, world: World, acks: Path, crash: Crash | None, *, virtual: bool) -> None:
        assert product.dev_clock is not None
        self.product, self.clock, self.world = product, product.dev_clock, world
        self._acks, self._crash, self._virtual = acks, crash, virtual
        self._done = {line["act"] for line in lines(acks)}
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(web(product, "tactful")),
            base_url=PUBLIC_URL,
            auth=("dev_server", ""),
        )
        log, clock = product.log, product.clock
        self._trigger = LiveTrigger(product.trigger_worker, log, clock)
        self._dispatch = LiveDispatch(product.dispatch_worker, log, clock)

    async def act(self, name: str, act: Callable[[], Awaitable[object]]) -> None:
        """Unless it was acknowledged before a restart."""
        if name not in self._done:
            if self._crash is not None:
                self._crash.arm(name)
            await act()
            note(self._acks, act=name, at=self.clock.now())
            await self.settle()

    async def post(self, path: str, id: str, **call: Any) -> None:
        async def send() -> None:
            answer = await self.http.post(path, json={"messageId": id, **call})
            assert answer.status_code == 200, answer.text

        await self.act(id, send)

    async def track(self, customer: str, id: str, event: str, **properties: Any) -> None:
        await self.post("/v1/track", id, userId=customer, event=event, properties=properties)

    async def say(self, customer: str, state: str, channel: str = "email") -> None:
        consent = {"purpose": "marketing", "channel": channel, "state": state, "basis": "consent", "source": "form"}
        await self.track(customer, f"{customer}-{state}", "Consent Changed", **consent)

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


def item(product: str, quantity: int = 1) -> dict[str, Any]:
    """The properties of a product that is put into a cart."""
    return {"product_id": product, "name": product, "price": 39.9, "currency": "EUR", "quantity": quantity}


Play = Callable[[Shop], Awaitable[None]]
Surroundings = Callable[[Path], AbstractAsyncContextManager[World]]


async def report(product: Product, customers: Sequence[str]) -> dict[str, Any]:
    """What the log and the stores say at the end, without anything that depends on the hour of the test."""
    log, partitions = product.log, range(product.log.partitions)
    cursors = [cursor for partition in partitions if (cursor := await product.trigger.cursor(partition))]
    workers, stores = (product.trigger_worker, product.dispatch_worker), (product.trigger, product.dispatch)
    ledgers = [await product.dispatch.ledger(partition) for partition in partitions]
    return {
        "customers": {customer: await customer_report(product, customer) for customer in customers},
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
    row = decode_row(customer, stored[customer], product.book.projections) if customer in stored else None
    cart: Cart = (row.state("cart") if row else None) or Cart()
    told = await product.trigger.history(customer, 1000)
    return {
        "cart": [[item.product_id, item.quantity] for item in cart.items],
        "runs": len(row.runs) if row else 0,
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


def perform(play: Play, customers: Sequence[str], surroundings: Surroundings) -> None:
    """The program: open, play what is left to play, report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--crash", nargs=2, metavar=("POINT", "NTH"))
    parser.add_argument("--during", default="", metavar="ACT")
    parser.add_argument("--virtual", action="store_true")
    options = parser.parse_args()
    crash = Crash(options.crash[0], int(options.crash[1]), options.during) if options.crash else None
    if crash is not None:
        crash.arm()
    asyncio.run(_perform(options.folder, play, customers, surroundings, crash, virtual=options.virtual))


async def _perform(
    folder: Path,
    play: Play,
    customers: Sequence[str],
    surroundings: Surroundings,
    crash: Crash | None,
    *,
    virtual: bool,
) -> None:
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    async with surroundings(folder) as world:
        (data / "settings.toml").write_text(world.settings)
        own = world.own
        plan = Plan(
            data,
            dev=True,
            start=START,
            sms=world.sms,
            public_url=PUBLIC_URL,
            rules=own and own / "rules",
            templates=own and own / "templates",
        )
        async with opened(plan, world.adapters) as product:
            world.ledger.clock = product.clock
            await play(Shop(product, world, folder / "acks.ndjson", crash, virtual=virtual))
            (folder / "report.json").write_bytes(msgspec.json.encode(await report(product, customers)))
