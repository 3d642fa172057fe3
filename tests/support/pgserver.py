"""PostgreSQL for tests: the one that is installed, in a folder and on a port of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from freeports import free_port
from kafkaserver import ServersMissing

PATIENCE: Final = 60.0  # seconds; it takes two
PLACES: Final = "/usr/lib/postgresql/*/bin/postgres"


class PostgresServer:
    """One server that can be killed, frozen and started again over the same data."""

    def __init__(self, binaries: Path, folder: Path, copy_of: PostgresServer | None = None) -> None:
        """A standby that follows `copy_of`, if it is given."""
        self._bin, self._folder, self._data = binaries, folder, folder / "data"
        self.port = free_port()
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:  # the server refuses to run as root
            shutil.chown(folder, "postgres")
            self._as = {"user": "postgres", "group": "postgres", "extra_groups": []}
        self._process: subprocess.Popen[bytes] | None = None
        if copy_of is None:
            command = [str(self._bin / "initdb"), "-D", str(self._data), "-U", "tactful", "-A", "trust"]
            command += ["-E", "UTF8", "--no-sync"]
        else:
            command = [str(self._bin / "pg_basebackup"), "-D", str(self._data), "-d", copy_of.url(), "-R", "-c", "fast"]
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE, cwd=folder, **self._as)

    @property
    def socket(self) -> Path:
        """The folder that holds it."""
        return self._folder

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://tactful@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Returns once it takes connections."""
        command = [str(self._bin / "postgres"), "-D", str(self._data), "-p", str(self.port), "-k", str(self._folder)]
        command += ["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"]
        with (self._folder / "postgres.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder, **self._as)
        self._process = process
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and process.poll() is None:
            if self._psql("SELECT 1").returncode == 0:
                return
            time.sleep(0.05)
        raise RuntimeError(f"PostgreSQL did not start; see {self._folder / 'postgres.log'}")

    def create(self, database: str, copy_of: str = "template1") -> str:
        """A fresh database, or a copy of one to which nobody is connected; its URL."""
        self._psql(f"CREATE DATABASE {database} TEMPLATE {copy_of}").check_returncode()
        return self.url(database)

    def drop(self, database: str) -> None:
        self._psql(f"DROP DATABASE {database}").check_returncode()

    def stop(self, how: int = signal.SIGINT) -> None:
        """SIGINT: everybody is sent away (fast); SIGQUIT: as a crash (immediate)."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE)

    def configure(self, **settings: str) -> None:
        """Settings of the server, which is started anew with them."""
        for name, value in settings.items():
            self._psql(f"ALTER SYSTEM SET {name} = '{value}'").check_returncode()
        self.stop()
        self.start()

    def standby(self, folder: Path) -> PostgresServer:
        """A server that follows this one, which from now on waits for it at every commit."""
        made = PostgresServer(self._bin, folder, self)
        made.start()
        for statement in ("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"):
            self._psql(statement).check_returncode()
        return made

    def promote(self) -> None:
        """A standby becomes a server of its own."""
        for statement in ("ALTER SYSTEM SET synchronous_standby_names = ''", "SELECT pg_promote()"):
            self._psql(statement).check_returncode()

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the server's first process."""
        assert self._process is not None, "it has not been started"
        return self._process.pid

    def backends(self) -> list[int]:
        """Process ids of those who serve clients."""
        query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'tactful'"
        return [int(word) for word in self._psql(query, "-At").stdout.split()]

    def _psql(self, statement: str, *options: str) -> subprocess.CompletedProcess[bytes]:
        command = [str(self._bin / "psql"), "-X", "-q", *options, "-d", self.url(), "-c", statement]
        return subprocess.run(command, check=False, capture_output=True, timeout=PATIENCE, cwd=self._folder)


@contextmanager
def postgres_server(folder: Path) -> Iterator[PostgresServer]:
    """A server that runs. Raises ServersMissing."""
    server = PostgresServer(_binaries(), folder)
    server.start()
    try:
        yield server
    finally:
        server.stop(signal.SIGQUIT)  # nobody reads it again


def _binaries() -> Path:
    found = shutil.which("postgres") or next(map(str, sorted(Path("/").glob(PLACES[1:]))), None)
    if found is None:
        raise ServersMissing("postgres not found: apt-get install postgresql")
    return Path(found).resolve().parent
