"""What stands beside the log keeps nobody waiting."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka.errors import GroupAuthorizationFailedError

from tactful.errors import LogUnavailable, SettingsError
from tactful.log.kafka import Broker, KafkaHints


class NoCoordinator:
    """A consumer whose group nobody coordinates: aiokafka looks for one as long as it takes."""

    async def commit(self, offsets: Any) -> None:
        await asyncio.Event().wait()

    async def committed(self, tp: Any) -> int | None:
        await asyncio.Event().wait()
        return None


async def test_without_a_coordinator_marks_are_given_up_in_time() -> None:
    consumer: Any = NoCoordinator()
    hints = KafkaHints("tactful-dispatch", consumer, patience=0.01)
    async with asyncio.timeout(2):
        with pytest.raises(LogUnavailable):
            await hints.mark({0: 7})
        with pytest.raises(LogUnavailable):
            await hints.marked(0)


class NoRight:
    """A consumer whose user may not read the group."""

    def __init__(self, group: str) -> None:
        self._group = group

    async def start(self) -> None:
        """It is there."""

    async def stop(self) -> None:
        """Nothing is open."""

    def assign(self, partitions: Any) -> None:
        """Nobody asks for a right yet."""

    def pause(self, *partitions: Any) -> None:
        """Nothing is fetched."""

    async def commit(self, offsets: Any) -> None:
        raise GroupAuthorizationFailedError(self._group)

    async def committed(self, partition: Any) -> int | None:
        raise GroupAuthorizationFailedError(self._group)


class OfOthers(Broker):
    def consumer(self, group: str | None = None) -> Any:
        return NoRight(group or "")


async def test_whoever_may_not_mark_is_refused_where_marks_decide_and_goes_on_where_they_are_seen_from_outside_alone() -> (
    None
):
    kafka = OfOthers(("kafka:9092",))
    with pytest.raises(SettingsError, match="tactful-dispatch-reader; grant the user"):
        async with KafkaHints.open(kafka, "dispatch", 1):
            pass
    async with KafkaHints.open(kafka, "events", 1, decisive=False) as hints:
        with pytest.raises(LogUnavailable, match="tactful-events-reader"):
            await hints.mark({0: 7})
