"""How far each partition was read, as Kafka's own tools show it: committed offsets of a group that nobody joins.

They follow the store and decide nothing, with one use: a store that stands behind them was restored from the past.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from tactful.log.kafka.broker import Broker, unavailable

T = TypeVar("T")
PATIENCE: Final = 5.0  # seconds; aiokafka waits for the coordinator of the group for ever


class KafkaHints:
    """Implements `tactful.log.Hints` for one topic."""

    def __init__(self, name: str, consumer: AIOKafkaConsumer, patience: float = PATIENCE) -> None:
        self._name, self._consumer, self._patience = name, consumer, patience

    @classmethod
    @asynccontextmanager
    async def open(
        cls, broker: Broker, topic: str, partitions: int, *, decisive: bool = True
    ) -> AsyncIterator[KafkaHints]:
        """Raises LogUnavailable, and SettingsError if we may not read them. If they are not `decisive`, that is not found out here, but
        at each mark."""
        name = broker.topic(topic)
        consumer = broker.consumer(group=f"{name}-reader")
        try:
            await consumer.start()
            everything = [TopicPartition(name, number) for number in range(partitions)]
            consumer.assign(everything)
            consumer.pause(*everything)
            if decisive:
                async with asyncio.timeout(PATIENCE):
                    await consumer.committed(everything[0])
        except (KafkaError, OSError) as error:
            await consumer.stop()
            raise await broker.refusal(error) or unavailable(name, error) from error
        try:
            yield cls(name, consumer)
        finally:
            await broker.ended(consumer)

    async def mark(self, offsets: Mapping[int, int]) -> None:
        places = {TopicPartition(self._name, number): at for number, at in offsets.items()}
        await self._in_time(self._consumer.commit(places))

    async def marked(self, partition: int) -> int:
        return await self._in_time(self._consumer.committed(TopicPartition(self._name, partition))) or 0

    async def _in_time(self, asked: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._patience):
                return await asked
        except (KafkaError, OSError) as error:
            raise unavailable(self._name, error) from error
