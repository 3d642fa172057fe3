"""The database is lost for a while: its disk is full, or its machine has gone and a standby takes over."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from clusterbench import Cluster, Mailbox, Shopper, mail_server, until
from kafkaserver import KafkaServer
from pgserver import PostgresServer, postgres_server
from servers import SERVERS
from tcpproxy import proxy

pytestmark = [*SERVERS, pytest.mark.long]


@asynccontextmanager
async def shop(folder: Path, kafka: KafkaServer, name: str, database: str) -> AsyncIterator[tuple[Cluster, Shopper]]:
    """Every service once."""
    async with mail_server(Mailbox()) as mailbox:
        made = Cluster(folder, f"{kafka.url}?prefix={name}-", database, mailbox)
        await asyncio.to_thread(made.set_up)
        for service in ("ingest", "trigger", "dispatch"):
            made.start(service)
        shopper = Shopper(made)
        try:
            await made.ready("ingest", "trigger", "dispatch")
            yield made, shopper
        finally:
            await shopper.close()
            made.stop()


@contextmanager
def room(*names: str) -> Iterator[list[Path]]:
    """Folders that PostgreSQL's own user may enter."""
    with TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        folders = [Path(place) / name for name in names]
        for folder in folders:
            folder.mkdir(mode=0o755)
        yield folders


async def test_a_standby_that_takes_over_loses_nothing_and_repeats_nothing(tmp_path: Path, kafka: KafkaServer) -> None:
    with room("first", "second") as (one, two), postgres_server(one) as first:
        second = first.standby(two)
        try:
            async with proxy(first.port) as way:
                url = first.create("shop").replace(f":{first.port}/", f":{way.port}/")
                async with shop(tmp_path, kafka, "standby", url) as (made, shopper):
                    for name in ("ann", "bob"):
                        await shopper.leaves_a_cart(name)
                    await asyncio.sleep(2.5)  # the first reminders are about to leave
                    first.stop(signal.SIGQUIT)
                    await shopper.leaves_a_cart("cleo")
                    await asyncio.to_thread(second.promote)
                    way.target = second.port
                    way.reset()
                    await shopper.leaves_a_cart("dora")
                    await made.until_arrived({"ann", "bob", "cleo", "dora"})
                    assert set(made.mailbox.came.values()) == {1}
        finally:
            second.stop()


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """A disk of its own that is soon full."""
    options = "size=160m,mode=755"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def fill(ballast: Path) -> None:
    with ballast.open("wb") as file, suppress(OSError):
        while True:
            file.write(b"0" * 65_536)
            file.flush()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a disk: run as root")
async def test_while_the_databases_disk_is_full_events_are_taken_and_messages_only_come_later(
    tmp_path: Path, kafka: KafkaServer
) -> None:
    with room("disk") as (place,), small_disk(place) as disk, postgres_server(_within(disk)) as postgres:
        async with shop(tmp_path, kafka, "disk", postgres.create("shop")) as (made, shopper):
            await shopper.leaves_a_cart("ann")
            await made.until_arrived({"ann"})
            fill(disk / "ballast")
            for number in range(200):
                await shopper.leaves_a_cart(f"b{number}")
            with suppress(TimeoutError):
                # It may give up, or refuse what needs room; the rule waits for 3 s.
                await until(lambda: gone(postgres), 5)
            assert len(made.mailbox.came) == 1, "the disk is full, and messages leave"
            (disk / "ballast").unlink()
            if not postgres.runs:
                await asyncio.to_thread(postgres.start)
            await made.until_arrived({f"b{number}" for number in range(200)})
            assert set(made.mailbox.came.values()) == {1}


def _within(disk: Path) -> Path:
    folder = disk / "postgres"
    folder.mkdir(mode=0o755)
    return folder


async def gone(postgres: PostgresServer) -> bool:
    return not postgres.runs
