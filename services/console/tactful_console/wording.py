"""What each gate saw, as a sentence. Each reason has several wordings: the first whose facts are all there is used.

Facts are what dispatch recorded with the gate, completed by what the message itself says (purpose, channel, rule).
Those called `at`, `..._at` or `until` are instants in ms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any, Final

from tactful.decisions import GateRecord, GateVerdict, Reason
from tactful_console.moments import Moments

SHUT: Final[Mapping[Reason, tuple[str, ...]]] = {
    Reason.CANCELLED: ("the run took it back: {note}", "the run took it back before it left"),
    Reason.NOTHING_TO_SAY: ("the rule had nothing to say any more",),
    Reason.EXPIRED: (
        "held for {hold} until it was too old, at {expires_at}",
        "held for {hold} until it was too old",
        "too old since {expires_at}",
        "too old to be sent",
    ),
    Reason.DUPLICATE: ("this message was already decided",),
    Reason.LOG_NOT_READ: (
        "the log was last read at {read_at}: an opt-out may stand in it unread",
        "the log has not been read for a minute: an opt-out may stand in it unread",
    ),
    Reason.STOPPED: ("{by} stopped all sending at {stopped_at}", "all sending is stopped"),
    Reason.ERASED: ("the customer was erased",),
    Reason.DO_NOT_CONTACT: ("nobody may contact this customer: {why}", "nobody may contact this customer"),
    Reason.NO_ADDRESS: ("no address for {channel} is known", "no address is known"),
    Reason.SUPPRESSED_ADDRESS: (
        "this address is not used any more since {at}: {why}",
        "this address is not used any more: {why}",
        "this address is not used any more",
    ),
    Reason.NO_CONSENT: ("nobody has granted {purpose} by {channel}", "nobody has granted this"),
    Reason.WITHDRAWN: (
        "{purpose} was withdrawn by {channel} at {at}, entry #{entry}; silent until {until}, or until a new grant",
        "{purpose} was withdrawn at {at}, entry #{entry}",
        "{purpose} was withdrawn, entry #{entry}",
        "{purpose} was withdrawn",
        "the customer has withdrawn this",
    ),
    Reason.MUTED_RULE: ("the customer wants no more {rule}", "the customer wants no more of this kind"),
    Reason.MUTED_TOPIC: ("the customer wants nothing about {topic}", "the customer wants nothing about this"),
    Reason.PAUSED: ("the customer asked for a pause until {until}", "the customer asked for a pause"),
    Reason.PERSONALISATION: (
        "{rule} uses more than the customer allows: {uses}",
        "the rule uses more than the customer allows",
    ),
    Reason.COMPLAINT_OPEN: ("complaint {ticket_id} is open", "a complaint is open"),
    Reason.RESTING: ("marketing rests until {until}: {why}", "marketing rests until {until}", "marketing rests"),
    Reason.IN_TOUCH: (
        "{who} is in touch with the customer until {until}",
        "somebody is in touch with the customer until {until}",
        "somebody is in touch with the customer",
    ),
    Reason.NOT_YET: ("not wanted before {until}", "not wanted yet"),
    Reason.QUIET_HOURS: (
        "Quiet hours until {until} in {zone}, from the {zone_from}",
        "Quiet hours until {until} in {zone}",
        "Quiet hours until {until}",
        "Quiet hours",
    ),
    Reason.BUDGET: (
        "{used} of {limit} contacts this week are used, until {until}",
        "{used} of {limit} contacts this week are used",
        "this week's contacts are used",
    ),
    Reason.DISPLACED: ("{by} is more urgent and goes first", "something more urgent goes first"),
    Reason.GAP: (
        "the last {channel} left at {last_at}; the next may leave after {until}",
        "the next {channel} may leave after {until}",
        "too soon after the last {channel}",
        "too soon after the last one",
    ),
    Reason.TEMPLATE_ERROR: ("the template does not render: {error}", "the template does not render"),
    Reason.HOLDOUT: (
        "held out by lot, so that it can be measured what {rule} changes",
        "held out by lot, so that the effect can be measured",
    ),
    Reason.SHADOW: ("{rule} runs in shadow: it decides, and nothing leaves", "the rule runs in shadow"),
    Reason.NOT_ALLOWED: ("the address is not on the allow-list",),
    Reason.PROVIDER: ("{provider} cannot take it now: {detail}", "the provider cannot take it now"),
    Reason.REJECTED: ("{provider} refused it: {detail}", "{provider} refused it", "the provider refused it"),
    Reason.OUTCOME_UNKNOWN: (
        "{provider} did not say whether it took it: {detail}; it counts as sent",
        "nobody can know whether it left; it counts as sent",
    ),
}

OPEN: Final[Mapping[str, tuple[str, ...]]] = {
    "consent": ("consent #{entry}", "consented"),
    "budget": ("budget {used} of {limit} this week", "within the week's budget"),
    "quiet_hours": ("{local} in {zone} ({zone_from})", "{local} in {zone}", "within hours"),
}


def gate_sentence(record: GateRecord, moments: Moments, about: Mapping[str, Any] | None = None) -> str:
    """Why the gate is shut, or what it saw when it is open. `about`: what the message says of itself."""
    facts = {**(about or {}), **({"until": record.until} if record.until is not None else {}), **record.facts}
    if record.verdict is GateVerdict.OPEN:
        return (
            _worded(OPEN.get(record.gate, ()), facts, moments) or _listed(record.facts, moments) or "nothing against it"
        )
    if record.reason is None:
        return _listed(record.facts, moments) or "shut"
    return reason_sentence(record.reason, facts, moments)


def reason_sentence(reason: Reason, facts: Mapping[str, Any], moments: Moments) -> str:
    """The sentence for a reason with these facts."""
    return _worded(SHUT[reason], facts, moments)


def _worded(wordings: Sequence[str], facts: Mapping[str, Any], moments: Moments) -> str:
    known = {key: said for key, value in facts.items() if (said := _said(key, value, moments))}
    return next((wording.format_map(known) for wording in wordings if _fields(wording) <= known.keys()), "")


def _fields(wording: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(wording) if name}


def _listed(facts: Mapping[str, Any], moments: Moments) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {_said(key, value, moments)}" for key, value in facts.items())


def _said(key: str, value: Any, moments: Moments) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and (key in ("at", "until") or key.endswith("_at")):
        return moments.short(value) if value > 0 else ""
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return str(value).replace("_", " ") if key == "hold" else str(value)
