"""Where a nemesis plays: three brokers and PostgreSQL behind proxies, two of each service, a mail server."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from clusterbench import Cluster, mail_server
from crowd import Post, Shoppers
from freeports import free_port
from kafkaserver import KafkaServer, bring_jars
from pgserver import PostgresServer, postgres_server
from tcpproxy import Proxy, proxy

NODES: Final = (1, 2, 3)
SERVICES: Final = ("ingest", "trigger", "dispatch")
SETTINGS: Final = """
[shop]
public_url = "http://127.0.0.1:{pages}"

[hours]
marketing = "00:00-24:00"

[caps]
budget = false
email_gap = "0s"
grace = "0s"

[guard]
opt_outs = 1.0  # shoppers here opt out to see whether they are heard

[rules.abandoned_cart]
mode = "live"
delay = "3s"
holdout = 0.0
cooldown = "1s"
expires = "1d"

[sending]
mode = "live"
"""


@dataclass
class Stage:
    """Everything that faults happen to."""

    shop: Cluster
    brokers: dict[int, KafkaServer]
    postgres: PostgresServer
    wires: dict[str, Proxy]  # postgres, broker-1, ...
    post: Post
    shoppers: Shoppers
    draw: random.Random
    poison: int = 0

    async def restart(self, name: str, how: int = signal.SIGKILL) -> None:
        """A process goes, and comes back as an orchestrator has it."""
        await asyncio.to_thread(self.shop.kill, name, how)
        await asyncio.sleep(self.draw.uniform(0.5, 3))
        self.shop.start(name.partition("-")[0], name)

    def signal(self, name: str, what: signal.Signals) -> None:
        self.shop.signal(name, what)


@asynccontextmanager
async def stage(folder: Path, seed: int) -> AsyncIterator[Stage]:
    """Everything runs and is ready."""
    async with AsyncExitStack() as stack:
        post = await stack.enter_async_context(mail_server(Post()))
        fronts = {node: free_port() for node in NODES}
        brokers = stack.enter_context(_brokers(folder, fronts))
        await asyncio.gather(*(asyncio.to_thread(broker.start) for broker in brokers.values()))
        postgres = stack.enter_context(_postgres())
        wires = {"postgres": await stack.enter_async_context(proxy(postgres.port))}
        for node, broker in brokers.items():
            wires[f"broker-{node}"] = await stack.enter_async_context(proxy(broker.port, fronts[node]))
        servers = ",".join(f"127.0.0.1:{port}" for port in fronts.values())
        database = postgres.create("nemesis").replace(str(postgres.port), str(wires["postgres"].port))
        pages = free_port()
        settings = SETTINGS.format(pages=pages)
        shop = Cluster(folder, f"kafka://{servers}?prefix=nemesis-", database, post, settings)
        stack.callback(shop.stop)
        await asyncio.to_thread(shop.set_up, len(NODES))
        await _start_all(shop)
        front = Balancer([shop.ports["dispatch-1"], shop.ports["dispatch-2"]])
        await stack.enter_async_context(await asyncio.start_server(front.serve, "127.0.0.1", pages))
        doors = [f"http://127.0.0.1:{shop.ports[name]}" for name in ("ingest-1", "ingest-2")]
        shoppers = Shoppers(shop, post, doors, seed)
        stack.push_async_callback(shoppers.close)
        yield Stage(shop, brokers, postgres, wires, post, shoppers, random.Random(seed))


async def _start_all(shop: Cluster) -> None:
    names = [f"{service}-{n}" for service in SERVICES for n in (1, 2)]
    for name in names:
        shop.start(name.partition("-")[0], name)
    await shop.ready(*names)


@contextmanager
def _brokers(folder: Path, fronts: dict[int, int]) -> Iterator[dict[int, KafkaServer]]:
    """Three, not started; clients are told the ports of `fronts`."""
    bring_jars()
    controllers = {node: free_port() for node in NODES}
    brokers: dict[int, KafkaServer] = {}
    try:
        for node in NODES:
            (place := folder / f"broker-{node}").mkdir(parents=True)
            brokers[node] = KafkaServer(place, node, controllers, fronts[node])
        yield brokers
    finally:
        for broker in brokers.values():
            broker.stop()


@contextmanager
def _postgres() -> Iterator[PostgresServer]:
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with postgres_server(Path(folder)) as server:
            yield server


class Balancer:
    """One address for customers: each connection goes to the other dispatch."""

    def __init__(self, targets: list[int]) -> None:
        self._targets = targets

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._targets.append(self._targets.pop(0))
        await Proxy(self._targets[0]).serve(reader, writer)
