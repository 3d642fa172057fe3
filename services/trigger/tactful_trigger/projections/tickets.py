"""The complaints, open and closed.

A ticket is open while its last opening is later than its last closing, by when they happened. Of both at one instant the
closing counts: sources that know only the day would otherwise keep a ticket open for ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tactful.customer import REVIEW, Ticket, Tickets
from tactful.events import ComplaintClosed, ComplaintOpened, ComplaintReopened, Event, ProductReviewed
from tactful.events.own import UNCLOSED, Unclosed
from tactful_trigger.projections.versions import FirstVersion

KEPT: Final = 32
TAKEN_BACK: Final = "withdrawn"  # as what a help desk closes such a complaint


class TicketsProjection(FirstVersion):
    """Implements `tactful.projections.Projection` for `Tickets`."""

    name = "tickets"
    state = Tickets
    events: tuple[type[Event], ...] = (ComplaintOpened, ComplaintClosed, ComplaintReopened, *UNCLOSED)

    def fold(self, state: Tickets, event: Event) -> Tickets:
        news = _taken_back(state, event) if isinstance(event, ProductReviewed) else None
        news = news or _news(event)
        return state if news is None else _with(state, news)

    def merge(self, mine: Tickets, theirs: Tickets) -> Tickets:
        """All tickets of both, as if one customer had opened and closed them."""
        merged = mine
        for ticket in theirs.recent:
            merged = _with(merged, ticket)
        return merged


def _news(event: Event) -> Ticket | None:
    """What one event tells of a ticket."""
    at = event.meta.occurred_at
    if isinstance(event, ComplaintOpened):
        return Ticket(ticket_id=event.ticket_id, opened_at=at, subject=event.subject, channel=event.came_by)
    if isinstance(event, ComplaintReopened):
        return Ticket(ticket_id=event.ticket_id, opened_at=at, reopened=True, reopened_at=at)
    if isinstance(event, ComplaintClosed):
        return Ticket(ticket_id=event.ticket_id, closed_at=at, ended_at=at, resolution=event.outcome)
    if isinstance(event, Unclosed) and event.ticket_id:
        return Ticket(ticket_id=event.ticket_id, opened_at=at, channel=REVIEW)
    return None


def _taken_back(state: Tickets, event: ProductReviewed) -> Ticket | None:
    """A bad review that is soon written anew as a good one is no complaint any more, unless a person has to look at it by now."""
    at, name = event.meta.occurred_at, event.takes_back
    stands = (t for t in state.recent if name and t.ticket_id == name and not t.reopened and at < t.settled_at)
    known = next(stands, None)
    return known and Ticket(ticket_id=name, closed_at=at, ended_at=at, resolution=TAKEN_BACK)


def _with(state: Tickets, news: Ticket) -> Tickets:
    old = next((ticket for ticket in state.recent if ticket.ticket_id == news.ticket_id), None)
    new = news if old is None else _joined(old, news)
    if new == old:
        return state
    return Tickets(recent=_kept((*(ticket for ticket in state.recent if ticket is not old), new)))


def _joined(one: Ticket, other: Ticket) -> Ticket:
    """An earlier closing says nothing once the ticket was opened again, but that the customer's no was heard before it: a review
    that is written anew closes itself again."""
    opened, refused = max(one.opened_at, other.opened_at), max(_refused_at(one), _refused_at(other))
    closing = max(one, other, key=lambda ticket: (_ended_at(ticket), ticket.resolution))
    ended = _ended_at(closing)
    stands = ended >= opened
    return Ticket(
        ticket_id=one.ticket_id,
        opened_at=opened,
        closed_at=ended if stands else 0,
        resolution=closing.resolution if stands else "",
        subject=one.subject or other.subject,
        channel=one.channel or other.channel,
        reopened=refused > ended,
        reopened_at=refused,
        ended_at=ended,
    )


def _refused_at(ticket: Ticket) -> int:
    """When the customer last said that it is not settled. States of before this was kept know only whether."""
    return ticket.reopened_at or (ticket.opened_at if ticket.reopened else 0)


def _ended_at(ticket: Ticket) -> int:
    return ticket.ended_at or ticket.closed_at


def _kept(tickets: Iterable[Ticket]) -> tuple[Ticket, ...]:
    """A forgotten open ticket would let marketing speak, so closed ones go first."""
    kept = sorted(tickets, key=lambda ticket: (not ticket.closed_at, *_age(ticket)))[-KEPT:]
    return tuple(sorted(kept, key=_age))


def _age(ticket: Ticket) -> tuple[int, str]:
    return ticket.opened_at, ticket.ticket_id
