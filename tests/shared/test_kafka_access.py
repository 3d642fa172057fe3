"""Before a broker lets us in: whose certificate it shows, and who may make topics."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import Any, NamedTuple

from aiokafka.errors import TopicAuthorizationFailedError
from channelbench import CERTIFICATE

from tactful.log.kafka import Broker, Shape, broker, set_up

PARTITIONS = [{"partition": number, "leader": 1, "replicas": [1], "isr": [1]} for number in range(2)]
NO_RIGHT = TopicAuthorizationFailedError.errno


async def test_the_certificate_of_an_authority_of_ones_own_is_trusted_where_the_url_names_it() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    hanging_up = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    url = f"kafka://127.0.0.1:{hanging_up.sockets[0].getsockname()[1]}?tls=true"
    refused = await broker(url).refusal(OSError())
    assert "a certificate that we do not trust" in str(refused)
    assert "in the Kafka URL: ca=FILE" in str(refused)
    assert await broker(f"{url}&ca={CERTIFICATE}").refusal(OSError()) is None
    hanging_up.close()
    await hanging_up.wait_closed()


class Answer(NamedTuple):
    topic_errors: Sequence[tuple[str, int, str]] = ()
    resources: Sequence[tuple[Any, ...]] = ()


class Guarded:
    """Its topics are made by others."""

    async def start(self) -> None:
        """It is there."""

    async def close(self) -> None:
        """Nothing is open."""

    async def describe_cluster(self) -> dict[str, Any]:
        return {"brokers": [1]}

    async def create_topics(self, topics: list[Any]) -> Answer:
        return Answer([(topics[0].name, NO_RIGHT, "Authorization failed.")])

    async def describe_topics(self, names: list[str]) -> list[dict[str, Any]]:
        return [{"topic": name, "error_code": 0, "partitions": PARTITIONS} for name in names]

    async def describe_configs(self, asked: list[Any]) -> list[Answer]:
        settings = Shape(2, 1).configuration | {"max.message.bytes": "1048588"}
        return [Answer(resources=[(0, None, None, None, list(settings.items()))])]


class OfOthers(Broker):
    def admin(self) -> Any:
        return Guarded()


async def test_who_may_make_no_topics_sets_up_over_those_that_others_have_made() -> None:
    said = await set_up(OfOthers(("kafka:9092",)), Shape(2, replication=1))
    assert [line.partition(" ")[2] for line in said[:3]] == ["is there already"] * 3
