"""Where the brokers are and how to speak to them, from one URL; and the clients, with every default that matters set.

What aiokafka would choose by itself (one acknowledgement, no idempotence, automatic commits, `latest`) loses records, so
nothing is left to it: https://aiokafka.readthedocs.io/en/stable/api.html
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import create_conn
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)

from tactful.errors import LogUnavailable, SettingsError

C = TypeVar("C", AIOKafkaProducer, AIOKafkaConsumer)

SHAPE: Final = "kafka://USER:PASSWORD@host:9092,host2:9092?tls=true&sasl=SCRAM-SHA-512&ca=FILE&prefix=tactful-"
BATCH: Final = 900_000  # bytes of one batch: below `message.max.bytes` of a broker as it ships (1,048,588)
TRACEPARENT: Final = "traceparent"  # the header of a record that names a span (W3C Trace Context)
OURS: Final = b""  # the key of a record whose partition we computed; a foreign producer has none, or the customer's id
REQUEST: Final = 10_000  # ms
ENDING: Final = 10.0  # seconds that a client may take to say goodbye
_SASL: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_STRANGER: Final = (SaslAuthenticationFailed, UnsupportedSaslMechanismError, IllegalSaslStateError)
_NO_RIGHT: Final = (TopicAuthorizationFailedError, GroupAuthorizationFailedError, ClusterAuthorizationFailedError)
_KNOWN: Final = {"tls", "sasl", "ca", "prefix"}
_WRONG: Final = f"the Kafka URL must look like {SHAPE}; sasl is one of {', '.join(_SASL)}"


@dataclass(frozen=True, slots=True)
class Broker:
    """One cluster. The password never shows in a repr."""

    servers: tuple[str, ...]
    prefix: str = "tactful-"
    user: str = ""
    password: str = field(default="", repr=False)
    sasl: str = ""
    tls: bool = False
    ca: str = ""  # a file of certificates to trust in place of the system's

    def topic(self, topic: str) -> str:
        """A topic's name at the broker."""
        return f"{self.prefix}{topic}"

    def producer(self) -> AIOKafkaProducer:
        """Idempotent, `acks=all`. Call inside the running loop."""
        return AIOKafkaProducer(
            **self._common, acks="all", enable_idempotence=True, max_batch_size=BATCH, max_request_size=BATCH + 100_000
        )

    def consumer(self, group: str | None = None) -> AIOKafkaConsumer:
        """Bytes only, nothing automatic: positions come from the store. `group` only names committed offsets. Call inside the
        running loop."""
        return AIOKafkaConsumer(
            **self._common,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            fetch_max_wait_ms=500,
            max_partition_fetch_bytes=4 * 1024 * 1024,
            check_crcs=True,
        )

    def admin(self) -> AIOKafkaAdminClient:
        """For setting topics up. Call inside the running loop."""
        return AIOKafkaAdminClient(**self._common)

    async def started(self, client: C) -> C:
        """One of these clients, once it has found the cluster. Raises LogUnavailable if no broker answers."""
        try:
            await client.start()
        except (KafkaError, OSError) as error:
            await client.stop()
            raise self.away(error) from error
        return client

    def away(self, error: Exception) -> LogUnavailable:
        """What an error says to somebody who can wait. A broker that wants TLS or a password hangs up without a word."""
        asked = f"{'with' if self.tls else 'without'} tls and {'with' if self.sasl else 'without'} sasl"
        return unavailable(f"no broker answers at {', '.join(self.servers)} {asked}", error)

    async def refusal(self, error: Exception) -> SettingsError | None:
        """What has to be mended before we are let in, if it is that and nobody is merely away."""
        if isinstance(error, _NO_RIGHT):
            return SettingsError(
                f"Kafka: {error}; grant the user of the Kafka URL the right, see docs/how-to/many-machines.md"
            )
        for server in self.servers:
            host, _, port = server.rpartition(":")
            try:
                connection = await create_conn(host.strip("[]"), int(port), **self._access)
            except _STRANGER as stranger:
                return SettingsError(f"Kafka at {server} does not let us in: {stranger}; check user, password and sasl")
            except ssl.SSLCertVerificationError as untrusted:
                return SettingsError(
                    f"Kafka at {server} shows a certificate that we do not trust: {untrusted.verify_message}; where "
                    "your own authority has signed it, name the file with that one's certificate in the Kafka URL: ca=FILE"
                )
            except (KafkaError, OSError, TimeoutError):
                continue
            connection.close()
        return None

    @staticmethod
    async def ended(client: AIOKafkaConsumer) -> None:
        """Whatever becomes of it: while a fetch waits for its broker, aiokafka lets the cancellation of that out of `stop`, as if
        it were ours."""
        with suppress(TimeoutError):
            async with asyncio.timeout(ENDING):
                await asyncio.gather(client.stop(), return_exceptions=True)

    @property
    def _common(self) -> dict[str, Any]:
        return {**self._access, "bootstrap_servers": list(self.servers), "metadata_max_age_ms": 30_000}

    @property
    def _access(self) -> dict[str, Any]:
        protocol = ("SASL_" if self.sasl else "") + ("SSL" if self.tls else "PLAINTEXT")
        given: dict[str, Any] = {"client_id": "tactful", "request_timeout_ms": REQUEST, "security_protocol": protocol}
        if self.tls:
            given["ssl_context"] = ssl.create_default_context(cafile=self.ca or None)
        if self.sasl:
            given |= {
                "sasl_mechanism": self.sasl,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password,
            }
        return given


def unavailable(what: str, error: Exception) -> LogUnavailable:
    """For whoever can wait: what was not to be had of Kafka, and why."""
    return LogUnavailable(f"{what}: {type(error).__name__}: {error}")


def broker(url: str) -> Broker:
    """Read a URL. Raises SettingsError without repeating it, since it may hold a password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise SettingsError(_WRONG) from None
    options = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    credentials, _, hosts = parts.netloc.rpartition("@")
    servers = tuple(_server(host) for host in hosts.split(",") if host)
    user, _, password = credentials.partition(":")
    sasl = options.get("sasl") or ("SCRAM-SHA-512" if credentials else "")
    tls = options.get("tls", "false")
    if parts.scheme != "kafka" or not servers or options.keys() - _KNOWN or (sasl and sasl not in _SASL):
        raise SettingsError(_WRONG)
    if tls not in ("true", "false"):
        raise SettingsError("in the Kafka URL tls is true or false; anything else would be sent in the clear")
    if bool(sasl) != bool(credentials):
        raise SettingsError("the Kafka URL names a user without sasl, or sasl without a user; give both or neither")
    prefix, ca = options.get("prefix") or "tactful-", options.get("ca", "")
    if ca:
        _refuse_authority(ca, tls == "true")
    return Broker(servers, prefix, unquote(user), unquote(password), sasl, tls == "true", ca)


def _refuse_authority(ca: str, tls: bool) -> None:
    if not tls:
        raise SettingsError("the Kafka URL names certificates to trust without tls=true")
    try:
        ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise SettingsError(f"the Kafka URL trusts {ca}, which is no file of certificates: {error}") from None


def _server(host: str) -> str:
    if ":" not in host or host.endswith("]"):
        return f"{host}:9092"
    port = host.rpartition(":")[2]
    if not port.isdecimal() or not 0 < int(port) < 65_536:
        raise SettingsError(f"the Kafka URL names a port that is none; {_WRONG}")
    return host
