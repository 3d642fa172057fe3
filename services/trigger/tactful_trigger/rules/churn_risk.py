"""A customer who stays away."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from tactful import Customer, Ladder, Run, rule
from tactful.customer import REVIEW, Contact, Engagement, Orders, Tickets
from tactful.decisions import Reason
from tactful.durations import after, milliseconds
from tactful.events import OrderCompleted
from tactful.localtime import instant_of, local_time
from tactful.operations import Data
from tactful.rhythm import LONGEST, Pace
from tactful.run import Again
from tactful_trigger.rules.complaining import complaints_over
from tactful_trigger.rules.disturbing import RESTS, undisturbed
from tactful_trigger.rules.outlines import what_became_of, when_ordered
from tactful_trigger.rules.products import sensitive_names, shown, usual_lines
from tactful_trigger.rules.wishes import needs_no_longer, wished_for

SHOWN: Final = 3  # items in a message; the rest is a number
STALE: Final = timedelta(days=180)  # for so long an open complaint is waited for
_EXPIRES: Final = "7d"  # a week's budget may be used up when it begins
Say = Callable[[Customer], dict[str, Any]]


@rule(
    on=OrderCompleted,
    goal=OrderCompleted,
    purpose="marketing.winback",
    uses=("rhythm", "orders", "tickets", "engagement", "session"),
    holdout=0.1,
    priority=20,
    max_age="800d",
    version=5,
)
async def churn_risk(run: Run, first: OrderCompleted) -> str | Again:
    """A customer who has stayed away for twice their own gap: one reason to return, and a week later one question."""
    await run.sleep(run.param("settle", "1d"))  # what is cancelled at once is no order
    rhythm, zone = await run.get("rhythm", when_ordered), await run.zone()
    pace, latest = rhythm.pace(zone), rhythm.latest_day(zone)
    if pace is None or latest is None:
        return "no order of their own"
    if not await undisturbed(run, await _morning(run, pace, latest), orders_since=3):
        return run.again()
    if why := await _silence(run, max(first.meta.occurred_at, rhythm.latest_at), pace):
        return why
    still = partial(_still_away, pace=pace, latest=latest, zone=zone)
    usual = partial(_usual, sensitive=sensitive_names(run.param("sensitive", [])))
    rungs = ("email", run.param("email_patience", "3d")), ("push", run.param("push_patience", "1d"))
    ladder = Ladder(*rungs, expires=dict.fromkeys(("email", "push"), _EXPIRES))
    ended = await ladder.climb(run, "churn_risk", data=partial(still, say=usual))
    if ended == Reason.NOTHING_TO_SAY:
        return run.again()
    if ended != "no reaction" or not run.param("question", True):
        return ended
    return await _ask_why(run, ladder.begun, partial(still, say=_topics))


async def _ask_why(run: Run, begun: datetime, data: Data) -> str | Again:
    """The question, so long after the series had begun; or why it is not asked."""
    await run.sleep_until(begun + timedelta(milliseconds=milliseconds(run.param("question_after", "8d"))))
    if (await run.get("session")).last_act_at > begun.timestamp() * 1000:
        return "came back to look"
    if run.since(5) and any(t.opened_at > begun.timestamp() * 1000 for t in (await run.get("tickets")).recent):
        return "has complained since"
    engagement = await run.get("engagement")
    if any(ladder.engaged_at for ladder in engagement.ladders("churn_risk")[-1:]):
        return "noticed it later"
    asked_at = engagement.sent_at("churn_survey")
    if asked_at and after(asked_at, run.param("question_apart", "90d")) > run.now:
        return "asked why lately"
    message = await run.send("email", "churn_survey", data=data, expires=_EXPIRES)
    if message.reason == Reason.NOTHING_TO_SAY:
        return run.again()
    return "asked why" if message else message.reason or "refused"


async def _morning(run: Run, pace: Pace, latest: date) -> datetime:
    """Six o'clock of the day on which they have stayed away too long, counted from the latest order, of whatever kind."""
    gap = run.param("factor", 2.0) * pace.gap if pace.gaps else run.param("one_time_days", 120.0)
    shortest = run.param("at_least_days", 45.0) if pace.gaps else run.param("at_least_days", 90.0)
    days = round(min(max(gap, shortest), run.param("at_most_days", 180.0), LONGEST))
    day = datetime.combine(latest + timedelta(days=days), time(6))
    return local_time(instant_of(day, await run.zone()), UTC)


async def _silence(run: Run, ordered_at: int, pace: Pace) -> str | Again:
    """Why nothing is said; "" if it may be. Who was here within a week is left alone until they were not, and who wishes to be
    reminded of their usual order until that is overdue."""
    if run.since(5) and after(ordered_at, run.param("never_after", "730d")) <= run.now:
        return "away for too long"
    if run.since(5) and not await _is_over_it(run):
        return "a complaint is open"
    if not await _is_away(run):
        return run.again()
    tickets, orders = await run.get("tickets"), await run.get("orders", what_became_of)
    if why := _too_recent(run, tickets, orders):
        return await _silence(run, ordered_at, pace) if run.since(5) else why
    if orders.under_way or (run.since(4) and _is_missed(orders, tickets)):
        return "an order has not come"
    engagement = await run.get("engagement")
    if run.since(4) and needs_no_longer(engagement, ordered_at):
        return "they no longer need it"
    overdue = _overdue(engagement, ordered_at, pace) if run.since(2) else None
    if overdue is not None and overdue > run.now:
        await run.sleep_until(overdue)
        return await _silence(run, ordered_at, pace)
    return _often_enough(run, engagement.ladders("churn_risk"))


def _often_enough(run: Run, ladders: tuple[Contact, ...]) -> str:
    """Series stand apart, and there are not many in a year."""
    if ladders and after(ladders[-1].sent_at, run.param("series_apart", "60d")) > run.now:
        return "asked to come back lately"
    year_ago = (run.now - timedelta(days=365)).timestamp() * 1000
    if sum(contact.sent_at > year_ago for contact in ladders) >= run.param("most_in_a_year", 2):
        return "asked to come back often enough this year"
    return ""


async def _is_over_it(run: Run) -> bool:
    """Wait until so long after the last complaint was closed and after the last refund; False if a complaint stays open."""
    for _ in range(RESTS):
        if not await complaints_over(run, run.param("complaint_rest", "30d"), STALE):
            return False
        refunded_at = (await run.get("orders", what_became_of)).refunded_at
        rested = after(refunded_at, run.param("refund_rest", "30d"))
        if not refunded_at or rested <= run.now:
            return True
        await run.sleep_until(rested)
    return False


def _too_recent(run: Run, tickets: Tickets, orders: Orders) -> str:
    if tickets.open or (tickets.closed_at and after(tickets.closed_at, run.param("complaint_rest", "30d")) > run.now):
        return "a complaint is too recent"
    if orders.refunded_at and after(orders.refunded_at, run.param("refund_rest", "30d")) > run.now:
        return "a refund is too recent"
    return ""


async def _is_away(run: Run) -> bool:
    """Wait until they were not here for a week; False if they keep coming."""
    for _ in range(RESTS):
        seen = (await run.get("session")).last_act_at
        if not seen or after(seen, run.param("visit_rest", "7d")) <= run.now:
            return True
        await run.sleep_until(after(seen, run.param("visit_rest", "7d")))
    return False


def _overdue(engagement: Engagement, ordered_at: int, pace: Pace) -> datetime | None:
    """When the usual order is half a gap past the day for which they wished to be reminded, if they did."""
    wished = wished_for(engagement, ordered_at, pace) if pace.gaps else None
    return wished + timedelta(days=pace.gap / 2) if wished else None


def _is_missed(orders: Orders, tickets: Tickets) -> bool:
    """Whether they have rated it badly and nobody knows that it came: what they say is often that it has not."""
    last = orders.last
    return (
        last is not None
        and not last.arrived
        and any(ticket.channel == REVIEW and ticket.opened_at >= last.at for ticket in tickets.recent)
    )


def _still_away(customer: Customer, say: Say, pace: Pace, latest: date, zone: ZoneInfo) -> dict[str, Any] | None:
    """What is said; None once an order has come or gone of which nobody knew, or they need it no longer."""
    rhythm = customer.rhythm
    if (rhythm.pace(zone), rhythm.latest_day(zone)) != (pace, latest):
        return None
    if needs_no_longer(customer.engagement, rhythm.latest_at):
        return None
    return {**say(customer), "last_order_on": latest.isoformat()}


def _usual(customer: Customer, sensitive: frozenset[str]) -> dict[str, Any]:
    """What they used to buy."""
    items = [shown(line) for line in usual_lines(customer, sensitive)]
    return {"items": items, "shown": SHOWN, **_topics(customer)}


def _topics(customer: Customer) -> dict[str, Any]:
    """What "I do not need it" would be about."""
    return {"categories": customer.rhythm.topics()}
