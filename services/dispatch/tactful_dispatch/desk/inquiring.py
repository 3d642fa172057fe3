"""People and other tools ask before they speak to a customer: the gates answer as they would to a message of ours."""

from __future__ import annotations

from typing import Any

from tactful.clock import DAY
from tactful.decisions import GateRecord, GateVerdict
from tactful.records import MessageBody


def inquiry(customer: str, channel: str, purpose: str, rule: str, now: int) -> MessageBody:
    """A message that nobody has written yet, for the gates to judge."""
    return MessageBody(
        message_id="inquiry",  # "" is how contacts by other tools are called, and a message leaves out its own
        run_id="",
        customer=customer,
        subject=customer,
        rule=rule,
        rule_version=0,
        channel=channel,
        template="",
        purpose=purpose,
        requested_at=now,
        expires_at=now + DAY,
    )


def answer(gates: list[GateRecord]) -> dict[str, Any]:
    """`may`, and if not: why, for how long (ms; null if for good), and whether another channel may do."""
    last = gates[-1]
    if last.verdict is GateVerdict.OPEN:
        return {"may": True}
    return {"may": False, "reason": last.reason, "scope": last.scope, "until": last.until, "facts": last.facts}
