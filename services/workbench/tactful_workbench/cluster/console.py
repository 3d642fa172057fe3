"""`tactful serve console`, and what commands talk to without one."""

from __future__ import annotations

from contextlib import AsyncExitStack

from tactful.clock import Clock
from tactful.durations import milliseconds
from tactful.log import Log
from tactful.log.kafka import broker
from tactful.plugins import Loaded
from tactful.settings import Settings
from tactful_console.app import create_console
from tactful_dispatch.links import Links
from tactful_dispatch.store import DispatchStore
from tactful_trigger.store import TriggerStore
from tactful_workbench.admin import admin_app
from tactful_workbench.cluster.condition import server_findings
from tactful_workbench.cluster.ground import Ground
from tactful_workbench.cluster.people import desk, personal
from tactful_workbench.cluster.probes import probed
from tactful_workbench.cluster.service import Service
from tactful_workbench.conducting import Conductor
from tactful_workbench.doctor import Finding
from tactful_workbench.keyring import Keys
from tactful_workbench.readings import Readings
from tactful_workbench.ruletelling import RuleTelling
from tactful_workbench.secrets import LINK_KEY
from tactful_workbench.settingsfile import SettingsFile
from tactful_workbench.stopping import RedButton
from tactful_workbench.story import Story
from tactful_workbench.suppressions import Suppressions


class Headquarters:
    """What operators look at and change. Implements `tactful_workbench.admin.Deployment`."""

    def __init__(self, here: Ground) -> None:
        self._here = here
        self.clock: Clock = here.clock
        self.log: Log = here.log
        self.trigger: TriggerStore = here.trigger
        self.dispatch: DispatchStore = here.dispatch
        self.keys: Keys = here.keys
        self.token: str = here.token
        self.settings: SettingsFile = here.settings
        self.loaded: Loaded = here.loaded
        templates = here.site.templates  # beside a service they may not be, and dispatch has them all the same
        self.templates = templates if templates is not None and templates.is_dir() else None
        self.writes_to_people = True
        self.desk = desk(here, lambda: None)
        self.suppressions = Suppressions(here.log, here.dispatch, here.addresses, here.clock)
        self.personal = personal(here)
        self.button = RedButton(here.log, here.dispatch, here.clock)
        self.conductor = Conductor(here.log, here.trigger, here.book, here.clock)
        self.ruletelling = RuleTelling(here.loaded, self.conductor, here.settings_now, here.clock)
        self.story = Story(here.trigger, here.dispatch, here.book, here.addresses, here.log.partitions)
        self.readings: Readings | None = Readings(here.log, here.clock)

    @property
    def links(self) -> Links:
        """As dispatch makes them. Raises SettingsError."""
        return Links(self._here.public_url, self._here.secret(LINK_KEY))

    def settings_now(self) -> Settings:
        return self._here.settings_now()

    async def ground_findings(self) -> list[Finding]:
        here = self._here
        promised = milliseconds(self.settings_now().log.retention)
        return await server_findings(broker(here.site.kafka), here.databases, here.log.partitions, promised)


async def service(here: Ground, stack: AsyncExitStack) -> Service:
    """Pages for operators, and the routes behind the command line."""
    headquarters = Headquarters(here)
    app = admin_app(headquarters)
    app.include_router(
        create_console(
            headquarters.story,
            headquarters.ruletelling,
            headquarters.button,
            here.clock,
            here.shop,
            here.keys,
            headquarters.readings,
        )
    )
    return Service(probed(app, here, ("postgres",)))  # whoever asks at night is answered
