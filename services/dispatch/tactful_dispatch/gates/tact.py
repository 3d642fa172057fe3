"""Gates about the moment: already in touch, quiet hours, gap."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tactful.clock import HOUR
from tactful.decisions import GateRecord, Reason, Scope
from tactful.durations import milliseconds
from tactful.identity import fraction
from tactful.purposes import is_marketing, keeps_hours
from tactful.records import MessageBody
from tactful_dispatch.facts import Facts
from tactful_dispatch.gates.verdicts import SHARED, held, open_gate, refused
from tactful_dispatch.hours import Window, first_opening, is_open


def in_touch(message: MessageBody, facts: Facts) -> GateRecord:
    """Somebody is already talking to them."""
    recipient = facts.recipient
    if recipient is None or not is_marketing(message.purpose):
        return open_gate("already in touch")
    until = recipient.in_touch_until
    if until and recipient.in_touch_since:  # by the settings of now, as a rest
        until = recipient.in_touch_since + milliseconds(facts.settings.resting.contact)
    if facts.now < until:
        return held("already in touch", Reason.IN_TOUCH, until, until=until, who=recipient.in_touch_with)
    return open_gate("already in touch")


def quiet_hours(message: MessageBody, facts: Facts) -> GateRecord:
    """What keeps hours waits for the recipient's day, and for the hours that they chose within it; an unknown zone gets the strictest
    plausible one."""
    texts = [text for text in (facts.settings.hours.marketing, facts.own_hours) if text]
    windows = [Window.parse(text) for text in texts]
    seen = {"zone": facts.zones[0].key, "zone_from": facts.zone_from, "hours": " and ".join(texts)}
    if not keeps_hours(message.purpose) or all(is_open(window, facts.zones, facts.now) for window in windows):
        return open_gate("quiet hours", **seen)
    opens = partial(first_opening, windows[0], windows[1] if facts.own_hours else None, facts.zones)
    opening = opens(facts.now)
    if opening == facts.now:
        return open_gate("quiet hours", **seen)
    until = None if opening is None else _turn(message, facts, opens, opening)
    return held("quiet hours", Reason.QUIET_HOURS, until, until=until, **seen)


def _turn(message: MessageBody, facts: Facts, opens: Callable[[int], int | None], opening: int) -> int:
    """When (ms) it is a customer's turn after hours have opened for many at once. All messages of a customer have the same turn, so that
    the most urgent one still goes first. The opening itself, if the hours or the message would be over by their turn."""
    lasts = milliseconds(facts.settings.hours.spread)
    turn = opening + int(lasts * fraction("opening", message.customer, str(opening)))
    return turn if turn < message.expires_at and opens(turn) == turn else opening


def gap(message: MessageBody, facts: Facts) -> GateRecord:
    """Two marketing messages on one channel stand apart, counted from the attempt, with a minute of grace."""
    caps = facts.settings.caps
    lengths = {"email": caps.email_gap, "sms": caps.sms_gap, "push": caps.push_gap}
    if not is_marketing(message.purpose) or message.channel not in lengths:
        return open_gate("gap")
    apart = max(0, milliseconds(lengths[message.channel]) - milliseconds(caps.grace))
    others = (c for c in (*facts.contacts, *facts.address_contacts) if c.message_id != message.message_id)
    last = max((c for c in others if c.channel == message.channel), key=lambda c: c.at, default=None)
    if last is not None and facts.now - last.at < apart:
        whose = {} if any(c.message_id == last.message_id for c in facts.contacts) else SHARED
        return refused("gap", Reason.GAP, Scope.CHANNEL, last=last.at, rule=last.rule, hours=apart / HOUR, **whose)
    return open_gate("gap")
