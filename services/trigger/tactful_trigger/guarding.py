"""A rule takes itself back: it is paused once more of those it wrote to opt out, or report it as spam, than the shop's settings
allow, and chance alone would not make it look so; or once a rule that is live for a share of customers writes to far more of
them than it did.

Whoever owns partition 0 looks once a minute at what all partitions have counted since an operator last let the rule go on.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tactful.broadcasting import broadcast
from tactful.clock import DAY, MINUTE, Clock
from tactful.identity import digest
from tactful.log import Log
from tactful.records import EVENTS
from tactful.settings import Guard as Limits
from tactful.settings import Settings, told
from tactful.shares import share_interval
from tactful_trigger.cursor import Cursor
from tactful_trigger.store import TriggerStore, cursors
from tactful_trigger.tally import Tally, totals
from tactful_trigger.volume import flood

EVERY: Final = MINUTE
CATCHING_UP: Final = 2 * DAY  # what waited while a rule was paused comes at once, and during the hours for marketing


def objection(tally: Tally, limits: Limits) -> str:
    """Why a rule should not go on; "" if nothing speaks against it. Pure."""
    if tally.sent < limits.after:
        return ""
    for count, most, words in (
        (tally.complained, limits.spam_reports, "reported it as spam"),
        (tally.opted_out, limits.opt_outs, "opted out"),
    ):
        if share_interval(min(count, tally.sent), tally.sent)[0] > most:
            return f"{count:,} of {tally.sent:,} who were written to {words}"
    return ""


class Guard:
    """Looks, and tells every partition."""

    def __init__(self, log: Log, store: TriggerStore, clock: Clock) -> None:
        self._log, self._store, self._clock = log, store, clock
        self._looked = 0
        self._untold: dict[str, str] = {}  # rules to be paused, and why, of which some partitions may not have heard

    async def look(self) -> dict[str, str]:
        """Rules that are paused now, and why. Nothing within a minute of the last look. What not everybody could be told then is told
        again: whoever has heard counts the rule as paused. Raises Transient."""
        now = self._clock.now()
        if 0 <= now - self._looked < EVERY:
            return {}
        self._looked = now
        self._untold |= taken_back(await cursors(self._store, self._log.partitions), now)
        paused = dict(self._untold)
        for rule, why in paused.items():
            data = msgspec.json.encode({"rule": rule, "why": why})
            await broadcast(self._log, [EVENTS], digest("guard", rule, str(now)), "Rule Paused", data, now)
        self._untold.clear()
        return paused


def taken_back(known: list[Cursor], now: int) -> dict[str, str]:
    """Rules that should not go on, and why. Pure."""
    settings = told(max(known, key=lambda cursor: cursor.clock, default=Cursor(partition=0)).settings)
    still = set[str]().union(*(cursor.paused for cursor in known))
    counted = totals(cursor.since_let_go() for cursor in known)
    reasons = {
        rule: objection(tally, settings.guard) or _flood(known, rule, settings, now)
        for rule, tally in counted.items()
        if rule not in still
    }
    return {rule: why for rule, why in reasons.items() if why}


def _flood(known: list[Cursor], rule: str, settings: Settings, now: int) -> str:
    own = settings.rule(rule)
    let_go = max((cursor.let_go[rule].at for cursor in known if rule in cursor.let_go), default=0)
    if own.mode != "live" or own.rollout >= 1 or now - let_go < CATCHING_UP:
        return ""
    return flood([cursor.volumes.get(rule, []) for cursor in known], own.rollout, now, settings.guard)
