"""Which complaint an event is about."""

from __future__ import annotations

from tactful import Customer
from tactful.events import Event


def ticket_of(event: Event) -> str:
    """Its number; "" if it is about none."""
    return str(getattr(event, "ticket_id", ""))


def same_ticket(first: Event, event: Event) -> bool:
    """Whether both are about one complaint."""
    return ticket_of(first) == ticket_of(event)


def subject_of(customer: Customer, number: str) -> str:
    """What the customer's complaint of that number is about; "" if it is not known."""
    return next((ticket.subject for ticket in customer.tickets.recent if ticket.ticket_id == number), "")
