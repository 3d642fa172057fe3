"""Gates about the message itself and about whether anything may be sent now."""

from __future__ import annotations

from typing import Final

from tactful.clock import HOUR, MINUTE, SECOND
from tactful.decisions import GateRecord, Reason
from tactful.records import MessageBody
from tactful_dispatch.facts import Facts
from tactful_dispatch.gates.verdicts import Gate, failure, held, open_gate, refused

FRESH: Final = MINUTE  # nothing is sent for a log that has not been read for so long
AGAIN: Final = 30 * SECOND
STILL_STOPPED: Final = 2 * MINUTE  # every look writes each message that is kept anew, and a stop may last the night
MENDED: Final = (5 * MINUTE, HOUR)  # when a template is looked at again: at first, and at most


def cancelled(message: MessageBody, facts: Facts) -> GateRecord:
    """The run no longer wants it."""
    return refused("cancelled", Reason(facts.cancelled)) if facts.cancelled else open_gate("cancelled")


def expired(message: MessageBody, facts: Facts) -> GateRecord:
    """Too late to be of use; names the hold that lasted too long."""
    if facts.now >= message.expires_at:
        return refused("expired", Reason.EXPIRED, expires_at=message.expires_at, held_for=facts.held_for)
    return open_gate("expired", expires_at=message.expires_at)


def duplicate(message: MessageBody, facts: Facts) -> GateRecord:
    """This send of this occurrence was decided before."""
    return refused("duplicate", Reason.DUPLICATE) if facts.duplicate else open_gate("duplicate")


def log_not_read(message: MessageBody, facts: Facts) -> GateRecord:
    """An opt-out may lie unread in a log that nobody has read for a minute."""
    behind = facts.now - facts.read_through
    if behind > FRESH:
        return held("log not read", Reason.LOG_NOT_READ, facts.read_through + AGAIN, behind=behind)
    return open_gate("log not read", behind=max(0, behind))


def stopped(message: MessageBody, facts: Facts) -> GateRecord:
    """Somebody stopped all sending."""
    if facts.sending_stopped:
        return held("stopped", Reason.STOPPED, facts.now + STILL_STOPPED, by=facts.sending_stopped)
    return open_gate("stopped")


def not_yet(message: MessageBody, facts: Facts) -> GateRecord:
    """The run asked for a later moment."""
    if message.not_before is not None and facts.now < message.not_before:
        return held("not yet", Reason.NOT_YET, message.not_before, not_before=message.not_before)
    return open_gate("not yet")


def content(message: MessageBody, facts: Facts) -> GateRecord:
    """The template cannot be rendered: an alarm for the shop, and no reason to try another channel."""
    if facts.content_error is not None:
        return held("content", Reason.TEMPLATE_ERROR, _mended_at(facts), error=facts.content_error)
    return open_gate("content")


def unreadable(gate: Gate, message: MessageBody, facts: Facts, error: Exception) -> GateRecord:
    """A gate that cannot read its facts closes, as for a template that cannot be rendered."""
    name = gate.__name__.replace("_", " ")
    return held(name, Reason.TEMPLATE_ERROR, _mended_at(facts), error=failure(message, error))


def _mended_at(facts: Facts) -> int:
    """When a broken template is looked at again: later each time, since every look asks the run."""
    first, longest = MENDED
    return facts.now + min(first << min(facts.holds, 16), longest)


def provider(message: MessageBody, facts: Facts) -> GateRecord:
    """The provider asked to be left alone for a while."""
    if facts.now < facts.provider_until:
        return held("provider", Reason.PROVIDER, facts.provider_until, detail=facts.provider_detail)
    return open_gate("provider")
