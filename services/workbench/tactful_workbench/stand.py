"""Noticing that the one file was put back from a back-up: what was sent and who opted out since is in no log then."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Final

import msgspec

from tactful.clock import Clock
from tactful.localtime import local_time
from tactful.log import Log
from tactful.records import DISPATCH, EVENTS
from tactful.settings import Shop
from tactful_workbench.stopping import RedButton

_logger = logging.getLogger(__name__)

EVERY: Final = 5.0  # seconds: a back-up that is younger than that goes unnoticed


class Mark(msgspec.Struct, frozen=True):
    """How far the log had come: the ends of its partitions, and the instant at which that was noted."""

    at: int
    ends: dict[str, int]


class Stand:
    """`<data>/stand`, outside of the database: nobody copies it back. A service beside the others (`running.Alive`)."""

    def __init__(self, data: Path, log: Log, clock: Clock) -> None:
        self._file, self._log, self._clock = data / "stand", log, clock
        self._kept: dict[str, int] = {}

    async def lost_since(self) -> int | None:
        """If the file has come less far than it had: the instant at which it had come further, else None."""
        try:
            noted = msgspec.json.decode(self._file.read_bytes(), type=Mark)
        except (OSError, msgspec.MsgspecError):
            return None
        ends = await self._ends()
        return noted.at if any(ends.get(place, 0) < end for place, end in noted.ends.items()) else None

    async def keep(self) -> None:
        """Note how far the log has come, if that is news."""
        ends = await self._ends()
        if ends != self._kept:
            temporary = self._file.with_suffix(".new")
            temporary.write_bytes(msgspec.json.encode(Mark(self._clock.now(), ends)))
            temporary.replace(self._file)
            self._kept = ends

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
    """Nothing leaves before an operator has looked: `tactful resume`."""
    if (until := await stand.lost_since()) is not None:
        until_then = f"{local_time(until, shop.zone):%Y-%m-%d %H:%M}"
        why = f"the file is a back-up: what was sent and who opted out until {until_then} is not in it"
        await button.press("Tactful", why)
        _logger.error("all sending is stopped: %s", why)
    await stand.keep()
