"""Moving one delivery on: held, refused, on its way, decided. Pure but for the workspace."""

from __future__ import annotations

from typing import Any, Final

from tactful.decisions import GateRecord, GateVerdict, Reason, Scope, Verdict
from tactful.identity import fraction
from tactful.records import EVENTS
from tactful_dispatch.applying.announcing import decided, hold_opened, shut_gate
from tactful_dispatch.applying.binding import tell_other_names
from tactful_dispatch.applying.inheriting import hand_over
from tactful_dispatch.facts import used_up_by
from tactful_dispatch.gates.standing import STILL_STOPPED
from tactful_dispatch.state.ledger import used_up
from tactful_dispatch.state.rows import (
    ACCEPTED,
    ASKED,
    HELD,
    PENDING,
    REFUSED,
    SENDING,
    UNKNOWN,
    WAITING,
    Cursor,
    Delivery,
)
from tactful_dispatch.store import Workspace

_STATES: Final = {Verdict.SENT: ACCEPTED, Verdict.NOT_SENT: REFUSED, Verdict.UNKNOWN: UNKNOWN}


def finish(space: Workspace, delivery: Delivery, verdict: Verdict, reason: Reason | None, now: int) -> None:
    """Decide a delivery for good and tell trigger. One that an earlier attempt may have delivered is never decided as not sent."""
    if delivery.doubtful and verdict is Verdict.NOT_SENT:
        verdict, reason = Verdict.UNKNOWN, Reason.OUTCOME_UNKNOWN
    close(space, delivery, verdict, reason, now)
    space.put(EVENTS, decided(delivery, now))
    if verdict is Verdict.NOT_SENT:
        hand_over(space, delivery.message.customer, now)
    else:
        tell_other_names(space, delivery.message.customer, now)


def close(space: Workspace, delivery: Delivery, verdict: Verdict, reason: Reason | None, now: int) -> None:
    """As `finish`, told to nobody."""
    delivery.state, delivery.verdict = _STATES[verdict], verdict
    delivery.reason, delivery.decided_at, delivery.due = reason or "", now, None
    delivery.look_again = False
    if verdict is not Verdict.NOT_SENT:
        _use_up(space, delivery, now)


def _use_up(space: Workspace, delivery: Delivery, now: int) -> None:
    """Enter in the ledger that grants for one message are used up by this one, and forget them."""
    message = delivery.message
    row = space.customer(message.customer)
    for word in used_up_by(message, row.words):
        space.record_consent(used_up(message.customer, message.message_id, word, now))
        row.words = [kept for kept in row.words if kept is not word]


def follow(space: Workspace, delivery: Delivery, gates: list[GateRecord], now: int) -> bool:
    """Do as the gates say: hold the delivery or refuse it. True if all are open, so that the message may leave."""
    delivery.gates = gates
    shut = shut_gate(gates)
    if shut is None:
        return True
    if shut.verdict is GateVerdict.HELD:
        hold(delivery, shut.reason or Reason.PROVIDER, shut.until)
    else:
        finish(space, delivery, Verdict.NOT_SENT, shut.reason, now)
    return False


def hold(delivery: Delivery, reason: Reason, until: int | None) -> None:
    """Hold a delivery until an instant (ms), or until it expires if there is none; never beyond its expiry."""
    expires = delivery.message.expires_at
    delivery.state, delivery.held_for, delivery.held_until = HELD, reason, until
    delivery.due = expires if until is None else min(until, expires)


def time_is_up(space: Workspace, delivery: Delivery, due: int) -> None:
    """The timer of a delivery fires at `due`: its hold ends and its run is asked, it expires, or its outcome will never be known."""
    if delivery.state == SENDING:
        give_up(space, delivery, due, "no answer within the deadline")
    elif due >= delivery.message.expires_at:
        expire(space, delivery, due)
    elif delivery.state == HELD and (kept_until := _kept(space.cursor, delivery, due)) > due:
        hold(delivery, Reason.STOPPED, kept_until)  # nobody need be asked while nothing may leave
    elif delivery.state == HELD:
        delivery.hold += 1
        delivery.state, delivery.due = ASKED, delivery.message.expires_at
        space.put(EVENTS, hold_opened(delivery, due))


def _kept(cursor: Cursor, delivery: Delivery, now: int) -> int:
    """Until when a stop of all sending holds a delivery; 0 if something else does. Once sending goes on, deliveries come up one after the
    other within `cursor.over` ms, and each before half of the time is over that it has left."""
    if delivery.held_for != Reason.STOPPED:
        return 0
    if cursor.stopped:
        return now + STILL_STOPPED
    left = max(0, delivery.message.expires_at - cursor.resumed_at)
    return cursor.resumed_at + int(fraction("resume", delivery.name) * min(cursor.over, left // 2))


def let_go(cursor: Cursor, delivery: Delivery, now: int) -> None:
    """Sending goes on: a delivery that the stop held comes up when it is its turn."""
    if delivery.state == HELD and delivery.held_for == Reason.STOPPED:
        hold(delivery, Reason.STOPPED, _kept(cursor, delivery, now))


def expire(space: Workspace, delivery: Delivery, now: int) -> None:
    """Refuse a delivery that is too late. The facts name the hold that lasted too long, or since when its run has not answered."""
    facts: dict[str, Any] = {"expires_at": delivery.message.expires_at, "held_for": delivery.held_for}
    if delivery.state == ASKED:
        facts["asked_at"] = delivery.held_until
        delivery.gates = [gate for gate in delivery.gates if gate.verdict is not GateVerdict.HELD]
    shut = GateRecord("expired", GateVerdict.REFUSED, facts, Reason.EXPIRED, Scope.CUSTOMER)
    delivery.gates = [*delivery.gates, shut]
    if delivery.held_for == Reason.STOPPED:
        space.cursor.expired += 1
    finish(space, delivery, Verdict.NOT_SENT, Reason.EXPIRED, now)


def give_up(space: Workspace, delivery: Delivery, now: int, detail: str) -> None:
    """Decide a delivery whose attempt nobody can know the outcome of: unknown, which counts as sent and is never resent; sent, if a receipt
    has come."""
    delivery.provider_detail = detail
    if delivery.delivered:
        finish(space, delivery, Verdict.SENT, None, now)
    else:
        finish(space, delivery, Verdict.UNKNOWN, Reason.OUTCOME_UNKNOWN, now)


def cancel(space: Workspace, delivery: Delivery, reason: str, note: str, now: int) -> None:
    """Refuse a delivery that its run no longer wants. One that is in `sending` is decided by the provider's answer."""
    if delivery.state not in WAITING:
        return
    facts = {"why": note} if note else {}
    delivery.gates = [GateRecord("cancelled", GateVerdict.REFUSED, facts, Reason(reason), Scope.CUSTOMER)]
    finish(space, delivery, Verdict.NOT_SENT, Reason(reason), now)


def confirm(delivery: Delivery, number: int) -> bool:
    """The run still wants the message: its gates are asked again. False if it was not asked about this hold."""
    if delivery.state != ASKED or delivery.hold != number:
        return False
    delivery.state, delivery.due = PENDING, None
    return True
