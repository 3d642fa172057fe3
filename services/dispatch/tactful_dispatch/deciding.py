"""Moving one delivery on: held, refused, on its way, decided. Pure but for the workspace."""

from __future__ import annotations

from typing import Final

from tactful.decisions import GateRecord, GateVerdict, Reason, Scope, Verdict
from tactful.outbox import Cause
from tactful.records import EVENTS
from tactful_dispatch.announcing import decided, deciding, hold_opened
from tactful_dispatch.facts import Contacted
from tactful_dispatch.rows import (
    ACCEPTED,
    ASKED,
    HELD,
    PENDING,
    REFUSED,
    SENDING,
    UNKNOWN,
    AddressKey,
    Delivery,
)
from tactful_dispatch.store import Workspace

_STATES: Final = {Verdict.SENT: ACCEPTED, Verdict.NOT_SENT: REFUSED, Verdict.UNKNOWN: UNKNOWN}


def finish(
    space: Workspace, delivery: Delivery, verdict: Verdict, reason: Reason | None, now: int, cause: Cause
) -> None:
    """The final word, told once."""
    delivery.state, delivery.verdict = _STATES[verdict], verdict
    delivery.reason, delivery.decided_at, delivery.due = reason or "", now, None
    space.put(EVENTS, decided(delivery, now), cause)


def follow(space: Workspace, delivery: Delivery, gates: list[GateRecord], now: int, cause: Cause) -> bool:
    """Do as the gates say; whether the message may leave."""
    delivery.gates = gates
    shut = deciding(gates)
    if shut is None:
        return True
    if shut.verdict is GateVerdict.HELD:
        hold(delivery, shut.reason or Reason.PROVIDER, shut.until)
    else:
        finish(space, delivery, Verdict.NOT_SENT, shut.reason, now, cause)
    return False


def hold(delivery: Delivery, reason: Reason, until: int | None) -> None:
    """Keep it until an instant; never beyond its expiry."""
    expires = delivery.message.expires_at
    delivery.state, delivery.held_for, delivery.held_until = HELD, reason, until
    delivery.due = expires if until is None else min(until, expires)


def time_is_up(space: Workspace, delivery: Delivery, due: int, cause: Cause) -> None:
    """A hold ends, a message expires, or an outcome will never be known."""
    if delivery.state == SENDING:
        give_up(space, delivery, due, "no answer within the deadline", cause)
    elif due >= delivery.message.expires_at:
        expire(space, delivery, due, cause)
    elif delivery.state == HELD:
        delivery.hold += 1
        delivery.state, delivery.due = ASKED, delivery.message.expires_at
        space.put(EVENTS, hold_opened(delivery, due), cause)


def expire(space: Workspace, delivery: Delivery, now: int, cause: Cause) -> None:
    """Too late; the hold that lasted too long is named."""
    facts = {"expires_at": delivery.message.expires_at, "held_for": delivery.held_for}
    delivery.gates = [
        *delivery.gates,
        GateRecord("expired", GateVerdict.REFUSED, facts, Reason.EXPIRED, Scope.CUSTOMER),
    ]
    finish(space, delivery, Verdict.NOT_SENT, Reason.EXPIRED, now, cause)


def give_up(space: Workspace, delivery: Delivery, now: int, detail: str, cause: Cause) -> None:
    """Nobody can know whether it left: it counts as sent and is never resent."""
    delivery.provider_detail = detail
    finish(space, delivery, Verdict.UNKNOWN, Reason.OUTCOME_UNKNOWN, now, cause)


def cancel(space: Workspace, delivery: Delivery, reason: str, note: str, now: int, cause: Cause) -> None:
    """The run no longer wants it. What is on its way already is decided by the provider."""
    if delivery.state not in (HELD, ASKED, PENDING):
        return
    facts = {"why": note} if note else {}
    delivery.gates = [GateRecord("cancelled", GateVerdict.REFUSED, facts, Reason(reason), Scope.CUSTOMER)]
    finish(space, delivery, Verdict.NOT_SENT, Reason(reason), now, cause)


def confirm(delivery: Delivery, number: int) -> bool:
    """The run still wants it: the gates run again. False if this hold is over."""
    if delivery.state != ASKED or delivery.hold != number:
        return False
    delivery.state, delivery.due = PENDING, None
    return True


def count_contact(space: Workspace, customer: str, delivery: Delivery, key: AddressKey | None, now: int) -> None:
    """The attempt counts, for the customer and for everybody who shares the address."""
    message = delivery.message
    contact = Contacted(now, message.channel, message.contact, message.rule, message.priority, message.message_id)
    space.customer(customer).contacts.append(contact)
    if key is not None:
        space.address(key).contacts.append(contact)


def uncount_contact(space: Workspace, customer: str, delivery: Delivery, key: AddressKey | None) -> None:
    """Nothing was sent after all."""
    row, name = space.customer(customer), delivery.message.message_id
    row.contacts = [contact for contact in row.contacts if contact.message_id != name]
    if key is not None:
        address = space.address(key)
        address.contacts = [contact for contact in address.contacts if contact.message_id != name]
