"""Appending to Kafka while its sessions break: one takes the place of the other, and none is left open."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka.errors import OutOfOrderSequenceNumber

from tactful.errors import LogUnavailable
from tactful.log.kafka.appending import Appender
from tactful.log.kafka.broker import Broker


class Batch:
    def __init__(self) -> None:
        self._count = 0

    def append(self, **given: Any) -> object:
        self._count += 1
        return self

    def record_count(self) -> int:
        return self._count

    def close(self) -> None:
        """Nothing more comes."""


@dataclass
class Acknowledged:
    topic: str
    offset: int = 0
    timestamp: int = 0
    timestamp_type: int = 1


@dataclass
class Metadata:
    """What a session knows of its cluster, and is: its client, too."""

    leader: int = 1
    asked: int = 0

    @property
    def cluster(self) -> Metadata:
        return self

    def leader_for_partition(self, place: object) -> int:
        return self.leader

    def force_metadata_update(self) -> None:
        self.asked += 1


class Session:
    """A producer; a broken one acknowledges nothing, and `stamped` says whether the broker stamps what it takes."""

    def __init__(self, broken: bool, stamped: bool = True, partitions: Collection[int] = range(12)) -> None:
        self._broken = frozenset(partitions) if broken else frozenset()
        self._stamped, self.open = stamped, True
        self.client, self.sent = Metadata(), 0

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, partition: int) -> asyncio.Future[Acknowledged]:
        await asyncio.sleep(0)
        self.sent += 1
        answer = asyncio.get_running_loop().create_future()
        if partition in self._broken:
            answer.set_exception(OutOfOrderSequenceNumber())
        else:
            answer.set_result(Acknowledged(topic, timestamp_type=int(self._stamped)))
        return answer

    async def stop(self) -> None:
        self.open = False


@dataclass(frozen=True)
class Breaking(Broker):
    """A cluster whose first session is broken."""

    sessions: list[Session] = field(default_factory=list)

    def producer(self) -> Any:
        self.sessions.append(Session(broken=not self.sessions))
        return self.sessions[-1]

    async def started(self, client: Any) -> Any:
        for _ in range(3):
            await asyncio.sleep(0)
        return client


async def test_a_broken_session_is_replaced_once_however_many_partitions_it_struck() -> None:
    broker = Breaking(("nowhere:9092",))
    appender = Appender(broker)
    await appender.start()
    everywhere = [(partition, b"value") for partition in range(12)]
    with pytest.raises(LogUnavailable, match="OutOfOrderSequenceNumber"):
        await appender.append("events", everywhere)
    assert len(await appender.append("events", everywhere)) == 12
    assert len(broker.sessions) == 2
    await appender.stop()
    assert [session.open for session in broker.sessions] == [False, False]


@dataclass(frozen=True)
class Opening(Breaking):
    """Its first session breaks for one partition, and the next one is not open before it is let."""

    let: asyncio.Event = field(default_factory=asyncio.Event)

    def producer(self) -> Any:
        self.sessions.append(Session(broken=not self.sessions, partitions={0}))
        return self.sessions[-1]

    async def started(self, client: Any) -> Any:
        if len(self.sessions) > 1:
            await self.let.wait()
        return client


async def test_while_a_session_is_replaced_other_partitions_go_on_with_it() -> None:
    """The broker that is asked for the new one may stand still."""
    broker = Opening(("nowhere:9092",))
    appender = Appender(broker, deadline=1.0)
    await appender.start()
    with pytest.raises(LogUnavailable, match="OutOfOrderSequence"):
        await appender.append("events", [(0, b"value")])
    struck = asyncio.create_task(appender.append("events", [(0, b"value")]))
    assert len(await appender.append("events", [(1, b"value")])) == 1
    assert not struck.done()
    broker.let.set()
    assert len(await struck) == 1
    await appender.stop()
    assert [session.open for session in broker.sessions] == [False, False]


async def test_who_closes_the_log_meanwhile_leaves_no_session_open() -> None:
    broker = Opening(("nowhere:9092",))
    appender = Appender(broker)
    await appender.start()
    with pytest.raises(LogUnavailable):
        await appender.append("events", [(0, b"value")])
    await asyncio.sleep(0)
    await appender.stop()
    assert [session.open for session in broker.sessions] == [False, False]


@dataclass(frozen=True)
class Whole(Breaking):
    """A cluster whose sessions all hold."""

    def producer(self) -> Any:
        self.sessions.append(Session(broken=False))
        return self.sessions[-1]


async def test_what_no_broker_leads_is_handed_to_no_session_and_never_stored_once_its_time_is_over() -> None:
    """aiokafka would ask for the leader without a pause, and store it later."""
    broker = Whole(("nowhere:9092",))
    appender = Appender(broker, deadline=0.25)
    await appender.start()
    (session,) = broker.sessions
    session.client.leader = -1
    with pytest.raises(LogUnavailable, match=r"did not acknowledge within 0\.25 s"):
        await appender.append("events", [(0, b"late")])
    assert 1 <= session.client.asked <= 3
    in_time = asyncio.create_task(appender.append("events", [(0, b"in time")]))
    await asyncio.sleep(0.01)
    assert session.sent == 0
    session.client.leader = 2
    assert len(await in_time) == 1
    assert session.sent == 1
    await appender.stop()


@dataclass(frozen=True)
class Unstamping(Breaking):
    """A cluster whose topics keep the time that a client says."""

    def producer(self) -> Any:
        self.sessions.append(Session(broken=False, stamped=False))
        return self.sessions[-1]


async def test_what_was_taken_without_an_append_time_is_not_said_to_be_stored() -> None:
    """Setting up refuses such a topic; somebody may have changed it since."""
    appender = Appender(Unstamping(("nowhere:9092",)))
    await appender.start()
    with pytest.raises(LogUnavailable, match="tactful-events does not stamp append times; run `tactful setup`"):
        await appender.append("events", [(0, b"value")])
    await appender.stop()


class Lasting(Session):
    """It has something on its way, of which nobody hears before its time is over."""

    over: asyncio.Event

    async def stop(self) -> None:
        await self.over.wait()
        await super().stop()


@dataclass(frozen=True)
class Stalling(Breaking):
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def producer(self) -> Any:
        self.sessions.append(session := Lasting(broken=not self.sessions))
        session.over = self.over
        return session


@pytest.mark.parametrize("in_time", [True, False])
async def test_a_session_that_was_replaced_is_closed_once_nothing_of_it_is_on_its_way(in_time: bool) -> None:
    """Or it would live on beside the next one, as all those before it; who closes the log does not wait for that."""
    broker = Stalling(("nowhere:9092",))
    appender = Appender(broker, goodbye=0.01)
    await appender.start()
    with pytest.raises(LogUnavailable):
        await appender.append("events", [(0, b"value")])
    await appender.append("events", [(0, b"value")])
    await asyncio.sleep(0.02)
    if in_time:
        broker.over.set()
    async with asyncio.timeout(1):
        await appender.stop()
    assert [session.open for session in broker.sessions] == [not in_time] * 2
