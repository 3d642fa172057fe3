"""What retention no longer keeps, by the database's clock: what a machine whose own is wrong let go of would not come back."""

from __future__ import annotations

from tactful.postgres.leasing import database_now
from tactful_workbench import housekeeping
from tactful_workbench.cluster.ground import Ground


async def forget_history(here: Ground) -> int:
    """Of customers' timelines."""
    return await housekeeping.forget_history(here, await database_now(here.database))


async def forget_messages(here: Ground) -> int:
    """That were decided."""
    return await housekeeping.forget_messages(here, await database_now(here.database))
