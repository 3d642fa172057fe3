"""Topics: made by `tactful setup`, and checked whenever a service starts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError, for_code

from tactful.errors import SettingsError, TopicMissing
from tactful.log.kafka.broker import BATCH, Broker
from tactful.records import TOPICS

T = TypeVar("T")

MOMENT: Final = 3.0  # seconds
_THERE: Final = 36  # TOPIC_ALREADY_EXISTS


@dataclass(frozen=True, slots=True)
class Shape:
    """How topics are to be made. The partition count can never be changed: keys would move."""

    partitions: int = 12
    replication: int = 3
    retention_days: int = 29
    segment_days: int = 1  # records leave by whole segments: so many days later at most

    @property
    def in_sync(self) -> int:
        """Brokers that must have a record before it is acknowledged."""
        return max(1, self.replication - 1)

    @property
    def configuration(self) -> dict[str, str]:
        return {
            "message.timestamp.type": "LogAppendTime",
            "retention.ms": str(self.retention_days * 86_400_000),
            "retention.bytes": "-1",  # time alone, whatever brokers do by default
            "segment.ms": str(self.segment_days * 86_400_000),
            "min.insync.replicas": str(self.in_sync),
            "unclean.leader.election.enable": "false",
            "cleanup.policy": "delete",
        }


async def set_up(broker: Broker, shape: Shape) -> list[str]:
    """Make what is missing, check the rest; what was done and what cannot be promised, in sentences.

    Raises SettingsError where a topic exists with another partition count or without append times, LogUnavailable.
    """
    async with _admin(broker) as admin:
        brokers = len((await admin.describe_cluster())["brokers"])
        if brokers < shape.replication:
            raise SettingsError(
                f"there are {brokers} brokers and each record is to be on {shape.replication}; start more brokers or "
                f"say --replication {brokers}"
            )
        said = [await _make(admin, broker.topic(topic), shape) for topic in TOPICS]
    await check_topics(broker, shape.partitions)
    said += await _differences(broker, shape)
    if shape.replication == 1:
        said.append(
            "one broker: what it has acknowledged survives its process, not its disk or a loss of power. "
            "Three brokers and --replication 3 do"
        )
    return said


async def check_topics(broker: Broker, partitions: int = 0) -> int:
    """The partition count that all topics share. Raises SettingsError naming the topic and the mend, LogUnavailable."""
    async with _admin(broker) as admin:
        names = [broker.topic(topic) for topic in TOPICS]
        counts = {name: _count(topic) for name, topic in (await _topics(admin, names)).items()}
        for name, count in counts.items():
            if not count:
                raise TopicMissing(f"there is no topic {name}; run `tactful setup`")
        expected = partitions or counts[names[0]]
        for name, count in counts.items():
            if count != expected:
                raise SettingsError(
                    f"{name} has {count} partitions and must have {expected}: a customer's records would be looked for "
                    "in the wrong place. Partitions are never added; use the count that the topics were made with"
                )
        for name in names:
            _refuse(name, await _settings(admin, name))
    return expected


def _refuse(name: str, settings: Mapping[str, str]) -> None:
    """What would lose records, or stop them for ever. Raises SettingsError."""
    if (kind := settings["message.timestamp.type"]) != "LogAppendTime":
        raise SettingsError(
            f"{name} has message.timestamp.type={kind}; set it to LogAppendTime, for time is what the log says"
        )
    if (policy := settings["cleanup.policy"]) != "delete":
        raise SettingsError(
            f"{name} has cleanup.policy={policy}; set it to delete, since compaction takes away all records but one"
        )
    if int(most := settings["max.message.bytes"]) < BATCH:
        raise SettingsError(
            f"{name} has max.message.bytes={most}; set it to {BATCH} at least, or some batches never come in"
        )


async def _differences(broker: Broker, shape: Shape) -> list[str]:
    """Where topics that were there already promise something else than was asked for."""
    said = []
    for state in (await topic_states(broker))[1]:
        for what, has, wanted in (
            ("replication", state.replication, shape.replication),
            ("min.insync.replicas", state.in_sync, shape.in_sync),
            ("retention.ms", state.retention, int(shape.configuration["retention.ms"])),
            ("retention.bytes", state.room, -1),
            ("unclean.leader.election.enable", str(state.unclean).lower(), "false"),
        ):
            if has != wanted:
                said.append(
                    f"{state.name} has {what}={has} and was to have {wanted}; change it at the broker, or keep it knowingly"
                )
    return said


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as it is. `retention` in ms, -1 for ever; `segment`: how much longer (ms) a record may be there; `room`: bytes of a
    partition beyond which records leave sooner, -1 for none; `unclean`: a broker may lead that lacks what was acknowledged;
    `headless`: partitions that no broker leads; `refusing`: those of which too few brokers are in sync to acknowledge anything."""

    name: str
    partitions: int
    replication: int
    in_sync: int
    retention: int
    segment: int
    room: int = -1
    unclean: bool = False
    headless: tuple[int, ...] = ()
    refusing: tuple[int, ...] = ()


async def topic_states(broker: Broker) -> tuple[int, list[TopicState]]:
    """How many brokers there are, and every topic. Raises SettingsError and LogUnavailable like `check_topics`."""
    await check_topics(broker)
    async with _admin(broker) as admin:
        brokers = len((await admin.describe_cluster())["brokers"])
        names = [broker.topic(topic) for topic in TOPICS]
        described = await _topics(admin, names)
        return brokers, [_state(name, described[name]["partitions"], await _settings(admin, name)) for name in names]


def _state(name: str, partitions: Sequence[Mapping[str, Any]], settings: Mapping[str, str]) -> TopicState:
    in_sync = int(settings["min.insync.replicas"])
    headless = [each["partition"] for each in partitions if each["leader"] < 0]
    refusing = [each["partition"] for each in partitions if each["leader"] >= 0 and len(each["isr"]) < in_sync]
    return TopicState(
        name,
        len(partitions),
        min(len(each["replicas"]) for each in partitions),
        in_sync,
        int(settings["retention.ms"]),
        int(settings["segment.ms"]),
        int(settings["retention.bytes"]),
        settings["unclean.leader.election.enable"] == "true",
        tuple(sorted(headless)),
        tuple(sorted(refusing)),
    )


async def _make(admin: AIOKafkaAdminClient, name: str, shape: Shape) -> str:
    topic = NewTopic(name, shape.partitions, shape.replication, topic_configs=shape.configuration)
    answer = await admin.create_topics([topic])
    ((_, code, why),) = answer.topic_errors
    # Who may make none is told so before it is looked whether there is one, which somebody else may have made for them.
    given = code == TopicAuthorizationFailedError.errno and _count((await _topics(admin, [name]))[name])
    if code and code != _THERE and not given:
        raise SettingsError(f"{name} cannot be made: {why or for_code(code).__name__}")
    return f"{name} is there already" if code else f"{name} made: {shape.partitions} partitions on {shape.replication}"


async def _settings(admin: AIOKafkaAdminClient, name: str) -> dict[str, str]:
    """All of a topic. Raises SettingsError where we may not see them."""

    async def ask() -> tuple[int, str | None, list[tuple[str, ...]]]:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name, None)])
        ((code, why, _, _, entries),) = answer.resources
        return code, why, entries

    code, why, entries = await _once_known(ask, lambda answer: answer[0] != UnknownTopicOrPartitionError.errno)
    if code:
        raise SettingsError(
            f"the settings of {name} cannot be seen: {why or for_code(code).__name__}; grant the user of the Kafka URL "
            "DescribeConfigs on it"
        )
    return {entry[0]: str(entry[1]) for entry in entries}


async def _topics(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What is told of each; nothing of one that is missing. Raises TopicAuthorizationFailedError."""

    async def ask() -> dict[str, dict[str, Any]]:
        told = {topic["topic"]: topic for topic in await admin.describe_topics(list(names))}
        return {name: told.get(name, {}) for name in names}

    return await _once_known(ask, lambda told: all(_count(topic) for topic in told.values()))


def _count(topic: Mapping[str, Any]) -> int:
    """Its partitions; 0 for one that is missing."""
    if topic.get("error_code") == TopicAuthorizationFailedError.errno:
        raise TopicAuthorizationFailedError(topic["topic"])
    return len(topic["partitions"]) if topic and not topic["error_code"] else 0


async def _once_known(ask: Callable[[], Awaitable[T]], known: Callable[[T], bool]) -> T:
    """Each broker hears of a new topic a moment after it was made, and any of them may be asked: the answer after that moment."""
    until = time.monotonic() + MOMENT
    while not known(answer := await ask()) and time.monotonic() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    return answer


@asynccontextmanager
async def _admin(broker: Broker) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = broker.admin()
    try:
        await admin.start()
        yield admin
    except (KafkaError, OSError) as error:
        raise await broker.refusal(error) or broker.away(error) from error
    finally:
        await admin.close()
