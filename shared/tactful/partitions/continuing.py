"""Reading on where somebody has stopped, and only in the log that was read: a topic that was made anew, cut off or restored may have
grown beyond that place, and what stands there now stands for something else."""

from __future__ import annotations

from collections.abc import Sequence

from tactful.errors import AnotherLog, DamagedRecord
from tactful.log import Log, Stored


async def is_another(log: Log, topic: str, partition: int, offset: int, clock: int) -> bool:
    """Whether it ends before `offset`, or what stands before that was appended after `clock`, the latest append time that was read up to
    there. Where nothing is left there, nobody can tell."""
    if offset == 0:
        return False
    if await log.end(topic, partition) < offset:
        return True
    if await log.beginning(topic, partition) >= offset:
        return False
    try:
        found = await log.read(topic, partition, offset - 1, 1)
    except DamagedRecord:  # since it was read
        return False
    return any(stored.offset < offset and stored.appended > clock for stored in found)


async def refuse_another(log: Log, topic: str, partition: int, offset: int, clock: int) -> None:
    """Raises AnotherLog."""
    if await is_another(log, topic, partition, offset, clock):
        raise AnotherLog(
            f"{topic}/{partition}: this is not the log that was read: it ends before offset {offset}, or what stands there was appended "
            "later. The topic was made anew, cut off or restored. `tactful db accept-loss` goes on with what nobody has read: see `What "
            "is lost` in docs/how-to/alarms.md"
        )


class Continuing:
    """Reads one topic on for whoever owns partitions of it. What it reads is looked at when a partition is taken up, and once more
    when the log was away: somebody may have put another one in its place."""

    def __init__(self, log: Log, topic: str) -> None:
        self._log, self._topic = log, topic
        self._known = set[int]()  # partitions in which this is the log that was read

    def take_up(self, partition: int) -> None:
        """Somebody else may have read it until now."""
        self._known.discard(partition)

    async def read(self, partition: int, offset: int, clock: int, limit: int) -> Sequence[Stored]:
        """As `Log.read`. `clock`: the latest append time read. Raises AnotherLog."""
        if partition not in self._known:
            await refuse_another(self._log, self._topic, partition, offset, clock)
        self._known.discard(partition)
        found = await self._log.read(self._topic, partition, offset, limit)
        self._known.add(partition)
        return found
