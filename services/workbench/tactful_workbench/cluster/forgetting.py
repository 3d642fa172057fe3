"""Letting go of what retention no longer keeps, by the database's clock: a machine whose own is ahead would delete too much."""

from __future__ import annotations

from tactful.postgres.leasing import database_now
from tactful_workbench.cluster.ground import Ground
from tactful_workbench.process import housekeeping


async def forget_history(here: Ground) -> int:
    """As `housekeeping.forget_history`."""
    return await housekeeping.forget_history(here, await database_now(here.database))


async def forget_messages(here: Ground) -> int:
    """As `housekeeping.forget_messages`."""
    return await housekeeping.forget_messages(here, await database_now(here.database))
