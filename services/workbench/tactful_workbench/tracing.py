"""What became of one event that asks for a message: looked up in the log itself, by its append times."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from tactful.events.own import MessageDecided
from tactful.log import Log, Stored, onward
from tactful.partitioning import partition_of
from tactful.records import DISPATCH, EVENTS, EventRecord, MessageRecord, decode_dispatch, decode_events

LATEST: Final = 2000  # records of a partition that are looked through


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """Instants in ms; 0 for what has not happened."""

    accepted_at: int = 0
    asked_at: int = 0
    decided_at: int = 0
    verdict: str = ""
    reason: str = ""
    message_id: str = ""


async def trace(log: Log, customer: str, event: str) -> Trace:
    """The event of that id, the message whose data names it, and the final word on it."""
    accepted = asked = decided = 0
    message, word = "", None
    async for stored in await _latest(log, DISPATCH, customer):
        record = decode_dispatch(stored.value)
        if isinstance(record, MessageRecord) and record.body.data.get("event") == event:
            message, asked = record.body.message_id, stored.appended
    async for stored in await _latest(log, EVENTS, customer):
        record = decode_events(stored.value)
        if not isinstance(record, EventRecord) or record.key != customer:
            continue
        if record.id == event:
            accepted = stored.appended
        elif record.body.name == "Message Decided" and message:
            told = msgspec.json.decode(record.body.properties, type=MessageDecided)
            if told.message_id == message:
                word, decided = told, stored.appended
    known: dict[str, Any] = {} if word is None else {"verdict": word.verdict, "reason": word.reason or ""}
    return Trace(accepted_at=accepted, asked_at=asked, decided_at=decided, message_id=message, **known)


async def _latest(log: Log, topic: str, customer: str) -> AsyncIterator[Stored]:
    partition = partition_of(customer, log.partitions)
    return onward(log, topic, partition, await log.end(topic, partition) - LATEST)
