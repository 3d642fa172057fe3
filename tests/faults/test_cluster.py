"""Many machines: what one process leaves behind another takes up, and nobody is written to twice or forgotten."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from itertools import count
from pathlib import Path

import httpx
import pytest
from aiokafka.admin import NewPartitions
from clusterbench import Cluster, Mailbox, Shopper, address_of, cluster, mail_server, until
from kafkaserver import KafkaServer
from pgserver import PostgresServer
from servers import SERVERS, fresh_database, fresh_topics

from tactful.errors import SettingsError
from tactful.log.kafka import check_topics
from tactful.postgres import upgrade
from tactful.records import TOPICS
from tactful_workbench.cluster.ground import Site, ground

pytestmark = [*SERVERS, pytest.mark.timeout(300)]
_numbers = count(1)
LONG = pytest.mark.long


@pytest.fixture
async def shop(
    request: pytest.FixtureRequest, tmp_path: Path, kafka: KafkaServer, postgres: PostgresServer
) -> AsyncIterator[Cluster]:
    """Every service once, trigger twice."""
    databases = getattr(request, "param", 1)
    async with cluster(tmp_path, kafka, postgres, f"shop{next(_numbers)}", databases) as made:
        made.start("ingest", workers=2)
        for service, name in (("trigger", "trigger-1"), ("trigger", "trigger-2"), ("dispatch", "")):
            made.start(service, name)
        await made.ready("ingest", "trigger-1", "trigger-2", "dispatch")
        yield made


@pytest.fixture
async def shopper(shop: Cluster) -> AsyncIterator[Shopper]:
    made = Shopper(shop)
    yield made
    await made.close()


async def arrive(shopper: Shopper, names: list[str]) -> None:
    """Carts are left one after the other, a few at a time."""
    for start in range(0, len(names), 5):
        await asyncio.gather(*(shopper.leaves_a_cart(name) for name in names[start : start + 5]))


async def shared(shop: Cluster) -> None:
    """Until both triggers have their share."""

    async def fairly() -> bool:
        return [await shop.owned("trigger-1"), await shop.owned("trigger-2")] == [2, 2]

    await until(fairly)


@pytest.mark.parametrize(
    "shop", [pytest.param(1, marks=LONG, id="one database"), pytest.param(2, id="two databases")], indirect=True
)
async def test_a_cart_is_reminded_of_whoever_ordered_is_not_and_everything_can_be_explained(
    shop: Cluster, shopper: Shopper
) -> None:
    await arrive(shopper, ["ann", "bob", "cleo"])
    await shopper.orders("cleo")
    await shop.until_arrived({"ann", "bob"})
    told = await asyncio.to_thread(shop.command, "explain", "ann")
    assert "abandoned_cart v1 started" in told.stdout
    assert "SENT" in told.stdout
    assert "smtp accepted" in told.stdout
    told = await asyncio.to_thread(shop.command, "explain", "cleo")
    assert "goal reached" in told.stdout
    assert shop.mailbox.came == {address_of("ann"): 1, address_of("bob"): 1}
    await counted(shop)


async def counted(shop: Cluster) -> None:
    """What monitoring sees of these three customers."""
    doors = [await shop.metrics("ingest", worker) for worker in (0, 1)]
    made = 'tactful_records_appended_total{{service="ingest",topic="{}"}}'
    appended = {topic: sum(value(door, made.format(topic)) for door in doors) for topic in TOPICS}
    assert appended == {"events": 7, "dispatch": 3, "quarantine": 0}
    assert all('topic="quarantine"} 0.0' in door for door in doors), "an increase from nothing is none"
    assert sum(value(door, 'tactful_answers_total{service="ingest",status="200"}') for door in doors) >= 10
    triggers = [await shop.metrics(name) for name in ("trigger-1", "trigger-2")]
    decided = 'tactful_decisions_total{reason="",rule="abandoned_cart",verdict="sent"}'

    async def heard() -> bool:
        told = [await shop.metrics(name) for name in ("trigger-1", "trigger-2")]
        written = 'tactful_contacts{arm="sent",rule="abandoned_cart"}'
        return [sum(value(each, what) for each in told) for what in (decided, written)] == [2, 2]

    await until(heard)
    assert sum(value(each, "tactful_timers_fired_total") for each in triggers) >= 2
    assert all('tactful_lag_records{partition="' in each for each in triggers)
    assert all("tactful_overdue_seconds" in each for each in triggers)
    dispatch = await shop.metrics("dispatch")
    assert value(dispatch, 'tactful_attempts_total{channel="email",outcome="accepted"}') == 2
    assert 'tactful_attempts_total{channel="email",outcome="rejected"} 0.0' in dispatch
    assert value(dispatch, "tactful_sending_stopped") == 0
    assert all('tactful_parked_total{rule="abandoned_cart"} 0.0' in each for each in triggers)
    assert 'tactful_unwritten_total{template="abandoned_cart"} 0.0' in dispatch


def value(told: str, name: str) -> float:
    """Of one line of a scrape; 0 if there is none."""
    return next((float(line.split()[-1]) for line in told.splitlines() if line.startswith(f"{name} ")), 0.0)


async def test_a_night_with_doctor_smoke_and_the_red_button(shop: Cluster, shopper: Shopper) -> None:
    await shared(shop)
    examined = (await asyncio.to_thread(shop.command, "doctor")).stdout
    for words in (
        "ok    PostgreSQL",
        "ok    clocks within",
        "ok    Kafka 1 broker; ",
        "4 partitions each, RF 1, min.insync 1, LogAppendTime",
        "warn  one broker",
        "ok    trigger owns all 4 partitions",
        "ok    dispatch owns all 4 partitions",
        "ok    rules 7 loaded, 0 broken",
    ):
        assert words in examined, examined
    door = ("--url", f"http://127.0.0.1:{shop.ports['ingest']}")
    smoked = await asyncio.to_thread(shop.command, "smoke", "--to", "night@example.test", *door)
    assert "ok: one message, once." in smoked.stdout, smoked.stdout + smoked.stderr
    assert shop.mailbox.came["night@example.test"] == 1

    bounces = shop.data / "bounces.txt"
    bounces.write_text(address_of("dora"))
    listed = ("consent", "suppress", str(bounces), "--source", "sendgrid", "--reason", "bounced")
    assert "1 new, 0 known already" in (await asyncio.to_thread(shop.command, *listed)).stdout
    stopped = json.loads(
        (await asyncio.to_thread(shop.command, "stop", "--by", "olga", "--why", "wrong price", "--json")).stdout
    )
    assert (stopped["stopped"], stopped["by"], stopped["in_force"]) == (True, "olga", stopped["partitions"])
    assert time.time() * 1000 - stopped["at"] < 10_000  # under five on a machine that has no other tests to run
    await arrive(shopper, ["ann", "bob", "dora"])  # events are taken as ever
    await asyncio.sleep(4)  # longer than the rule waits
    assert len(shop.mailbox.came) == 1
    checked = await asyncio.to_thread(shop.command, "rules", "check", "--live")
    assert re.search(r"\b([2-9]) of \1 live runs would go on\n", checked.stdout), checked.stdout + checked.stderr
    refused = await asyncio.to_thread(shop.command, "smoke", "--to", "night@example.test", "--within", "2", *door)
    assert (refused.returncode, "all sending is stopped by olga" in refused.stdout) == (1, True)
    resumed = await asyncio.to_thread(shop.command, "resume", "--over", "1s", "--yes")
    assert resumed.returncode == 0, resumed.stderr
    await shop.until_arrived({"ann", "bob"}, 20)  # what a stop keeps is otherwise looked at every two minutes
    assert {shop.mailbox.came[address_of(name)] for name in ("ann", "bob")} == {1}
    told = (await asyncio.to_thread(shop.command, "explain", "dora")).stdout
    assert "not to this address: bounced; it stands on a list of sendgrid" in told, told
    assert address_of("dora") not in shop.mailbox.came
    assert "0 new, 1 known already" in (await asyncio.to_thread(shop.command, *listed)).stdout


@pytest.mark.parametrize(
    "victim", [pytest.param("ingest", marks=LONG), "trigger-1", pytest.param("dispatch", marks=LONG)]
)
async def test_whoever_is_killed_in_the_middle_is_replaced_and_everybody_gets_one_message(
    shop: Cluster, shopper: Shopper, victim: str
) -> None:
    await shared(shop)
    first, second = [f"a{n}" for n in range(15)], [f"b{n}" for n in range(15)]
    await arrive(shopper, first)
    await asyncio.sleep(2.5)  # the first reminders are about to leave
    shop.kill(victim)
    posting = asyncio.create_task(arrive(shopper, second))
    if victim != "trigger-1":  # the other trigger takes its share; the others come back, as an orchestrator has it
        shop.start(victim, workers=2 if victim == "ingest" else 1)
    await posting
    await shop.until_arrived({*first, *second})
    came = shop.mailbox.came
    assert came.keys() == {address_of(name) for name in (*first, *second)}
    assert set(came.values()) == {1}


@pytest.mark.long
async def test_whoever_is_asked_to_end_hands_its_partitions_over_at_once(shop: Cluster, shopper: Shopper) -> None:
    await shared(shop)
    began = time.monotonic()
    assert await asyncio.to_thread(shop.kill, "trigger-1", signal.SIGTERM) == 0

    async def taken_over() -> bool:
        return await shop.owned("trigger-2") == 4

    await until(taken_over)
    assert time.monotonic() - began < 8, "that is as long as a lease"
    await arrive(shopper, ["ann"])
    await shop.until_arrived({"ann"})


@pytest.mark.long
async def test_while_the_database_is_away_events_are_taken_and_messages_only_come_later(
    shop: Cluster, shopper: Shopper, postgres: PostgresServer
) -> None:
    await arrive(shopper, ["ann"])
    postgres.stop(signal.SIGQUIT)
    await arrive(shopper, ["bob", "cleo"])
    await asyncio.sleep(1)
    postgres.start()
    await shop.until_arrived({"ann", "bob", "cleo"})
    assert set(shop.mailbox.came.values()) == {1}


@pytest.mark.long
async def test_while_the_broker_is_away_the_door_says_later_within_two_seconds_and_nothing_is_lost(
    shop: Cluster, shopper: Shopper, kafka: KafkaServer
) -> None:
    await arrive(shopper, ["ann"])
    kafka.kill()
    began = time.monotonic()
    posting = asyncio.create_task(arrive(shopper, ["bob", "cleo"]))

    async def refused() -> bool:
        return shopper.refused > 0

    await until(refused)
    assert time.monotonic() - began < 3
    await shop.ready("dispatch")  # or nobody could opt out
    kafka.start()
    await posting
    await shop.until_arrived({"ann", "bob", "cleo"})
    assert set(shop.mailbox.came.values()) == {1}


@LONG
async def test_a_service_waits_alive_and_not_ready_for_what_is_not_there_yet_and_says_so_once(
    tmp_path: Path, kafka: KafkaServer, postgres: PostgresServer
) -> None:
    name = f"shop{next(_numbers)}"
    async with mail_server(Mailbox()) as mailbox, httpx.AsyncClient(trust_env=False) as http:
        made = Cluster(tmp_path, f"{kafka.url}?prefix={name}-", postgres.create(name), mailbox)

        async def lacks(what: str) -> None:
            for port in (made.ports["ingest"], made.ports["trigger"]):
                url = f"http://127.0.0.1:{port}"
                await until(lambda url=url: _lacks(http, url, what))  # type: ignore[misc]
                assert (await http.get(f"{url}/livez")).status_code == 200
                refused = await http.post(f"{url}/v1/track", json={})
                assert (refused.status_code, "retry-after" in refused.headers) == (503, True)

        kafka.kill()
        try:
            made.start("ingest")
            made.start("trigger", workers=2)
            await lacks("kafka")
        finally:
            await asyncio.to_thread(kafka.start)
        try:
            await lacks("topics")
            await asyncio.to_thread(made.set_up)
            await made.ready("ingest", "trigger")
        finally:
            made.stop()
    lines = [json.loads(line) for line in made.log("ingest").read_text().splitlines() if line.startswith("{")]
    said = [line["message"] for line in lines if line["message"].startswith("waiting: ")]
    assert "no broker answers" in said[0]
    assert f"waiting: there is no topic {name}-events; run `tactful setup`" in said
    assert len({*said}) == len(said)


async def _lacks(http: httpx.AsyncClient, url: str, what: str) -> bool:
    with suppress(httpx.HTTPError):
        answer = await http.get(f"{url}/readyz")
        return answer.status_code == 503 and answer.json()["missing"] == [what]
    return False


@pytest.mark.long
async def test_a_worker_that_dies_while_the_database_is_away_closes_the_door_to_nobody(
    tmp_path: Path, kafka: KafkaServer, postgres: PostgresServer
) -> None:
    async with cluster(tmp_path, kafka, postgres, f"shop{next(_numbers)}") as made:
        made.start("ingest", workers=2)
        await made.ready("ingest")
        shopper, [first, second] = Shopper(made), made.workers("ingest")
        try:
            postgres.stop(signal.SIGQUIT)
            os.kill(first, signal.SIGKILL)

            async def waits() -> bool:
                return "waiting: PostgreSQL" in made.log("ingest").read_text()

            await until(waits)
            await arrive(shopper, [f"u{number}" for number in range(20)])
            assert (shopper.refused, second in made.workers("ingest")) == (0, True)
            assert await asyncio.to_thread(made.kill, "ingest", signal.SIGTERM) == 0, "also while one waits"
            made.start("ingest", workers=2)
            await asyncio.to_thread(postgres.start)
            await made.ready("ingest")
        finally:
            await shopper.close()
            if not postgres.runs:
                await asyncio.to_thread(postgres.start)


async def test_topics_that_have_been_given_more_partitions_are_refused(
    tmp_path: Path, kafka: KafkaServer, postgres: PostgresServer
) -> None:
    topics = await fresh_topics(kafka, 2)
    database = await fresh_database(postgres)
    await upgrade(database)
    site = Site(f"{kafka.url}?prefix={topics.prefix}", database, tmp_path)
    async with ground(site) as here:
        assert here.log.partitions == 2
    admin = topics.admin()
    await admin.start()
    await admin.create_partitions({topics.topic(name): NewPartitions(4) for name in TOPICS})
    await admin.close()

    async def heard_of() -> bool:
        with suppress(SettingsError):  # some of them have more already
            return await check_topics(topics) == 4
        return False

    await until(heard_of)
    with pytest.raises(SettingsError, match=r"have 4 partitions and had 2 at the first start.* use topics with 2"):
        async with ground(site):
            pass


async def test_what_is_wrong_is_named_at_the_start(
    tmp_path: Path, kafka: KafkaServer, postgres: PostgresServer
) -> None:
    async with AsyncExitStack() as stack:
        made = await stack.enter_async_context(cluster(tmp_path, kafka, postgres, f"shop{next(_numbers)}"))
        refused = {
            "make the database first": {"TACTFUL_POSTGRES": postgres.url("nowhere")},
            "the PostgreSQL URL must look like": {"TACTFUL_POSTGRES": "mysql://here"},
            "PostgreSQL 1 of 2 was 1 of 1 at the first start": {"TACTFUL_POSTGRES": f"{made.postgres} {made.postgres}"},
            "the Kafka URL must look like": {"TACTFUL_KAFKA": "here"},
        }
        for words, environment in refused.items():
            ended = await asyncio.to_thread(made.command, "serve", "trigger", **environment)
            assert ended.returncode == 1
            assert words in ended.stderr
            assert "Traceback" not in ended.stderr
        (made.data / "secrets" / "link-key").unlink()
        ended = await asyncio.to_thread(made.command, "serve", "dispatch", "--smtp", "smtp+plain://127.0.0.1:1")
        assert "`tactful setup` makes the secrets once" in ended.stderr
