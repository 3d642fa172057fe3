"""Reading one topic: partitions are assigned by us, positions are those that a store remembers.

One task fetches ahead into a bounded buffer per partition. Whoever reads on from where the buffer begins is served from it;
whoever reads from elsewhere moves the position there.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CorruptRecordException, KafkaError, OffsetOutOfRangeError, UnsupportedCodecError
from aiokafka.structs import ConsumerRecord

from tactful.errors import DamagedRecord, LogUnavailable, RetentionOverrun, StreamStopped, UnstampedRecord
from tactful.log import Stored
from tactful.log.kafka.broker import OURS, TRACEPARENT, Broker, unavailable
from tactful.log.kafka.ends import TOGETHER, Ends

AHEAD: Final = 20_000  # records of a partition in memory; fetching pauses beyond it
HEAVY: Final = 24 * 1024 * 1024  # bytes of them, likewise: whole carts are as large as fifty pages seen
FETCH: Final = 2_000  # records taken from the consumer at a time
FETCHING: Final = 200  # ms for one look at what was fetched
PATIENCE: Final = 10.0  # seconds for records that are known to exist
FORGOTTEN: Final = 60.0  # seconds: who has not asked for a partition in that time reads it no more
SOON: Final = 0.5  # seconds until it is asked whether what is known to exist may be read yet
# Of a batch that cannot be unpacked; the name of a header is text, too.
DAMAGED: Final = (CorruptRecordException, UnsupportedCodecError, UnicodeDecodeError)


class _Buffer:
    """Records of one partition, fetched ahead. They begin at offset `start`; the record behind them stands at `next` or later, and not
    before `passed`: between the two there are only markers of transactions."""

    __slots__ = ("asked_at", "halted", "next", "passed", "paused", "records", "size")

    def __init__(self, start: int) -> None:
        self.asked_at = 0.0
        self.records: deque[Stored] = deque()
        self.next = self.passed = start
        self.size, self.paused = 0, False  # bytes
        self.halted = False  # what comes next cannot be used: it is fetched once more after these were read

    def put(self, stored: Stored) -> None:
        self.records.append(stored)
        self.next, self.size = stored.offset + 1, self.size + len(stored.value)

    def take(self, limit: int) -> list[Stored]:
        taken = [self.records.popleft() for _ in range(min(limit, len(self.records)))]
        self.size -= sum(len(stored.value) for stored in taken)
        return taken

    def is_full(self, part: int = 1) -> bool:
        """Whether it holds as much as it may, or a `part`-th of that."""
        return len(self.records) * part >= AHEAD or self.size * part >= HEAVY

    def wants_more(self) -> bool:
        """Whether fetching goes on, if it was paused."""
        return not self.records if self.halted else not self.is_full(2)

    def has_passed(self, end: int) -> bool:
        """Whether every record before `end` was taken, so that only markers are left there."""
        return not self.records and self.next <= end <= self.passed

    @property
    def start(self) -> int:
        return self.records[0].offset if self.records else self.next


class Reader:
    """Reads one topic. `start` before, `stop` after."""

    def __init__(
        self, broker: Broker, topic: str, seconds: Callable[[], float] = time.monotonic, together: float = TOGETHER
    ) -> None:
        self._broker, self._topic, self._name, self._seconds = broker, topic, broker.topic(topic), seconds
        self._ends = Ends(self._name, self._ask, together)
        self._consumer: AIOKafkaConsumer | None = None
        self._buffers: dict[int, _Buffer] = {}
        self._grown = asyncio.Event()
        self._moves = 0  # of positions
        # By partition, one reader at a time: another one, at another offset, would replace the buffer that the first one waits for.
        self._turns = defaultdict[int, asyncio.Lock](asyncio.Lock)
        self._fetching: asyncio.Task[None] | None = None
        self._failed: Exception | None = None  # of the topic
        self._lost: dict[int, StreamStopped] = {}  # by partition: why nobody can read on

    async def start(self) -> None:
        """Raises LogUnavailable if no broker answers."""
        self._consumer = await self._broker.started(self._broker.consumer())

    async def stop(self) -> None:
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)
        await self._ends.stop()
        if self._consumer is not None:
            await self._broker.ended(self._consumer)

    def known(self, partition: int, end: int) -> None:
        """Note that a partition reaches to `end` at least, since this process has appended or fetched what stands before."""
        self._ends.note(partition, end)

    async def read(self, partition: int, offset: int, limit: int) -> list[Stored]:
        """As `Log.read`. Raises LogUnavailable, RetentionOverrun, DamagedRecord or UnstampedRecord."""
        async with self._turns[partition]:
            if self._is_left(partition):
                await self._ends.alone(partition)
            buffer = self._at(partition, offset)
            if not buffer.records and offset < await self.end(partition):
                await self._until(partition, offset, lambda: bool(buffer.records) or self._is_past(partition, buffer))
            taken = buffer.take(limit)
            if buffer.paused and buffer.wants_more():
                self._of().resume(self._tp(partition))
                buffer.paused = buffer.halted = False
            return taken

    async def beginning(self, partition: int) -> int:
        """As `Log.beginning`."""
        tp = self._tp(partition)
        try:
            return int((await self._of().beginning_offsets([tp]))[tp])
        except (KafkaError, OSError) as error:
            raise unavailable(self._name, error) from error

    async def end(self, partition: int) -> int:
        """As `Log.end`; what others appended within the last few milliseconds may be missing. Where nothing but markers of
        somebody's transactions is left, that is where this reader stands."""
        end = await self._end(partition, self._ends.of(partition, self._buffers))
        buffer = self._buffers.get(partition)
        return buffer.next if buffer is not None and buffer.has_passed(end) else end

    async def _end(self, partition: int, told: Awaitable[int]) -> int:
        """The end as it is `told`. A partition of which nobody tells it is assigned no longer: aiokafka asks for the leader of what is
        assigned and has none without a pause, a thousand times a second."""
        try:
            return await told
        except LogUnavailable:
            if self._ends.is_asked(partition) and (buffer := self._buffers.get(partition)) and not buffer.records:
                del self._buffers[partition]
                self._assign()
            raise

    async def _ask(self, partitions: Collection[int]) -> dict[int, int]:
        """The end of each partition, as far as it can be read: an open transaction of somebody else ends it."""
        try:
            told = await self._of().end_offsets([self._tp(number) for number in partitions])
        except (KafkaError, OSError) as error:
            raise unavailable(self._name, error) from error
        return {tp.partition: int(end) for tp, end in told.items()}

    async def wait(self, positions: Mapping[int, int], seconds: float) -> None:
        """As `Log.wait`. Where something was lost, whoever reads on hears of it."""
        try:
            async with asyncio.timeout(seconds):
                for partition, position in positions.items():
                    if partition not in self._lost and not self._is_left(partition):
                        self._at(partition, position)
                while not any(self._has(partition, position) for partition, position in positions.items()):
                    for partition in positions.keys() & self._buffers.keys():
                        self._buffers[partition].asked_at = self._seconds()
                    self._grown.clear()
                    self._raise_if_failed()
                    await self._grown.wait()
        except TimeoutError:
            return

    def _is_left(self, partition: int) -> bool:
        """Whether nobody leads it, as far as is known."""
        return partition not in self._buffers and self._ends.is_asked(partition)

    def _has(self, partition: int, position: int) -> bool:
        if partition in self._lost:
            return True
        buffer, end = self._buffers.get(partition), self._ends.known(partition)
        if buffer is not None and (buffer.next > position or buffer.has_passed(end)):
            return buffer.next > position
        return end > position

    def _is_past(self, partition: int, buffer: _Buffer) -> bool:
        """Whether nothing will come into a buffer: somebody reads from elsewhere, or only markers were left."""
        return self._buffers.get(partition) is not buffer or buffer.has_passed(self._ends.known(partition))

    def _at(self, partition: int, offset: int) -> _Buffer:
        """The partition's buffer, standing at an offset."""
        self._raise_if_failed(partition)
        buffer = self._buffers.get(partition)
        if buffer is None or buffer.start != offset:
            buffer = self._buffers[partition] = _Buffer(offset)
            self._assign()
        buffer.asked_at = self._seconds()
        return buffer

    def _assign(self) -> None:
        """Assigning replaces everything that was assigned, so all positions are given anew."""
        consumer = self._of()
        consumer.assign([self._tp(partition) for partition in sorted(self._buffers)])
        self._moves += 1
        for partition, buffer in self._buffers.items():
            consumer.seek(self._tp(partition), buffer.next)
            buffer.paused = False
            if buffer.halted:
                self._pause(partition, buffer)
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetch())

    async def _fetch(self) -> None:
        try:
            while True:
                try:
                    await self._fetch_some(self._of())
                except OffsetOutOfRangeError as error:
                    self._lose(error)
                except DAMAGED:
                    await self._lose_damaged()
        except Exception as error:  # noqa: BLE001 - whoever reads is told, and the next call begins anew
            self._failed = unavailable(self._name, error)
        self._grown.set()

    def _lose(self, error: OffsetOutOfRangeError) -> None:
        """Note the partitions whose next record has left by retention, so that their readers are told. The error may be about a position
        that was left."""
        for tp, offset in error.args[0].items():
            if (buffer := self._buffers.get(tp.partition)) is None or offset < buffer.next:
                continue
            self._lost[tp.partition] = RetentionOverrun(
                f"{self._name}/{tp.partition}: the log no longer has what comes next (offset {offset}); records are lost to "
                "this reader. `tactful db accept-loss` goes on behind them: see `What is lost` in docs/how-to/alarms.md"
            )
        self._leave_lost()

    async def _lose_damaged(self) -> None:
        """A batch that cannot be unpacked does not say which partition it is of: fetch one after the other by itself until it is found,
        those last that are known to stand at their end, and then everything once more."""
        self._assign()
        moves = self._moves
        going = [(partition, buffer) for partition, buffer in self._buffers.items() if not buffer.halted]
        for partition, buffer in sorted(going, key=lambda each: each[1].next >= self._ends.known(each[0])):
            try:
                await self._of().getmany(self._tp(partition), timeout_ms=FETCHING, max_records=FETCH)
            except DAMAGED:
                if moves == self._moves:
                    await self._read_up_to_damage(partition, buffer)
                break
            if moves != self._moves:  # somebody reads from elsewhere: it may be of a position that was left
                break
        self._leave_lost()  # or what was brought, and nobody took, would be passed over

    async def _read_up_to_damage(self, partition: int, buffer: _Buffer) -> None:
        """Fetch the records that stand before the damage one by one: they are good, and are read first."""
        tp, moves = self._tp(partition), self._moves
        self._of().seek(tp, buffer.next)
        try:
            while not (buffer.is_full() or partition in self._lost):
                found = await self._of().getmany(tp, timeout_ms=FETCHING, max_records=1)
                if moves != self._moves or not found:
                    break
                self._take(partition, found[tp])
        except DAMAGED as error:
            if moves == self._moves and not buffer.records:
                self._lost[partition] = DamagedRecord(
                    f"{self._name}/{partition}: what comes next cannot be unpacked, at offset {buffer.next} or soon behind it: "
                    f"{type(error).__name__}; see `Why a partition stops` in docs/how-to/alarms.md"
                )
        buffer.halted = bool(buffer.records)

    def _leave_lost(self) -> None:
        """Stop fetching the partitions that are lost; the others go on."""
        for partition in self._lost.keys() & self._buffers.keys():
            del self._buffers[partition]
        self._assign()
        self._grown.set()

    async def _fetch_some(self, consumer: AIOKafkaConsumer) -> None:
        moves = self._moves
        fetched = await consumer.getmany(timeout_ms=FETCHING, max_records=FETCH)
        if moves == self._moves:
            for tp, records in fetched.items():
                self._take(tp.partition, records)
            if self._lost.keys() & self._buffers.keys():
                self._leave_lost()
            await self._note_passed()
            self._forget()
            self._grown.set()
            return
        for tp in fetched:  # it may be what a position that was left had brought
            if (buffer := self._buffers.get(tp.partition)) is not None:
                consumer.seek(tp, buffer.next)

    def _take(self, partition: int, records: Iterable[ConsumerRecord[bytes, bytes]]) -> None:
        buffer = self._buffers.get(partition)
        for record in records:
            if buffer is None:
                return
            if record.timestamp_type != 1:
                self._refuse_unstamped(partition, buffer, record.offset)
                return
            value = record.value or b""
            foreign, trace = record.key != OURS, _trace(record.headers) if record.headers else ""
            buffer.put(Stored(self._topic, partition, record.offset, record.timestamp, value, foreign, trace))
        if buffer is None:
            return
        self.known(partition, buffer.next)
        if buffer.is_full() and not buffer.paused:
            self._pause(partition, buffer)

    def _pause(self, partition: int, buffer: _Buffer) -> None:
        self._of().pause(self._tp(partition))
        buffer.paused = True

    def _refuse_unstamped(self, partition: int, buffer: _Buffer, offset: int) -> None:
        """Stop at a record without an append time, once everything before it was read: whoever deletes it deletes all that too. Until
        then it is fetched once more."""
        if buffer.records:
            self._of().seek(self._tp(partition), buffer.next)
            self._pause(partition, buffer)
            buffer.halted = True
            return
        self._lost[partition] = UnstampedRecord(
            f"{self._name}/{partition}: the record at offset {offset} has no append time, since the topic did not stamp it; see "
            "`Why a partition stops` in docs/how-to/alarms.md"
        )

    def _forget(self) -> None:
        """Let go of partitions that nobody here reads any more, since another process does."""
        before = self._seconds() - FORGOTTEN
        if old := [partition for partition, buffer in self._buffers.items() if buffer.asked_at < before]:
            for partition in old:
                del self._buffers[partition]
            self._assign()

    async def _note_passed(self) -> None:
        """Note how far the consumer has come where it found no record: the markers of somebody's transactions are passed too."""
        for partition, buffer in tuple(self._buffers.items()):
            if buffer.records or buffer.passed >= self._ends.known(partition):
                continue
            position = await self._of().position(self._tp(partition))
            buffer.passed = max(buffer.passed, position)

    async def _until(self, partition: int, offset: int, done: Callable[[], bool]) -> None:
        """Wait until `done`, or until it turns out that there is nothing to read at `offset` yet."""
        with suppress(TimeoutError):
            return await self._awaited(partition, SOON, done)
        if await self._end(partition, self._ends.alone(partition)) <= offset:
            return
        try:
            await self._awaited(partition, PATIENCE, done)
        except TimeoutError:
            raise LogUnavailable(f"{self._name}: nothing was fetched for {PATIENCE:g} s") from None

    async def _awaited(self, partition: int, seconds: float, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(seconds):
            while not done():
                self._grown.clear()
                self._raise_if_failed(partition)
                await self._grown.wait()
            self._raise_if_failed(partition)

    def _raise_if_failed(self, partition: int | None = None) -> None:
        """Raise what ended the fetching. It is raised once, and the next call begins anew; a partition that must not go on will fail
        again."""
        if partition is not None and (lost := self._lost.pop(partition, None)) is not None:
            raise lost
        if self._failed is not None:
            error, self._failed = self._failed, None
            self._buffers.clear()
            raise error

    def _of(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise LogUnavailable(f"{self._name} is not open")
        return self._consumer

    def _tp(self, partition: int) -> TopicPartition:
        return TopicPartition(self._name, partition)


def _trace(headers: Sequence[tuple[str, bytes]]) -> str:
    return next((value.decode("ascii", "replace") for name, value in headers if name == TRACEPARENT and value), "")
