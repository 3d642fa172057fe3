"""What stands beside the log keeps nobody waiting."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tactful.errors import LogUnavailable
from tactful.log.kafka import KafkaHints


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
