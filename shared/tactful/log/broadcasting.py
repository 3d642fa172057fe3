"""News for everybody: the same record in every partition, since each obeys its own part of the log alone."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tactful.log import Log
from tactful.records import BroadcastBody, BroadcastRecord, encode


async def broadcast(log: Log, topics: Iterable[str], id: str, name: str, data: bytes, now: int) -> None:
    """Append one piece of news to all partitions of some topics, one topic after the other; `data` is JSON. Raises
    LogUnavailable; some partitions may have it by then."""
    record = encode(BroadcastRecord(id=id, key="all", at=now, body=BroadcastBody(name, msgspec.Raw(data))))
    for topic in topics:
        await log.append(topic, [(partition, record) for partition in range(log.partitions)])
