"""A customer who stays away."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from tactful import Customer, Ladder, Run, rule
from tactful.customer import Engagement, Orders
from tactful.durations import milliseconds
from tactful.events import ComplaintOpened, OrderCancelled, OrderCompleted, OrderRefunded
from tactful.localtime import instant_of
from tactful.rhythm import LONGEST, Pace
from tactful.run import Again
from tactful_trigger.rules.wishes import wished_for

SHOWN: Final = 3  # items in a message; the rest is a number
_EXPIRES: Final = "7d"  # a week's budget may be used up when it begins
_EVER: Final = "800d"


@rule(
    on=OrderCompleted,
    goal=OrderCompleted,
    exit_on=ComplaintOpened,
    purpose="marketing.winback",
    uses=("rhythm", "orders", "tickets", "engagement", "session"),
    holdout=0.1,
    priority=20,
    max_age="800d",
    version=2,
)
async def churn_risk(run: Run, first: OrderCompleted) -> str | Again:
    """A customer who has stayed away for twice their own gap: one reason to return, and a week later one question."""
    await run.sleep(run.param("settle", "1d"))  # what is cancelled at once is no order
    rhythm, zone = await run.get("rhythm"), await run.zone()
    pace, latest = rhythm.pace(zone), rhythm.latest_day(zone)
    if pace is None or latest is None:
        return "no order of their own"
    if not await _undisturbed(run, await _morning(run, pace, latest)):
        return run.again()
    if why := await _silence(run, first, pace):
        return why
    rungs = ("email", run.param("email_patience", "3d")), ("push", run.param("push_patience", "1d"))
    ladder = Ladder(*rungs, expires=dict.fromkeys(("email", "push"), _EXPIRES))
    ended = await ladder.climb(run, "churn_risk", data=_usual)
    if ended != "no reaction" or not run.param("question", True):
        return ended
    await run.sleep_until(ladder.begun + timedelta(milliseconds=milliseconds(run.param("question_after", "8d"))))
    if (await run.get("session")).last_act_at > ladder.begun.timestamp() * 1000:
        return "came back to look"
    asked_at = (await run.get("engagement")).sent_at("churn_survey")
    if asked_at and _after(asked_at, run.param("question_apart", "90d")) > run.now:
        return "asked why lately"
    message = await run.send("email", "churn_survey", data=_topics, expires=_EXPIRES)
    return "asked why" if message else message.reason or "refused"


async def _morning(run: Run, pace: Pace, latest: date) -> datetime:
    """Six o'clock of the day on which they have stayed away too long, counted from the latest order, of whatever kind."""
    gap = run.param("factor", 2.0) * pace.gap if pace.gaps else run.param("one_time_days", 120.0)
    shortest = run.param("at_least_days", 45.0) if pace.gaps else run.param("at_least_days", 90.0)
    days = round(min(max(gap, shortest), run.param("at_most_days", 180.0), LONGEST))
    day = datetime.combine(latest + timedelta(days=days), time(6))
    return datetime.fromtimestamp(instant_of(day, await run.zone()) / 1000, UTC)


async def _undisturbed(run: Run, moment: datetime) -> bool:
    """Wait for a moment; False as soon as an order is cancelled or given back, since then the gap is another one."""
    news = [run.wait_for(event, within=_EVER) for event in (OrderCancelled, OrderRefunded)]
    return (await run.wait_any(run.sleep_until(moment), *news))[0] == 0


async def _silence(run: Run, first: OrderCompleted, pace: Pace) -> str:
    """Why nothing is said; "" if it may be. Who was here within a week is left alone until they were not, and who wishes to be
    reminded of their usual order until that is overdue."""
    while (seen := (await run.get("session")).last_act_at) and _after(seen, run.param("visit_rest", "7d")) > run.now:
        await run.sleep_until(_after(seen, run.param("visit_rest", "7d")))
    tickets, orders = await run.get("tickets"), await run.get("orders")
    if tickets.open or (tickets.closed_at and _after(tickets.closed_at, run.param("complaint_rest", "30d")) > run.now):
        return "a complaint is too recent"
    if orders.refunded_at and _after(orders.refunded_at, run.param("refund_rest", "30d")) > run.now:
        return "a refund is too recent"
    if _is_under_way(orders):
        return "an order has not come"
    engagement = await run.get("engagement")
    overdue = _overdue(engagement, first, pace) if run.since(2) else None
    if overdue is not None and overdue > run.now:
        await run.sleep_until(overdue)
        return await _silence(run, first, pace)
    ladders = engagement.ladders("churn_risk")
    if ladders and _after(ladders[-1].sent_at, run.param("series_apart", "60d")) > run.now:
        return "asked to come back lately"
    year_ago = (run.now - timedelta(days=365)).timestamp() * 1000
    if sum(contact.sent_at > year_ago for contact in ladders) >= run.param("most_in_a_year", 2):
        return "asked to come back often enough this year"
    return ""


def _overdue(engagement: Engagement, first: OrderCompleted, pace: Pace) -> datetime | None:
    """When the usual order is half a gap past the day for which they wished to be reminded, if they did."""
    wished = wished_for(engagement, first, pace) if pace.gaps else None
    return wished + timedelta(days=pace.gap / 2) if wished else None


def _is_under_way(orders: Orders) -> bool:
    """Whether the last order has not come, where the shop tells what has."""
    last, told = orders.last, any(order.delivered_at for order in orders.recent)
    return told and last is not None and last.channel != "store" and not last.arrived


def _after(instant: int, length: str) -> datetime:
    return datetime.fromtimestamp((instant + milliseconds(length)) / 1000, UTC)


def _usual(customer: Customer) -> dict[str, Any]:
    """What they used to buy."""
    lines = customer.rhythm.usual()
    items = [{"title": line.title or line.product_id, "url": line.url, "image_url": line.image_url} for line in lines]
    return {"items": items, "shown": SHOWN, **_topics(customer)}


def _topics(customer: Customer) -> dict[str, Any]:
    """What "I do not need it" would be about."""
    return {"categories": customer.rhythm.topics()}
