"""What became of one event that asks for a message: looked up in the log itself, by its append times."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Final, TypeVar

import msgspec

from tactful.events.own import MessageDecided
from tactful.log import Log, onward
from tactful.log.partitioning import partition_of
from tactful.records import DISPATCH, EVENTS, EventRecord, MessageRecord, decode_dispatch, decode_events

R = TypeVar("R")

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
    async for asking, appended in _latest(log, DISPATCH, customer, decode_dispatch):
        if isinstance(asking, MessageRecord) and asking.body.data.get("event") == event:
            message, asked = asking.body.message_id, appended
    async for record, appended in _latest(log, EVENTS, customer, decode_events):
        if not isinstance(record, EventRecord) or record.key != customer:
            continue
        if record.id == event:
            accepted = appended
        elif record.body.name == "Message Decided" and message:
            told = msgspec.json.decode(record.body.properties, type=MessageDecided)
            if told.message_id == message:
                word, decided = told, appended
    known: dict[str, Any] = {} if word is None else {"verdict": word.verdict, "reason": word.reason or ""}
    return Trace(accepted_at=accepted, asked_at=asked, decided_at=decided, message_id=message, **known)


async def _latest(log: Log, topic: str, customer: str, decode: Callable[[bytes], R]) -> AsyncIterator[tuple[R, int]]:
    """Records and when they were appended; but for what is none, since others may write to the log as well."""
    partition = partition_of(customer, log.partitions)
    async for stored in onward(log, topic, partition, await log.end(topic, partition) - LATEST):
        try:
            record = decode(stored.value)
        except msgspec.MsgspecError:
            continue
        yield record, stored.appended
