"""Rules: how they stand, what becomes of them, and the runs that are alive."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import Query
from fastapi.responses import Response

from tactful.durations import milliseconds
from tactful.errors import InvalidInput
from tactful_trigger.state.tally import Tally
from tactful_workbench.admin.changing import change
from tactful_workbench.admin.deployment import Deployment
from tactful_workbench.doctor.almost import slips
from tactful_workbench.operating.comparing import difference_interval
from tactful_workbench.operating.runpages import Page, StoredRow
from tactful_workbench.operating.wishes import Enrolment, Rollout, RuleWish

Natural = Annotated[int, Query(ge=0, lt=2**63)]


class Rules:
    """Under `/admin/rules`, and `/admin/runs`."""

    def __init__(self, product: Deployment) -> None:
        self._product = product

    async def rules(self, counted: bool = True) -> dict[str, Any]:
        """Counting live runs takes some seconds a million."""
        trigger = self._product.trigger
        alive, parked = (await trigger.live_runs(), await trigger.live_runs(parked=True)) if counted else ({}, {})
        absent = await self._product.conductor.absent(alive)
        rules = [
            {
                "name": told.rule.name,
                "version": told.rule.terms.version,
                "mode": told.settings.mode,
                "rollout": told.settings.rollout,
                "standing": told.standing,
                "why": told.why,
                "origin": told.rule.origin,
                "about": told.rule.about,
                "live_runs": alive.get(told.rule.name, 0),
                "parked": parked.get(told.rule.name, 0),
                "forecast": None if told.forecast is None else told.forecast._asdict(),
                "results": _results(told.tally, told.goal_within),
            }
            for told in await self._product.ruletelling.told()
        ]
        return {
            "rules": rules,
            "absent": [
                {"name": name, "standing": still, "live_runs": alive.get(name, 0)} for name, still in absent.items()
            ],
            "broken": [broken._asdict() for broken in self._product.loaded.broken],
            "slips": slips(self._product.loaded),
            "guard": self._product.settings.latest.guard.model_dump(),
        }

    async def runs(self, partition: Natural, after: str = "", limit: Annotated[int, Query(ge=1)] = 1000) -> Response:
        """Rows that hold runs, a page at a time."""
        store, count = self._product.trigger, self._product.log.partitions
        if partition >= count:
            raise InvalidInput("no_such_partition", f"there is no partition {partition}; the last one is {count - 1}")
        everybody = sorted(name for name in await store.busy(partition) if name > after)
        names = everybody[:limit]
        rows = await store.load(partition, names)
        page = Page(
            [StoredRow(name, msgspec.Raw(rows[name])) for name in names if name in rows],
            names[-1] if len(everybody) > limit else "",
            count,
        )
        return Response(msgspec.json.encode(page), media_type="application/json")

    async def conduct(self, rule: str, wish: RuleWish) -> dict[str, Any]:
        if wish.wish == "cancel":
            return {"rule": rule, "cancelled": await self._product.conductor.cancel(rule)}
        if wish.wish == "resume":
            return {"rule": rule, "told": wish.wish, "retried": await self._product.conductor.resume(rule)}
        await self._product.conductor.tell(rule, wish.wish)
        return {"rule": rule, "told": wish.wish}

    async def enrol(self, rule: str, wish: Enrolment) -> dict[str, Any]:
        conductor = self._product.conductor
        since = self._product.clock.now() - milliseconds(wish.since)
        customers, reached = await conductor.candidates(rule, since, wish.after, wish.limit)
        answer = {"rule": rule, "customers": len(customers), "reached": reached, "dry_run": wish.dry_run}
        if wish.dry_run:
            return answer | {"foreseen": await conductor.foresee(rule, customers)}
        await conductor.enrol(rule, since, customers)
        return answer

    async def roll_out(self, rule: str, wish: Rollout) -> dict[str, Any]:
        self._product.conductor.known(rule)
        await change(
            self._product, f"rules.{rule}", {"mode": "live" if wish.share else "shadow", "rollout": wish.share or 1.0}
        )
        return {"rule": rule, "share": wish.share}


def _results(tally: Tally, goal_within: int | None) -> dict[str, Any]:
    """The tally's counts, and `difference`: the 95 % interval of how far the share of customers who reached the goal, of those whose
    first contact was sent, lies above that of those whose first contact was held out; None while it cannot be told."""
    return {
        **msgspec.structs.asdict(tally),
        "goal_within": goal_within,
        "difference": difference_interval(
            tally.first_sent_reached, tally.first_sent, tally.first_held_out_reached, tally.first_held_out
        ),
    }
