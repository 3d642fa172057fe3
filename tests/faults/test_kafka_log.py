"""A broker that stands still, dies, forgets or was set up by somebody else: nothing acknowledged is lost, nothing is guessed."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAuthorizationFailedError
from aiokafka.structs import TopicPartition
from freeports import free_port
from kafkaserver import KafkaServer
from servers import SERVERS, fresh_topics

from tactful.errors import LogUnavailable, RecordTooLarge, RetentionOverrun, SettingsError, UnstampedRecord
from tactful.log import Stored, onward
from tactful.log.kafka import Broker, KafkaHints, KafkaLog, Shape, broker, check_topics, set_up
from tactful.records import TOPICS

pytestmark = list(SERVERS)
_numbers = count()


@pytest.fixture
def server(kafka: KafkaServer) -> KafkaServer:
    return kafka


@pytest.fixture
async def topics(server: KafkaServer) -> Broker:
    return await fresh_topics(server, 2)


@pytest.fixture
async def log(topics: Broker) -> AsyncIterator[KafkaLog]:
    async with KafkaLog.open(topics, deadline=1.0) as there:
        yield there


async def read_all(log: KafkaLog, offset: int = 0) -> list[bytes]:
    """Up to the end; one read may bring only a part of it."""
    found: list[Stored] = []
    while more := await log.read("events", 0, found[-1].offset + 1 if found else offset, 10_000):
        found += more
    return [stored.value for stored in found]


async def again_until_acknowledged(log: KafkaLog, seconds: float = 30.0) -> tuple[bytes, set[bytes]]:
    """As a client does that was told to come back later: what was acknowledged, and tries that nobody knows about, any of
    which may be stored."""
    unknown: set[bytes] = set()
    async with asyncio.timeout(seconds):
        while True:
            value = b"after %d" % len(unknown)
            try:
                await log.append("events", [(0, value)])
                return value, unknown
            except LogUnavailable:
                unknown.add(value)
                await asyncio.sleep(0.2)


async def test_whoever_asks_a_frozen_broker_for_an_end_leaves_when_patience_ends(
    server: KafkaServer, log: KafkaLog
) -> None:
    server.freeze()
    try:
        began = time.monotonic()
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await log.end("events", 0)
        assert time.monotonic() - began < 3.0
    finally:
        server.thaw()
    acknowledged, unknown = await again_until_acknowledged(log)
    assert acknowledged in await read_all(log)
    assert 1 <= await log.end("events", 0) <= 1 + len(unknown)


async def test_a_frozen_broker_is_noticed_within_the_deadline_and_nothing_acknowledged_is_lost(
    server: KafkaServer, log: KafkaLog
) -> None:
    await log.append("events", [(0, b"before")])
    server.freeze()
    try:
        began = time.monotonic()
        answers = await asyncio.gather(
            *(log.append("events", [(0, b"meanwhile")]) for _ in range(50)), return_exceptions=True
        )
        assert all(isinstance(answer, LogUnavailable) for answer in answers)
        assert time.monotonic() - began < 2.0
    finally:
        server.thaw()
    acknowledged, unknown = await again_until_acknowledged(log)
    first, *rest = await read_all(log)
    assert (first, rest.count(acknowledged)) == (b"before", 1)
    assert set(rest) <= {b"meanwhile", acknowledged} | unknown


async def test_a_broker_that_is_killed_and_comes_back_has_what_it_acknowledged(
    server: KafkaServer, log: KafkaLog
) -> None:
    for number in range(20):
        await log.append("events", [(0, b"%d" % number)])
    assert len(await read_all(log)) == 20
    server.kill()
    with pytest.raises(LogUnavailable):
        await log.append("events", [(0, b"nobody there")])
    server.start()
    acknowledged, unknown = await again_until_acknowledged(log)
    await log.wait("events", {0: 20}, 30)
    rest = await read_all(log, 20)
    assert rest.count(acknowledged) == 1
    assert set(rest) <= {b"nobody there", acknowledged} | unknown
    assert (await read_all(log))[:20] == [b"%d" % number for number in range(20)]


async def test_where_nobody_answers_opening_says_so() -> None:
    nowhere = broker(f"kafka://127.0.0.1:{free_port()}")
    with pytest.raises(LogUnavailable, match=r"no broker answers at 127\.0\.0\.1:\d+ without tls and without sasl"):
        async with KafkaLog.open(nowhere):
            pass


@pytest.mark.parametrize(("password", "sasl"), [("wrong", "PLAIN"), ("right", "SCRAM-SHA-512")])
async def test_who_is_not_let_in_is_told_what_to_mend_and_does_not_wait(
    server: KafkaServer, password: str, sasl: str
) -> None:
    with pytest.raises(SettingsError, match=r"does not let us in: .*; check user, password and sasl") as refused:
        async with KafkaLog.open(broker(server.guarded_url(password, sasl))):
            pass
    assert password not in str(refused.value)


async def test_who_knows_the_password_is_let_in(server: KafkaServer) -> None:
    guarded = broker(f"{server.guarded_url('right')}&prefix=guarded-")
    await set_up(guarded, Shape(2, replication=1))
    async with KafkaLog.open(guarded) as log:
        await log.append("events", [(0, b"mine")])


async def test_who_does_not_say_who_they_are_is_told_how_it_was_asked(server: KafkaServer) -> None:
    """The broker hangs up without a word."""
    stranger = broker(server.guarded_url("right").replace("shop:right@", "").partition("?")[0])
    with pytest.raises(LogUnavailable, match="without tls and without sasl"):
        await check_topics(stranger)


async def test_a_right_that_is_missing_is_named(server: KafkaServer) -> None:
    missing = await broker(server.url).refusal(TopicAuthorizationFailedError("tactful-events"))
    assert "tactful-events; grant the user of the Kafka URL the right" in str(missing)


async def test_topics_that_nobody_has_made_are_named_with_the_command_that_makes_them(server: KafkaServer) -> None:
    with pytest.raises(SettingsError, match="no topic unmade-events; run `tactful setup`"):
        await check_topics(broker(f"{server.url}?prefix=unmade-"))


async def test_another_partition_count_is_refused_and_says_why(topics: Broker) -> None:
    with pytest.raises(SettingsError, match="has 2 partitions and must have 3: a customer's records would be looked"):
        await set_up(topics, Shape(3, replication=1))


async def test_more_copies_than_brokers_are_refused(topics: Broker) -> None:
    with pytest.raises(SettingsError, match="there are 1 brokers and each record is to be on 3"):
        await set_up(topics, Shape(2, replication=3))


async def test_setting_up_again_changes_nothing_and_says_what_one_broker_cannot_promise(topics: Broker) -> None:
    said = await set_up(topics, Shape(2, replication=1))
    assert [line.partition(" ")[2] for line in said[:3]] == ["is there already"] * 3
    assert "survives its process, not its disk" in said[3]


async def test_a_topic_without_append_times_is_refused(server: KafkaServer) -> None:
    foreign = broker(f"{server.url}?prefix=foreign-")
    admin = foreign.admin()
    await admin.start()
    await admin.create_topics([NewTopic(foreign.topic(name), 2, 1) for name in ("events", "dispatch", "quarantine")])
    await admin.close()
    with pytest.raises(SettingsError, match=r"message\.timestamp\.type=CreateTime; set it to LogAppendTime"):
        await set_up(foreign, Shape(2, replication=1))


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("cleanup.policy", "compact", "cleanup.policy=compact; set it to delete"),
        ("cleanup.policy", "compact,delete", "set it to delete"),
        ("max.message.bytes", "500000", "max.message.bytes=500000; set it to 900000 at least"),
    ],
)
async def test_a_topic_that_would_lose_records_or_stop_them_is_refused(
    server: KafkaServer, setting: str, value: str, words: str
) -> None:
    topics = await made_by_others(server, {setting: value})
    with pytest.raises(SettingsError, match=re.escape(words)):
        await set_up(topics, Shape(2, replication=1))


async def test_setting_up_says_where_topics_that_are_there_promise_something_else(server: KafkaServer) -> None:
    theirs = {"retention.ms": "3600000", "retention.bytes": "1000000", "unclean.leader.election.enable": "true"}
    topics = await made_by_others(server, theirs)
    said = await set_up(topics, Shape(2, replication=1))
    for words in (
        "retention.ms=3600000 and was to have 2505600000",
        "retention.bytes=1000000 and was to have -1",
        "unclean.leader.election.enable=true and was to have false",
    ):
        assert f"{topics.topic('events')} has {words}" in " ".join(said)
    assert sum("was to have" in line for line in said) == 9


async def made_by_others(server: KafkaServer, settings: dict[str, str]) -> Broker:
    topics = broker(f"{server.url}?prefix=others-{next(_numbers)}-")
    admin = topics.admin()
    await admin.start()
    settings = {"message.timestamp.type": "LogAppendTime", **settings}
    await admin.create_topics([NewTopic(topics.topic(name), 2, 1, topic_configs=settings) for name in TOPICS])
    await admin.close()
    return topics


@pytest.mark.parametrize("codec", ["gzip", "lz4", "snappy", "zstd"])
async def test_what_others_compress_is_read(server: KafkaServer, codec: str) -> None:
    topics = await made_by_others(server, {"compression.type": codec})
    async with KafkaLog.open(topics) as log:
        await log.append("events", [(0, b"value" * 100)])
        assert await read_all(log) == [b"value" * 100]


async def test_a_record_without_an_append_time_stops_its_partition_and_no_other(topics: Broker, log: KafkaLog) -> None:
    await log.append("events", [(1, b"stamped")])
    admin, producer = topics.admin(), topics.producer()
    await admin.start()
    name, setting = topics.topic("events"), {"message.timestamp.type": "CreateTime"}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, setting)])
    await admin.close()
    await producer.start()
    while (await producer.send_and_wait(name, b"unstamped", partition=0)).timestamp_type == 1:
        pass  # the broker hears of the setting a moment later
    await producer.stop()
    for _ in range(2):
        await log.wait("events", {0: 0, 1: 1}, 5)
        with pytest.raises(UnstampedRecord, match=r"events/0: the record at offset \d+ has no append time"):
            await read_all(log)
        assert [stored.value for stored in await log.read("events", 1, 0, 1)] == [b"stamped"]


async def test_what_the_log_has_let_go_of_before_it_was_read_stops_its_reader(topics: Broker, log: KafkaLog) -> None:
    await log.append("events", [(0, b"%d" % number) for number in range(5)])
    admin = topics.admin()
    await admin.start()
    await admin.delete_records({TopicPartition(topics.topic("events"), 0): RecordsToDelete(3)})
    await admin.close()
    with pytest.raises(RetentionOverrun, match="the log no longer has what comes next"):
        await read_all(log)
    assert [stored.value for stored in await log.read("events", 0, 3, 10)] == [b"3", b"4"]


async def test_whoever_only_looks_begins_with_what_is_still_there(topics: Broker, log: KafkaLog) -> None:
    await log.append("events", [(0, b"%d" % number) for number in range(5)])
    admin = topics.admin()
    await admin.start()
    for gone, left in ((3, [b"3", b"4"]), (5, [])):
        await admin.delete_records({TopicPartition(topics.topic("events"), 0): RecordsToDelete(gone)})
        assert [stored.value async for stored in onward(log, "events", 0, 0)] == left
    await admin.close()


async def test_what_one_partition_has_lost_stops_no_other(topics: Broker, log: KafkaLog) -> None:
    await log.append("events", [(partition, b"%d" % number) for number in range(5) for partition in (0, 1)])
    admin = topics.admin()
    await admin.start()
    await admin.delete_records({TopicPartition(topics.topic("events"), 0): RecordsToDelete(3)})
    await admin.close()
    async with KafkaLog.open(topics) as another:
        assert (await another.read("events", 1, 0, 1))[0].value == b"0"
        losing = asyncio.ensure_future(another.read("events", 0, 0, 1))
        async with asyncio.timeout(5):
            while not losing.done():
                assert len(await another.read("events", 1, 0, 2)) == 2
                await another.wait("events", {1: 5}, 0.05)
        with pytest.raises(RetentionOverrun, match="events/0: the log no longer has"):
            await losing
        await another.wait("events", {0: 0, 1: 5}, 5)
        with pytest.raises(RetentionOverrun):
            await another.read("events", 0, 0, 1)


async def test_transactions_of_others_leave_marks_in_the_log_that_nobody_waits_for(
    topics: Broker, log: KafkaLog
) -> None:
    name = topics.topic("events")
    foreign = AIOKafkaProducer(bootstrap_servers=list(topics.servers), transactional_id=name)
    await foreign.start()
    for value in (b"a", b"b"):
        async with foreign.transaction():
            await foreign.send_and_wait(name, value, partition=0)
    await foreign.stop()
    first, second = await log.read("events", 0, 0, 10)
    assert (first.value, second.value, second.offset - first.offset) == (b"a", b"b", 2)
    behind = second.offset + 1  # a mark stands there
    assert await log.read("events", 0, behind, 10) == []
    assert await log.end("events", 0) == behind
    waiting = asyncio.create_task(log.wait("events", {0: behind}, 30))
    await asyncio.sleep(0)
    await log.append("events", [(0, b"c")])
    await asyncio.wait_for(waiting, 10)
    assert [stored.value for stored in await log.read("events", 0, behind, 10)] == [b"c"]


async def test_behind_an_open_transaction_of_somebody_else_nothing_is_read_and_nobody_waits_for_it(
    topics: Broker, log: KafkaLog
) -> None:
    name = topics.topic("events")
    foreign = AIOKafkaProducer(bootstrap_servers=list(topics.servers), transactional_id=name)
    await foreign.start()
    await foreign.begin_transaction()
    assert await read_all(log) == []  # somebody reads here, and hears at once of what this process appends
    await foreign.send_and_wait(name, b"theirs", partition=0)
    await log.append("events", [(0, b"ours")])
    async with asyncio.timeout(5):
        assert await log.read("events", 0, 0, 10) == []
        await foreign.commit_transaction()
        await foreign.stop()
        while not (found := await read_all(log)):
            await log.wait("events", {0: 0}, 1)
    assert found == [b"theirs", b"ours"]


def test_a_url_that_cannot_be_one_is_refused_without_repeating_its_password(tmp_path: Path) -> None:
    for url in (
        "http://host",
        "kafka://",
        "kafka://u:secret@host?sasl=KERBEROS",
        "kafka://host?sasl=PLAIN",
        "kafka://h?x=1",
        "kafka://u:secret@127.0.0.1:abc",
        "kafka://u:secret@h,h2:0",
        "kafka://u:secret@[::1",
        "kafka://u:secret@h?tls=maybe&sasl=PLAIN",
        "kafka://u:secret@h?tls=True",
        "kafka://u:secret@h?tls=1",
        "kafka://u:secret@h?tls=",
        f"kafka://u:secret@h?ca={__file__}",
        f"kafka://u:secret@h?tls=true&ca={__file__}",
        f"kafka://u:secret@h?tls=true&ca={tmp_path / 'nowhere.pem'}",
    ):
        with pytest.raises(SettingsError) as refused:
            broker(url)
        assert "secret" not in str(refused.value)
    known = broker("kafka://shop:p%40ss@a,b:9093?tls=true")
    assert (known.servers, known.user, known.password) == (("a:9092", "b:9093"), "shop", "p@ss")
    assert "p@ss" not in repr(known)
    assert (known.tls, broker("kafka://h?tls=false").tls) == (True, False)
    assert broker("kafka://[::1],[::1]:9093").servers == ("[::1]:9092", "[::1]:9093")


async def test_a_record_that_no_batch_takes_is_refused_by_itself(log: KafkaLog) -> None:
    await log.append("events", [(0, b"before")])
    with pytest.raises(RecordTooLarge, match="a record of 2,000,000 bytes is too large"):
        await log.append("events", [(0, b"x" * 2_000_000)])
    await log.append("events", [(0, b"after")])
    assert await read_all(log) == [b"before", b"after"]


async def test_marks_follow_the_store_and_are_there_for_the_next_process(topics: Broker) -> None:
    async with KafkaHints.open(topics, "dispatch", 2) as hints:
        assert await hints.marked(0) == 0
        await hints.mark({0: 7, 1: 3})
        await hints.mark({0: 9})
    async with KafkaHints.open(topics, "dispatch", 2) as hints:
        assert [await hints.marked(0), await hints.marked(1)] == [9, 3]


async def test_a_record_whose_partition_somebody_else_chose_is_told_from_ours(topics: Broker, log: KafkaLog) -> None:
    await log.append("events", [(0, b"ours")])
    producer = AIOKafkaProducer(bootstrap_servers=list(topics.servers))
    await producer.start()
    for key in (None, b"u1"):
        await producer.send_and_wait(topics.topic("events"), b"theirs", key=key, partition=0)
    await producer.stop()
    found: list[Stored] = []
    while more := await log.read("events", 0, len(found), 10):
        found += more
    assert [(stored.value, stored.foreign) for stored in found] == [
        (b"ours", False),
        (b"theirs", True),
        (b"theirs", True),
    ]


async def test_the_ends_of_partitions_that_nobody_reads_do_not_grow_old(topics: Broker, log: KafkaLog) -> None:
    assert [await log.end("events", partition) for partition in (0, 1)] == [0, 0]
    async with KafkaLog.open(topics) as other:
        await other.append("events", [(1, b"news")])
    await asyncio.sleep(0.05)
    assert [await log.end("events", partition) for partition in (0, 1)] == [0, 1]
