"""A topic that is not the one that was read any more, though it goes beyond that place: whoever reads on is told, and nobody for less."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import RecordsToDelete
from aiokafka.structs import TopicPartition
from kafkaserver import KafkaServer
from servers import SERVERS, fresh_topics

from tactful.errors import AnotherLog, SettingsError
from tactful.log import Stored
from tactful.log.kafka import Broker, KafkaLog, Shape, set_up
from tactful.partitions.continuing import Continuing
from tactful.partitions.gap import Gap, gap_ahead
from tactful.records import EVENTS

pytestmark = list(SERVERS)


async def made_anew(topics: Broker) -> None:
    """The topic of events, as by somebody who deletes it and has it set up again."""
    admin = topics.admin()
    await admin.start()
    await admin.delete_topics([topics.topic(EVENTS)])
    await admin.close()
    async with asyncio.timeout(20):
        while True:
            with suppress(SettingsError):  # it is still going
                await set_up(topics, Shape(2, replication=1))
                return
            await asyncio.sleep(0.1)


async def read_from(log: KafkaLog, offset: int, clock: int) -> Sequence[Stored]:
    """As a service does that has just taken partition 0 up."""
    return await Continuing(log, EVENTS).read(0, offset, clock, 100)


async def test_a_topic_that_was_made_anew_and_has_outgrown_its_reader_is_not_read_on(kafka: KafkaServer) -> None:
    topics = await fresh_topics(kafka, 2)
    async with KafkaLog.open(topics) as log:
        *_, latest = await log.append(EVENTS, [(0, b"old")] * 3)
        assert await read_from(log, 3, latest.appended) == []
    await made_anew(topics)
    async with KafkaLog.open(topics) as log:
        await log.append(EVENTS, [(0, b"new")] * 5)
        with pytest.raises(AnotherLog, match="events/0: this is not the log that was read"):
            await read_from(log, 3, latest.appended)
        assert await gap_ahead(log, EVENTS, 0, 3, latest.appended, {}) == Gap(3, 0, {})
        assert len(await read_from(log, 0, latest.appended)) == 5


async def test_where_nothing_is_left_before_it_a_topic_is_read_on(kafka: KafkaServer) -> None:
    topics = await fresh_topics(kafka, 2)
    name = topics.topic(EVENTS)
    async with KafkaLog.open(topics) as log:
        [first] = await log.append(EVENTS, [(0, b"a")])
        foreign = AIOKafkaProducer(bootstrap_servers=list(topics.servers), transactional_id=name)
        await foreign.start()
        await foreign.begin_transaction()
        await foreign.send_and_wait(name, b"undone", partition=0)
        await foreign.abort_transaction()
        await foreign.stop()
        async with asyncio.timeout(10):
            while await log.end(EVENTS, 0) < 3:  # noqa: ASYNC110 - the mark of that comes a moment later
                await asyncio.sleep(0.02)
        await log.append(EVENTS, [(0, b"b")])
        for behind in (2, 3):
            assert [stored.value for stored in await read_from(log, behind, first.appended)] == [b"b"]
        admin = topics.admin()
        await admin.start()
        for gone in (3, 4):
            await admin.delete_records({TopicPartition(name, 0): RecordsToDelete(gone)})
            assert len(await read_from(log, gone, 0)) == 4 - gone
        await admin.close()
