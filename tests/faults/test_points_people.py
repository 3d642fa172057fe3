"""Kill points over Kafka and PostgreSQL while somebody opts out, opens a message, texts STOP or asks to be forgotten: whoever asked
asks again, it happens once, and nobody comes back."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import pytest
from clusterbench import Cluster, Shopper, address_of, cluster, until
from clusterlog import happened, verdicts
from clusterpeople import PHONE, SMS, Customers, consent
from kafkaserver import KafkaServer
from pgserver import PostgresServer
from servers import SERVERS

from tactful.postgres import Postgres
from tactful.purposes import MARKETING
from tactful_dispatch.state.addresses import AddressBook
from tactful_dispatch.store.postgres import PostgresDispatchStore

pytestmark = [*SERVERS, pytest.mark.long, pytest.mark.timeout(600)]

QUIET: Final = 6.0  # seconds: twice as long as the rule waits
Ask = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]


async def killed_while(shop: Cluster, point: str, ask: Ask) -> None:
    """Dispatch dies at the point; who asked asks again until there is an answer."""
    await asyncio.to_thread(shop.kill, "dispatch", signal.SIGTERM)
    shop.start("dispatch", options=("--sms", SMS), dies_at=(point, 1))
    await shop.ready("dispatch")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{shop.ports['dispatch']}", trust_env=False) as http:

        async def answered() -> bool:
            if shop.has_died("dispatch"):
                shop.start("dispatch", options=("--sms", SMS))
                await shop.ready("dispatch")
                killed.append(point)
            try:
                answer = await ask(http)
            except httpx.HTTPError:
                return False
            assert answer.status_code in (200, 503), answer.text
            return bool(answer.status_code == 200)

        killed: list[str] = []
        await until(answered)
        assert killed == [point]


async def traces(shop: Cluster, words: str) -> list[str]:
    """Tables in which somebody's address still stands."""
    database = await asyncpg.connect(shop.postgres)
    try:
        tables = await database.fetch("SELECT relname FROM pg_stat_user_tables")
        found = []
        for (table,) in tables:
            rows = await database.fetch(f'SELECT * FROM "{table}"')
            if any(words.encode() in _bytes(value) for row in rows for value in row.values()):
                found.append(table)
        return found
    finally:
        await database.close()


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


async def opened(shop: Cluster) -> Counter[str]:
    """How many messages each has opened."""
    found = {(record.key, record.id) async for record in happened(shop, "Message Opened")}
    return Counter(customer for customer, _ in found)


async def is_closed(shop: Cluster, channel: str, address: str) -> bool:
    """Whether nothing leaves for an address any more."""
    key = AddressBook((shop.data / "secrets" / "address-key").read_bytes()).key(channel, address)
    async with Postgres.open(shop.postgres) as database:
        row = await PostgresDispatchStore(database, 4, lambda: b"").address(key)
        return bool(row.suppressed) and MARKETING in row.withdrawn


async def test_who_asks_again_gets_what_was_asked_for_once(
    tmp_path: Path, kafka: KafkaServer, postgres: PostgresServer
) -> None:
    async with cluster(tmp_path, kafka, postgres, "askers") as shop:
        shop.start("dispatch", options=("--sms", SMS))
        for service in ("ingest", "trigger"):
            shop.start(service)
        await shop.ready("ingest", "trigger", "dispatch")
        shopper, names = Shopper(shop), {"ann", "bob", "eve"}
        for name in names:
            await shopper.leaves_a_cart(name)
        await shop.until_arrived(names)

        async def decided() -> bool:
            return names <= set(await verdicts(shop))

        await until(decided)
        sent = {name: word for name, words in (await verdicts(shop)).items() for word, _ in words}
        people = Customers(shop, sent)
        await killed_while(shop, "dispatch: opt-out", partial(people.opts_out, "ann"))
        await killed_while(shop, "dispatch: receipt", partial(people.opens, "bob"))
        await killed_while(shop, "dispatch: address closed", people.texts_stop)
        await killed_while(shop, "erasure: noted", partial(people.is_forgotten, "eve"))

        await shopper.adds("ann", "ann-again")
        await shopper.leaves_a_cart("zed")
        await shop.until_arrived({"zed"})
        await asyncio.sleep(QUIET)
        await shopper.close()
        assert shop.mailbox.came == {address_of(name): 1 for name in (*names, "zed")}
        assert await consent(shop, "ann", "email") == "withdrawn"
        assert await is_closed(shop, "sms", PHONE)
        assert await opened(shop) == {"bob": 1}

        async def gone() -> bool:
            return await traces(shop, address_of("eve")) == []

        await until(gone)
        assert await traces(shop, address_of("bob")) != []
        verified = await asyncio.to_thread(shop.command, "consent", "verify")
        assert verified.returncode == 0, verified.stdout
