"""Clients of a broker that is away end all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaConnectionError

from tactful.log.kafka.broker import Broker


class Consumer:
    """It ends as aiokafka does while its broker is away: a fetch that waits is cancelled, and nobody keeps that to themselves."""

    def __init__(self, goodbye: Callable[[], BaseException]) -> None:
        self._goodbye, self.told = goodbye, False

    async def stop(self) -> None:
        self.told = True
        raise self._goodbye()


@pytest.mark.parametrize("goodbye", [asyncio.CancelledError, KafkaConnectionError, OSError])
async def test_a_consumer_ends_whatever_it_says(goodbye: Callable[[], BaseException]) -> None:
    consumer = Consumer(goodbye)
    await Broker(("kafka:9092",)).ended(cast(Any, consumer))
    assert consumer.told


async def test_whoever_is_cancelled_themselves_hears_of_it() -> None:
    class Slow(Consumer):
        async def stop(self) -> None:
            await asyncio.Event().wait()

    ending = asyncio.create_task(Broker(("kafka:9092",)).ended(cast(Any, Slow(OSError))))
    await asyncio.sleep(0)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
