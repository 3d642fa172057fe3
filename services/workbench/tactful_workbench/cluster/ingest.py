"""`tactful serve ingest`."""

from __future__ import annotations

from contextlib import AsyncExitStack

from tactful_ingest.app import create_app
from tactful_ingest.door import Door
from tactful_workbench.cluster.ground import Ground
from tactful_workbench.cluster.service import Service


async def service(here: Ground, stack: AsyncExitStack) -> Service:
    """The door, which has probes of its own."""
    return Service(create_app(door(here)))


def door(here: Ground) -> Door:
    """The door over Kafka, with the shop's keys and currency."""
    return Door(here.log, here.keys, here.clock, lambda: here.shop().currency)
