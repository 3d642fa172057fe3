"""`tactful serve console`, and what commands talk to without one."""

from __future__ import annotations

from contextlib import AsyncExitStack

from tactful.durations import milliseconds
from tactful.log.kafka import broker
from tactful_console.app import create_console
from tactful_dispatch.links import Links
from tactful_workbench.admin import admin_app
from tactful_workbench.cluster.condition import server_findings
from tactful_workbench.cluster.ground import Ground
from tactful_workbench.cluster.people import desk, personal
from tactful_workbench.cluster.probes import probed
from tactful_workbench.cluster.service import Service
from tactful_workbench.doctor.findings import Finding
from tactful_workbench.operating.conducting import Conductor
from tactful_workbench.operating.readings import Readings
from tactful_workbench.operating.ruletelling import RuleTelling
from tactful_workbench.operating.stopping import RedButton
from tactful_workbench.operating.story import Story
from tactful_workbench.operating.suppressions import Suppressions
from tactful_workbench.shop.secrets import LINK_KEY


class Headquarters:
    """What operators look at and change. Implements `tactful_workbench.admin.deployment.Deployment`."""

    def __init__(self, here: Ground) -> None:
        self._here = here
        self.clock, self.log, self.trigger, self.dispatch = here.clock, here.log, here.trigger, here.dispatch
        self.keys, self.token = here.keys, here.token
        self.settings, self.settings_now = here.settings, here.settings_now
        templates = here.site.templates  # beside a service they may not be, and dispatch has them all the same
        self.templates = templates if templates is not None and templates.is_dir() else None
        self.loaded, self.writes_to_people = here.loaded, True
        self.desk = desk(here, lambda: None)
        self.suppressions = Suppressions(here.log, here.dispatch, here.addresses, here.time)
        self.personal = personal(here)
        self.button = RedButton(here.log, here.dispatch, here.clock)
        self.conductor = Conductor(here.log, here.trigger, here.book, here.clock)
        self.ruletelling = RuleTelling(here.loaded, self.conductor, here.settings_now, here.clock)
        self.story = Story(here.trigger, here.dispatch, here.book, here.addresses, here.log.partitions)
        self.readings = Readings(here.log, here.clock)

    @property
    def links(self) -> Links:
        """As dispatch makes them. Raises SettingsError."""
        return Links(self._here.public_url, self._here.secret(LINK_KEY))

    async def ground_findings(self) -> list[Finding]:
        here = self._here
        promised = milliseconds(here.settings_now().log.retention)
        return await server_findings(broker(here.site.kafka), here.databases, here.log.partitions, promised)


async def service(here: Ground, stack: AsyncExitStack) -> Service:
    """Pages for operators, and the routes behind the command line."""
    headquarters = Headquarters(here)
    facts, rules = headquarters.story, headquarters.ruletelling
    button, readings = headquarters.button, headquarters.readings
    app = admin_app(headquarters)
    app.include_router(create_console(facts, rules, button, here.clock, here.shop, here.keys, readings))
    return Service(probed(app, here, ("postgres",)))  # whoever asks at night is answered
