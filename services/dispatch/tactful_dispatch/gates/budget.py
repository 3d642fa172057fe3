"""The gate about how often: so many contacts a week, fewer to those who do not react, and seldom by SMS.

Counted for the customer and for everybody who shares the address, whichever is more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from tactful.clock import DAY
from tactful.decisions import GateRecord, Reason
from tactful.purposes import is_marketing
from tactful.records import MessageBody
from tactful_dispatch.facts import Contacted, Facts
from tactful_dispatch.gates.verdicts import SHARED, held, open_gate

WEEK: Final = 7 * DAY
FORTNIGHT: Final = 14 * DAY
MONTH: Final = 30 * DAY
WHOSE: Final[tuple[dict[str, str], ...]] = ({}, SHARED)


class Allowance(NamedTuple):
    """So many contacts in so long (ms)."""

    most: int
    span: int


def budget(message: MessageBody, facts: Facts) -> GateRecord:
    """A ladder counts once. What does not fit waits, since a budget frees up. A shop without budgets keeps the customer's own."""
    caps = facts.settings.caps
    if not is_marketing(message.purpose) or not (caps.budget or facts.at_most_days):
        return open_gate("budget")
    segment = facts.recipient.segment if facts.recipient else "new"
    allowance, others = _weekly(message, facts, segment), _others(facts, message.contact)
    told = {"segment": segment} | ({} if allowance.span == WEEK else {"days": allowance.span // DAY})
    for used, whose in zip(others, WHOSE, strict=True):
        if shut := _spent(message, used, allowance, facts.now, **told, **whose):
            return shut
    if message.channel == "sms" and caps.budget:
        for history, whose in zip((facts.contacts, facts.address_contacts), WHOSE, strict=True):
            used = [c for c in history if c.channel == "sms" and c.message_id != message.message_id]
            if shut := _spent(message, used, Allowance(caps.sms_per_30_days, MONTH), facts.now, days=30, **whose):
                return shut
    used_up = max(len(_since(used, facts.now - allowance.span)) for used in others)
    return open_gate("budget", used=used_up, allowed=allowance.most, days=allowance.span // DAY, segment=segment)


def _weekly(message: MessageBody, facts: Facts, segment: str) -> Allowance:
    caps, own = facts.settings.caps, facts.at_most_days * DAY
    if not caps.budget:
        return Allowance(1, own)
    most = getattr(caps.weekly, segment, caps.weekly.new)
    if _ignored(facts.contacts, caps.silent_after, message.contact):
        return Allowance(min(1, most), max(FORTNIGHT, own))
    return Allowance(min(1, most), max(WEEK, own)) if own else Allowance(most, WEEK)


def _others(facts: Facts, mine: str) -> tuple[list[Contacted], list[Contacted]]:
    """One entry a contact, without the ladder that asks: of the customer, and of the address."""
    return _latest(facts.contacts, mine), _latest(facts.address_contacts, mine)


def _latest(history: Sequence[Contacted], mine: str) -> list[Contacted]:
    return list({c.contact: c for c in history if c.contact != mine}.values())


def _since(contacts: Iterable[Contacted], start: int) -> list[Contacted]:
    return sorted((c for c in contacts if c.at > start), key=lambda c: c.at)


def _spent(
    message: MessageBody, contacts: Iterable[Contacted], allowance: Allowance, now: int, **told: Any
) -> GateRecord | None:
    most, span = allowance
    used = _since(contacts, now - span)
    if len(used) < most:
        return None
    free_at = used[len(used) - most].at + span if most else None
    seen = {"used": len(used), "allowed": most, **told}
    urgent = [c for c in used if c.priority > message.priority and c.at >= message.requested_at]
    if urgent:
        return held("budget", Reason.DISPLACED, free_at, **seen, by=urgent[-1].rule)
    return held("budget", Reason.BUDGET, free_at, **seen, lost_to=used[-1].rule if used else "")


def _ignored(history: Iterable[Contacted], many: int, mine: str) -> bool:
    """Whether the last so many contacts in a row found no reaction; the ladder that asks is still waiting for one."""
    reactions: dict[str, bool] = {}
    for contact in history:
        if contact.contact != mine:
            reactions[contact.contact] = reactions.get(contact.contact, False) or contact.engaged
    last = list(reactions.values())[-many:]
    return len(last) == many and not any(last)
