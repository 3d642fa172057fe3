"""Kill points over Kafka and PostgreSQL: whoever dies there is started again, and everybody gets one message."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from itertools import zip_longest
from pathlib import Path
from random import Random
from typing import Final

import pytest
from clusterbench import Cluster, Shopper, address_of, cluster, until
from clusterlog import verdicts
from kafkaserver import KafkaServer
from pgserver import PostgresServer
from servers import SERVERS

from tactful.crashpoints import known

pytestmark = [*SERVERS, pytest.mark.long, pytest.mark.timeout(600)]

SEEDS: Final = int(os.environ.get("TACTFUL_SEEDS", "20"))
POINTS: Final = {  # service -> point -> the latest time at which it is killed there
    "ingest": {"ingest: appended": 12},
    "trigger": {
        "trigger: mid-slice": 6,
        "trigger: before commit": 6,
        "trigger: after commit": 6,
        "relay: appended": 4,
    },
    "dispatch": {
        "dispatch: before commit": 6,
        "dispatch: sending": 2,
        "dispatch: answered": 2,
        "relay: appended": 4,
    },
}
IN_FLIGHT: Final = 4 * 16  # messages that one dispatch may be sending: of each partition, so many customers at once
SETTLED: Final = 150.0  # seconds until what nobody can know is called unknown


async def strike(shop: Cluster, shopper: Shopper, deaths: dict[str, tuple[str, int]], names: list[str]) -> None:
    """Services that are to die take the place of those that run; customers come until each of them has died and is back."""
    for service, death in deaths.items():
        await asyncio.to_thread(shop.kill, service, signal.SIGTERM)
        shop.start(service, dies_at=death)
    waiting, numbers = set(deaths), iter(range(10_000))

    async def shopping() -> None:
        while waiting:
            names.append(f"{names[0]}-{next(numbers)}")
            await shopper.leaves_a_cart(names[-1])
            await asyncio.sleep(0.3)

    async def struck() -> bool:
        for service in [each for each in waiting if shop.has_died(each)]:
            shop.start(service)
            waiting.discard(service)
        return not waiting

    posting = asyncio.create_task(shopping())
    try:
        await until(struck)
    except TimeoutError:
        raise AssertionError(f"never came to its point: {[deaths[each] for each in waiting]}") from None
    finally:
        waiting.clear()
        await posting


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_whoever_is_killed_at_any_point_leaves_nobody_without_a_message_and_nobody_with_two(
    tmp_path: Path, kafka: KafkaServer, postgres: PostgresServer, seed: int
) -> None:
    random, everybody, killed = Random(seed), list[str](), 0
    rounds = zip_longest(
        *([(each, point) for point in random.sample(sorted(points), len(points))] for each, points in POINTS.items())
    )
    async with cluster(tmp_path, kafka, postgres, f"points{seed}") as shop:
        for service in POINTS:
            shop.start(service)
        await shop.ready(*POINTS)
        shopper = Shopper(shop)
        for number, struck in enumerate(rounds):
            deaths = {each: (point, random.randint(1, POINTS[each][point])) for each, point in filter(None, struck)}
            killed += "dispatch" in deaths
            names = [f"s{seed}-{number}"]
            await shopper.leaves_a_cart(names[0])
            await strike(shop, shopper, deaths, names)
            everybody += names
        await shopper.close()

        async def decided() -> bool:
            return set(everybody) <= (await verdicts(shop)).keys()

        await until(decided, SETTLED)
        words = await verdicts(shop)
    assert all(len(each) == 1 for each in words.values()), words
    told = {name: word for name, ((_, word),) in words.items()}
    counts = Counter(told.values())
    assert counts.keys() <= {"sent", "unknown"}
    assert counts["unknown"] <= killed * IN_FLIGHT
    came = shop.mailbox.came
    assert {name for name in everybody if told[name] == "sent" and came[address_of(name)] != 1} == set()
    assert max(came.values()) == 1


def test_the_points_are_those_of_the_code() -> None:
    for points in POINTS.values():
        for point in points:
            known(point)
