"""Segment's Python client, unmodified, over a real socket."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from doorstep import SERVER, Doorstep, properties
from loopback import served
from segment.analytics.client import Client

from tactful.clock import MINUTE


def speak(host: str, key: str, at: datetime, errors: list[Any], gzip: bool) -> None:
    """Every call of the client, until all of it was sent."""
    client = Client(key, host=host, gzip=gzip, on_error=lambda error, batch: errors.append(error), max_retries=0)
    client.identify("u1", {"email": "u@example.test", "firstName": "Ada"}, timestamp=at)
    client.track("u1", "Product Added", {"product_id": "p1", "price": 39.9}, timestamp=at, anonymous_id="a1")
    client.page("u1", "Shop", "Home", {"url": "https://shop.example/"}, timestamp=at)
    client.screen("u1", None, "Cart", timestamp=at)
    client.group("u1", "g1", {"size": 3}, timestamp=at)
    client.alias("u0", "u1", timestamp=at)
    client.track("null", "Product Added", timestamp=at)
    for number in range(250):
        client.track(f"many-{number}", "Product Viewed", {"n": number}, timestamp=at)
    client.shutdown()


@pytest.mark.parametrize("gzip", [False, True])
async def test_the_python_client_delivers_every_call(gzip: bool) -> None:
    door, errors = Doorstep(), list[Any]()
    at = door.come_to_the_present() - MINUTE
    async with served(door.app) as host:
        await asyncio.to_thread(speak, host, SERVER, datetime.fromtimestamp(at / 1000, UTC), errors, gzip)
    assert errors == []
    names = [event.body.name for event in door.events]
    assert names[:6] == ["Identify", "Product Added", "Page", "Screen", "Group", "Alias"]
    assert names[6:] == ["Product Viewed"] * 250
    assert {event.body.occurred_at for event in door.events} == {at}
    assert len({event.id for event in door.events}) == 256
    assert properties(door.events[0]) == {"email": "u@example.test", "first_name": "Ada"}
    assert properties(door.events[1])["price"] == [3990, "EUR"]
    assert ("anon:a1", "u1") in [(link.key, link.body.customer) for link in door.links]
    assert door.refusal == ("placeholder_id", "userId")


async def test_the_python_client_is_told_that_its_key_is_wrong() -> None:
    door, errors = Doorstep(), list[Any]()
    async with served(door.app) as host:
        await asyncio.to_thread(speak, host, "wrong", datetime.now(UTC), errors, False)
    assert {error.status for error in errors} == {401}
    assert {error.code for error in errors} == {"invalid_key"}
    assert door.diary.appends == []
