"""Whom an upgrade waits for: an index is whole once every transaction that is older has ended, a forgotten one of a week ago too."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from sqlalchemy import text

UPGRADE: Final = "tactful db upgrade"  # the name of its connections
WAITED: Final = text(
    """SELECT DISTINCT other.pid, coalesce(nullif(other.application_name, ''), other.usename), other.xact_start
       FROM pg_stat_activity ours, unnest(pg_blocking_pids(ours.pid)) AS blocking (pid), pg_stat_activity other
       WHERE ours.application_name = :ours AND ours.datname = current_database() AND other.pid = blocking.pid"""
)


async def tell_of_waits(
    look: Callable[[], Awaitable[Sequence[Any]]], tell: Callable[[str], object], every: float
) -> None:
    """Each one once, until this is cancelled. `look` gives rows as `WAITED` does."""
    told = set[int]()
    while True:
        await asyncio.sleep(every)
        for pid, name, since in await look():
            if pid not in told:
                told.add(pid)
                begun = f", begun at {since:%Y-%m-%d %H:%M} UTC" if since else ""
                tell(f"waiting for the transaction of {name} (process {pid}{begun}) to end")
