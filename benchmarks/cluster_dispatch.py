"""Dispatch over PostgreSQL to a provider on the loopback: messages a second, all gates asked and every attempt recorded, against
bare httpx that posts the same forms over kept connections.

    python benchmarks/cluster_dispatch.py [--messages 2000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Final

import httpx
import msgspec
from cluster import servers
from providerserver import Provider, provider_server
from servers import fresh_database

from tactful.clock import WallClock
from tactful.erasure import Graves
from tactful.log.memory import MemoryLog
from tactful.postgres import Postgres
from tactful.records import (
    DISPATCH,
    BroadcastBody,
    BroadcastRecord,
    ConsentBody,
    ConsentRecord,
    MessageBody,
    MessageRecord,
    RecipientBody,
    RecipientRecord,
    Record,
    encode,
)
from tactful.settings import Settings
from tactful_dispatch.channels.sms import SmsAdapter
from tactful_dispatch.channels.smsgateway import sms_gateway
from tactful_dispatch.content.contentset import SHIPPED, ContentSet
from tactful_dispatch.content.process import ProcessContent
from tactful_dispatch.links import Links
from tactful_dispatch.live import LiveDispatch
from tactful_dispatch.sending.attempt import Attempts
from tactful_dispatch.state.addresses import AddressBook
from tactful_dispatch.store.postgres import PostgresDispatchStore
from tactful_dispatch.worker import AT_ONCE, DispatchWorker

TAKEN: Final[tuple[int, dict[str, str], bytes]] = (
    201,
    {},
    b'{"sid": "SM1", "status": "queued", "num_segments": "1", "price": null}',
)
SETTINGS: Final = {
    "sending": {"mode": "live"},
    "hours": {"marketing": "00:00-24:00"},
    "rules": {"abandoned_cart": {"mode": "live"}},
}


def records(count: int, now: int) -> Iterator[Record]:
    """Customers who consent, each with a message that waits."""
    example = json.loads((SHIPPED / "abandoned_cart" / "example.json").read_text())["data"]
    settings = Settings.model_validate(SETTINGS).model_dump_json().encode()
    yield BroadcastRecord(id="s", key="all", at=now, body=BroadcastBody("Settings Changed", msgspec.Raw(settings)))
    for number in range(count):
        customer = f"c{number}"
        known = RecipientBody(addresses={"sms": f"+346{number:08}"}, zone="Europe/Madrid")
        word = ConsentBody(source="shop", purpose="marketing", channel="sms", state="granted", occurred_at=now)
        body = MessageBody(
            message_id=f"m{number}",
            run_id=f"r{number}",
            customer=customer,
            subject=customer,
            rule="abandoned_cart",
            rule_version=1,
            channel="sms",
            template="abandoned_cart",
            purpose="marketing.cart",
            data=example,
            requested_at=now,
            expires_at=now + 86_400_000,
            contact=f"r{number}.0",
        )
        yield RecipientRecord(id=f"k{number}", key=customer, at=now, body=known)
        yield ConsentRecord(id=f"w{number}", key=customer, at=now, body=word)
        yield MessageRecord(id=f"m{number}", key=customer, at=now, body=body)


async def ours(database: Postgres, provider: Provider, count: int) -> float:
    """Messages a second."""
    clock = WallClock()
    log, book = MemoryLog(1, clock), AddressBook(b"secret")
    store = PostgresDispatchStore(database, 1, lambda: secrets.token_bytes(16))
    gateway = sms_gateway(f"twilio+plain://AC1:t0ken@127.0.0.1:{provider.port}?from=+34600000001")
    adapters = {"sms": SmsAdapter(gateway, lambda: "https://hello.shop.example")}
    links, content = Links(lambda: "https://hello.shop.example", b"key"), ProcessContent(ContentSet.load())
    attempts = Attempts(store, adapters, content, links, book, clock, time.monotonic)
    worker = DispatchWorker(log, store, attempts, book, clock, "bench", graves=Graves(b"bench"))
    live = LiveDispatch(worker, log, clock)
    await log.append(DISPATCH, [(0, encode(record)) for record in records(count, clock.now())])
    await worker.claim()
    while await worker.run_once(0):
        pass
    provider.asked.clear()
    began = time.perf_counter()
    try:
        while len(provider.asked) < count:
            if not await live.round():
                raise RuntimeError(f"{len(provider.asked)} of {count} have left")
        return count / (time.perf_counter() - began)
    finally:
        await content.close()


async def bare(provider: Provider, count: int) -> float:
    """The forms that dispatch posted, again."""
    forms = [asked.body for asked in provider.asked][:count]
    provider.asked.clear()
    url, queue = f"http://127.0.0.1:{provider.port}/", iter(forms)
    async with httpx.AsyncClient(trust_env=False) as client:

        async def post() -> None:
            for form in queue:
                (await client.post(url, content=form)).raise_for_status()

        began = time.perf_counter()
        await asyncio.gather(*(post() for _ in range(AT_ONCE)))
        return count / (time.perf_counter() - began)


async def main() -> int:
    """Print the rate and the ratio."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--messages", type=int, default=2000)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    rates, ratios = [], []
    with servers() as (_, postgres):
        for _ in range(given.rounds):
            async with (
                provider_server() as provider,
                Postgres.open(await fresh_database(postgres), connections=AT_ONCE + 2) as database,
            ):
                provider.answers = [TAKEN]
                rates.append(await ours(database, provider, given.messages))
                ratios.append(rates[-1] / await bare(provider, given.messages))
    print(f"dispatch to a provider on the loopback: {statistics.median(rates):,.0f} messages/s")
    print(f"dispatch, ratio to bare httpx with keep-alive: {statistics.median(ratios):.2f} (goal 0.8)")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
