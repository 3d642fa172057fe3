"""Reading a `Message Decided`: its gates, why it was not sent, what would mend that. `data` is the event's properties."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tactful.decisions import GateRecord, GateVerdict, Reason, Verdict
from tactful_console.entries import Gate
from tactful_console.fixes import fix
from tactful_console.moments import Moments
from tactful_console.wording import TOO_OLD, gate_sentence, reason_sentence


def gates_of(data: Mapping[str, Any], moments: Moments) -> tuple[Gate, ...]:
    """The gates of a `Message Decided`, with what each saw; the first that is not open decides."""
    records = msgspec.convert(data.get("gates") or [], list[GateRecord])
    shut = next((n for n, record in enumerate(records) if record.verdict is not GateVerdict.OPEN), None)
    return tuple(
        Gate(record.gate, record.verdict, gate_sentence(record, moments, data), record.facts, n == shut)
        for n, record in enumerate(records)
    )


def why_not(data: Mapping[str, Any], moments: Moments) -> str:
    """One sentence for a message that was not sent, or may not have been; "" for one that was."""
    reason = data.get("reason")
    if not reason:
        return ""
    shut = next((gate for gate in gates_of(data, moments) if gate.decides), None)
    if shut is not None:
        is_late = reason == Reason.EXPIRED and shut.verdict is GateVerdict.HELD
        return f"{shut.sentence}{TOO_OLD}" if is_late else shut.sentence
    facts = data.get("facts") or {}
    return reason_sentence(Reason(reason), {**data, **facts}, moments)


def mend(customer: str, data: Mapping[str, Any]) -> str | None:
    """What would let the next such message leave, if that is for the shop to decide."""
    if data.get("verdict") != Verdict.NOT_SENT or not data.get("reason"):
        return None
    if data["reason"] == Reason.NO_CONSENT and (data.get("facts") or {}).get("entry"):
        return None  # they had granted it and took it back: that is theirs to undo, however long ago
    words = {key: str(data.get(key, "")) for key in ("rule", "channel", "purpose")}
    return fix(Reason(data["reason"]), customer=customer, **words)
