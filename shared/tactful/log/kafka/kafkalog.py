"""Implements `tactful.log.Log` over topics that `tactful setup` has made."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from tactful.log import Position, Stored, check_entries
from tactful.log.kafka.appending import DEADLINE, Appender
from tactful.log.kafka.broker import Broker
from tactful.log.kafka.reading import Reader
from tactful.log.kafka.topics import check_topics
from tactful.telemetry import SILENT, Telemetry


class KafkaLog:
    """Records of a partition that one append brings stand together; an append that fails may have stored a part of it."""

    def __init__(
        self, broker: Broker, partitions: int, deadline: float = DEADLINE, telemetry: Telemetry = SILENT
    ) -> None:
        self._broker, self._count, self._telemetry = broker, partitions, telemetry
        self._appender = Appender(broker, deadline)
        self._readers: dict[str, Reader] = {}
        self._opening: dict[str, asyncio.Task[Reader]] = {}
        self.appended, self.read_from = Counter[str](), Counter[str]()  # records by topic, since this was opened

    @classmethod
    @asynccontextmanager
    async def open(
        cls, broker: Broker, *, deadline: float = DEADLINE, telemetry: Telemetry = SILENT
    ) -> AsyncIterator[KafkaLog]:
        """Each record carries the span in which it was appended. Raises LogUnavailable, or SettingsError if a topic is missing or is not
        as it must be."""
        log = cls(broker, await check_topics(broker), deadline, telemetry)
        await log._appender.start()
        try:
            yield log
        finally:
            for opening in log._opening.values():
                opening.cancel()
            await asyncio.gather(*log._opening.values(), return_exceptions=True)
            for reader in log._readers.values():
                await reader.stop()
            await log._appender.stop()

    @property
    def partitions(self) -> int:
        return self._count

    async def append(self, topic: str, entries: Sequence[tuple[int, bytes]]) -> list[Position]:
        check_entries(topic, entries, self._count)
        positions = await self._appender.append(topic, entries, self._telemetry.current())
        self.appended[topic] += len(entries)
        if (reader := self._readers.get(topic)) is not None:
            for position in positions:
                reader.known(position.partition, position.offset + 1)
        return positions

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Stored]:
        found = await (await self._reader(topic)).read(partition, offset, limit)
        self.read_from[topic] += len(found)
        return found

    async def beginning(self, topic: str, partition: int) -> int:
        return await (await self._reader(topic)).beginning(partition)

    async def end(self, topic: str, partition: int) -> int:
        return await (await self._reader(topic)).end(partition)

    async def wait(self, topic: str, positions: Mapping[int, int], seconds: float) -> None:
        await (await self._reader(topic)).wait(positions, seconds)

    async def _reader(self, topic: str) -> Reader:
        """Opening one takes as long as the brokers take; whoever has no patience left goes, and the next one finds it further."""
        if (reader := self._readers.get(topic)) is not None:
            return reader
        opening = self._opening.get(topic)
        if opening is None or opening.done():
            opening = self._opening[topic] = asyncio.create_task(self._open(topic))
        return await asyncio.shield(opening)

    async def _open(self, topic: str) -> Reader:
        reader = Reader(self._broker, topic)
        await reader.start()
        self._readers[topic] = reader
        return reader
