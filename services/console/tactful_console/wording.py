"""What each gate saw, as a sentence. Each reason has several wordings: the first whose facts are all there is used.

Facts are what dispatch recorded with the gate, completed by what the message itself says (purpose, channel, rule).
Instants are ms and are called `at`, `until`, `last`, `not_before`, `..._at` or `..._until`; `behind` is a length in ms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any, Final

from tactful.decisions import GateRecord, GateVerdict, Reason
from tactful.durations import spoken
from tactful_console.moments import Moments

SHUT: Final[Mapping[Reason, tuple[str, ...]]] = {
    Reason.CANCELLED: ("the run took it back: {why}", "the run took it back before it left"),
    Reason.NOTHING_TO_SAY: ("the rule had nothing to say any more",),
    Reason.EXPIRED: (
        "the hold ended at {asked_at}, and its run did not answer until it was too old, at {expires_at}",
        "held for {held_for} until it was too old, at {expires_at}",
        "too old since {expires_at}",
        "too old to be sent",
    ),
    Reason.DUPLICATE: ("this message was already decided",),
    Reason.LOG_NOT_READ: (
        "nobody has read the log for {behind}: an opt-out may stand in it unread",
        "nobody has read the log for a minute: an opt-out may stand in it unread",
    ),
    Reason.STOPPED: ("{by} stopped all sending", "all sending is stopped"),
    Reason.ERASED: ("the customer was erased",),
    Reason.DO_NOT_CONTACT: ("nobody may contact this customer: {why}", "nobody may contact this customer"),
    Reason.NO_ADDRESS: (
        "nothing sends {channel} here: adapter {adapter}",
        "no address for {channel} is known",
        "no address is known",
    ),
    Reason.SUPPRESSED_ADDRESS: (
        "not to this address: {why}; it stands on a list of {on_list_of}",
        "not to this address: {why}",
        "the owner of this address was asked at {asked_at} and has not answered",
        "not to this address",
    ),
    Reason.NO_CONSENT: (
        "{purpose} was withdrawn at {at}, entry #{entry}, and was not granted by {channel} since",
        "nobody has granted {purpose} by {channel}",
        "nobody has granted this",
    ),
    Reason.WITHDRAWN: (
        "{purpose} was withdrawn at {at}, entry #{entry}; silent until {silent_until} or a new grant",
        "{purpose} was withdrawn at {at}, entry #{entry}",
        "{purpose} was withdrawn with this address at {withdrawn_at}, says a list of {on_list_of}; silent until {silent_until}",
        "{purpose} was withdrawn with this address at {withdrawn_at}; it stands on a list of {on_list_of}",
        "somebody with this address withdrew {purpose} at {withdrawn_at}",
        "the customer wants no {purpose}",
        "the customer has withdrawn this",
    ),
    Reason.MUTED_RULE: ("the customer wants no more {rule}", "the customer wants no more of this kind"),
    Reason.MUTED_TOPIC: ("the customer wants nothing about {topics}", "the customer wants nothing about this"),
    Reason.PAUSED: ("the customer asked for a pause until {until}", "the customer asked for a pause"),
    Reason.PERSONALISATION: (
        "{rule} uses more than the customer allows: {uses}",
        "the rule uses more than the customer allows",
    ),
    Reason.COMPLAINT_OPEN: ("a complaint is open",),
    Reason.RESTING: ("marketing rests until {until}: {why}", "marketing rests until {until}", "marketing rests"),
    Reason.IN_TOUCH: (
        "{who} is in touch with the customer until {until}",
        "somebody is in touch with the customer until {until}",
        "somebody is in touch with the customer",
    ),
    Reason.NOT_YET: ("not wanted before {until}", "not wanted yet"),
    Reason.QUIET_HOURS: (
        "Quiet hours until {until} in {zone}, from the {zone_from}",
        "Quiet hours until {until}",
        "Quiet hours",
    ),
    Reason.BUDGET: (
        "{used} of {allowed} contacts with everybody at {whose} are used, the last by {lost_to}; free again at {until}",
        "{used} of {allowed} contacts {days} are used, the last by {lost_to}; free again at {until}",
        "{used} of {allowed} contacts {days} are used",
        "{used} of {allowed} contacts are used, the last by {lost_to}; free again at {until}",
        "{used} of {allowed} contacts are used; free again at {until}",
        "{used} of {allowed} contacts are used",
        "the contacts allowed are used",
    ),
    Reason.DISPLACED: (
        "{by} is more urgent and went first; free again at {until}",
        "{by} is more urgent and went first",
        "something more urgent went first",
    ),
    Reason.GAP: (
        "{rule} left by {channel} at {last} to somebody else at {whose}; {hours} h must lie between",
        "{rule} left by {channel} at {last}; {hours} h must lie between",
        "too soon after the last {channel}",
        "too soon after the last one",
    ),
    Reason.TEMPLATE_ERROR: ("the template does not render: {error}", "the template does not render"),
    Reason.HOLDOUT: (
        "held out by lot, so that it can be measured what {rule} changes",
        "held out by lot, so that the effect can be measured",
    ),
    Reason.SHADOW: ("{rule} is in mode {mode}: it decides, nothing leaves", "the rule is in shadow: nothing leaves"),
    Reason.NOT_ALLOWED: ("the address is not on the allow-list",),
    Reason.PROVIDER: (
        "{provider} cannot take it now: {detail}",
        "the provider cannot take it now: {detail}",
        "the provider cannot take it now",
    ),
    Reason.REJECTED: ("{provider} refused it: {detail}", "{provider} refused it", "the provider refused it"),
    Reason.OUTCOME_UNKNOWN: (
        "{provider} did not say whether it took it: {detail}; it counts as sent",
        "nobody can know whether it left; it counts as sent",
    ),
}

# What an open gate saw, for those where people ask.
OPEN: Final[Mapping[str, tuple[str, ...]]] = {
    "consent": ("consent #{entry}", "rests on the {basis}"),
    "budget": ("budget {used} of {allowed} {days}", "no budget applies"),
    "quiet hours": ("{local} in {zone} ({zone_from})", "within {hours} in {zone}"),
}

TOO_OLD: Final = "; too old by then"  # of a hold that lasts longer than its message


def hold_told(
    reason: Reason, until: int | None, expires: int | None, facts: Mapping[str, Any], moments: Moments
) -> tuple[int | None, str]:
    """When a hold ends, and why it holds, with a word if the message is too old to leave by then. `facts`: as in `reason_sentence`."""
    why = reason_sentence(reason, {"until": until, **facts}, moments)
    in_time = expires is None or (until is not None and until < expires)
    return (until, why) if in_time else (expires, f"{why}{TOO_OLD}")


def gate_sentence(record: GateRecord, moments: Moments, about: Mapping[str, Any] | None = None) -> str:
    """Why the gate is shut, or what it saw when it is open. `about`: what the message says of itself."""
    if record.verdict is GateVerdict.OPEN:
        wordings = OPEN.get(record.gate, ())
        facts = record.facts | _local_time(record, about or {})
        return _worded(wordings, facts, moments) or _listed(record.facts, moments) or "nothing against it"
    facts = {**(about or {}), "until": record.until, **record.facts}
    if record.reason is None:
        return _listed(record.facts, moments) or "shut"
    return reason_sentence(record.reason, facts, moments)


def reason_sentence(reason: Reason, facts: Mapping[str, Any], moments: Moments) -> str:
    """The sentence for a reason with these facts. Instants are said as seen from `decided_at`, if that is among them."""
    return _worded(SHUT[reason], facts, moments)


def _local_time(record: GateRecord, about: Mapping[str, Any]) -> dict[str, Any]:
    zone, decided = record.facts.get("zone"), about.get("decided_at")
    return {"local": Moments.of(zone, "UTC").clock(decided)} if zone and decided else {}


def _worded(wordings: Sequence[str], facts: Mapping[str, Any], moments: Moments) -> str:
    seen_from = facts.get("decided_at") or None
    known = {key: said for key, value in facts.items() if (said := _said(key, value, moments, seen_from))}
    return next((wording.format_map(known) for wording in wordings if _fields(wording) <= known.keys()), "")


def _fields(wording: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(wording) if name}


def _listed(facts: Mapping[str, Any], moments: Moments) -> str:
    said = ((key, _said(key, value, moments, None)) for key, value in facts.items())
    return ", ".join(f"{key.replace('_', ' ')} {words}" for key, words in said if words)


def _said(key: str, value: Any, moments: Moments, seen_from: int | None) -> str:
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, int | float):
        return _number(key, value, moments, seen_from)
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return str(value).replace("_", " ") if key in _REASONS else str(value)


def _number(key: str, value: float, moments: Moments, seen_from: int | None) -> str:
    if key in _INSTANTS or key.endswith(("_at", "_until")):
        return _instant(int(value), moments, seen_from)
    if key == "behind":
        return spoken(int(value))
    if key == "days":
        return "this week" if value == 7 else f"in {value} days"
    return f"{round(value, 1):g}"


def _instant(at: int, moments: Moments, seen_from: int | None) -> str:
    if not at:
        return ""
    return moments.full(at) if seen_from is None else moments.near(at, seen_from)


_INSTANTS: Final = frozenset({"at", "until", "last", "not_before"})
_REASONS: Final = frozenset({"held_for", "why"})
