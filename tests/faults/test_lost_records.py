"""The log has lost records that nobody had read: trigger stops, an operator accepts the loss, and it goes on."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Final

import pytest
from aiokafka.admin import RecordsToDelete
from aiokafka.structs import TopicPartition
from clusterbench import Cluster, Shopper, address_of, cluster, until
from kafkaserver import KafkaServer
from pgserver import PostgresServer
from servers import SERVERS

from tactful.log.kafka import broker
from tactful.log.partitioning import partition_of
from tactful.records import EVENTS

pytestmark = [*SERVERS, pytest.mark.long, pytest.mark.timeout(300)]

PARTITIONS: Final = 4
HERE: Final = partition_of("bob", PARTITIONS)
CLEO: Final = next(name for n in range(99) if partition_of(name := f"cleo{n}", PARTITIONS) == HERE)  # comes after him


async def lose_everything(shop: Cluster) -> None:
    """As an outage that lasts longer than the topic keeps what it has."""
    servers = broker(shop.kafka)
    admin = servers.admin()
    await admin.start()
    everywhere = [TopicPartition(servers.topic(EVENTS), number) for number in range(PARTITIONS)]
    await admin.delete_records({place: RecordsToDelete(-1) for place in everywhere})
    await admin.close()


async def test_trigger_goes_on_behind_what_is_lost_once_somebody_agrees(
    tmp_path: Path, kafka: KafkaServer, postgres: PostgresServer
) -> None:
    async with cluster(tmp_path, kafka, postgres, "lost") as shop:
        for service in ("ingest", "trigger", "dispatch"):
            shop.start(service)
        await shop.ready("ingest", "trigger", "dispatch")
        shopper = Shopper(shop)
        await shopper.leaves_a_cart("ann")
        await shop.until_arrived({"ann"})
        await asyncio.to_thread(shop.kill, "trigger", signal.SIGTERM)
        await shopper.leaves_a_cart("bob")
        await lose_everything(shop)
        await shopper.leaves_a_cart(CLEO)
        await shopper.close()
        shop.start("trigger")
        place = f"{EVENTS}/{HERE}"

        async def stopped() -> bool:
            return f"{place}: the log no longer has what comes next" in shop.log("trigger").read_text()

        await until(stopped)
        owned = await asyncio.to_thread(shop.command, "db", "accept-loss", place, "--yes")
        assert (owned.returncode, "stop every trigger" in owned.stderr) == (1, True)
        await asyncio.to_thread(shop.kill, "trigger", signal.SIGTERM)
        asked = await asyncio.to_thread(shop.command, "db", "accept-loss", place)
        assert (asked.returncode, "Go on without them?" in asked.stdout) == (1, True)
        agreed = await asyncio.to_thread(shop.command, "db", "accept-loss", place, "--yes")
        assert agreed.stdout.endswith(f"{place} goes on without them\n"), agreed.stderr
        shop.start("trigger")
        await shop.until_arrived({CLEO})
        assert address_of("bob") not in shop.mailbox.came
