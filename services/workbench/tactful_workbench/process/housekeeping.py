"""What has to be done now and then: the log and the history let go of what is older than their retention. The only module that
knows apscheduler; customers' timers are never its business."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, Protocol

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from tactful.clock import Clock
from tactful.durations import milliseconds
from tactful.errors import Transient, raised_at
from tactful.log.sqlite import SqliteLog
from tactful.records import DISPATCH, EVENTS, QUARANTINE
from tactful.settings import Settings
from tactful_dispatch.store import DispatchStore
from tactful_trigger.store import TriggerStore

EVERY: Final = 1  # hours
LOT: Final = 2_000  # messages that one transaction lets go of

Chore = Callable[[], Awaitable[int]]  # how much was let go of

_logger = logging.getLogger(__name__)


class Housekeeping:
    """Does its chores now and every hour, beside the services of a process; each has its name for the log."""

    def __init__(self, **chores: Chore) -> None:
        self._chores = chores
        self._scheduler = AsyncIOScheduler(timezone=UTC)

    def start(self) -> None:
        """Begin now, and then every hour, however late: apscheduler lets go of what it comes to more than a second after its time."""
        self._scheduler.add_job(
            self.tidy,
            "interval",
            hours=EVERY,
            next_run_time=datetime.now(UTC),
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )
        self._scheduler.start()

    def stop(self) -> None:
        """Begin nothing more."""
        self._scheduler.shutdown(wait=False)

    async def tidy(self) -> None:
        """Do every chore once; if the process ends meanwhile, the others are done at its next start."""
        with suppress(asyncio.CancelledError):
            for name, chore in self._chores.items():
                await self._tidy(name, chore)

    async def _tidy(self, name: str, chore: Chore) -> None:
        try:
            if gone := await chore():
                _logger.info("%s: %s older than its retention were let go of", name, gone)
        except Transient as error:
            _logger.warning("%s was not tidied, it is tried again in an hour: %s", name, error)
        except Exception as error:  # noqa: BLE001 - what one chore stumbles over keeps no other from being done
            _logger.error("%s was not tidied, it is tried again in an hour: %s", name, raised_at(error))


class Keeper(Protocol):
    """Two stores, and the settings that say for how long they keep what is over."""

    @property
    def trigger(self) -> TriggerStore: ...
    @property
    def dispatch(self) -> DispatchStore: ...
    def settings_now(self) -> Settings: ...


class LogKeeper(Keeper, Protocol):
    """A log of its own as well, and the clock by which it stamps."""

    @property
    def clock(self) -> Clock: ...
    @property
    def log(self) -> SqliteLog: ...


async def forget_history(keeper: Keeper, now: int) -> int:
    """Let go of what retention no longer keeps of customers' timelines. How much went: as the store's `forget_history`."""
    return await keeper.trigger.forget_history(now, now - milliseconds(keeper.settings_now().history.retention))


async def forget_messages(keeper: Keeper, now: int) -> int:
    """Let go of messages that were decided before what retention keeps; how many."""
    before, gone = now - milliseconds(keeper.settings_now().history.retention), 0
    while count := await keeper.dispatch.forget_decided(before, LOT):
        gone += count
    return gone


async def prune(keeper: LogKeeper) -> int:
    """Remove what both services have read and retention no longer keeps; how many records."""
    log, gone = keeper.log, 0
    before = keeper.clock.now() - milliseconds(keeper.settings_now().log.retention)
    for partition in range(log.partitions):
        read = await keeper.trigger.cursor(partition)
        offsets = {
            EVENTS: read.offset if read is not None else 0,
            DISPATCH: (await keeper.dispatch.cursor(partition)).offset,
            QUARANTINE: await log.end(QUARANTINE, partition),
        }
        for topic, offset in offsets.items():
            gone += await log.prune(topic, partition, before, offset)
    return gone
