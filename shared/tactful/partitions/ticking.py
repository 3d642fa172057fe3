"""Ticks: records that say that time has passed, appended by whoever owns a partition when a timer is due and nothing arrives.

A tick never closes an instant: only strictly earlier timers fire, so that whatever was acknowledged before the tick stands before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tactful.identity import digest
from tactful.log import Log
from tactful.partitions.clockcheck import refuse_to_be_ahead
from tactful.records import TickBody, TickRecord, encode

APART: Final = 100  # ms between two ticks of one partition
IDLE: Final = 5.0  # seconds: how long an idle worker sleeps at most, so that it renews its leases


class Ticker:
    """Appends ticks to one topic. `name`: whose they are, as a part of their ids."""

    def __init__(self, log: Log, topic: str, *name: str) -> None:
        self._log, self._topic, self._name = log, topic, name
        self._ticked: dict[int, int] = {}

    def has_just_ticked(self, partition: int, now: int) -> bool:
        """Whether another tick would come too soon."""
        return 0 <= now - self._ticked.get(partition, 0) < APART

    async def tick(self, partition: int, now: int) -> None:
        """Append one. Raises ClocksApart if our clock is far ahead of the log's."""
        self._ticked[partition] = now
        id = digest("tick", *self._name, str(partition), str(now))
        record = TickRecord(id=id, key="", at=now, body=TickBody())
        [position] = await self._log.append(self._topic, [(partition, encode(record))])
        refuse_to_be_ahead(f"{self._topic}/{partition}", position.appended, now)


def seconds_until(dues: Sequence[int], now: int) -> float:
    """How long to sleep if nothing arrives: until the first timer can fire, but neither less than ticks are apart nor longer than `IDLE`."""
    until_due = (min(dues) + 1 - now) / 1000 if dues else IDLE
    return min(IDLE, max(until_due, APART / 1000))
