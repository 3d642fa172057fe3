"""Gates that only withhold: they stand last, so that it is known what would have been sent."""

from __future__ import annotations

from fnmatch import fnmatchcase

from tactful.channels import DESK
from tactful.decisions import GateRecord, Reason
from tactful.identity import fraction
from tactful.purposes import is_marketing
from tactful.records import MessageBody
from tactful.shares import percent
from tactful_dispatch.facts import Facts
from tactful_dispatch.gates.verdicts import open_gate, refused


def holdout(message: MessageBody, facts: Facts) -> GateRecord:
    """Drawn at entry: this customer is only watched."""
    if message.holdout and is_marketing(message.purpose):
        return refused("holdout", Reason.HOLDOUT)
    return open_gate("holdout")


def shadow(message: MessageBody, facts: Facts) -> GateRecord:
    """The rule runs, but nobody is written to, or not this customer yet. A larger share keeps those of a smaller one."""
    chosen = facts.settings.rule(message.rule)
    if chosen.mode != "live":
        return refused("shadow", Reason.SHADOW, mode=chosen.mode)
    if fraction("rollout", message.rule, message.subject) >= chosen.rollout:
        return refused("shadow", Reason.SHADOW, mode=f"live for {percent(chosen.rollout)} of customers")
    return open_gate("shadow", mode=chosen.mode)


def not_allowed(message: MessageBody, facts: Facts) -> GateRecord:
    """As shipped, nobody outside the allow-list is written to, but the shop itself."""
    sending, address = facts.settings.sending, (facts.address or "").lower()
    if (
        sending.mode == "live"
        or message.channel == DESK
        or any(fnmatchcase(address, pattern.lower()) for pattern in sending.allow)
    ):
        return open_gate("not allowed", mode=sending.mode)
    return refused("not allowed", Reason.NOT_ALLOWED, mode=sending.mode)
