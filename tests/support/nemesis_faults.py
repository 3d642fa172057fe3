"""What a nemesis does, by name. Each fault heals what it broke before it ends."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from aiokafka import AIOKafkaProducer
from nemesis_stage import NODES, SERVICES, Stage
from tcpproxy import Proxy

Fault = Callable[[Stage], Awaitable[None]]


async def _none(stage: Stage) -> None:
    return None


def _kill(service: str) -> Fault:
    async def fault(stage: Stage) -> None:
        await stage.restart(f"{service}-{stage.draw.choice((1, 2))}")

    return fault


def _freeze(service: str, seconds: float) -> Fault:
    """Beyond its lease, and then it goes on as if nothing had been."""

    async def fault(stage: Stage) -> None:
        name = f"{service}-{stage.draw.choice((1, 2))}"
        stage.signal(name, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        stage.signal(name, signal.SIGCONT)

    return fault


async def _roll(stage: Stage) -> None:
    for service in SERVICES:
        await stage.restart(f"{service}-{stage.draw.choice((1, 2))}", signal.SIGTERM)


async def _join_and_leave(stage: Stage) -> None:
    for _ in range(4):
        await stage.restart(f"trigger-{stage.draw.choice((1, 2))}", stage.draw.choice((signal.SIGKILL, signal.SIGTERM)))
        await asyncio.sleep(2)


async def _broker_dies(stage: Stage) -> None:
    broker = stage.brokers[stage.draw.choice(NODES)]
    broker.kill()
    await asyncio.sleep(stage.draw.uniform(2, 8))
    await asyncio.to_thread(broker.start)


async def _broker_stands_still(stage: Stage) -> None:
    broker = stage.brokers[stage.draw.choice(NODES)]
    broker.freeze()
    await asyncio.sleep(10)
    broker.thaw()


async def _two_brokers_die(stage: Stage) -> None:
    """No quorum: nothing is acknowledged until one is back."""
    gone = [stage.brokers[node] for node in stage.draw.sample(NODES, 2)]
    for broker in gone:
        broker.kill()
    await asyncio.sleep(5)
    for broker in gone:
        await asyncio.to_thread(broker.start)


def _database_goes(how: int) -> Fault:
    async def fault(stage: Stage) -> None:
        await asyncio.to_thread(stage.postgres.stop, how)
        await asyncio.sleep(stage.draw.uniform(0, 5))
        await asyncio.to_thread(stage.postgres.start)

    return fault


async def _backend_stands_still(stage: Stage) -> None:
    if pids := stage.postgres.backends():
        pid = stage.draw.choice(pids)
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(8)
        os.kill(pid, signal.SIGCONT)


def _wire(names: Callable[[Stage], Sequence[str]], change: Callable[[Proxy, Stage], None], seconds: float) -> Fault:
    async def fault(stage: Stage) -> None:
        wires = [stage.wires[name] for name in names(stage)]
        for wire in wires:
            change(wire, stage)
        await asyncio.sleep(seconds)
        for wire in wires:
            wire.heal()

    return fault


def _slow(seconds: float) -> Callable[[Proxy, Stage], None]:
    def change(wire: Proxy, stage: Stage) -> None:
        wire.latency = seconds

    return change


def _one_way(wire: Proxy, stage: Stage) -> None:
    wire.swallows = stage.draw.choice(("requests", "replies"))


def _cut(wire: Proxy, stage: Stage) -> None:
    wire.reset()


def _database(stage: Stage) -> Sequence[str]:
    return ("postgres",)


def _brokers(stage: Stage) -> Sequence[str]:
    return [f"broker-{node}" for node in NODES]


def _some_broker(stage: Stage) -> Sequence[str]:
    return (f"broker-{stage.draw.choice(NODES)}",)


def _mood(mood: str) -> Fault:
    async def fault(stage: Stage) -> None:
        stage.post.mood = mood
        await asyncio.sleep(10)
        stage.post.mood = "ok"

    return fault


async def _sending_stops(stage: Stage) -> None:
    """An operator presses the red button, and lets go a little later."""
    for command, seconds in ((("stop", "--why", "nemesis"), 8), (("resume", "--yes", "--over", "0s"), 0)):
        said = await asyncio.to_thread(stage.shop.command, *command)
        assert said.returncode == 0, said.stderr
        await asyncio.sleep(seconds)


async def _repeats(stage: Stage) -> None:
    stage.shoppers.repeats = 0.3
    await asyncio.sleep(12)
    stage.shoppers.repeats = 0.05


async def _poison(stage: Stage) -> None:
    """Somebody writes what is none of ours."""
    producer = AIOKafkaProducer(bootstrap_servers=[f"127.0.0.1:{stage.wires[name].port}" for name in _brokers(stage)])
    await producer.start()
    try:
        for _ in range(5):
            await producer.send_and_wait("nemesis-events", b'{"what": "is this"}', partition=stage.draw.randrange(4))
            stage.poison += 1
            await asyncio.sleep(1)
    finally:
        await producer.stop()


FAULTS: Final[dict[str, Fault]] = {
    "none": _none,
    "kill -9 ingest": _kill("ingest"),
    "kill -9 trigger": _kill("trigger"),
    "kill -9 dispatch": _kill("dispatch"),
    "trigger frozen beyond its lease": _freeze("trigger", 12),
    "dispatch frozen beyond its lease": _freeze("dispatch", 12),
    "SIGTERM, one of each": _roll,
    "triggers join and leave": _join_and_leave,
    "kill -9 a broker": _broker_dies,
    "a broker frozen 10 s": _broker_stands_still,
    "kill -9 two of three brokers": _two_brokers_die,
    "PostgreSQL restarted": _database_goes(signal.SIGINT),
    "PostgreSQL stopped at once": _database_goes(signal.SIGQUIT),
    "a PostgreSQL backend frozen 8 s": _backend_stands_still,
    "PostgreSQL 50 ms away": _wire(_database, _slow(0.05), 10),
    "Kafka 100 ms away": _wire(_brokers, _slow(0.1), 10),
    "connections to PostgreSQL reset": _wire(_database, _cut, 1),
    "connections to Kafka reset": _wire(_brokers, _cut, 1),
    "PostgreSQL cut one way": _wire(_database, _one_way, 6),
    "a broker cut one way": _wire(_some_broker, _one_way, 8),
    "mail greylisted": _mood("greylist"),
    "mail busy": _mood("busy"),
    "mail taken, connection dropped": _mood("drop"),
    "mail taken, server hangs": _mood("hang"),
    "30 % of batches twice": _repeats,
    "poison": _poison,
    "all sending stopped": _sending_stops,
}
