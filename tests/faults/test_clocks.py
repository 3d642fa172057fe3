"""The wall clock of a machine jumps: others go on in its place, nobody is written to twice, early or never."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from typing import Final

import httpx
import pytest
from clusterbench import Shopper, address_of, cluster, until
from clusterpeople import Customers, consent
from kafkaserver import KafkaServer
from pgserver import PostgresServer
from servers import SERVERS

pytestmark = [*SERVERS, pytest.mark.long, pytest.mark.timeout(600)]

JUMPS: Final = (-3600.0, 3600.0, 86_400.0, -30.0, 30.0)  # seconds
SERVICES: Final = ("ingest", "trigger", "dispatch")
AT_LAST: Final = 120.0  # seconds until somebody else has taken over and what was held is let go
QUIET: Final = 3.0  # seconds without a second message


@pytest.mark.parametrize("seed", range(3))
async def test_whoever_s_clock_jumps_is_replaced_and_takes_its_share_again_once_it_is_right(
    tmp_path: Path, kafka: KafkaServer, postgres: PostgresServer, seed: int
) -> None:
    random, everybody = Random(seed), list[str]()
    clocks = {
        f"{service}-{number}": tmp_path / f"{service}-{number}.clock" for service in SERVICES for number in (1, 2)
    }
    async with cluster(tmp_path, kafka, postgres, f"clocks{seed}") as shop:
        for name, clock in clocks.items():
            clock.write_text("0")
            shop.start(name.partition("-")[0], name, clock=clock)
        await shop.ready(*clocks)
        for number, jump in enumerate(random.sample(JUMPS, len(JUMPS))):
            victim = random.choice([name for name in clocks if not name.startswith("ingest")])
            door = random.choice(["ingest-1", "ingest-2"])
            for name in (victim, door):
                clocks[name].write_text(str(jump))
            names = [f"s{seed}-{number}-{each}" for each in range(8)]
            shopper = Shopper(shop, door)
            for name in names:
                await shopper.leaves_a_cart(name)
            await shopper.close()
            await shop.until_arrived(set(names), AT_LAST)
            for name in (victim, door):
                clocks[name].write_text("0")
            everybody += names

        async def shared() -> bool:
            return [await shop.owned(name) for name in clocks if not name.startswith("ingest")] == [2, 2, 2, 2]

        await until(shared, 90)
        await asyncio.sleep(QUIET)
        assert shop.mailbox.came == {address_of(name): 1 for name in everybody}


async def test_a_shop_takes_back_what_was_said_on_a_page_of_a_machine_whose_clock_is_ahead(
    tmp_path: Path, kafka: KafkaServer, postgres: PostgresServer
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("86400")
    async with cluster(tmp_path, kafka, postgres, "pages") as shop:
        for service in ("ingest", "dispatch"):
            shop.start(service)
        shop.start("dispatch", "ahead", clock=clock)
        await shop.ready("ingest", "dispatch", "ahead")
        page = f"http://127.0.0.1:{shop.ports['ahead']}"
        async with httpx.AsyncClient(base_url=page, trust_env=False) as http:
            assert (await Customers(shop, {"ann": ""}).opts_out("ann", http)).is_success
        assert await consent(shop, "ann", "email") == "withdrawn"
        shopper = Shopper(shop)
        await shopper.may_be_written_to("ann", "email")
        await shopper.close()

        async def granted() -> bool:
            return await consent(shop, "ann", "email") == "granted"

        await until(granted, AT_LAST)
