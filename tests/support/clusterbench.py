"""Many machines on one: Kafka, PostgreSQL, the services as processes of their own, and a mail server that counts."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
from aiosmtpd.smtp import SMTP
from freeports import free_port, free_ports
from kafkaserver import KafkaServer
from pgserver import PostgresServer

TACTFUL: Final[tuple[str, ...]] = (str(Path(sys.executable).with_name("tactful")),)
ARMED: Final = Path(__file__).with_name("armed.py")
SKEWED: Final = Path(__file__).with_name("skewed.py")
PATIENCE: Final = 60.0  # seconds
SETTINGS: Final = """
[hours]
marketing = "00:00-24:00"

[rules.abandoned_cart]
mode = "live"
delay = "3s"
holdout = 0.0

[rules.canary]
mode = "live"

[sending]
mode = "live"
"""


@dataclass
class Mailbox:
    """aiosmtpd's handler: how many messages came for whom."""

    port: int = 0
    came: Counter[str] = field(default_factory=Counter)

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:
        self.came[envelope.rcpt_tos[0]] += 1
        return "250 OK"


class Cluster:
    """A deployment of its own on servers that tests share."""

    def __init__(self, folder: Path, kafka: str, postgres: str, mailbox: Mailbox, settings: str = SETTINGS) -> None:
        """`kafka` and `postgres`: URLs, of topics and a database of its own."""
        self.data, self.mailbox, self.kafka, self.postgres = folder / "data", mailbox, kafka, postgres
        self._folder, self._environment = folder, dict(os.environ)
        self._environment |= {"TACTFUL_KAFKA": kafka, "TACTFUL_POSTGRES": postgres}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.ports: dict[str, int] = {}
        self.metrics_ports: dict[str, int] = {}
        self.data.mkdir()
        (self.data / "settings.toml").write_text(settings)

    def command(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """One command line, to its end."""
        around = {**self._environment, **environment}
        command = [*TACTFUL, *arguments, "--data", str(self.data)]
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE, env=around)

    def use(self, postgres: str) -> None:
        """Other databases from the next start on."""
        self.postgres = self._environment["TACTFUL_POSTGRES"] = postgres

    def set_up(self, replication: int = 1) -> None:
        made = self.command("setup", "--partitions", "4", "--replication", str(replication))
        assert made.returncode == 0, made.stderr
        assert "the schema went from nothing to" in made.stdout or "the schema is at" in made.stdout

    def start(
        self,
        service: str,
        name: str = "",
        workers: int = 1,
        options: Sequence[str] = (),
        dies_at: tuple[str, int] | None = None,
        clock: Path | None = None,
    ) -> None:
        """A service, one process or several behind one port; `name` tells two of them apart. It is not waited for. `dies_at`: a
        crash point, and at which time. `clock`: a file that says by how many seconds its wall clock is off."""
        name = name or service
        port = self.ports[name] = self.ports.get(name) or free_port()
        metrics = self.metrics_ports[name] = self.metrics_ports.get(name) or free_ports(workers)
        program = TACTFUL
        if dies_at is not None:
            program = (sys.executable, str(ARMED), dies_at[0], str(dies_at[1]))
        if clock is not None:
            program = (sys.executable, str(SKEWED), str(clock))
        command = [*program, "serve", service, "--data", str(self.data), "--host", "127.0.0.1", "--port", str(port)]
        command += ["--metrics-port", str(metrics), *options]
        if workers > 1:
            command += ["--workers", str(workers)]
        if service == "dispatch":
            command += ["--smtp", f"smtp+plain://127.0.0.1:{self.mailbox.port}"]
        with self.log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(command, stdout=log, stderr=log, env=self._environment)

    def log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def kill(self, name: str, how: int = signal.SIGKILL) -> int:
        """End a process; its exit code."""
        process = self._processes[name]
        process.send_signal(how)
        return process.wait(PATIENCE)

    def has_died(self, name: str) -> bool:
        """Whether a process was ended by SIGKILL."""
        return self._processes[name].poll() == -signal.SIGKILL

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    def signal(self, name: str, what: int) -> None:
        self._processes[name].send_signal(what)

    def workers(self, name: str) -> list[int]:
        """Process ids of a service's workers."""
        children = Path(f"/proc/{self._processes[name].pid}/task/{self._processes[name].pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def stop(self) -> None:
        for name, process in self._processes.items():
            children = self.workers(name) if process.poll() is None else []
            process.kill()
            process.wait(PATIENCE)
            for pid in children:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    async def ready(self, *names: str) -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            for name in names:
                await until(lambda name=name: self._is_ready(client, name))  # type: ignore[misc]

    async def _is_ready(self, client: httpx.AsyncClient, name: str) -> bool:
        assert self._processes[name].poll() is None, self.log(name).read_text()[-2000:]
        try:
            return (await client.get(f"http://127.0.0.1:{self.ports[name]}/readyz", timeout=5)).is_success
        except httpx.HTTPError:
            return False

    async def owned(self, name: str) -> int:
        """How many partitions a process holds."""
        told = await self.metrics(name)
        return next(
            int(float(line.split()[-1])) for line in told.splitlines() if line.startswith("tactful_partitions_owned{")
        )

    async def metrics(self, name: str, worker: int = 0) -> str:
        """One scrape."""
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(f"http://127.0.0.1:{self.metrics_ports[name] + worker}/metrics")).text

    async def until_arrived(self, customers: set[str], seconds: float = PATIENCE) -> None:
        """Until everybody has a message."""
        expected = {address_of(customer) for customer in customers}

        async def arrived() -> bool:
            return expected <= self.mailbox.came.keys()

        try:
            await until(arrived, seconds)
        except TimeoutError:
            raise AssertionError(f"nothing came for {sorted(expected - self.mailbox.came.keys())}") from None


class Shopper:
    """Posts until it is acknowledged, with the same ids, as a careful client does."""

    def __init__(self, cluster: Cluster, door: str = "ingest") -> None:
        token = (cluster.data / "secrets" / "admin-token").read_bytes().hex()
        self._http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{cluster.ports[door]}", auth=(token, ""), trust_env=False, timeout=10
        )
        self.refused = 0

    async def leaves_a_cart(self, customer: str) -> None:
        """Somebody who may be written to leaves a cart."""
        await self.may_be_written_to(customer, "email", email=address_of(customer))
        await self.adds(customer, f"{customer}-3")

    async def may_be_written_to(self, customer: str, channel: str, **traits: str) -> None:
        granted = {"purpose": "marketing", "channel": channel, "state": "granted"}
        known = {"firstName": "Uma", **traits}
        await self._post("/v1/identify", f"{customer}-1", userId=customer, traits=known)
        await self._post("/v1/track", f"{customer}-2", userId=customer, event="Consent Changed", properties=granted)

    async def adds(self, customer: str, id: str) -> None:
        kettle = {"product_id": "p1", "name": "Kettle", "price": 39.9}
        await self._post("/v1/track", id, userId=customer, event="Product Added", properties=kettle)

    async def orders(self, customer: str) -> None:
        await self._post(
            "/v1/track", f"{customer}-4", userId=customer, event="Order Completed", properties={"order_id": "o"}
        )

    async def _post(self, path: str, id: str, **call: Any) -> None:
        await until(lambda: self._acknowledged(path, {"messageId": id, **call}))

    async def _acknowledged(self, path: str, call: dict[str, Any]) -> bool:
        try:
            answer = await self._http.post(path, json=call)
        except httpx.HTTPError:
            self.refused += 1
            return False
        self.refused += answer.status_code != 200
        assert answer.status_code in (200, 429, 503), answer.text
        return answer.status_code == 200

    async def close(self) -> None:
        await self._http.aclose()


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = PATIENCE) -> None:
    """Look ten times a second. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - other processes offer no event for it
            await asyncio.sleep(0.1)


def address_of(customer: str) -> str:
    return f"{customer}@example.test"


M = TypeVar("M", bound=Mailbox)


@asynccontextmanager
async def mail_server(mailbox: M) -> AsyncIterator[M]:
    """A mail server for a mailbox, on a free port."""
    loop = asyncio.get_running_loop()

    def conversation() -> SMTP:
        return SMTP(mailbox, loop=loop, hostname="mail.example")

    async with await loop.create_server(conversation, "127.0.0.1", 0) as server:
        mailbox.port = server.sockets[0].getsockname()[1]
        yield mailbox


@asynccontextmanager
async def cluster(
    folder: Path, kafka: KafkaServer, postgres: PostgresServer, name: str, databases: int = 1
) -> AsyncIterator[Cluster]:
    """Set up, nothing started but the mail server."""
    urls = " ".join(postgres.create(f"{name}_{number}") for number in range(databases))
    async with mail_server(Mailbox()) as mailbox:
        made = Cluster(folder, f"{kafka.url}?prefix={name}-", urls, mailbox)
        await asyncio.to_thread(made.set_up)
        try:
            yield made
        finally:
            made.stop()
