"""Gates about the moment and about how often: already in touch, quiet hours, budget, gap."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tactful.clock import DAY, HOUR
from tactful.decisions import GateRecord, Reason, Scope
from tactful.durations import milliseconds
from tactful.purposes import is_marketing
from tactful.records import MessageBody
from tactful_dispatch.facts import Contacted, Facts
from tactful_dispatch.gates.verdicts import held, open_gate, refused
from tactful_dispatch.hours import Window, is_open, next_opening

WEEK: Final = 7 * DAY
FORTNIGHT: Final = 14 * DAY
MONTH: Final = 30 * DAY


def in_touch(message: MessageBody, facts: Facts) -> GateRecord:
    """Somebody is already talking to them."""
    until = facts.recipient.in_touch_until if facts.recipient and is_marketing(message.purpose) else 0
    if facts.now < until:
        who = facts.recipient.in_touch_with if facts.recipient else ""
        return held("already in touch", Reason.IN_TOUCH, until, until=until, who=who)
    return open_gate("already in touch")


def quiet_hours(message: MessageBody, facts: Facts) -> GateRecord:
    """Marketing waits for the recipient's day; an unknown zone gets the strictest plausible one."""
    window, text = Window.parse(facts.settings.hours.marketing), facts.settings.hours.marketing
    zone = facts.zones[0].key
    if not is_marketing(message.purpose) or is_open(window, facts.zones, facts.now):
        return open_gate("quiet hours", zone=zone, zone_from=facts.zone_from, hours=text)
    until = next_opening(window, facts.zones, facts.now)
    return held("quiet hours", Reason.QUIET_HOURS, until, until=until, zone=zone, zone_from=facts.zone_from, hours=text)


def budget(message: MessageBody, facts: Facts) -> GateRecord:
    """So many marketing contacts a week, by segment; a ladder counts once, by customer and by address."""
    caps = facts.settings.caps
    if not is_marketing(message.purpose) or not caps.budget:
        return open_gate("budget")
    segment = facts.recipient.segment if facts.recipient else "new"
    allowed, span = getattr(caps.weekly, segment, caps.weekly.new), WEEK
    if _ignored(facts.contacts, caps.silent_after):
        allowed, span = 1, FORTNIGHT
    for contacts in (facts.contacts, facts.address_contacts):
        used = _contacts(contacts, facts.now - span, message.contact)
        if len(used) >= allowed:
            free_at = sorted(used.values(), key=lambda c: c.at)[len(used) - allowed].at + span if allowed else None
            return _displaced_or_spent(message, used.values(), free_at, allowed, segment)
    sms = facts.settings.caps.sms_per_30_days
    if message.channel == "sms" and (spent := _on(facts, "sms", facts.now - MONTH)) >= sms:
        return refused("budget", Reason.BUDGET, Scope.CHANNEL, used=spent, allowed=sms, days=30)
    used = _contacts(facts.contacts, facts.now - span, message.contact)
    return open_gate("budget", used=len(used), allowed=allowed, days=span // DAY, segment=segment)


def _displaced_or_spent(
    message: MessageBody, used: Iterable[Contacted], free_at: int | None, allowed: int, segment: str
) -> GateRecord:
    used = list(used)
    urgent = [c for c in used if c.priority > message.priority and c.at >= message.requested_at]
    facts = {"used": len(used), "allowed": allowed, "segment": segment}
    if urgent:
        return held("budget", Reason.DISPLACED, free_at, **facts, by=urgent[-1].rule)
    return held("budget", Reason.BUDGET, free_at, **facts, lost_to=used[-1].rule if used else "")


def _contacts(contacts: Iterable[Contacted], since: int, mine: str) -> dict[str, Contacted]:
    """By contact, without the ladder that asks."""
    return {c.contact: c for c in contacts if c.at > since and c.contact != mine}


def _ignored(contacts: Iterable[Contacted], many: int) -> bool:
    latest: dict[str, bool] = {}
    for contact in contacts:
        latest[contact.contact] = latest.get(contact.contact, False) or contact.engaged
    last = list(latest.values())[-many:]
    return len(last) == many and not any(last)


def _on(facts: Facts, channel: str, since: int) -> int:
    return sum(contact.channel == channel and contact.at > since for contact in facts.contacts)


def gap(message: MessageBody, facts: Facts) -> GateRecord:
    """Two marketing messages on one channel stand apart, counted from the attempt, with a minute of grace."""
    caps = facts.settings.caps
    lengths = {"email": caps.email_gap, "sms": caps.sms_gap, "push": caps.push_gap}
    if not is_marketing(message.purpose) or message.channel not in lengths:
        return open_gate("gap")
    apart = max(0, milliseconds(lengths[message.channel]) - milliseconds(caps.grace))
    both = (*facts.contacts, *facts.address_contacts)
    last = max((c for c in both if c.channel == message.channel), key=lambda c: c.at, default=None)
    if last is not None and facts.now - last.at < apart:
        return refused("gap", Reason.GAP, Scope.CHANNEL, last=last.at, rule=last.rule, hours=apart / HOUR)
    return open_gate("gap")
