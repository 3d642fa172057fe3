"""The driver of virtual time: one writer, deterministic, with the shipped trigger and dispatch on either side.

It moves from one interesting instant to the next and lets both services settle in between. What is due at an instant
comes after everything that was appended at it: the tick that lets it fire closes the instant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Final, NamedTuple, Protocol

from tactful.clock import Clock
from tactful.errors import TactfulError
from tactful.identity import digest
from tactful.log import ClosingLog, Position, Stored
from tactful.partitions.outbox import OutboxRow, OutboxStore, append_rows
from tactful.records import TickBody, TickRecord, encode

ROUNDS: Final = 10_000
_Place = tuple[int, bool, int, str, int]
_Dues = Mapping[str, Mapping[int, int]]  # topic of a side -> partition -> when something happens there by itself


class MovableClock(Clock, Protocol):
    """A clock that goes on when told to."""

    def forward_to(self, instant: int) -> None: ...


class Side(Protocol):
    """One service as the driver sees it: what it reads, and how to move it."""

    @property
    def topic(self) -> str: ...
    @property
    def outbox(self) -> OutboxStore: ...
    async def settle(self) -> bool:
        """Read to the end and do what can be done now; whether anything moved."""
        ...

    async def earliest_due(self, partition: int) -> int | None: ...


class Input(NamedTuple):
    """Records to append at an instant, all to one topic."""

    at: int
    topic: str
    entries: Sequence[tuple[int, bytes]]


class Ordinals:
    """A `ClosingLog` that remembers in which order records were appended over all partitions."""

    def __init__(self, log: ClosingLog) -> None:
        self._log, self._next = log, 0
        self._at: dict[tuple[str, int, int], int] = {}

    @property
    def partitions(self) -> int:
        return self._log.partitions

    async def append(self, topic: str, entries: Sequence[tuple[int, bytes]]) -> list[Position]:
        positions = await self._log.append(topic, entries)
        for position in positions:
            self._next += 1
            self._at[topic, position.partition, position.offset] = self._next
        return positions

    async def close_instant(self, topic: str, entries: Sequence[tuple[int, bytes]], instant: int) -> list[Position]:
        positions = await self._log.close_instant(topic, entries, instant)
        self._next += 1
        for position in positions:
            self._at[topic, position.partition, position.offset] = self._next
        return positions

    def key(self, row: OutboxRow) -> _Place:
        """Sorts rows by what caused them, wherever they come from."""
        ordinal = self._at.get((row.origin_topic, row.origin_partition, row.cause.offset), 0)
        return ordinal, row.cause.after_timers, row.cause.due, row.cause.customer, row.cause.index

    def forget(self) -> None:
        """Forget the order of what was appended so far, since all that it causes was delivered."""
        self._at.clear()

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Stored]:
        return await self._log.read(topic, partition, offset, limit)

    async def beginning(self, topic: str, partition: int) -> int:
        return await self._log.beginning(topic, partition)

    async def end(self, topic: str, partition: int) -> int:
        return await self._log.end(topic, partition)

    async def wait(self, topic: str, positions: Mapping[int, int], seconds: float) -> None:
        await self._log.wait(topic, positions, seconds)


class VirtualTime:
    """Drives both sides over one log by one clock."""

    def __init__(self, log: Ordinals, clock: MovableClock, sides: Sequence[Side]) -> None:
        self._log, self._clock, self._sides = log, clock, sides

    async def drain(self) -> None:
        """Let both sides read and answer until neither has anything to do at this instant."""
        for _ in range(ROUNDS):
            moved = False
            for side in self._sides:
                moved |= await side.settle()
                moved |= await self._deliver(side)
            if not moved:
                self._log.forget()
                return
        raise TactfulError(f"trigger and dispatch still answer each other after {ROUNDS} rounds at one instant")

    async def advance(self, to: int, inputs: Iterable[Input] = ()) -> None:
        """Go on to `to`, through every input and everything that falls due on the way; ends settled."""
        waiting = _Peekable(inputs)
        while True:
            await self.drain()
            dues = await self._dues()
            moment = min((at for at in (waiting.at, _earliest(dues)) if at is not None), default=None)
            if moment is None or moment > to:
                self._clock.forward_to(to)
                return
            self._clock.forward_to(moment)
            if waiting.at is not None and waiting.at <= moment:
                for given in waiting.take(moment):
                    await self._log.append(given.topic, given.entries)
                continue
            await self._tick(
                next(side for side in self._sides if any(d <= moment for d in dues[side.topic].values())), dues, moment
            )

    async def next_instant(self) -> int | None:
        """When something happens next by itself."""
        await self.drain()
        return _earliest(await self._dues())

    async def _deliver(self, side: Side) -> bool:
        """Append what waits in the outboxes of all partitions, in the order of its causes; rows of one outbox keep their order, or
        a reader would stop. Whether there was anything."""
        placed: list[tuple[_Place, OutboxRow]] = []
        for partition in range(self._log.partitions):
            latest: _Place = (0, False, -1, "", 0)
            for row in await side.outbox.unsent(partition, 1_000_000):
                latest = max(latest, self._log.key(row))
                placed.append((latest, row))
        rows = [row for _, row in sorted(placed, key=itemgetter(0))]
        if rows:
            await append_rows(self._log, rows)
            await side.outbox.forget(rows)
        return bool(rows)

    async def _dues(self) -> _Dues:
        return {
            side.topic: {
                partition: due
                for partition in range(self._log.partitions)
                if (due := await side.earliest_due(partition)) is not None
            }
            for side in self._sides
        }

    async def _tick(self, side: Side, dues: _Dues, moment: int) -> None:
        ticks = []
        for partition, due in dues[side.topic].items():
            if due <= moment:
                name = digest("tick", side.topic, str(partition), str(moment))
                ticks.append((partition, encode(TickRecord(id=name, key="", at=moment, body=TickBody(closes=moment)))))
        await self._log.close_instant(side.topic, ticks, moment)


def _earliest(dues: _Dues) -> int | None:
    return min((due for side in dues.values() for due in side.values()), default=None)


class _Peekable:
    """Inputs in time order, taken instant by instant."""

    def __init__(self, inputs: Iterable[Input]) -> None:
        self._inputs: Iterator[Input] = iter(inputs)
        self._next = next(self._inputs, None)

    @property
    def at(self) -> int | None:
        return None if self._next is None else self._next.at

    def take(self, moment: int) -> Iterator[Input]:
        while self._next is not None and self._next.at <= moment:
            yield self._next
            self._next = next(self._inputs, None)
