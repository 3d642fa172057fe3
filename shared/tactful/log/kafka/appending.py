"""Appending: entries that wait for the same partition share a batch, and each partition has one batch on its way at a time.

The producer is idempotent, so a batch that is sent again within one session is stored once. It never gives up on a batch
either, so each append has a deadline of its own; after that its records may still be stored, and whoever resends them uses the
same ids.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from tactful.errors import LogUnavailable, RecordTooLarge
from tactful.log import Position
from tactful.log.kafka.broker import BATCH, OURS, REQUEST, TRACEPARENT, Broker, unavailable

DEADLINE: Final = 2.0  # seconds from an append to its acknowledgement
WAITING: Final = 64 * 1024 * 1024  # bytes that may wait for the broker in this process
LEADERLESS: Final = 0.1  # seconds between two looks whether a broker leads a partition by now
GOODBYE: Final = 3.0  # seconds for producers to end with the log; a broker that is away would keep them
# Seconds for one that was replaced: what waits for a leader runs out of time before that.
LEFT: Final = 3 * REQUEST / 1000

Headers = list[tuple[str, bytes]]

_log = logging.getLogger(__name__)


class _Part:
    """The entries of one append for one partition. They go into one batch, or into several that follow each other."""

    __slots__ = ("headers", "landed", "size", "taken", "values")

    def __init__(self, values: list[bytes], trace: str) -> None:
        self.headers: Headers = [(TRACEPARENT, trace.encode())] if trace else []
        self.values, self.size, self.taken = values, sum(map(len, values)), False
        self.landed: asyncio.Future[list[Position]] = asyncio.get_running_loop().create_future()


class Appender:
    """Appends to all topics of a log. `start` before, `stop` after."""

    def __init__(self, broker: Broker, deadline: float = DEADLINE, goodbye: float = GOODBYE) -> None:
        self._broker, self._deadline, self._goodbye, self._waiting = broker, deadline, goodbye, 0
        self._producer: AIOKafkaProducer | None = None
        # Partitions at which the session has failed, and the task that opens another one; other partitions go on with it until then.
        self._struck: set[tuple[str, int]] = set()
        self._renewing: asyncio.Task[None] | None = None
        self._queues: dict[tuple[str, int], deque[_Part]] = {}
        self._senders: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Raises LogUnavailable if no broker answers."""
        await self._renew()

    async def stop(self) -> None:
        """Give up whatever waits: its callers get LogUnavailable."""
        for task in self._senders.values():
            task.cancel()
        await asyncio.gather(*self._senders.values(), return_exceptions=True)
        for queue in self._queues.values():
            while queue:
                _fail(queue.popleft(), LogUnavailable("the log was closed"))
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        if self._producer is not None:
            self._let_go(self._producer)
            self._producer = None
        if self._ending:
            _, lasting = await asyncio.wait(self._ending, timeout=self._goodbye)
            for task in lasting:
                task.cancel()

    async def append(self, topic: str, entries: Sequence[tuple[int, bytes]], trace: str = "") -> list[Position]:
        """As `Log.append`; every record carries `trace`. Raises LogUnavailable after the deadline; part of it may then be stored.
        Raises RecordTooLarge."""
        if self._waiting > WAITING:
            raise LogUnavailable(f"{self._waiting:,} bytes wait for the broker already")
        if (largest := max((len(value) for _, value in entries), default=0)) > BATCH:
            raise RecordTooLarge(f"a record of {largest:,} bytes is too large; a batch takes {BATCH:,}")
        by_partition: dict[int, list[bytes]] = {}
        for partition, value in entries:
            by_partition.setdefault(partition, []).append(value)
        parts = {partition: _Part(values, trace) for partition, values in by_partition.items()}
        for partition, part in parts.items():
            self._enqueue(topic, partition, part)
        try:
            async with asyncio.timeout(self._deadline):
                landed = await asyncio.gather(*(asyncio.shield(part.landed) for part in parts.values()))
        except TimeoutError:
            raise LogUnavailable(f"the broker did not acknowledge within {self._deadline:g} s") from None
        finally:
            for partition, part in parts.items():
                self._forget(topic, partition, part)
        positions = {partition: iter(where) for partition, where in zip(parts, landed, strict=True)}
        return [next(positions[partition]) for partition, _ in entries]

    def _enqueue(self, topic: str, partition: int, part: _Part) -> None:
        self._waiting += part.size
        part.landed.add_done_callback(lambda _: self._release(part))
        self._queues.setdefault((topic, partition), deque()).append(part)
        if (sender := self._senders.get((topic, partition))) is None or sender.done():
            self._senders[topic, partition] = asyncio.create_task(self._send_all(topic, partition))

    def _release(self, part: _Part) -> None:
        self._waiting -= part.size
        if not part.landed.cancelled():
            part.landed.exception()  # whoever waited has gone

    def _forget(self, topic: str, partition: int, part: _Part) -> None:
        """Take a part whose caller has gone out of the queue, unless it is on its way."""
        if not part.landed.done() and not part.taken:
            with suppress(ValueError):
                self._queues[topic, partition].remove(part)
            part.landed.cancel()

    async def _send_all(self, topic: str, partition: int) -> None:
        await asyncio.sleep(0)  # whoever is ready to append now shall join
        queue = self._queues[topic, partition]
        while await self._is_led(topic, partition, queue):
            lot = _lot(queue)
            try:
                positions = await self._send(
                    topic, partition, [(value, part.headers) for part in lot for value in part.values]
                )
            except (KafkaError, OSError, LogUnavailable) as error:
                for part in lot:
                    _fail(part, unavailable(f"{topic}/{partition}", error))
                continue
            except asyncio.CancelledError:
                for part in lot:
                    _fail(part, LogUnavailable("the log was closed"))
                raise
            for part in lot:
                if not part.landed.done():
                    part.landed.set_result(positions[: len(part.values)])
                del positions[: len(part.values)]

    async def _is_led(self, topic: str, partition: int, queue: deque[_Part]) -> bool:
        """Once a broker leads the partition; False if nobody waits for that any more. A session that has something to send there asks
        for its leader without a pause, a thousand times a second, and is not to be trusted after ten seconds of that."""
        place = TopicPartition(self._broker.topic(topic), partition)
        while queue and (producer := self._producer) and producer.client.cluster.leader_for_partition(place) == -1:
            producer.client.force_metadata_update()
            await asyncio.sleep(LEADERLESS)
        return bool(queue)

    async def _send(self, topic: str, partition: int, values: Sequence[tuple[bytes, Headers]]) -> list[Position]:
        positions: list[Position] = []
        while len(positions) < len(values):
            producer = await self._current((topic, partition))
            try:
                positions += await self._send_some(producer, topic, partition, values[len(positions) :])
            except (KafkaError, OSError, LogUnavailable) as error:
                self._replace(producer, (topic, partition), error)
                raise
        return positions

    async def _send_some(
        self, producer: AIOKafkaProducer, topic: str, partition: int, values: Sequence[tuple[bytes, Headers]]
    ) -> list[Position]:
        """Send as many of these as one batch takes; where they landed."""
        batch = producer.create_batch()
        for value, headers in values:
            if batch.append(timestamp=None, key=OURS, value=value, headers=headers) is None:
                break
        count = batch.record_count()
        batch.close()
        told = await (await producer.send_batch(batch, self._broker.topic(topic), partition=partition))
        if told.timestamp_type != 1:
            raise LogUnavailable(f"{told.topic} does not stamp append times; run `tactful setup`")
        return [Position(partition, told.offset + n, told.timestamp) for n in range(count)]

    async def _current(self, place: tuple[str, int]) -> AIOKafkaProducer:
        if place in self._struck:
            await asyncio.shield(self._renewed())
        if self._producer is None:
            raise LogUnavailable("the log is not open")
        return self._producer

    def _replace(self, failed: AIOKafkaProducer, place: tuple[str, int], error: Exception) -> None:
        """After a batch has failed the session is of no use at that partition: its sequences may have a hole for ever
        (https://github.com/aio-libs/aiokafka/issues/1017). What a new session repeats, readers recognise by its ids."""
        if failed is self._producer:  # else somebody has done it
            if not self._struck:
                _log.warning("the producer is replaced after %s: %s", type(error).__name__, error)
            self._struck.add(place)
            self._renewed()

    def _renewed(self) -> asyncio.Task[None]:
        """The task that opens a new session, shared by all who wait for one. It may take long: a broker that hangs may be asked first."""
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._renew())
            self._renewing.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._renewing

    async def _renew(self) -> None:
        fresh = self._broker.producer()
        try:
            await self._broker.started(fresh)
        except asyncio.CancelledError:
            self._let_go(fresh)
            raise
        failed, self._producer = self._producer, fresh
        self._struck.clear()
        if failed is not None:
            self._let_go(failed)

    def _let_go(self, producer: AIOKafkaProducer) -> None:
        task = asyncio.create_task(_end(producer))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


def _lot(queue: deque[_Part]) -> list[_Part]:
    """What goes into the next batch: at least one part, and as many more as fit."""
    lot = [queue.popleft()]
    size = lot[0].size
    while queue and size + queue[0].size <= BATCH * 3 // 4:
        lot.append(queue.popleft())
        size += lot[-1].size
    for part in lot:
        part.taken = True
    return lot


def _fail(part: _Part, error: LogUnavailable) -> None:
    if not part.landed.done():
        part.landed.set_exception(error)


async def _end(producer: AIOKafkaProducer) -> None:
    """Stop a producer. One that is cut short before it has stopped would go on sending, and keep its connections, for as long as the
    process lives."""
    with suppress(KafkaError, OSError, TimeoutError):
        async with asyncio.timeout(LEFT):
            await producer.stop()
