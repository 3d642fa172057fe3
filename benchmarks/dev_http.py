"""`tactful dev` over HTTP, acknowledged on a durable disk, as ratios within one run.

Batches of 100 events against bare group-committed inserts of the same bytes into SQLite (WAL, synchronous=FULL), and single
posts against a bare Starlette route that decodes what it is sent and answers. Goal for batches: 0.3.

    python benchmarks/dev_http.py [--seconds 5]
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CONNECTIONS = 32
BATCH = 100
BARE = """
import sys
from typing import Any
import msgspec, uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
class Call(msgspec.Struct):
    type: str
    event: str
    userId: str
    messageId: str
    properties: dict[str, Any]
    context: dict[str, Any]
class Batch(msgspec.Struct):
    batch: list[Call]
decode = {"track": msgspec.json.Decoder(Call).decode, "batch": msgspec.json.Decoder(Batch).decode}
async def take(request):
    decode[request.path_params["name"]](await request.body())
    return Response(b'{"success":true}', media_type="application/json")
uvicorn.run(Starlette(routes=[Route("/v1/{name}", take, methods=["POST"])]), port=int(sys.argv[1]), log_level="error")
"""


def event(number: int) -> dict[str, Any]:
    """A product added, as a shop posts it."""
    return {
        "type": "track",
        "userId": f"u{number % 5000}",
        "messageId": f"m-{number}",
        "event": "Product Added",
        "properties": {
            "cart_id": f"c{number % 5000}",
            "product_id": f"p{number % 97}",
            "name": "Blue kettle, 1.7 l",
            "category": "Kitchen",
            "price": 39.90,
            "currency": "EUR",
            "quantity": 1,
            "url": "https://shop.example/p/1",
        },
        "context": {"userAgent": "Mozilla/5.0", "locale": "en-GB"},
    }


def request(path: str, body: Any) -> bytes:
    """A request as it stands on the wire."""
    content = json.dumps(body).encode()
    key = base64.b64encode(b"dev_server:").decode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {key}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


async def _answer(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode())
    length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    await reader.readexactly(int(length.split(b":")[1]))


async def load(port: int, requests: Iterator[bytes], seconds: float) -> float:
    """Requests answered per second over some connections."""
    done, until = 0, time.perf_counter() + seconds

    async def client() -> None:
        nonlocal done
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < until:
            writer.write(next(requests))
            await _answer(reader)
            done += 1
        writer.close()
        await writer.wait_closed()

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))
    return done / (time.perf_counter() - began)


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(*command: str, port: int) -> Iterator[None]:
    """A process that listens, ended by its own id."""
    process = subprocess.Popen([*command], stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


def bare_inserts(seconds: float, folder: str) -> float:
    """Events per second of bare group-committed inserts, a transaction of 100 each."""
    db = sqlite3.connect(Path(folder) / "bare.db", isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, value BLOB)")
    value, done, until = json.dumps(event(1)).encode(), 0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO log (value) VALUES (?)", [(value,)] * BATCH)
        db.execute("COMMIT")
        done += BATCH
    return done / seconds


def batches() -> Iterator[bytes]:
    """Batches of fresh events."""
    number = 0
    while True:
        yield request("/v1/batch", {"batch": [event(number + n) for n in range(BATCH)]})
        number += BATCH


def singles() -> Iterator[bytes]:
    """Single fresh events."""
    number = 10**9
    while True:
        yield request("/v1/track", event(number))
        number += 1


def prepared(requests: Iterator[bytes], count: int) -> Iterator[bytes]:
    """The first requests made beforehand, so that making them costs the server nothing."""
    return iter([next(requests) for _ in range(count)])


def dev(data: str, requests: Iterator[bytes], seconds: float) -> float:
    """Requests per second that a new `tactful dev` answers."""
    port = free_port()
    command = (str(Path(sys.executable).parent / "tactful"), "dev", "--data", data, "--port", str(port))
    with server(*command, port=port):
        return asyncio.run(load(port, requests, seconds))


def main() -> None:
    """Print rates and ratios."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=5.0)
    seconds = options.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        floor = bare_inserts(seconds, folder)
        lots = BATCH * dev(f"{folder}/batches", prepared(batches(), int(6000 * seconds / 5)), seconds)
        posts = dev(f"{folder}/singles", prepared(singles(), int(60_000 * seconds / 5)), seconds)
        port = free_port()
        with server(sys.executable, "-c", BARE, str(port), port=port):
            plain = asyncio.run(load(port, prepared(singles(), int(120_000 * seconds / 5)), seconds))
    print(f"bare group-committed inserts {floor:,.0f} events/s   tactful dev, batches of {BATCH} {lots:,.0f} events/s")
    print(f"dev in batches, ratio to bare inserts: {lots / floor:.2f} (goal 0.3)")
    print(f"bare Starlette {plain:,.0f} posts/s   tactful dev, single posts {posts:,.0f} posts/s")
    print(f"dev in single posts, ratio to bare Starlette: {posts / plain:.2f}")


if __name__ == "__main__":
    main()
