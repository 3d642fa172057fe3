"""Complaints that are open, or hardly closed, on the day on which a rule would speak."""

from __future__ import annotations

from datetime import timedelta

from tactful import Run
from tactful.durations import after
from tactful.events import ComplaintClosed
from tactful_trigger.rules.disturbing import RESTS


async def complaints_over(run: Run, rest: str, within: timedelta) -> bool:
    """Wait until none is open, and for so long after the last one was closed; False if one stays open."""
    for _ in range(RESTS):
        tickets = await run.get("tickets")
        rested = after(tickets.closed_at, rest)
        if tickets.open:
            if await run.wait_for(ComplaintClosed, within=within) is None:
                return False
        elif not tickets.closed_at or rested <= run.now:
            return True
        else:
            await run.sleep_until(rested)
    return False
