"""Shoppers who come whatever happens, and the mail server that their messages reach: two of the three ledgers of a nemesis."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import Any, Final

import httpx
from clusterbench import Cluster, Mailbox, address_of

FILLERS: Final = 26  # page views of one batch
IN_FLIGHT: Final = 64  # batches


@dataclass
class Post(Mailbox):
    """A mail server with moods: `ok`, `greylist`, `busy`, `drop` (takes a message and says nothing), `hang`."""

    mood: str = "ok"
    took: list[tuple[float, str, str]] = field(default_factory=list)  # (first byte, recipient, Message-ID)
    unsubscribe: dict[str, str] = field(default_factory=dict)  # address -> one-click URL
    dropped: set[str] = field(default_factory=set)  # Message-IDs that were taken without a word

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        session.began = time.time()
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "421 busy, come later" if self.mood == "busy" else "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if self.mood == "greylist":
            return "451 4.7.1 greylisted, come later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        mood, mail = self.mood, message_from_bytes(envelope.content)
        name = str(mail["Message-ID"])
        self.took.append((session.began, envelope.rcpt_tos[0], name))
        self.came[envelope.rcpt_tos[0]] += 1
        if found := re.search(r"<(http[^>]+)>", str(mail["List-Unsubscribe"])):
            self.unsubscribe[envelope.rcpt_tos[0]] = found[1]
        if mood in ("drop", "hang"):
            self.dropped.add(name)
            if mood == "hang":
                await asyncio.sleep(90)
            server.transport.abort()
        return "250 OK"


class Shoppers:
    """Open-loop load, and what clients were told."""

    def __init__(self, shop: Cluster, post: Post, doors: Sequence[str], seed: int) -> None:
        token = (shop.data / "secrets" / "admin-token").read_bytes().hex()
        self._http = httpx.AsyncClient(auth=(token, ""), trust_env=False, timeout=10)
        self._people = httpx.AsyncClient(trust_env=False, timeout=10)
        self._shop, self._post, self._doors, self._random = shop, post, doors, random.Random(seed)
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._journeys: set[asyncio.Task[None]] = set()
        self.acts: Counter[str] = Counter()  # acknowledged, by customer
        self.kinds: dict[str, str] = {}
        self.left: dict[str, float] = {}  # when a first cart was acknowledged, by address
        self.opted_out: dict[str, float] = {}  # when it was acknowledged
        self.acknowledged = self.refused = self.resent = 0
        self.repeats = 0.05
        self.stopping = False

    def arrive(self, number: int) -> None:
        """One customer begins."""
        customer = f"c{number:06}"
        kind = self.kinds[customer] = self._random.choices(("leaves a cart", "orders", "opts out"), (6, 2, 2))[0]
        task = asyncio.create_task(self._journey(customer, kind))
        self._journeys.add(task)
        task.add_done_callback(self._journeys.discard)

    async def done(self) -> None:
        """Until everybody has come to their end."""
        self.stopping = True
        while self._journeys:
            await asyncio.wait(tuple(self._journeys))

    async def close(self) -> None:
        await self._http.aclose()
        await self._people.aclose()

    async def _journey(self, customer: str, kind: str) -> None:
        known = {"type": "identify", "traits": {"email": address_of(customer), "firstName": "Uma"}}
        consent = {"purpose": "marketing", "channel": "email", "state": "granted"}
        calls: list[dict[str, Any]] = [known, _track("Consent Changed", consent), _track("Product Added", _KETTLE)]
        calls += [{"type": "page", "name": f"page {n}"} for n in range(FILLERS)]
        if kind == "orders":
            calls.append(_track("Order Completed", {"order_id": f"o-{customer}"}))
        await self._send(customer, "a", calls)
        self.left[address_of(customer)] = time.time()
        if kind == "opts out":
            await self._opt_out(customer)

    async def _opt_out(self, customer: str) -> None:
        address = address_of(customer)
        while address not in self._post.unsubscribe:
            if self.stopping:
                return
            await asyncio.sleep(0.5)
        while True:
            with suppress(httpx.HTTPError):
                data = {"List-Unsubscribe": "One-Click"}
                answer = await self._people.post(self._post.unsubscribe[address], data=data)
                if answer.status_code == 200:
                    break
            await asyncio.sleep(0.5)
        self.opted_out[address] = time.time()
        await self._send(customer, "b", [_track("Product Added", {"product_id": "p2", "name": "Tea", "price": 4.5})])

    async def _send(self, customer: str, name: str, calls: list[dict[str, Any]]) -> None:
        """Until it is acknowledged; then perhaps once more, as a client does whose answer was lost."""
        batch = [{"userId": customer, "messageId": f"{customer}-{name}{n}", **call} for n, call in enumerate(calls)]
        async with self._slots:
            while not await self._acknowledged(batch):
                self.refused += 1
                await asyncio.sleep(self._random.uniform(0.2, 0.8))
        self.acknowledged += len(batch)
        self.acts[customer] += sum(call["type"] == "page" or call.get("event") in _ACTS for call in calls)
        if self._random.random() < self.repeats:
            self.resent += len(batch)
            await self._acknowledged(batch)

    async def _acknowledged(self, batch: list[dict[str, Any]]) -> bool:
        try:
            answer = await self._http.post(f"{self._random.choice(self._doors)}/v1/batch", json={"batch": batch})
        except httpx.HTTPError:
            return False
        assert answer.status_code in (200, 429, 503), f"the door answered {answer.status_code}: {answer.text}"
        return answer.status_code == 200


_KETTLE: Final = {"product_id": "p1", "name": "Kettle", "price": 39.9}
_ACTS: Final = ("Product Added", "Order Completed")


def _track(event: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "track", "event": event, "properties": properties}
