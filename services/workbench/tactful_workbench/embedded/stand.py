"""Noticing that the one file was put back from a back-up: what was sent and who opted out since is in no log then."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from tactful.clock import Clock
from tactful.localtime import dated
from tactful.log.sqlite import SqliteLog
from tactful.records import DISPATCH, EVENTS
from tactful.settings import Shop
from tactful.sqlite import Database, unwritable
from tactful_workbench.operating.stopping import RedButton

_logger = logging.getLogger(__name__)

EVERY: Final = 5.0  # seconds: a back-up that is younger than that goes unnoticed
MIGRATIONS: Final = ("CREATE TABLE stand_kept (ever INTEGER PRIMARY KEY)",)


class Mark(msgspec.Struct, frozen=True):
    """How far the log had come: the ends of its partitions, and the instant at which that was noted."""

    at: int
    ends: dict[str, int]


class Stand:
    """`<data>/stand`, outside of the database: nobody copies it back. A service beside the others (`running.Alive`).

    The database knows that there has been one: a copy in a new folder is noticed, and the file of a program that kept none is
    not taken for a copy.
    """

    def __init__(self, data: Path, log: SqliteLog, database: Database, clock: Clock) -> None:
        self._file, self._log, self._database, self._clock = data / "stand", log, database, clock
        self._kept: dict[str, int] = {}

    @classmethod
    async def open(cls, data: Path, log: SqliteLog, database: Database, clock: Clock) -> Stand:
        """Bring the table up to date. Raises StoreTooNew."""
        await database.migrate("stand", MIGRATIONS)
        return cls(data, log, database, clock)

    async def doubt(self, zone: ZoneInfo) -> str:
        """Why this may not be the file that was written last, in words; "" if it is."""
        noted, since = self._noted(), dated(self._log.opened_at, zone)
        if noted is None:
            may_be = f"the file may be a back-up, since {self._file} is not there or cannot be read"
            lost = f"what was sent and who opted out after {since} would not be in it"
            return f"{may_be}: {lost}" if await self._was_kept() else ""
        ends, until = await self._ends(), dated(noted.at, zone)
        if all(ends.get(place, 0) >= end for place, end in noted.ends.items()):
            return ""
        return f"the file is a back-up: what was sent and who opted out from {since} until {until} is not in it"

    async def keep(self) -> None:
        """Note how far the log has come, if that is news."""
        ends = await self._ends()
        if ends != self._kept:
            await asyncio.to_thread(self._note, Mark(self._clock.now(), ends))
            if not self._kept:
                await self._database.write(lambda db: db.execute("INSERT OR IGNORE INTO stand_kept VALUES (1)"))
            self._kept = ends

    def _note(self, mark: Mark) -> None:
        """Whole and on the disk, or not at all. Raises StoreUnavailable."""
        temporary = self._file.with_suffix(".new")
        try:
            with temporary.open("wb") as file:
                file.write(msgspec.json.encode(mark))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._file)
        except OSError as error:
            raise unwritable(self._file, error) from None

    def _noted(self) -> Mark | None:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=Mark)
        except (OSError, msgspec.MsgspecError):
            return None

    async def _was_kept(self) -> bool:
        return bool(await self._database.read(lambda db: db.execute("SELECT 1 FROM stand_kept").fetchone()))

    async def round(self) -> bool:
        await self.keep()
        return False

    async def pause(self) -> None:
        await asyncio.sleep(EVERY)

    async def _ends(self) -> dict[str, int]:
        return {
            f"{topic}/{partition}": await self._log.end(topic, partition)
            for topic in (EVENTS, DISPATCH)
            for partition in range(self._log.partitions)
        }


async def stop_if_restored(stand: Stand, button: RedButton, shop: Shop) -> None:
    """Stop all sending if the file may be a back-up, until an operator lets it go on (`tactful resume`)."""
    if why := await stand.doubt(shop.zone):
        await button.press("Tactful", why)
        _logger.error("all sending is stopped: %s", why)
    await stand.keep()
