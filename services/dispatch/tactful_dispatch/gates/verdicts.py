"""How a gate says what it found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tactful.decisions import GateRecord, GateVerdict, Reason, Scope
from tactful.records import MessageBody
from tactful_dispatch.facts import Facts

Gate = Callable[[MessageBody, Facts], GateRecord]
SHARED: Final = {"whose": "this address"}  # what stands in the way was written to somebody else there


def open_gate(gate: str, **facts: Any) -> GateRecord:
    """Nothing here stands in the way."""
    return GateRecord(gate, GateVerdict.OPEN, facts)


def held(gate: str, reason: Reason, moment: int | None, /, **facts: Any) -> GateRecord:
    """Not now; it is worth asking again at `moment`."""
    return GateRecord(gate, GateVerdict.HELD, facts, reason, Scope.CUSTOMER, moment)


def failure(message: MessageBody, error: Exception) -> str:
    """What went wrong with one message, by its rule: what that gave is likely not what it should be."""
    return f"rule {message.rule} ({type(error).__name__}): {error}"


def refused(gate: str, reason: Reason, scope: Scope = Scope.CUSTOMER, /, **facts: Any) -> GateRecord:
    """Never."""
    return GateRecord(gate, GateVerdict.REFUSED, facts, reason, scope)
