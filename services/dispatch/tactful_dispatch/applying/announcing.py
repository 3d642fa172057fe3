"""What dispatch tells the rest of the world: events like any other, in one order with everything else."""

from __future__ import annotations

from typing import Any

import msgspec

from tactful.decisions import GateRecord, GateVerdict
from tactful.identity import digest
from tactful.records import EventBody, EventRecord
from tactful_dispatch.state.rows import Delivery


def announce(
    name: str, id: str, customer: str, at: int, properties: dict[str, Any], *, history: bool = False
) -> EventRecord:
    """An event by dispatch about a customer."""
    body = EventBody(
        name=name,
        source="dispatch",
        scope="system",
        occurred_at=at,
        user_id=customer,
        history=history,
        properties=msgspec.Raw(msgspec.json.encode(properties)),
    )
    return EventRecord(id=id, key=customer, at=at, body=body)


def decided(delivery: Delivery, at: int) -> EventRecord:
    """The final word on a message."""
    message, shut = delivery.message, shut_gate(delivery.gates)
    consent = next((gate.facts.get("entry") for gate in delivery.gates if gate.gate == "consent"), None)
    properties = {
        "message_id": message.message_id,
        "run_id": message.run_id,
        "rule": message.rule,
        "rule_version": message.rule_version,
        "run_key": message.run_key,
        "channel": message.channel,
        "template": message.template,
        "variant": message.variant,
        "purpose": message.purpose,
        "verdict": delivery.verdict,
        "reason": delivery.reason or None,
        "scope": (shut.scope if shut else None) if delivery.verdict == "not_sent" else None,
        "facts": shut.facts if shut else {},
        "gates": delivery.gates,
        "consent_entry": consent,
        "requested_at": message.requested_at,
        "decided_at": at,
        "subject": delivery.subject,
        "provider": delivery.provider,
        "provider_id": delivery.provider_id,
        "content_version": delivery.content_version,
        "detail": delivery.provider_detail,
        "contact": message.contact,
    }
    return announce("Message Decided", digest("decided", delivery.name), message.customer, at, properties)


def shut_gate(gates: list[GateRecord]) -> GateRecord | None:
    """The gate that was not open."""
    return gates[-1] if gates and gates[-1].verdict is not GateVerdict.OPEN else None


def hold_opened(delivery: Delivery, at: int) -> EventRecord:
    """Does the run still want to say it?"""
    message = delivery.message
    properties = {
        "message_id": message.message_id,
        "run_id": message.run_id,
        "hold": delivery.hold,
        "reason": delivery.held_for,
    }
    id = digest("hold", message.message_id, str(delivery.hold))
    return announce("Hold Opened", id, message.customer, at, properties)
