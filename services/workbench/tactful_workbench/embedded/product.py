"""The embedded size: everything in one process over one SQLite file. The composition root of `dev` and `serve all`."""

from __future__ import annotations

import secrets as random_source
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

from tactful.channels import DESK
from tactful.clock import Clock, WallClock
from tactful.erasure import Graves
from tactful.errors import SettingsError
from tactful.keys import Key
from tactful.log.sqlite import SqliteLog
from tactful.plugins import load_plugins
from tactful.settings import Settings, Shop
from tactful.sqlite import Database
from tactful_dispatch.channels import Adapter
from tactful_dispatch.channels.inbox import InboxAdapter
from tactful_dispatch.channels.sqlite_shelf import SqliteShelf
from tactful_dispatch.content import Content
from tactful_dispatch.desk.correspondence import Correspondence
from tactful_dispatch.desk.reception import Reception
from tactful_dispatch.links import Links
from tactful_dispatch.live import LiveDispatch
from tactful_dispatch.sending.attempt import Attempts
from tactful_dispatch.state.addresses import AddressBook
from tactful_dispatch.store.sqlite import SqliteDispatchStore
from tactful_dispatch.worker import DispatchWorker
from tactful_ingest.door import Door, unshifted
from tactful_trigger.guarding import Guard
from tactful_trigger.live import LiveTrigger
from tactful_trigger.projections import SHIPPED
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.runs.replay import Watch
from tactful_trigger.store.sqlite import SqliteTriggerStore
from tactful_trigger.watch import SignalWatch
from tactful_trigger.worker import TriggerWorker
from tactful_workbench.doctor.findings import Finding
from tactful_workbench.embedded.condition import file_findings
from tactful_workbench.embedded.devclock import DevClock
from tactful_workbench.embedded.stand import Stand, stop_if_restored
from tactful_workbench.keyring import Keys
from tactful_workbench.keyring.sqlite import SqliteKeyTable
from tactful_workbench.operating.conducting import Conductor
from tactful_workbench.operating.notebook import Notebook
from tactful_workbench.operating.personal import Personal
from tactful_workbench.operating.readings import Readings
from tactful_workbench.operating.ruletelling import RuleTelling
from tactful_workbench.operating.stopping import RedButton
from tactful_workbench.operating.story import Story
from tactful_workbench.operating.suppressions import Suppressions
from tactful_workbench.process.running import Running
from tactful_workbench.settings.file import DEV, DEV_MARK, SHOP, SettingsFile, text_of
from tactful_workbench.shop.adapters import shop_adapters
from tactful_workbench.shop.content_root import open_content
from tactful_workbench.shop.secrets import ADDRESS_KEY, ADMIN_TOKEN, ERASURE_KEY, LINK_KEY, WEBHOOK_KEY, secret
from tactful_workbench.virtual.driver import Ordinals, VirtualTime

PARTITIONS: Final = 4
SLICE: Final = 200  # records: the door shares this process, and waits while a slice is computed
# Whoever holds the lock on the file owns every partition: the lease of a process that was killed is ours at once.
OWNER: Final = "holder of the file"
DEV_KEYS: Final = (("dev_server", Key("dev_server", "server")), ("dev_browser", Key("dev_browser", "browser")))


@dataclass(frozen=True, slots=True)
class Plan:
    """What a command wants to open."""

    data: Path
    dev: bool = False
    rules: Path | None = None
    templates: Path | None = None
    start: int | None = None  # dev: where the clock of a new file begins
    smtp: str = ""
    sms: str = ""
    public_url: str = ""
    command: bool = False  # sends nothing, and so goes on where settings or templates are broken
    disposable: bool = False  # the data can be made again: fast rather than durable

    @property
    def file(self) -> Path:
        """The database."""
        return self.data / _name(self.dev)

    def delete(self) -> None:
        """The database, and who was erased in it; settings and secrets stay. Nobody may have it open."""
        name = self.file.name
        for each in (name, f"{name}-wal", f"{name}-shm", f"{name}.lock", "erasures"):
            (self.data / each).unlink(missing_ok=True)

    def refuse_the_other(self) -> None:
        """A shop, a development and many machines share no folder: commands would meet either, dev's settings write to everybody,
        and a shop of many machines would begin anew, with nobody in it. Raises SettingsError."""
        if (other := self.data / _name(not self.dev)).exists():
            whose = "a shop" if self.dev else "`tactful dev`"
            raise SettingsError(
                f"{other} is the database of {whose}; choose another folder with --data, or move away what is not needed"
            )
        if self.file.exists():
            return
        if (token := self.data / "secrets" / ADMIN_TOKEN).exists():
            raise SettingsError(
                f"{token} is of many machines (`tactful serve ingest|trigger|dispatch|console`), and an empty shop would begin here "
                "beside theirs; choose another folder with --data, or move it away"
            )
        settings = self.data / "settings.toml"
        if not self.dev and settings.exists() and text_of(settings).startswith(DEV_MARK):
            raise SettingsError(
                f"{settings} is of `tactful dev` and writes to everybody; choose another folder with --data, or move it away"
            )


def _name(dev: bool) -> str:
    return "dev.db" if dev else "tactful.db"


class Stores(NamedTuple):
    """What the one file holds, each part with its tables up to date, and the clock by which the log stamps."""

    database: Database
    clock: Clock
    dev_clock: DevClock | None  # the same one, in dev
    log: SqliteLog
    trigger: SqliteTriggerStore
    dispatch: SqliteDispatchStore
    shelf: SqliteShelf
    keys: SqliteKeyTable
    notebook: Notebook


class Product:
    """Everything, put together. Whoever holds it starts `running` and serves the applications.

    Implements `tactful_workbench.admin.deployment.Deployment` and `tactful_workbench.process.housekeeping.LogKeeper`.
    """

    def __init__(
        self,
        plan: Plan,
        stores: Stores,
        content: Content,
        watch: Watch,
        adapters: Mapping[str, Adapter] | None,
        stand: Stand | None,
    ) -> None:
        """`adapters` by channel take the place of the plan's own. Raises SettingsError."""
        self.plan, self.templates, self.writes_to_people = plan, plan.templates, not plan.dev
        self.database, self.dev_clock, self.shelf = stores.database, stores.dev_clock, stores.shelf
        self.clock, self.log, self.trigger, self.dispatch = stores.clock, stores.log, stores.trigger, stores.dispatch
        clock, log, trigger, dispatch = self.clock, self.log, self.trigger, self.dispatch
        self.loaded = load_plugins(plan.rules).beside(SHIPPED)
        self.book = book = Rulebook(self.loaded.rules, self.loaded.projections)
        self.settings = SettingsFile(plan.data, DEV if plan.dev else SHOP, lambda: self.loaded.rules)
        self.token = random_source.token_urlsafe(24)
        self.keys = Keys(stores.keys, [*(DEV_KEYS if plan.dev else ()), (self.token, Key("command-line", "server"))])
        client_time = unshifted if self.dev_clock is None else self.dev_clock.client_time
        self.door = Door(log, self.keys, clock, lambda: self.settings.latest.shop.currency, client_time)

        graves, addresses = Graves(self._secret(ERASURE_KEY)), AddressBook(self._secret(ADDRESS_KEY))
        self.links, adapters = Links(self.public_url, self._secret(LINK_KEY)), adapters or self._adapters()
        attempts = Attempts(dispatch, adapters, content, self.links, addresses, clock, time.monotonic)
        self.trigger_worker = TriggerWorker(
            log, trigger, book, clock, OWNER, graves=graves, watch=watch, slice_limit=SLICE
        )
        self.dispatch_worker = DispatchWorker(
            log, dispatch, attempts, addresses, clock, OWNER, graves=graves, copies=self.shelf, slice_limit=SLICE
        )
        live = LiveDispatch(self.dispatch_worker, log, clock)
        self.running = Running(
            LiveTrigger(self.trigger_worker, log, clock, Guard(log, trigger, clock)),
            live,
            *([stand] if stand is not None else []),
            arrivals=lambda: self.door.flight.entered,
        )

        self.desk = Reception(dispatch, addresses, graves, clock, log, live.nudge)
        self.suppressions = Suppressions(log, dispatch, addresses, clock)
        self.correspondence = Correspondence(dispatch, addresses, self.desk, clock)
        self.personal = Personal(
            log, trigger, dispatch, book, graves, stores.notebook, clock, self.settings_now, addresses
        )
        self.button = RedButton(log, dispatch, clock)
        self.conductor = Conductor(log, trigger, book, clock)
        self.ruletelling = RuleTelling(self.loaded, self.conductor, self.settings_now, clock)
        self.story = Story(trigger, dispatch, book, addresses, PARTITIONS)
        self.readings = None if plan.dev else Readings(log, clock)  # in dev everybody is a developer

    @cached_property
    def time(self) -> VirtualTime:
        """Moves `dev_clock` on, in dev alone; hold `running.floor` meanwhile."""
        assert self.dev_clock is not None, "only `tactful dev` has a clock to move"
        return VirtualTime(Ordinals(self.log), self.dev_clock, (self.trigger_worker, self.dispatch_worker))

    def public_url(self) -> str:
        """The address under which customers' pages are reached, as of now."""
        return self.plan.public_url or self.settings.latest.shop.public_url

    def settings_now(self) -> Settings:
        """As they were told last, with the address under which this process is reached; in dev, the sample shop's too."""
        settings, here = self.settings.latest, self.public_url()
        own = {"public_url": here}
        if self.plan.dev and "url" not in settings.shop.model_fields_set:
            own["url"] = f"{here}/shop"
        return settings.model_copy(update={"shop": settings.shop.model_copy(update=own)})

    def shop(self) -> Shop:
        """As of now."""
        return self.settings_now().shop

    async def ground_findings(self) -> list[Finding]:
        """As `tactful_workbench.doctor.findings.Patient`."""
        return file_findings(self.plan.file)

    def _secret(self, name: str) -> bytes:
        return secret(self.plan.data, name)

    def _adapters(self) -> Mapping[str, Adapter]:
        """In dev the inbox stands for every channel; a shop has what it has configured."""
        if self.plan.dev:
            return dict.fromkeys(("email", "sms", "push", "webhook", DESK), InboxAdapter(self.shelf, self.clock))
        return shop_adapters(self.plan.smtp, self.plan.sms, self._secret(WEBHOOK_KEY), self.clock, self.public_url)


@asynccontextmanager
async def opened(plan: Plan, adapters: Mapping[str, Adapter] | None = None) -> AsyncIterator[Product]:
    """Open the file and put everything over it; `adapters` by channel take the place of the plan's own. A file that was restored
    erases again whom it has brought back, and sends nothing before an operator has looked.

    Raises StoreLocked, StoreTooNew, SettingsError.
    """
    plan.refuse_the_other()
    async with AsyncExitStack() as stack:
        database = await Database.open(plan.file, disposable=plan.disposable)
        stack.push_async_callback(database.close)
        await _keep_secrets(plan, database)
        watch = stack.enter_context(SignalWatch())
        stores = await _stores(plan, database)
        stand = None if plan.dev else await Stand.open(plan.data, stores.log, database, stores.clock)
        product = Product(
            plan, stores, await open_content(None if plan.command else plan.templates, stack), watch, adapters, stand
        )
        await product.settings.begin(product.log, product.clock, product.trigger, believing=plan.command)
        await product.personal.erase_again()
        if stand is not None:
            await stop_if_restored(stand, product.button, product.settings.latest.shop)
            stack.push_async_callback(stand.keep)
        stack.push_async_callback(product.trigger_worker.steps.stop)
        yield product


async def _keep_secrets(plan: Plan, database: Database) -> None:
    """A shop's database is older than none of them, and must not be used without them. Raises SettingsError."""
    folder = plan.data / "secrets"
    lost = [name for name in (ADDRESS_KEY, LINK_KEY) if not plan.dev and not (folder / name).exists()]
    if lost and await database.read(lambda db: db.execute("SELECT 1 FROM sqlite_master").fetchone()):
        raise SettingsError(
            f"{folder} lacks {' and '.join(lost)}: suppressed addresses would be forgotten, and links that were sent be dead. "
            f"Put the folder back from the back-up; if it is lost, `tactful keys secrets --data {plan.data}` makes new ones"
        )
    for name in lost:
        secret(plan.data, name)


async def _stores(plan: Plan, database: Database) -> Stores:
    """Raises StoreTooNew."""
    wall = WallClock()
    dev_clock = await DevClock.open(database, wall, plan.start) if plan.dev else None
    clock: Clock = dev_clock or wall
    log = await SqliteLog.open(database, PARTITIONS, clock)
    if dev_clock is not None:
        dev_clock.forward_to(log.opened_at)  # killed while time was moved on, it had not been kept
    return Stores(
        database,
        clock,
        dev_clock,
        log,
        await SqliteTriggerStore.open(database),
        await SqliteDispatchStore.open(database, PARTITIONS, lambda: random_source.token_bytes(16)),
        await SqliteShelf.open(database),
        await SqliteKeyTable.open(database),
        await Notebook.open(plan.data, database),
    )
