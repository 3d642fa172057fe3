"""What a log has lost before anybody read it, so that an operator may have reading go on behind it. Nobody knows what it said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tactful.log import Log, onward
from tactful.partitions.clockcheck import APART
from tactful.partitions.continuing import is_another
from tactful.partitions.outbox import origin_of


class Gap(NamedTuple):
    """Reading stands at offset `start` and can go on at `end`, which is the smaller one if the log was made anew or cut off.
    `missing`: by origin, the first and the last sequence number that nobody can read any more."""

    start: int
    end: int
    missing: Mapping[str, tuple[int, int]]

    def __bool__(self) -> bool:
        return self.end != self.start or bool(self.missing)

    def behind(self, taken: Mapping[str, int]) -> dict[str, int]:
        """What has been taken from each origin, once the loss is accepted."""
        return {**taken, **{name: last for name, (_, last) in self.missing.items()}}


async def gap_ahead(log: Log, topic: str, partition: int, offset: int, clock: int, taken: Mapping[str, int]) -> Gap:
    """What is lost to a reader who goes on at `offset`, has read up to the append time `clock` and has `taken` so many records of
    each origin. An origin that has appended nothing since may turn out later to miss records too: then the reader stops again."""
    begin = max(offset, await log.beginning(topic, partition))
    end = await log.end(topic, partition)
    if await is_another(log, topic, partition, offset, clock):
        begin = await _unread(log, topic, partition, end, clock)
    heard, missing = set[str](), dict[str, tuple[int, int]]()
    async for stored in onward(log, topic, partition, begin):
        origin = origin_of(stored.value)
        name = f"{origin.topic}/{origin.partition}" if origin is not None else ""
        if origin is None or name in heard or origin.seq <= taken.get(name, 0):
            continue
        heard.add(name)
        if origin.seq > (expected := taken.get(name, 0) + 1):
            missing[name] = expected, origin.seq - 1
    return Gap(offset, begin, missing)


async def _unread(log: Log, topic: str, partition: int, end: int, clock: int) -> int:
    """Where to go on in a log that is not the one that was read: at what was appended since, by a broker whose clock may be behind that
    of the one before. What is read twice for that is recognised by its id."""
    async for stored in onward(log, topic, partition, 0):
        if stored.appended > clock - APART:
            return stored.offset
    return end
