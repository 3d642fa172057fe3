"""The complaints, open and closed."""

from __future__ import annotations

from typing import Any, Final

from tactful.customer import Ticket, Tickets
from tactful.events import ComplaintClosed, ComplaintOpened, ComplaintReopened, Event
from tactful_trigger.projections.versions import unknown_version

KEPT: Final = 32


class TicketsProjection:
    """Implements `tactful.projections.Projection` for `Tickets`. Per ticket, the latest word by when it was said."""

    name = "tickets"
    version = 1
    state = Tickets
    events = (ComplaintOpened, ComplaintClosed, ComplaintReopened)

    def fold(self, state: Tickets, event: Event) -> Tickets:
        if not isinstance(event, ComplaintOpened | ComplaintClosed | ComplaintReopened):
            return state
        at = event.meta.occurred_at
        known = next(
            (t for t in state.recent if t.ticket_id == event.ticket_id), Ticket(ticket_id=event.ticket_id, opened_at=0)
        )
        if isinstance(event, ComplaintClosed):
            closed = at if at >= known.opened_at else 0
            ticket = Ticket(
                ticket_id=known.ticket_id,
                opened_at=known.opened_at,
                closed_at=max(closed, known.closed_at),
                subject=known.subject,
            )
        else:
            subject = event.subject if isinstance(event, ComplaintOpened) else known.subject
            opened = max(at, known.opened_at)
            closed = known.closed_at if known.closed_at >= opened else 0
            ticket = Ticket(
                ticket_id=known.ticket_id, opened_at=opened, closed_at=closed, subject=subject or known.subject
            )
        return state if ticket == known else Tickets(recent=_latest((*_others(state, ticket), ticket)))

    def merge(self, mine: Tickets, theirs: Tickets) -> Tickets:
        """All tickets of both; an open one stays open."""
        tickets = {ticket.ticket_id: ticket for ticket in theirs.recent}
        for ticket in mine.recent:
            other = tickets.get(ticket.ticket_id)
            tickets[ticket.ticket_id] = ticket if other is None or ticket.opened_at >= other.opened_at else other
        return Tickets(recent=_latest(tuple(tickets.values())))

    def migrate(self, version: int, old: Any) -> Tickets:
        raise unknown_version(self.name, version, self.version)


def _others(state: Tickets, ticket: Ticket) -> tuple[Ticket, ...]:
    return tuple(other for other in state.recent if other.ticket_id != ticket.ticket_id)


def _latest(tickets: tuple[Ticket, ...]) -> tuple[Ticket, ...]:
    return tuple(sorted(tickets, key=lambda t: (not t.closed_at, t.opened_at, t.ticket_id)))[-KEPT:]
