"""What retention no longer keeps, by the database's clock: what a machine whose own is wrong let go of would not come back."""

from __future__ import annotations

from tactful.postgres.leasing import DatabaseTime
from tactful_workbench import housekeeping
from tactful_workbench.cluster.ground import Ground


async def forget_history(here: Ground) -> int:
    """Of customers' timelines."""
    return await housekeeping.forget_history(here, await _now(here))


async def forget_messages(here: Ground) -> int:
    """That were decided."""
    return await housekeeping.forget_messages(here, await _now(here))


async def _now(here: Ground) -> int:
    await (time := DatabaseTime(here.database)).look()
    return time.now()
