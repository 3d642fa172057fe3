"""Retention deletes for good, so whose clock is wrong deletes nothing."""

from __future__ import annotations

from pathlib import Path

from pgserver import PostgresServer
from servers import DATABASE, fresh_database
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tactful.clock import DAY, ManualClock, WallClock
from tactful.log.memory import MemoryLog
from tactful.postgres import Postgres
from tactful.telemetry import SILENT
from tactful_workbench.cluster.forgetting import forget_history, forget_messages
from tactful_workbench.cluster.ground import Ground, Site

pytestmark = list(DATABASE)
TOLD = text(
    """INSERT INTO trigger_history (customer, at, log_offset, position, kind, rule, run, data)
       VALUES ('u1', :at, 0, 0, 'note', '', '', '')"""
)
DECIDED = text("INSERT INTO dispatch_message VALUES ('m1', 0, 'u1', :at, FALSE, '')")


async def test_a_machine_whose_clock_is_years_ahead_lets_go_of_nothing_that_is_kept(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url, now = await fresh_database(postgres), WallClock().now()

    async def happen(db: AsyncConnection) -> None:
        for statement in (TOLD, DECIDED):
            await db.execute(statement, {"at": now})

    async with Postgres.open(url) as database:
        await database.run(happen)
        ahead = ManualClock(now + 1000 * DAY)
        here = Ground(Site("", url, tmp_path), MemoryLog(1, ahead), [database], SILENT)  # type: ignore[arg-type]
        here.clock = ahead
        await forget_history(here)
        await forget_messages(here)
        assert len(await here.trigger.history("u1", 10)) == 1
        assert await database.ask(text("SELECT message FROM dispatch_message"))
