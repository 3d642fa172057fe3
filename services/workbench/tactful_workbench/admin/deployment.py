"""What the routes work on, whatever the size."""

from __future__ import annotations

from typing import Protocol

from tactful_dispatch.desk.reception import Reception
from tactful_workbench.doctor.findings import Patient
from tactful_workbench.keyring import Keys
from tactful_workbench.operating.conducting import Conductor
from tactful_workbench.operating.personal import Personal
from tactful_workbench.operating.readings import Readings
from tactful_workbench.operating.ruletelling import RuleTelling
from tactful_workbench.operating.stopping import RedButton
from tactful_workbench.operating.story import Story
from tactful_workbench.operating.suppressions import Suppressions
from tactful_workbench.settings.file import SettingsFile


class Deployment(Patient, Protocol):
    """What the routes work on: the one file, or the servers of many machines."""

    @property
    def keys(self) -> Keys: ...
    @property
    def desk(self) -> Reception: ...
    @property
    def suppressions(self) -> Suppressions: ...
    @property
    def personal(self) -> Personal: ...
    @property
    def button(self) -> RedButton: ...
    @property
    def conductor(self) -> Conductor: ...
    @property
    def settings(self) -> SettingsFile: ...
    @property
    def story(self) -> Story: ...
    @property
    def readings(self) -> Readings | None: ...
    @property
    def ruletelling(self) -> RuleTelling: ...
    @property
    def token(self) -> str: ...
