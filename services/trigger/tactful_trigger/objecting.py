"""Which events say that a customer objects to what a rule wrote. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from tactful.clock import DAY
from tactful.purposes import SPAM_REPORT, is_marketing
from tactful_trigger.happening import Seen
from tactful_trigger.row import Mark
from tactful_trigger.tally import Tally

OBJECTIONS: Final = frozenset({"Message Complained", "Consent Changed", "Preferences Changed"})
SOON: Final = 7 * DAY  # an opt-out within so long of a contact is one to it


class _Said(msgspec.Struct, frozen=True):
    """What of an opt-out matters here."""

    state: str = ""
    purpose: str = ""
    change: str = ""
    rule: str = ""
    via: str = ""


_decode = msgspec.json.Decoder(_Said).decode


def objection_to(rule: str, mark: Mark, seen: Seen) -> Tally | None:
    """What the event counts as if it objects to this contact of this rule; None if it does not."""
    if seen.name == "Message Complained":
        return Tally(complained=1) if seen.pointer.run_id == mark.run else None
    said, since = _decode(seen.record.body.properties), seen.record.body.occurred_at - mark.at
    opts_out = (
        (said.state == "withdrawn" and is_marketing(said.purpose) and said.via != SPAM_REPORT)
        or said.change == "stopped"
        or (said.change == "rule_muted" and said.rule == rule)
    )
    return Tally(opted_out=1) if opts_out and 0 <= since <= SOON else None
