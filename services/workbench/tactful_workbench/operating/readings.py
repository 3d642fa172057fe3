"""Who has read a customer's story: a line in that story, once a day for each reader."""

from __future__ import annotations

import logging

import msgspec

from tactful.clock import DAY, Clock
from tactful.errors import Transient
from tactful.events import StoryRead
from tactful.events.model import name_of
from tactful.identity import digest
from tactful.log import Log
from tactful.log.partitioning import partition_of
from tactful.records import EVENTS, EventBody, EventRecord, encode

_logger = logging.getLogger(__name__)


class Readings:
    """Implements `tactful_console.app.Readings`."""

    def __init__(self, log: Log, clock: Clock) -> None:
        self._log, self._clock = log, clock
        self._day, self._noted = 0, set[tuple[str, str]]()

    async def note(self, customer: str, by: str) -> None:
        """Append that `by` has read the story. While the log is away nothing is noted, and nothing raised: whoever asks is answered."""
        now = self._clock.now()
        if now // DAY != self._day:
            self._day, self._noted = now // DAY, set()
        if (customer, by) in self._noted:
            return
        body = EventBody(
            name=name_of(StoryRead),
            source="console",
            scope="system",
            occurred_at=now,
            user_id=customer,
            properties=msgspec.Raw(msgspec.json.encode({"by": by})),
        )
        record = EventRecord(id=digest("read", customer, by, str(self._day)), key=customer, at=now, body=body)
        try:
            await self._log.append(EVENTS, [(partition_of(customer, self._log.partitions), encode(record))])
        except Transient as error:
            _logger.warning("%s has read a customer's story, and it could not be noted: %s", by, error)
        else:
            self._noted.add((customer, by))
