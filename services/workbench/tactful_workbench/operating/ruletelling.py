"""How rules stand and what came of them: for the command line, and for the console's first page."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tactful.clock import Clock
from tactful.plugins import Loaded
from tactful.rules import Rule
from tactful.settings import RuleSettings, Settings
from tactful_console.standings import RuleStanding, foreseen
from tactful_trigger.state.tally import Tally, totals
from tactful_trigger.state.volume import Forecast, foresee
from tactful_workbench.operating.conducting import Conductor, standing


class ToldRule(NamedTuple):
    """`goal_within` (ms) is None for a rule without a goal that could be measured, `forecast` if there is no day to tell by."""

    rule: Rule
    settings: RuleSettings
    standing: str  # paused | drained | ""
    why: str
    tally: Tally
    forecast: Forecast | None
    goal_within: int | None


class RuleTelling:
    """Implements `tactful_console.app.RuleFacts`."""

    def __init__(self, loaded: Loaded, conductor: Conductor, settings: Callable[[], Settings], clock: Clock) -> None:
        self._loaded, self._conductor, self._settings, self._clock = loaded, conductor, settings, clock

    async def told(self) -> list[ToldRule]:
        """Every loaded rule, in the order in which they were loaded."""
        cursors, settings = await self._conductor.cursors(), self._settings()
        stands, tallies = standing(cursors), totals(cursor.tallies for cursor in cursors)
        found = []
        for rule in self._loaded.rules:
            own, (still, why) = settings.rule(rule.name), stands.get(rule.name, ("", ""))
            terms = rule.under(own.parameters)
            goal_within = terms.goal_within if terms.goal and terms.key is None else None
            forecast = foresee((cursor.volumes.get(rule.name, ()) for cursor in cursors), self._clock.now())
            found.append(ToldRule(rule, own, still, why, tallies.get(rule.name, Tally()), forecast, goal_within))
        return found

    async def rules(self) -> list[RuleStanding]:
        parked = await self._conductor.parked()
        return [
            RuleStanding(
                name=told.rule.name,
                version=told.rule.terms.version,
                mode=told.settings.mode,
                about=told.rule.about.partition("\n\n")[0],
                share=told.settings.rollout,
                standing=told.standing,
                why=told.why,
                parked=parked.get(told.rule.name, 0),
                forecast="" if told.forecast is None else foreseen(told.forecast.contacts, told.forecast.days),
                wrote=told.tally.sent,
                reached=None if told.goal_within is None else told.tally.sent_reached,
                opted_out=told.tally.opted_out,
                complained=told.tally.complained,
            )
            for told in await self.told()
        ]
