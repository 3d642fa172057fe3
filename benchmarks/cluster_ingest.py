"""The door over Kafka: acknowledged posts a second, against a bare Starlette route that decodes what it is sent.

python benchmarks/cluster_ingest.py [--seconds 5] [--rounds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import statistics
import sys
import tempfile
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

from cluster import servers
from clusterbench import Cluster, Mailbox
from dev_http import BARE, BATCH, batches, free_port, load, prepared, server, singles

GOALS = {"single posts": 0.4, "batches of 100": 0.5}


async def main() -> int:
    """Print medians of ratios beside their goals."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    ratios: dict[str, list[float]] = {name: [] for name in GOALS}
    rates: dict[str, list[float]] = {name: [] for name in GOALS}
    with servers() as (kafka, postgres), tempfile.TemporaryDirectory() as folder:
        shop = Cluster(Path(folder), f"{kafka.url}?prefix=door-", postgres.create("door"), Mailbox())
        await asyncio.to_thread(shop.set_up)
        token = (shop.data / "secrets" / "admin-token").read_bytes().hex()
        shop.start("ingest")
        try:
            await shop.ready("ingest")
            for number in range(given.rounds):
                for name, made, most in (("single posts", singles(), 60_000), ("batches of 100", batches(), 6_000)):
                    requests = list(prepared(_keyed(made, token, number), int(most * given.seconds / 5)))
                    ours = await load(shop.ports["ingest"], iter(requests), given.seconds)
                    port = free_port()
                    with server(sys.executable, "-c", BARE, str(port), port=port):
                        bare = await load(port, cycle(requests), given.seconds)
                    ratios[name].append(ours / bare)
                    rates[name].append(ours * (BATCH if name.startswith("batches") else 1))
        finally:
            shop.stop()
    for name, goal in GOALS.items():
        rate = statistics.median(rates[name])
        print(f"door over Kafka, {name}: {rate:,.0f} events/s acknowledged")
        print(f"door over Kafka, {name}, ratio to bare Starlette: {statistics.median(ratios[name]):.2f} (goal {goal})")
    return 0


def _keyed(requests: Iterator[bytes], token: str, round: int) -> Iterator[bytes]:
    """With the key of this deployment, and ids of this round."""
    old, new = base64.b64encode(b"dev_server:"), base64.b64encode(f"{token}:".encode())
    for request in requests:
        head, _, body = request.partition(b"\r\n\r\n")
        body = body.replace(b'"m-', b'"r%d-' % round)
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
        lines.append(b"Content-Length: %d" % len(body))
        yield b"\r\n".join(lines).replace(old, new) + b"\r\n\r\n" + body


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
