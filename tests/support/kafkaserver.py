"""Apache Kafka for tests: the real broker in KRaft mode, from jars that Maven brings, on ports and in a folder of its own."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from freeports import free_port

SERVERS: Final = Path(__file__).parents[1] / "servers"
LIBS: Final = SERVERS / "libs"
NEEDED: Final = "TACTFUL_TESTS_NEED_SERVERS"
PATIENCE: Final = 60.0  # seconds; it takes two
LOGIN: Final = "org.apache.kafka.common.security.plain.PlainLoginModule"
# As quick to start as can be: a broker that lives for minutes never earns what its compiler spends.
JAVA: Final = ("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", f"{LIBS}/*")
CLUSTER: Final = "AAAAAAAAAAAAAAAAAAAAAQ"
PROPERTIES: Final = """
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=CLIENT://127.0.0.1:{port},GUARDED://127.0.0.1:{guarded},BROKER://127.0.0.1:{inner},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=CLIENT://127.0.0.1:{advertised},GUARDED://127.0.0.1:{guarded},BROKER://127.0.0.1:{inner}
controller.listener.names=CONTROLLER
inter.broker.listener.name=BROKER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,CLIENT:PLAINTEXT,GUARDED:SASL_PLAINTEXT,BROKER:PLAINTEXT
listener.name.guarded.sasl.enabled.mechanisms=PLAIN
listener.name.guarded.plain.sasl.jaas.config={login} required user_shop="right";
log.dirs={data}
offsets.topic.replication.factor={nodes}
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
"""


class ServersMissing(Exception):
    """What has to be installed, in words."""


class KafkaServer:
    """One broker that can be killed, frozen and started again over the same data."""

    def __init__(
        self, folder: Path, node: int = 1, controllers: Mapping[int, int] | None = None, advertised: int = 0
    ) -> None:
        """`controllers`: ports by node, where there are several; `advertised`: the port that clients are told, if another."""
        self._folder, self.port, self._guarded = folder, free_port(), free_port()
        controllers = controllers or {node: free_port()}
        self._properties = folder / "server.properties"
        values = {
            "node": node,
            "nodes": len(controllers),
            "voters": ",".join(f"{each}@127.0.0.1:{port}" for each, port in controllers.items()),
            "port": self.port,
            "guarded": self._guarded,
            "login": LOGIN,
            "inner": free_port(),
            "controller": controllers[node],
            "advertised": advertised or self.port,
            "data": folder / "data",
        }
        self._properties.write_text(PROPERTIES.format(**values))
        self._process: subprocess.Popen[bytes] | None = None
        self._java("kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(self._properties)).check_returncode()

    @property
    def url(self) -> str:
        """For `tactful.log.kafka.broker`."""
        return f"kafka://127.0.0.1:{self.port}"

    def guarded_url(self, password: str, sasl: str = "PLAIN") -> str:
        """The same for the user `shop`, whose password is `right`."""
        return f"kafka://shop:{password}@127.0.0.1:{self._guarded}?sasl={sasl}"

    def start(self) -> None:
        """Returns once it takes connections."""
        command = [*JAVA, "-Xmx512m", "kafka.Kafka", str(self._properties)]
        with (self._folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self._process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.1)
        raise RuntimeError(f"Kafka did not start; see {self._folder / 'broker.log'}")

    def kill(self) -> None:
        """As a loss of power."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        # Its last thread, too: on a busy machine they answer a while.
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.thaw()
            self.kill()

    def _java(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([*JAVA, *arguments], check=False, capture_output=True, timeout=PATIENCE)


@contextmanager
def kafka_server(folder: Path) -> Iterator[KafkaServer]:
    """A broker that runs. Raises ServersMissing."""
    bring_jars()
    server = KafkaServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def bring_jars() -> None:
    """Once for all workers of a test run."""
    missing = [name for name in ("java", "mvn") if shutil.which(name) is None]
    if missing:
        raise ServersMissing(f"{' and '.join(missing)} not found: apt-get install openjdk-17-jre-headless maven")
    with (SERVERS / "pom.xml").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = LIBS / "complete"
        if not done.exists():
            command = ["mvn", "-q", "-B", "-f", str(SERVERS / "pom.xml"), "dependency:copy-dependencies"]
            options = [f"-DoutputDirectory={LIBS}", "-DincludeScope=runtime"]
            subprocess.run([*command, *options], check=True, timeout=300)
            done.touch()


def servers_are_needed() -> bool:
    """Whether a missing server fails the run."""
    return os.environ.get(NEEDED) == "1"
