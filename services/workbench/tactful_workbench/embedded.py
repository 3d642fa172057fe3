"""The embedded size: everything in one process over one SQLite file. The composition root of `dev` and `serve all`."""

from __future__ import annotations

import secrets as random_source
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tactful.channels import DESK
from tactful.clock import Clock, WallClock
from tactful.erasure import Graves
from tactful.errors import SettingsError
from tactful.keys import Key, KeyRing
from tactful.log.sqlite import SqliteLog
from tactful.plugins import Loaded, load_plugins
from tactful.settings import Settings, Shop
from tactful.sqlite import Database
from tactful_dispatch.addresses import AddressBook
from tactful_dispatch.attempt import Attempts
from tactful_dispatch.channels import Adapter
from tactful_dispatch.channels.inbox import InboxAdapter
from tactful_dispatch.channels.sqlite_shelf import SqliteShelf
from tactful_dispatch.correspondence import Correspondence
from tactful_dispatch.links import Links
from tactful_dispatch.live import LiveDispatch
from tactful_dispatch.reception import Reception
from tactful_dispatch.store.sqlite import SqliteDispatchStore
from tactful_dispatch.worker import DispatchWorker
from tactful_ingest.door import Door
from tactful_trigger.guarding import Guard
from tactful_trigger.live import LiveTrigger
from tactful_trigger.projections import SHIPPED
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.store.sqlite import SqliteTriggerStore
from tactful_trigger.watch import SignalWatch
from tactful_trigger.worker import TriggerWorker
from tactful_workbench.adapters import shop_adapters
from tactful_workbench.conducting import Conductor
from tactful_workbench.content_root import open_content
from tactful_workbench.devclock import DevClock
from tactful_workbench.doctor import Finding
from tactful_workbench.embedded_condition import file_findings
from tactful_workbench.keyring import Keys
from tactful_workbench.keyring.sqlite import SqliteKeyTable
from tactful_workbench.notebook import Notebook
from tactful_workbench.personal import Personal
from tactful_workbench.readings import Readings
from tactful_workbench.ruletelling import RuleTelling
from tactful_workbench.running import Running
from tactful_workbench.secrets import ADDRESS_KEY, ERASURE_KEY, LINK_KEY, WEBHOOK_KEY, secret
from tactful_workbench.settingsfile import DEV, DEV_MARK, SHOP, SettingsFile, known_settings, text_of
from tactful_workbench.sides import TriggerSide
from tactful_workbench.stand import Stand, stop_if_restored
from tactful_workbench.stopping import RedButton
from tactful_workbench.story import Story
from tactful_workbench.virtual import Ordinals, VirtualTime

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
    disposable: bool = False  # the data can be made again: fast rather than durable

    @property
    def file(self) -> Path:
        """The database."""
        return self.data / _name(self.dev)

    def refuse_the_other(self) -> None:
        """A shop and a development share no folder: commands would meet either, and dev's settings write to everybody. Raises
        SettingsError."""
        if (other := self.data / _name(not self.dev)).exists():
            whose = "a shop" if self.dev else "`tactful dev`"
            raise SettingsError(
                f"{other} is the database of {whose}; choose another folder with --data, or move away what is not needed"
            )
        settings = self.data / "settings.toml"
        if not self.dev and not self.file.exists() and settings.exists() and text_of(settings).startswith(DEV_MARK):
            raise SettingsError(
                f"{settings} is of `tactful dev` and writes to everybody; choose another folder with --data, or move it away"
            )


def _name(dev: bool) -> str:
    return "dev.db" if dev else "tactful.db"


@dataclass(frozen=True)
class Product:
    """Everything, put together. Whoever holds it starts `running` and serves the applications."""

    plan: Plan
    database: Database
    clock: Clock
    dev_clock: DevClock | None
    start_was_used: bool
    log: SqliteLog
    keys: Keys
    loaded: Loaded
    book: Rulebook
    trigger: SqliteTriggerStore
    dispatch: SqliteDispatchStore
    trigger_worker: TriggerWorker
    dispatch_worker: DispatchWorker
    running: Running
    time: VirtualTime
    desk: Reception
    correspondence: Correspondence
    personal: Personal
    conductor: Conductor
    shelf: SqliteShelf
    links: Links
    public_url: Callable[[], str]
    settings: SettingsFile
    story: Story
    readings: Readings | None  # None in dev, where everybody is a developer
    door: Door
    token: str

    @property
    def ruletelling(self) -> RuleTelling:
        """How rules stand, as of now."""
        return RuleTelling(self.loaded, self.conductor, self.settings_now, self.clock)

    @property
    def templates(self) -> Path | None:
        """Templates of the shop's own."""
        return self.plan.templates

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
        """As `tactful_workbench.doctor.Patient`."""
        return file_findings(self.plan.file)

    @property
    def writes_to_people(self) -> bool:
        """Not in dev: there every channel is the inbox."""
        return not self.plan.dev


@asynccontextmanager
async def opened(plan: Plan, adapters: Mapping[str, Adapter] | None = None) -> AsyncIterator[Product]:
    """Open the file and put everything over it; `adapters` by channel take the place of the plan's own.

    Raises StoreLocked, StoreTooNew, SettingsError.
    """
    plan.refuse_the_other()
    async with AsyncExitStack() as stack:
        database = await Database.open(plan.file, disposable=plan.disposable)
        stack.push_async_callback(database.close)
        await _keep_secrets(plan, database)
        watch = stack.enter_context(SignalWatch())
        product = await _assemble(plan, database, watch, stack, adapters)
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


async def _assemble(
    plan: Plan,
    database: Database,
    watch: SignalWatch,
    stack: AsyncExitStack,
    adapters: Mapping[str, Adapter] | None,
) -> Product:
    wall = WallClock()
    dev_clock, used = await DevClock.open(database, wall, plan.start) if plan.dev else (None, True)
    clock: Clock = dev_clock or wall
    loaded = load_plugins(plan.rules).beside(SHIPPED)
    settings = SettingsFile(plan.data, DEV if plan.dev else SHOP, lambda: loaded.rules)
    settings.latest = settings.read()
    log = await SqliteLog.open(database, PARTITIONS, clock)
    if dev_clock is not None:
        dev_clock.forward_to(log.opened_at)  # killed while time was moved on, it had not been kept
    book = Rulebook(loaded.rules, loaded.projections)

    trigger = await SqliteTriggerStore.open(database)
    graves = Graves(secret(plan.data, ERASURE_KEY))
    trigger_worker = TriggerWorker(log, trigger, book, clock, OWNER, graves=graves, watch=watch, slice_limit=SLICE)

    addresses = AddressBook(secret(plan.data, ADDRESS_KEY))

    def public_url() -> str:
        return plan.public_url or settings.latest.shop.public_url

    links = Links(public_url, secret(plan.data, LINK_KEY))
    content = await open_content(plan.templates, stack)
    dispatch = await SqliteDispatchStore.open(database, PARTITIONS, lambda: random_source.token_bytes(16))
    shelf = await SqliteShelf.open(database)
    adapters = adapters or _adapters(plan, shelf, clock, public_url)
    attempts = Attempts(dispatch, adapters, content, links, addresses, clock, time.monotonic)
    dispatch_worker = DispatchWorker(
        log, dispatch, attempts, addresses, clock, OWNER, graves=graves, copies=shelf, slice_limit=SLICE
    )
    live = LiveDispatch(dispatch_worker, log, clock)
    desk = Reception(dispatch, addresses, graves, clock, log, live.nudge)
    personal = await _personal(plan, database, log, trigger, dispatch, book, graves, clock, settings)

    token = random_source.token_urlsafe(24)
    keys = Keys(
        await SqliteKeyTable.open(database), [*(DEV_KEYS if plan.dev else ()), (token, Key("command-line", "server"))]
    )
    await settings.tell(log, clock, await known_settings(trigger, PARTITIONS))
    ordinals = Ordinals(log)
    door = _door(log, keys, clock, settings, dev_clock)
    return Product(
        plan=plan,
        database=database,
        clock=clock,
        dev_clock=dev_clock,
        start_was_used=used,
        log=log,
        keys=keys,
        loaded=loaded,
        book=book,
        trigger=trigger,
        dispatch=dispatch,
        trigger_worker=trigger_worker,
        dispatch_worker=dispatch_worker,
        running=Running(
            LiveTrigger(trigger_worker, log, clock, Guard(log, trigger, clock)),
            live,
            *(() if plan.dev else (await _stand(plan, database, log, dispatch, clock, settings.latest.shop, stack),)),
            arrivals=lambda: door.flight.entered,
        ),
        time=VirtualTime(
            ordinals,
            dev_clock or _Unmovable(clock),
            (TriggerSide(trigger_worker, trigger), dispatch_worker),
        ),
        desk=desk,
        personal=personal,
        conductor=Conductor(log, trigger, book, clock),
        correspondence=Correspondence(dispatch, addresses, desk, clock),
        shelf=shelf,
        links=links,
        public_url=public_url,
        settings=settings,
        story=Story(trigger, dispatch, book, addresses, PARTITIONS),
        readings=None if plan.dev else Readings(log, clock),
        door=door,
        token=token,
    )


async def _personal(
    plan: Plan,
    database: Database,
    log: SqliteLog,
    trigger: SqliteTriggerStore,
    dispatch: SqliteDispatchStore,
    book: Rulebook,
    graves: Graves,
    clock: Clock,
    settings: SettingsFile,
) -> Personal:
    """A database that was restored erases again whom it has brought back."""
    notebook = await Notebook.open(plan.data, database)
    personal = Personal(log, trigger, dispatch, book, graves, notebook, clock, lambda: settings.latest)
    await personal.erase_again()
    return personal


async def _stand(
    plan: Plan,
    database: Database,
    log: SqliteLog,
    dispatch: SqliteDispatchStore,
    clock: Clock,
    shop: Shop,
    stack: AsyncExitStack,
) -> Stand:
    """A database that was restored sends nothing before an operator has looked."""
    stand = await Stand.open(plan.data, log, database, clock)
    await stop_if_restored(stand, RedButton(log, dispatch, clock), shop)
    stack.push_async_callback(stand.keep)
    return stand


def _adapters(plan: Plan, shelf: SqliteShelf, clock: Clock, public_url: Callable[[], str]) -> Mapping[str, Adapter]:
    """In dev the inbox stands for every channel; a shop has what it has configured."""
    if plan.dev:
        return dict.fromkeys(("email", "sms", "push", "webhook", DESK), InboxAdapter(shelf, clock))
    return shop_adapters(plan.smtp, plan.sms, secret(plan.data, WEBHOOK_KEY), clock, public_url)


def _door(log: SqliteLog, keys: KeyRing, clock: Clock, settings: SettingsFile, dev_clock: DevClock | None) -> Door:
    def currency() -> str:
        return settings.latest.shop.currency

    if dev_clock is None:
        return Door(log, keys, clock, currency)
    return Door(log, keys, clock, currency, client_time=dev_clock.client_time)


class _Unmovable:
    """A clock that nobody may move on: virtual time is for `tactful dev`."""

    def __init__(self, clock: Clock) -> None:
        self.now = clock.now

    def forward_to(self, instant: int) -> None:
        return None
