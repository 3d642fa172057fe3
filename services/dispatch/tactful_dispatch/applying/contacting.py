"""Counting contacts: attempts to write to somebody, from which caps and gaps count. Pure but for the workspace."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tactful.purposes import is_marketing
from tactful_dispatch.applying.asking import note_question, unasked
from tactful_dispatch.facts import Contacted
from tactful_dispatch.state.rows import CONTACTS_KEPT, CustomerRow, Delivery
from tactful_dispatch.store import Workspace


def note_use(space: Workspace, delivery: Delivery) -> None:
    """Note in both rows that the customer is written to at this address, and in the address's which message a reply is to."""
    if delivery.address is not None:
        row, customer, name = space.address(delivery.address), delivery.message.customer, delivery.message.message_id
        row.used_by(customer)
        space.customer(customer).note_written_at(delivery.address)
        if row.latest != name:
            delivery.follows, row.latest = row.latest, name


def count_contact(space: Workspace, delivery: Delivery, now: int) -> None:
    """Count an attempt as a contact, for the customer and for everybody who shares the address. Service messages do not count; a question
    to the owner of the address is noted in its row."""
    message = delivery.message
    if delivery.address is not None:
        note_question(space.address(delivery.address), message, now)
    if not is_marketing(message.purpose):
        return
    contact = Contacted(now, message.channel, message.contact, message.rule, message.priority, message.message_id)
    for contacts in _counts(space, delivery):
        _remove(contacts, message.message_id)
        contacts.append(contact)


def uncount_contact(space: Workspace, delivery: Delivery) -> None:
    """Take that back, since nothing was sent after all; not if an earlier attempt may have been."""
    if delivery.doubtful:
        return
    message_id = delivery.message.message_id
    for contacts in _counts(space, delivery):
        _remove(contacts, message_id)
    if delivery.address is None:
        return
    address = space.address(delivery.address)
    unasked(address, delivery.message)
    if address.latest == message_id:
        address.latest = delivery.follows


def count_reaction(space: Workspace, customer: str, message_id: str) -> None:
    """The customer has reacted to a message: its contact is not one without reaction."""
    row = space.customer(customer)
    row.contacts = [
        msgspec.structs.replace(contact, engaged=True) if contact.message_id == message_id else contact
        for contact in row.contacts
    ]


def join_contacts(row: CustomerRow, others: Iterable[Contacted]) -> bool:
    """Count contacts under another name as this row's own; whether any of it is news. A reaction to either copy of a contact counts."""
    before, known = row.contacts, {contact.message_id or contact.contact: contact for contact in row.contacts}
    for contact in others:
        name = contact.message_id or contact.contact
        mine = known.get(name, contact)
        known[name] = msgspec.structs.replace(mine, engaged=mine.engaged or contact.engaged)
    row.contacts = sorted(known.values(), key=lambda contact: contact.at)[-CONTACTS_KEPT:]
    return row.contacts != before


def _counts(space: Workspace, delivery: Delivery) -> list[list[Contacted]]:
    counts = [space.customer(delivery.message.customer).contacts]
    return counts if delivery.address is None else [*counts, space.address(delivery.address).contacts]


def _remove(contacts: list[Contacted], message_id: str) -> None:
    contacts[:] = [contact for contact in contacts if contact.message_id != message_id]
