"""The size for one machine or many: Kafka and PostgreSQL, each service a process. The composition root of `serve
ingest|trigger|dispatch|console`."""

from __future__ import annotations

import os
import secrets as random_source
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from fastapi import FastAPI

from tactful.clock import Clock, WallClock
from tactful.erasure import Graves
from tactful.errors import TactfulError
from tactful.keys import Key
from tactful.log.kafka import KafkaHints, KafkaLog, broker
from tactful.plugins import Loaded, load_rules
from tactful.postgres import Postgres, opened
from tactful.records import DISPATCH
from tactful.settings import Settings, Shop
from tactful_console.app import create_console
from tactful_dispatch.addresses import AddressBook
from tactful_dispatch.attempt import Attempts
from tactful_dispatch.channels.smsgateway import sms_gateway
from tactful_dispatch.correspondence import Correspondence
from tactful_dispatch.inbound import create_contact, create_inbound, create_sms
from tactful_dispatch.links import Links
from tactful_dispatch.live import LiveDispatch
from tactful_dispatch.public import create_public
from tactful_dispatch.reception import Reception
from tactful_dispatch.store.postgres import PostgresDispatchStore
from tactful_dispatch.worker import DispatchWorker
from tactful_ingest.app import create_app
from tactful_ingest.door import Door
from tactful_trigger.live import LiveTrigger
from tactful_trigger.projections import SHIPPED
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.store.postgres import PostgresTriggerStore
from tactful_trigger.store.spread import SpreadTriggerStore
from tactful_trigger.watch import SignalWatch
from tactful_trigger.worker import TriggerWorker
from tactful_workbench.adapters import shop_adapters
from tactful_workbench.admin import admin_router, told_as_json
from tactful_workbench.cluster_condition import server_findings
from tactful_workbench.conducting import Conductor
from tactful_workbench.content_root import open_content
from tactful_workbench.doctor import Finding
from tactful_workbench.housekeeping import Chore, forget_history
from tactful_workbench.keyring import Keys, PostgresKeyTable
from tactful_workbench.personal import LogRemembers, Personal
from tactful_workbench.running import Alive
from tactful_workbench.secrets import ADDRESS_KEY, ADMIN_TOKEN, ERASURE_KEY, LINK_KEY, WEBHOOK_KEY, shared_secret
from tactful_workbench.settingsfile import SHOP, SettingsFile
from tactful_workbench.story import Story


@dataclass(frozen=True, slots=True)
class Site:
    """Where the servers are, and what every service of the deployment is given alike."""

    kafka: str
    postgres: str  # or several, see `tactful.postgres.several`
    data: Path  # settings.toml and secrets
    rules: Path | None = None
    templates: Path | None = None
    smtp: str = ""
    sms: str = ""


class Ground:
    """What every service stands on. Implements `tactful_workbench.admin.Deployment`."""

    def __init__(self, site: Site, log: KafkaLog, databases: Sequence[Postgres]) -> None:
        self.site, self.log, self.databases, self.database = site, log, databases, databases[0]
        self.clock: Clock = WallClock()
        self.trigger = SpreadTriggerStore([PostgresTriggerStore(database) for database in databases])
        self.dispatch = PostgresDispatchStore(self.database, log.partitions, lambda: random_source.token_bytes(16))
        self.settings = SettingsFile(site.data, SHOP)
        self.settings.latest = self.settings.read()
        self.loaded: Loaded = load_rules(site.rules).with_projections({projection.name for projection in SHIPPED})
        self.book = Rulebook(self.loaded.rules, SHIPPED)
        self.owner = f"{socket.gethostname()}-{os.getpid()}-{random_source.token_hex(4)}"

    @cached_property
    def token(self) -> str:
        return self._secret(ADMIN_TOKEN).hex()

    @cached_property
    def keys(self) -> Keys:
        return Keys(PostgresKeyTable(self.database), [(self.token, Key("command-line", "server"))])

    @cached_property
    def graves(self) -> Graves:
        return Graves(self._secret(ERASURE_KEY))

    @cached_property
    def addresses(self) -> AddressBook:
        return AddressBook(self._secret(ADDRESS_KEY))

    @cached_property
    def links(self) -> Links:
        return Links(self.public_url, self._secret(LINK_KEY))

    @cached_property
    def webhook_key(self) -> bytes:
        return self._secret(WEBHOOK_KEY)

    @cached_property
    def desk(self) -> Reception:
        return self.desk_for(lambda: None)

    def desk_for(self, changed: Callable[[], None]) -> Reception:
        """`changed` is told that there is something to send."""
        return Reception(self.dispatch, self.addresses, self.graves, self.clock, self.log.partitions, changed)

    @cached_property
    def personal(self) -> Personal:
        return Personal(
            self.log,
            self.trigger,
            self.dispatch,
            self.book,
            self.graves,
            LogRemembers(),
            self.clock,
            lambda: self.settings.latest,
        )

    @cached_property
    def conductor(self) -> Conductor:
        return Conductor(self.log, self.trigger, self.book, self.clock)

    @cached_property
    def story(self) -> Story:
        return Story(self.trigger, self.dispatch, self.book, self.log.partitions)

    @property
    def templates(self) -> Path | None:
        """Templates of the shop's own."""
        return self.site.templates

    @property
    def writes_to_people(self) -> bool:
        """As `tactful_workbench.doctor.Patient`."""
        return True

    def settings_now(self) -> Settings:
        """As the file says."""
        return self.settings.latest

    async def ground_findings(self) -> list[Finding]:
        """As `tactful_workbench.doctor.Patient`."""
        return await server_findings(broker(self.site.kafka), self.databases, self.log.partitions)

    def public_url(self) -> str:
        return self.settings.latest.shop.public_url

    def shop(self) -> Shop:
        return self.settings.latest.shop

    def _secret(self, name: str) -> bytes:
        return shared_secret(self.site.data, name)


@dataclass(frozen=True)
class Service:
    """One process: an application that listens, and what goes on beside it."""

    app: FastAPI
    alive: tuple[Alive, ...] = ()
    workers: tuple[TriggerWorker | DispatchWorker, ...] = ()
    chores: Mapping[str, Chore] = field(default_factory=dict)  # now and every hour
    answers: Counter[int] = field(default_factory=Counter)  # HTTP statuses


@asynccontextmanager
async def ground(site: Site) -> AsyncIterator[Ground]:
    """Raises SettingsError, StoreTooNew, LogUnavailable or StoreUnavailable, naming what is missing."""
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(KafkaLog.open(broker(site.kafka)))
        yield Ground(site, log, await stack.enter_async_context(opened(site.postgres)))


@asynccontextmanager
async def service(name: str, here: Ground) -> AsyncIterator[Service]:
    """`ingest`, `trigger`, `dispatch` or `console`."""
    async with AsyncExitStack() as stack:
        if name == "ingest":
            yield Service(create_app(door_of(here)))
        elif name == "trigger":
            yield _trigger(here, stack.enter_context(SignalWatch()))
        elif name == "dispatch":
            yield await _dispatch(here, stack)
        elif name == "console":
            yield Service(_console(here))
        else:
            raise TactfulError(f"there is no service {name}")


def door_of(here: Ground) -> Door:
    """Where events come in."""
    return Door(here.log, here.keys, here.clock, here.shop().currency)


def _trigger(here: Ground, watch: SignalWatch) -> Service:
    worker = TriggerWorker(here.log, here.trigger, here.book, here.clock, here.owner, graves=here.graves, watch=watch)
    live = LiveTrigger(worker, here.log, here.trigger, here.clock)
    return Service(_app(), (live,), (worker,), {"history": lambda: forget_history(here)})


async def _dispatch(here: Ground, stack: AsyncExitStack) -> Service:
    content = await open_content(here.site.templates, stack)
    adapters = shop_adapters(here.site.smtp, here.site.sms, here.webhook_key, here.clock, here.public_url)
    attempts = Attempts(here.dispatch, adapters, content, here.links, here.addresses, here.clock, time.monotonic)
    hints = await stack.enter_async_context(KafkaHints.open(broker(here.site.kafka), DISPATCH, here.log.partitions))
    worker = DispatchWorker(
        here.log,
        here.dispatch,
        attempts,
        here.addresses,
        here.clock,
        here.owner,
        graves=here.graves,
        hints=hints,
    )
    live = LiveDispatch(worker, here.log, here.clock)
    desk, app = here.desk_for(live.nudge), _app()
    app.include_router(create_public(desk, here.personal, here.links, here.clock, here.shop))
    app.include_router(create_inbound(desk, here.keys))
    app.include_router(create_contact(desk, here.keys))
    if here.site.sms:
        correspondence = Correspondence(here.dispatch, here.addresses, desk, here.clock)
        gateway = sms_gateway(here.site.sms)
        app.include_router(create_sms(desk, correspondence, gateway, here.public_url, here.shop))
    return Service(app, (live,), (worker,))


def _console(here: Ground) -> FastAPI:
    app = _app()
    app.include_router(admin_router(here))
    app.include_router(create_console(here.story, here.clock, here.shop))
    return app


def _app() -> FastAPI:
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    app.add_exception_handler(TactfulError, told_as_json)
    return app
