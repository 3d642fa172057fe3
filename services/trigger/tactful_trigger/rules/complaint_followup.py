"""A complaint that was settled."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Any, Final

from tactful import Customer, Run, rule
from tactful.customer import REVIEW, Orders, Tickets
from tactful.decisions import Reason
from tactful.durations import after, milliseconds
from tactful.events import ComplaintClosed, ComplaintOpened, ComplaintReopened, Event, OrderRefunded, ShipmentDelivered
from tactful.events.own import UNCLOSED, Unclosed
from tactful.localtime import instant_of, local_time
from tactful.purposes import COMPLAINT
from tactful_trigger.rules.outlines import what_became_of
from tactful_trigger.rules.tickets import same_ticket, subject_of, ticket_of

SATURDAY: Final = 5
OPENS: Final = 9  # o'clock, where the customer is
CLOSES: Final = 21
SURVEY: Final = "survey"  # the channel of a complaint that an answer of ours has opened
_EVER: Final = "3650d"  # a ticket is asked about once, also if it is opened and closed again
_CAUSES: Final = {ShipmentDelivered: "late", OrderRefunded: "returned"}
_RATED: Final = "rated"  # a review or rating: they said so, and nobody has looked at it
# Resolutions after which nobody is asked: it was no complaint, it is a person's matter, the help desk has asked already.
NOT_ASKED: Final = frozenset(
    {"spam", "duplicate", "withdrawn", "legal", "safety", "injury", "fraud", "chargeback", "press", "rated"}
)


def _is_settled(customer: Customer, event: Event) -> bool:
    """A bad review or rating, a late parcel and a return for a fault have no end of their own: they start the rule."""
    return bool(ticket_of(event)) and (not isinstance(event, ComplaintOpened) or event.came_by == REVIEW)


@rule(
    on=(ComplaintClosed, ComplaintOpened, *UNCLOSED),
    key=ticket_of,
    match=same_ticket,
    when=_is_settled,
    exit_on=ComplaintReopened,
    purpose=COMPLAINT,
    uses=("tickets", "orders", "engagement"),
    cooldown=_EVER,
    priority=100,
    version=4,
)
async def complaint_followup(run: Run, first: ComplaintClosed | ComplaintOpened | Unclosed) -> str:
    """A day after a complaint was closed: ask once whether it is settled, and sell nothing."""
    if not isinstance(first, ComplaintClosed):
        if why := await _unclosed(run, first):
            return why
    elif first.outcome in NOT_ASKED:
        return f"closed as {first.outcome}"
    else:
        await _closed_for_a_while(run, first.ticket_id, run.param("delay", "24h"))
    if run.since(2):
        await _by_day(run)
    await _working_day(run)
    ended = await _ask(run, first)
    if run.since(4) and ended == Reason.EXPIRED and await _working_day(run):
        return await _ask(run, first)
    return ended


async def _ask(run: Run, first: ComplaintClosed | ComplaintOpened | Unclosed) -> str:
    if why := await _silence(run, first.ticket_id):
        return why
    cause = "" if isinstance(first, ComplaintClosed) else _CAUSES.get(type(first), _RATED)
    about = partial(_about, ticket_id=first.ticket_id, cause=cause)
    message = await run.send("email", "complaint_followup", data=about, expires=await _lasts(run))
    return "asked" if message else message.reason or "refused"


async def _lasts(run: Run) -> timedelta:
    """How long the question may wait for hours in which it may be asked: not into a weekend, after which it is asked anew."""
    lasts = timedelta(milliseconds=milliseconds(run.param("expires", "3d")))
    if not (run.since(4) and run.param("working_days", True)):
        return lasts
    zone = await run.zone()
    today = run.now.astimezone(zone).date()
    saturday = datetime.combine(today + timedelta(days=SATURDAY - today.weekday()), time())
    return min(lasts, local_time(instant_of(saturday, zone), UTC) - run.now)


async def _closed_for_a_while(run: Run, ticket_id: str, delay: str) -> None:
    """Wait until the complaint has been closed for so long, also where it is closed once more meanwhile."""
    await run.sleep(delay)
    own = partial(_alone, ticket_id=ticket_id)
    while run.since(3) and (rested := after((await run.get("tickets", own)).closed_at, delay)) > run.now:
        await run.sleep_until(rested)


def _alone(tickets: Tickets, ticket_id: str) -> Tickets:
    return Tickets(recent=tuple(ticket for ticket in tickets.recent if ticket.ticket_id == ticket_id))


async def _unclosed(run: Run, first: Event) -> str:
    """What nobody closes counts as closed after three days; but after a review or rating nobody is asked before their order
    came or was paid back."""
    await run.sleep(run.param("review_delay", "72h"))
    if type(first) in _CAUSES:
        return ""
    last = (await run.get("orders", _latest)).last
    if not run.param("after_arrival", True):
        return ""
    until = run.now + timedelta(milliseconds=milliseconds(run.param("arrives_within", "30d")))
    while last is not None and not last.arrived:
        left = until - run.now
        _, news = await run.wait_any(run.wait_for(ShipmentDelivered, left), run.wait_for(OrderRefunded, left))
        if news is None:
            return "the order has not come"
        if not run.since(3):
            return ""
        last = (await run.get("orders", _latest)).last  # it may have been another one that came
    return ""


def _latest(orders: Orders) -> Orders:
    return what_became_of(Orders(recent=(orders.last,) if orders.last else ()))


async def _by_day(run: Run) -> None:
    """At night the day to come is settled here, since it may be a Saturday: dispatch would only wait for the hours to open."""
    hour = run.now.astimezone(await run.zone()).hour
    if run.param("by_day", True) and not OPENS <= hour < CLOSES:
        await run.sleep_until_local("10:00", days=int(hour >= CLOSES))


async def _working_day(run: Run) -> bool:
    """Wait for one; whether it had to be waited for."""
    weekday = run.now.astimezone(await run.zone()).weekday()
    if run.param("working_days", True) and weekday >= SATURDAY:
        await run.sleep_until_local("10:00", days=7 - weekday)
        return True
    return False


async def _silence(run: Run, ticket_id: str) -> str:
    tickets = await run.get("tickets")
    if tickets.open:
        return "another complaint is open"
    if outcome := _kept_quiet(tickets, ticket_id):
        return f"closed as {outcome}"
    if run.param("one_for_several", True) and not _is_last(tickets, ticket_id):
        return "another complaint was closed later"
    engagement = await run.get("engagement")
    asked = engagement.ladders("complaint_followup")
    if asked and after(asked[-1].sent_at, run.param("once_in", "14d")) > run.now:
        return "asked lately"
    if after(engagement.person_at, run.param("in_touch", "24h")) > run.now:
        return "a person was in touch"
    return ""


def _kept_quiet(tickets: Tickets, ticket_id: str) -> str:
    """The resolution by now, if nobody is asked after such a one; else ""."""
    outcomes = (ticket.resolution for ticket in tickets.recent if ticket.ticket_id == ticket_id)
    return next((outcome for outcome in outcomes if outcome in NOT_ASKED), "")


def _is_last(tickets: Tickets, ticket_id: str) -> bool:
    """Whether no other complaint was closed later; of several at one instant, the last by number."""
    asked = (ticket for ticket in tickets.recent if ticket.resolution not in NOT_ASKED)
    return max(((ticket.settled_at, ticket.ticket_id) for ticket in asked), default=(0, ticket_id))[1] == ticket_id


def _about(customer: Customer, ticket_id: str, cause: str) -> dict[str, Any] | None:
    """What the message is about; None once it is open again, or another one is, or it is no matter to ask about. `cause`: what
    nobody has closed, so that the message does not say that it was put right, nor that they complained if they did not."""
    if customer.tickets.open or _kept_quiet(customer.tickets, ticket_id):
        return None
    return {"ticket_id": ticket_id, "about": _in_neutral_words(customer, ticket_id), "cause": cause}


def _in_neutral_words(customer: Customer, ticket_id: str) -> str:
    """What the shop calls the complaint. What the customer wrote to a survey, in whatever mood, is not read out to them in a
    subject."""
    is_theirs = any(ticket.ticket_id == ticket_id and ticket.channel == SURVEY for ticket in customer.tickets.recent)
    return "" if is_theirs else subject_of(customer, ticket_id)
