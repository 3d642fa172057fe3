"""What stands in the log of a deployment. A relay that was killed says the same again."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
from clusterbench import Cluster

from tactful.events.own import MessageDecided
from tactful.log import onward
from tactful.log.kafka import KafkaLog, broker
from tactful.records import EVENTS, EventRecord, decode_events


async def happened(shop: Cluster, name: str) -> AsyncIterator[EventRecord]:
    """Every event of one name."""
    async with KafkaLog.open(broker(shop.kafka)) as log:
        for partition in range(log.partitions):
            async for stored in onward(log, EVENTS, partition, 0):
                record = decode_events(stored.value)
                if isinstance(record, EventRecord) and record.body.name == name:
                    yield record


async def verdicts(shop: Cluster) -> dict[str, set[tuple[str, str]]]:
    """By customer: e-mails and their final words."""
    found: dict[str, set[tuple[str, str]]] = {}
    async for record in happened(shop, "Message Decided"):
        word = msgspec.json.decode(record.body.properties, type=MessageDecided)
        if word.channel == "email":
            found.setdefault(record.key, set()).add((word.message_id, word.verdict))
    return found
