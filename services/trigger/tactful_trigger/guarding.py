"""A rule takes itself back: it is paused once more of those it wrote to opt out, or report it as spam, than the shop's settings
allow, and chance alone would not make it look so; or once a rule that is live for a share of customers writes to far more of
them than it did.

Whoever owns partition 0 looks once a minute at what all partitions have counted since an operator last let the rule go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from tactful.clock import DAY, MINUTE, Clock
from tactful.identity import digest
from tactful.log import Log
from tactful.log.broadcasting import broadcast
from tactful.records import EVENTS
from tactful.settings import Guard as Limits
from tactful.settings import Settings, settings_from_log
from tactful.shares import share_interval
from tactful_trigger.state.cursor import Cursor
from tactful_trigger.state.tally import Tally, totals
from tactful_trigger.state.volume import flood
from tactful_trigger.store import TriggerStore, cursors

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
        # Rules to be paused, and why, of which some partitions may not have heard; and since when.
        self._untold: dict[str, tuple[str, int]] = {}
        self._told: dict[str, int] = {}  # by rule, when everybody was told last

    async def look(self) -> dict[str, str]:
        """Pause what should not go on: which rules, and why. Nothing within a minute of the last look. What not every partition could
        be told then is told again, since those that have heard it say nothing of the rule any more. Raises Transient."""
        now = self._clock.now()
        if 0 <= now - self._looked < EVERY:
            return {}
        self._looked = now
        known = await cursors(self._store, self._log.partitions)
        self._told = {rule: at for rule, at in self._told.items() if at <= now}  # by a clock that was not set back
        self._untold = {rule: told for rule, told in self._untold.items() if _let_go(known, rule) < told[1]}
        self._untold |= {rule: (why, now) for rule, why in taken_back(known, now, self._told).items()}
        paused = {rule: why for rule, (why, _) in self._untold.items()}
        for rule, why in paused.items():
            data = msgspec.json.encode({"rule": rule, "why": why})
            await broadcast(self._log, [EVENTS], digest("guard", rule, str(now)), "Rule Paused", data, now)
        self._untold.clear()
        self._told |= dict.fromkeys(paused, now)
        return paused


def taken_back(known: list[Cursor], now: int, told_at: Mapping[str, int]) -> dict[str, str]:
    """Rules that should not go on, and why. Pure. A partition that has heard that a rule is paused says nothing about it any more,
    nor does one that has not read as far as `told_at` or as an operator's word that it may go on: what it counted is old."""
    settings = settings_from_log(max(known, key=lambda cursor: cursor.clock, default=Cursor(partition=0)).settings)
    rules = sorted({rule for cursor in known for rule in cursor.tallies})
    since = {rule: max(told_at.get(rule, 0), _let_go(known, rule)) for rule in rules}
    counted = totals(
        {
            rule: tally
            for rule, tally in cursor.since_let_go().items()
            if rule not in cursor.paused and cursor.clock >= since[rule]
        }
        for cursor in known
    )
    reasons = {
        rule: objection(tally, settings.guard) or _flood(known, rule, settings, now) for rule, tally in counted.items()
    }
    return {rule: why for rule, why in reasons.items() if why}


def _let_go(known: list[Cursor], rule: str) -> int:
    """When an operator last let it go on; 0 for never."""
    return max((cursor.let_go[rule].at for cursor in known if rule in cursor.let_go), default=0)


def _flood(known: list[Cursor], rule: str, settings: Settings, now: int) -> str:
    own = settings.rule(rule)
    if own.mode != "live" or own.rollout >= 1 or now - _let_go(known, rule) < CATCHING_UP:
        return ""
    return flood([cursor.volumes.get(rule, []) for cursor in known], own.rollout, now, settings.guard)
