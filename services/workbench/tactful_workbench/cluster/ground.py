"""What every service stands on: the servers, and the settings, rules and secrets that all processes of a deployment share."""

from __future__ import annotations

import os
import secrets as random_source
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tactful.clock import Clock, WallClock
from tactful.erasure import Graves
from tactful.errors import SettingsError
from tactful.keys import Key
from tactful.log.kafka import KafkaLog, broker
from tactful.plugins import Loaded, load_plugins
from tactful.postgres import Postgres, keep_shape, opened
from tactful.postgres.leasing import DatabaseTime
from tactful.settings import Settings, Shop, settings_from_log
from tactful.telemetry import SILENT, Telemetry
from tactful_dispatch.state.addresses import AddressBook
from tactful_dispatch.store.postgres import PostgresDispatchStore
from tactful_trigger.projections import SHIPPED
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.store.postgres import PostgresTriggerStore
from tactful_trigger.store.spread import SpreadTriggerStore
from tactful_workbench.keyring import Keys
from tactful_workbench.keyring.postgres import PostgresKeyTable
from tactful_workbench.settings.file import SHOP, SettingsFile, settings_believed
from tactful_workbench.shop.secrets import ADDRESS_KEY, ADMIN_TOKEN, ERASURE_KEY, shared_secret


@dataclass(frozen=True, slots=True)
class Site:
    """Where the servers are, and what a service of the deployment is given."""

    kafka: str
    postgres: str  # or several, see `tactful.postgres.several`
    data: Path  # settings.toml and secrets
    rules: Path | None = None
    templates: Path | None = None
    smtp: str = ""
    sms: str = ""
    command: bool = False  # goes on where settings are broken


class Ground:
    """Servers that are reached, stores over them, settings, rules, keys."""

    def __init__(self, site: Site, log: KafkaLog, databases: Sequence[Postgres], telemetry: Telemetry) -> None:
        self.site, self.log, self.databases, self.database = site, log, databases, databases[0]
        self.telemetry = telemetry
        self.clock: Clock = WallClock()
        # By which leases are counted, and what people say is dated: a machine whose own clock is wrong would put an opt-out before
        # the grant that it takes back.
        self.time = DatabaseTime(self.database)
        self.trigger = SpreadTriggerStore([PostgresTriggerStore(database) for database in databases])
        self.dispatch = PostgresDispatchStore(self.database, log.partitions, lambda: random_source.token_bytes(16))
        self.settings = SettingsFile(site.data, SHOP, lambda: self.loaded.rules)
        if not site.command:
            self.settings.latest = self.settings.read()
        self.owner = f"{socket.gethostname()}-{os.getpid()}-{random_source.token_hex(4)}"

    async def believe(self) -> None:
        """For a command: the settings of the file, or where it is wrong what was told last. Raises SettingsError if nothing was."""
        try:
            self.settings.latest = self.settings.read()
        except SettingsError:
            if not (believed := await settings_believed(self.trigger, self.log.partitions)):
                raise
            self.settings.latest = settings_from_log(believed)

    @cached_property
    def loaded(self) -> Loaded:
        return load_plugins(self.site.rules).beside(SHIPPED)

    @cached_property
    def book(self) -> Rulebook:
        return Rulebook(self.loaded.rules, self.loaded.projections)

    @cached_property
    def token(self) -> str:
        return self.secret(ADMIN_TOKEN).hex()

    @cached_property
    def keys(self) -> Keys:
        return Keys(PostgresKeyTable(self.database), [(self.token, Key("command-line", "server"))])

    @cached_property
    def addresses(self) -> AddressBook:
        return AddressBook(self.secret(ADDRESS_KEY))

    @cached_property
    def graves(self) -> Graves:
        return Graves(self.secret(ERASURE_KEY))

    def settings_now(self) -> Settings:
        """What the settings file says now, since another process may have changed it. What it says to rules is checked by those
        processes alone that have loaded the rules."""
        return self.settings.as_saved(self.loaded.rules if "loaded" in vars(self) else ())

    def public_url(self) -> str:
        return self.settings_now().shop.public_url

    def shop(self) -> Shop:
        return self.settings_now().shop

    def secret(self, name: str) -> bytes:
        """One of the secrets that the deployment shares. Raises SettingsError."""
        return shared_secret(self.site.data, name)


@asynccontextmanager
async def ground(site: Site, telemetry: Telemetry = SILENT) -> AsyncIterator[Ground]:
    """Raises SettingsError, StoreTooNew, LogUnavailable or StoreUnavailable, naming what is missing."""
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(KafkaLog.open(broker(site.kafka), telemetry=telemetry))
        databases = await stack.enter_async_context(opened(site.postgres))
        await keep_shape(databases[0], log.partitions)
        here = Ground(site, log, databases, telemetry)
        await here.time.look()
        if site.command:
            await here.believe()
        yield here
