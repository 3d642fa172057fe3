"""The verdicts on messages: one closed list of reasons, each with the gate that gives it and how far it reaches."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec


class Scope(StrEnum):
    """What a refusal is about. `customer` ends a ladder; `channel` lets it try the next rung."""

    CUSTOMER = "customer"
    CHANNEL = "channel"


class Verdict(StrEnum):
    """The final word on one message. Unknown counts as sent: it may have arrived."""

    SENT = "sent"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


class Reason(StrEnum):
    """Why a message was held, refused or not known to have left. Closed: a new reason is a new version of the contract."""

    CANCELLED = "cancelled"
    NOTHING_TO_SAY = "nothing_to_say"
    EXPIRED = "expired"
    DUPLICATE = "duplicate"
    LOG_NOT_READ = "log_not_read"
    STOPPED = "stopped"
    ERASED = "erased"
    DO_NOT_CONTACT = "do_not_contact"
    NO_ADDRESS = "no_address"
    SUPPRESSED_ADDRESS = "suppressed_address"
    NO_CONSENT = "no_consent"
    WITHDRAWN = "withdrawn"
    MUTED_RULE = "muted_rule"
    MUTED_TOPIC = "muted_topic"
    PAUSED = "paused"
    PERSONALISATION = "personalisation"
    COMPLAINT_OPEN = "complaint_open"
    RESTING = "resting"
    IN_TOUCH = "in_touch"
    NOT_YET = "not_yet"
    QUIET_HOURS = "quiet_hours"
    BUDGET = "budget"
    DISPLACED = "displaced"
    GAP = "gap"
    TEMPLATE_ERROR = "template_error"
    HOLDOUT = "holdout"
    SHADOW = "shadow"
    NOT_ALLOWED = "not_allowed"
    PROVIDER = "provider"
    REJECTED = "rejected"
    OUTCOME_UNKNOWN = "outcome_unknown"


class GateVerdict(StrEnum):
    """What one gate says. The first that is not open decides."""

    OPEN = "open"
    HELD = "held"
    REFUSED = "refused"


class GateRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One gate's verdict with the facts it saw; `facts` are JSON values fit for a sentence on a page."""

    gate: str
    verdict: GateVerdict
    facts: dict[str, Any] = {}
    reason: Reason | None = None
    scope: Scope | None = None
    until: int | None = None  # held: the instant at which it is worth asking again
