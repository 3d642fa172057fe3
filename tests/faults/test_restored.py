"""The drill: the database is restored from a back-up, dispatch refuses, what is forgotten is taken from the log, and it goes on."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Final

import httpx
import pytest
from clusterbench import Cluster, Shopper, address_of, cluster, until
from clusterlog import verdicts
from clusterpeople import Customers, consent
from freeports import free_port
from kafkaserver import KafkaServer
from pgserver import PostgresServer
from servers import SERVERS

pytestmark = [*SERVERS, pytest.mark.long, pytest.mark.timeout(600)]

SERVICES: Final = ("ingest", "trigger", "dispatch")
DATABASE: Final = "restored_0"
TOLD: Final = 6.0  # seconds within which dispatch tells the log how far it has come
QUIET: Final = 6.0  # seconds: twice as long as the rule waits


async def begin(shop: Cluster) -> None:
    for service in SERVICES:
        shop.start(service)
    await shop.ready(*SERVICES)


async def end(shop: Cluster) -> None:
    for service in SERVICES:
        await asyncio.to_thread(shop.kill, service, signal.SIGTERM)


async def told(shop: Cluster, customer: str) -> None:
    """Until the final word on somebody's message stands in the log."""

    async def decided() -> bool:
        return customer in await verdicts(shop)

    await until(decided)


async def until_archived(shop: Cluster, shopper: Shopper, postgres: PostgresServer) -> None:
    """Ann has had a message when the back-up is made."""
    await begin(shop)
    await shopper.leaves_a_cart("ann")
    await told(shop, "ann")
    await end(shop)
    postgres.create("archive", copy_of=DATABASE)


async def what_is_forgotten(shop: Cluster, shopper: Shopper) -> None:
    """Bob gets one, and ann opts out."""
    await begin(shop)
    await shopper.leaves_a_cart("bob")
    await told(shop, "bob")
    sent = {name: word for name, words in (await verdicts(shop)).items() for word, _ in words}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{shop.ports['dispatch']}") as http:
        assert (await Customers(shop, sent).opts_out("ann", http)).is_success
    await asyncio.sleep(TOLD)
    await end(shop)


async def settle(shop: Cluster) -> str:
    """Dispatch refuses; it is stopped and what is forgotten is taken from the log. What the command said."""

    async def refused() -> bool:
        return "was restored from the past" in shop.log("dispatch").read_text()

    await until(refused)
    busy = await asyncio.to_thread(shop.command, "db", "settle")
    assert "stop every dispatch" in busy.stderr
    await asyncio.to_thread(shop.kill, "dispatch", signal.SIGTERM)
    settled = await asyncio.to_thread(shop.command, "db", "settle")
    assert settled.returncode == 0, settled.stderr
    shop.start("dispatch")
    return settled.stdout


async def test_after_a_restore_nobody_is_written_to_twice_and_who_opted_out_stays_so(
    tmp_path: Path, kafka: KafkaServer, postgres: PostgresServer
) -> None:
    async with cluster(tmp_path, kafka, postgres, "restored") as shop:
        shop.ports["ingest"] = free_port()
        shopper = Shopper(shop)
        await until_archived(shop, shopper, postgres)
        await what_is_forgotten(shop, shopper)
        postgres.drop(DATABASE)
        postgres.create(DATABASE, copy_of="archive")
        await begin(shop)
        said = await settle(shop)
        assert "1 x decision" in said
        assert "1 x consent" in said

        await shopper.adds("ann", "ann-again")
        await shopper.leaves_a_cart("cleo")
        await told(shop, "cleo")
        await asyncio.sleep(QUIET)
        await shopper.close()
        assert shop.mailbox.came == {address_of(name): 1 for name in ("ann", "bob", "cleo")}
        assert await consent(shop, "ann", "email") == "withdrawn"
        explained = await asyncio.to_thread(shop.command, "explain", "cleo")
        assert "SENT" in explained.stdout
