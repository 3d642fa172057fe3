"""A regular order that did not come."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from itertools import zip_longest
from math import floor
from typing import Any, Final
from zoneinfo import ZoneInfo

from tactful import Customer, Ladder, Run, rule
from tactful.customer import REVIEW, Contact, Order, Orders, Tickets
from tactful.decisions import Reason
from tactful.durations import after, milliseconds
from tactful.events import (
    CartUpdated,
    CheckoutStarted,
    Event,
    OrderCompleted,
    ProductAdded,
    SurveyAnswered,
    WishlistProductAddedToCart,
)
from tactful.localtime import instant_of, local_time
from tactful.operations import Data
from tactful.rhythm import LONGEST, Pace
from tactful.run import Again
from tactful_trigger.rules.complaining import complaints_over
from tactful_trigger.rules.disturbing import RESTS, undisturbed
from tactful_trigger.rules.outlines import what_became_of, when_ordered
from tactful_trigger.rules.products import sensitive_names, shown, usual_lines
from tactful_trigger.rules.wishes import LATER, wished_for

GAPS: Final = 3  # fewer say nothing about a rhythm
LEAD: Final = 0.2  # of the gap, by which the early reminder comes ahead
EARLIEST: Final = 45  # days ahead
LATEST: Final = 7
ANSWERED: Final = "30d"  # an order so soon after a reminder answers it
ANSWER: Final = "answered: "  # how a run ended whose customer said something else
UNNOTICED: Final = "no reaction"
EVER: Final = timedelta(days=800)  # its page promises a reminder to whoever answers, however late
SHOWN: Final = 3  # items in a message; the rest is a number


def _has_a_past(customer: Customer, order: OrderCompleted) -> bool:
    return len(customer.rhythm.older) + len(customer.rhythm.orders) > GAPS


def _begins_something(event: Event) -> bool:
    """A basket that is emptied begins no order: many shops say so of each that was paid for."""
    if not isinstance(event, CartUpdated) or not event.tells_lines:
        return True
    return any(product.quantity > 0 for product in event.products)


@rule(
    on=OrderCompleted,
    when=_has_a_past,
    goal=OrderCompleted,
    exit_on=(ProductAdded, WishlistProductAddedToCart, CartUpdated, CheckoutStarted),
    exit_when=_begins_something,
    purpose="marketing.reorder",
    uses=("rhythm", "orders", "tickets", "engagement", "session"),
    holdout=0.1,
    priority=30,
    max_age="800d",
    version=4,
)
async def missed_order(run: Run, first: OrderCompleted) -> str | Again:
    """A customer with a rhythm whose next order is overdue: say so once, with what they usually buy."""
    await run.sleep(run.param("settle", "1d"))  # what is cancelled at once is no part of the rhythm
    zone = await run.zone()
    rhythm = await run.get("rhythm", when_ordered)
    pace, ordered_at = rhythm.pace(zone), max(first.meta.occurred_at, rhythm.latest_at)
    if pace is None or (why := _no_rhythm(run, pace)):
        return "no rhythm" if pace is None else why
    sensitive = sensitive_names(run.param("sensitive", []))
    end = _at(pace.last, floor(2 * pace.gap) + 1, zone)
    data = partial(_usual, pace=pace, zone=zone, sensitive=sensitive)
    wished = wished_for(await run.get("engagement"), ordered_at, pace)
    if wished is not None:
        return await _remind_at(run, data, wished, max(end, wished + timedelta(days=pace.gap / 2)))
    ended: str | Again = "its day had passed before this order"
    moments = _moments(run, pace, ordered_at, zone)
    for moment, following in zip_longest(moments, moments[1:]):
        ended = await _remind_at(run, data, moment, end, following if _may_be_both(run, pace) else None)
        if isinstance(ended, Again) or _is_enough(run, pace, ended):
            return ended
    return ended


def _no_rhythm(run: Run, pace: Pace) -> str:
    if len(pace.gaps) < GAPS:
        return "too few orders for a rhythm"
    if pace.median < run.param("min_gap_days", 6.0):
        return "orders too often to be reminded"
    return "orders too irregularly" if pace.variation > run.param("max_cv", 0.5) else ""


def _overdue(run: Run, pace: Pace) -> int:
    """Days after the last order at whose end the next one is missed."""
    days = max(run.param("factor", 1.5) * pace.gap, pace.gap + run.param("min_slack_days", 3.0))
    return floor(min(days, LONGEST))


def _early(run: Run, pace: Pace) -> int | None:
    """Days after the last order at which somebody with a long rhythm is reminded ahead; shorter ones come by themselves."""
    if pace.gap < run.param("before_from_days", 60):
        return None
    return floor(pace.gap - min(max(LEAD * pace.gap, LATEST), EARLIEST))


def _moments(run: Run, pace: Pace, ordered_at: int, zone: ZoneInfo) -> list[datetime]:
    """When to speak: ahead, and once the day on which it is overdue is over. A moment that had passed when the latest order came,
    which then is outside the rhythm, is not made up for."""
    days = (_early(run, pace), _overdue(run, pace) + 1)
    moments = [_at(pace.last, count, zone) for count in days if count is not None]
    ordered = local_time(ordered_at, UTC)
    if moments[0] <= ordered and not _may_be_both(run, pace):
        return []
    return [moment for moment in moments if moment > ordered]


def _at(day: date, days: int, zone: ZoneInfo) -> datetime:
    """The beginning of a day in the customer's zone."""
    return local_time(instant_of(datetime.combine(day + timedelta(days=days), time()), zone), UTC)


async def _remind_at(
    run: Run, data: Data, moment: datetime, end: datetime, following: datetime | None = None
) -> str | Again:
    if not await undisturbed(run, moment, orders_since=2):
        return run.again()
    return await _remind(run, data, end, following)


async def _remind(run: Run, data: Data, end: datetime, following: datetime | None) -> str | Again:
    """How it ended; over again if the customer wishes to be reminded later, or if the rhythm is another one by now. Their answer
    is waited for until the reminder that follows."""
    if why := await _why_not(run, end, following):
        return why
    ladder, begun = _ladder(run, end), run.now
    ended = await ladder.climb(run, "missed_order", data=data)
    if ended == Reason.NOTHING_TO_SAY:
        return run.again()
    if run.since(2) and ladder.reached and not _reached(ended):
        ended = UNNOTICED  # the push was refused
    if not _reached(ended):
        return ended
    answer = await _answer(run, begun, _left(following, run.now) if following else EVER)
    if answer in LATER:
        return run.again()
    return f"{ANSWER}{answer}" if answer else ended


async def _why_not(run: Run, end: datetime, following: datetime | None) -> str | Again:
    """Why nothing is said, once complaints are over and they are not here; "" if it may be."""
    if run.since(3) and not await complaints_over(run, run.param("complaint_rest", "7d"), _left(end, run.now)):
        return "a complaint is open"
    if why := await _silence(run, end):
        return why
    if run.now >= end:
        return "too late"
    if run.since(3) and following and following <= run.now:
        return "the next reminder is due"
    return ""


def _left(end: datetime, now: datetime) -> timedelta:
    return max(end - now, timedelta())


def _is_enough(run: Run, pace: Pace, ended: str) -> bool:
    """Whether nothing more is said of this order after an early reminder that ended so."""
    return ended.startswith(ANSWER) or (_reached(ended) and not _may_be_both(run, pace))


def _may_be_both(run: Run, pace: Pace) -> bool:
    """Whether somebody may be reminded ahead and again when it is overdue."""
    return pace.gap >= run.param("both_from_days", 120)


def _reached(ended: str) -> bool:
    """Whether a ladder that ended so had sent anything."""
    return ended == UNNOTICED or ended.startswith("engaged")


async def _answer(run: Run, begun: datetime, within: timedelta) -> str:
    """What the customer answers to the reminder that was begun then; "" for nothing."""
    known = (await run.get("engagement")).answered("missed_order")
    if known is not None and known.answered_at >= begun.timestamp() * 1000:
        return str(known.answer)
    told = await run.wait_for(SurveyAnswered, within=within, where=lambda event: event.survey == "missed_order")
    return told.answer if told is not None else ""


def _ladder(run: Run, end: datetime) -> Ladder:
    if run.since(4):
        return Ladder(*_rungs(run), until=end)
    return Ladder(*_rungs(run), expires=dict.fromkeys(("email", "push"), end - run.now))


def _rungs(run: Run) -> list[tuple[str, str]]:
    rungs = [("email", run.param("email_patience", "48h"))]
    if run.param("push", True):
        rungs.append(("push", run.param("push_patience", "1d")))
    return rungs


async def _silence(run: Run, end: datetime) -> str | Again:
    """Why nothing is said; "" if it may be. Who was here within a day is left alone for another one."""
    orders = await run.get("orders", what_became_of)
    if run.since(3) and orders.under_way:
        return "the last order has not come"
    if why := _badly_ended(orders.last, await run.get("tickets")):
        return why
    engagement = await run.get("engagement")
    most = run.param("most_unanswered", 2)
    if _unanswered(engagement.ladders("missed_order"), orders, most):
        return f"{most} reminders in a row unnoticed"
    return await _rested(run, end)


async def _rested(run: Run, end: datetime) -> str | Again:
    for _ in range(RESTS):
        if run.now >= end:
            return ""
        seen = (await run.get("session")).last_act_at
        rested = after(seen, run.param("visit_rest", "24h"))
        if not seen or rested <= run.now:
            return ""
        await run.sleep_until(rested)
    return run.again()


def _badly_ended(order: Order | None, tickets: Tickets) -> str:
    if order is None:
        return ""
    if order.late:
        return "the last order came late"
    if any(ticket.channel == REVIEW and ticket.opened_at >= order.at for ticket in tickets.recent):
        return "the last order was rated badly"
    return "something of the last order was given back" if order.status == "refunded" else ""


def _unanswered(ladders: tuple[Contact, ...], orders: Orders, most: int) -> bool:
    latest = ladders[-most:] if most else ()
    return len(latest) == most and not any(contact.engaged_at or _led_to_order(contact, orders) for contact in latest)


def _led_to_order(contact: Contact, orders: Orders) -> bool:
    until = contact.sent_at + milliseconds(ANSWERED)
    return any(order.stands and contact.sent_at < order.at <= until for order in orders.recent)


def _usual(customer: Customer, pace: Pace, zone: ZoneInfo, sensitive: frozenset[str]) -> dict[str, Any] | None:
    """What the message is about: what they usually buy, since when it is due, and how often it used to be. None once an order
    has come or gone of which nobody knew."""
    if customer.rhythm.pace(zone) != pace:
        return None
    items = [{"product_id": line.product_id, **shown(line)} for line in usual_lines(customer, sensitive)]
    about = {"items": items, "shown": SHOWN, "categories": customer.rhythm.topics()}
    return {**about, "last_order_on": pace.last.isoformat(), "every_days": pace.median}
