"""How fast the door reads: events/s of one core through ASGI in one process, validation included, without a log.

Prints the ratio to a bare Starlette route that reads the same body and answers. Run: `python benchmarks/ingest_door.py`.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from tactful.clock import WallClock
from tactful.keys import FixedKeys, Key
from tactful.log import Position, Stored
from tactful_ingest.app import create_app
from tactful_ingest.door import Door

SECONDS = 2.0
BATCH = 100


class Nowhere:
    """A log that takes everything at once and keeps nothing."""

    partitions = 4

    async def append(self, topic: str, entries: Sequence[tuple[int, bytes]]) -> list[Position]:
        return [Position(partition, 0, 0) for partition, _ in entries]

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Stored]:
        return []

    async def beginning(self, topic: str, partition: int) -> int:
        return 0

    async def end(self, topic: str, partition: int) -> int:
        return 0

    async def wait(self, topic: str, positions: Mapping[int, int], seconds: float) -> None:
        return


async def _read_only(request: Request) -> Response:
    await request.body()
    return Response(b'{"success":true}', media_type="application/json")


def call(number: int) -> dict[str, Any]:
    """A track call as a shop's backend sends it: 12 properties, about 600 bytes."""
    return {
        "type": "track",
        "event": "Product Added",
        "userId": f"customer-{number % 5000}",
        "messageId": f"1b4e28ba-2fa1-11d2-883f-{number:012d}",
        "timestamp": "2026-11-23T14:00:00.123+01:00",
        "context": {"library": {"name": "analytics-python", "version": "2.4.0"}, "ip": "203.0.113.9"},
        "properties": {
            "cart_id": f"cart-{number % 5000}",
            "product_id": "507f1f77bcf86cd799439011",
            "sku": "G-32",
            "category": "Games",
            "name": "Monopoly: 3rd Edition",
            "brand": "Hasbro",
            "variant": "200 pieces",
            "price": 18.99,
            "quantity": 1,
            "currency": "EUR",
            "url": "https://shop.example/product/path",
            "image_url": "https://shop.example/product/path.jpg",
        },
    }


def batches(size: int) -> list[bytes]:
    """A hundred bodies of `size` events each."""
    return [msgspec.json.encode({"batch": [call(lot * size + index) for index in range(size)]}) for lot in range(100)]


async def events_per_second(app: ASGIApp, path: str, bodies: Sequence[bytes], size: int) -> float:
    """Post for some seconds, one request after another; every answer must be 200."""
    done, began = 0, time.perf_counter()
    while (passed := time.perf_counter() - began) < SECONDS:
        for body in bodies:
            await _post(app, path, body)
        done += size * len(bodies)
    return done / passed


async def _post(app: ASGIApp, path: str, body: bytes) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start" and message["status"] != 200:
            raise SystemExit(f"answered {message['status']}: this run measures nothing")

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"authorization", b"Basic " + base64.b64encode(b"key:")), (b"content-type", b"application/json")],
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
    }
    await app(scope, receive, send)


async def main() -> None:
    """Both apps in turn, three rounds; the best of each counts."""
    door = create_app(Door(Nowhere(), FixedKeys([("key", Key("bench", "server"))]), WallClock(), lambda: "EUR"))
    bare = Starlette(routes=[Route("/v1/batch", _read_only, methods=["POST"])])
    for size in (BATCH, 1):
        bodies = batches(size)
        rounds = [
            (
                await events_per_second(door, "/v1/batch", bodies, size),
                await events_per_second(bare, "/v1/batch", bodies, size),
            )
            for _ in range(3)
        ]
        ours, theirs = (max(column) for column in zip(*rounds, strict=True))
        print(
            f"batches of {size:>3}: {ours:>9,.0f} events/s = {ours / size:>7,.0f} requests/s, "
            f"bare route {theirs / size:>7,.0f} requests/s, ratio {ours / theirs:.3f}"
        )


if __name__ == "__main__":
    asyncio.run(main())
