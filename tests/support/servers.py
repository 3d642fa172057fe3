"""Fixtures: real servers, one of each for all tests of a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeVar

import pytest
from kafkaserver import KafkaServer, ServersMissing, kafka_server, servers_are_needed
from pgserver import PostgresServer, postgres_server

from tactful.log.kafka import Broker, Shape, broker, set_up
from tactful.postgres import Postgres

S = TypeVar("S")
# Whoever needs the broker runs in one worker, whoever needs the database alone in another one: two databases and one broker are started.
SERVERS: Final = (pytest.mark.surroundings, pytest.mark.xdist_group("servers"))
DATABASE: Final = (pytest.mark.surroundings, pytest.mark.xdist_group("database"))
MODEL: Final = "model"
_models: Final = set[int]()  # servers, by their ports, that have one
_numbers = count()


def started(server: Callable[[Path], AbstractContextManager[S]], folder: Path) -> Iterator[S]:
    """A server, or a test that says what is missing."""
    try:
        with server(folder) as running:
            yield running
    except ServersMissing as missing:
        if servers_are_needed():
            raise
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    yield from started(kafka_server, tmp_path_factory.mktemp("kafka"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with TemporaryDirectory() as folder:  # pytest's own lets nobody else in
        Path(folder).chmod(0o755)
        yield from started(postgres_server, Path(folder))


async def fresh_database(server: PostgresServer) -> str:
    """A database that no other test knows, with its tables; its URL. They are made once a server: a copy takes a third of the time."""
    if server.port not in _models:
        await Postgres.upgrade(server.create(MODEL))
        _models.add(server.port)
    return server.create(f"test_{next(_numbers)}", copy_of=MODEL)


async def fresh_topics(server: KafkaServer, partitions: int) -> Broker:
    """Topics that no other test knows."""
    fresh = broker(f"{server.url}?prefix=test-{next(_numbers)}-")
    await set_up(fresh, Shape(partitions, replication=1))
    return fresh
