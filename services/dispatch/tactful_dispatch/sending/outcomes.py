"""What came of an attempt, written down. Pure but for the workspace."""

from __future__ import annotations

from typing import Final

from tactful.clock import HOUR, MINUTE, SECOND
from tactful.decisions import GateRecord, GateVerdict, Reason, Scope, Verdict
from tactful_dispatch.applying import deciding
from tactful_dispatch.applying.contacting import uncount_contact
from tactful_dispatch.channels import Accepted, Adapter, Outcome, Rejected, Retry
from tactful_dispatch.state.rows import PENDING, SENDING, STOPPED, Delivery
from tactful_dispatch.store import Workspace

TRIES: Final = 8
LONGEST_OF_OURS: Final = 15 * MINUTE
LONGEST_OF_THEIRS: Final = HOUR


def record(space: Workspace, delivery: Delivery, outcome: Outcome, adapter: Adapter | None, now: int) -> None:
    """The provider's answer. Nothing if time gave the attempt up before."""
    if delivery.state != SENDING:
        return
    if isinstance(outcome, Accepted):
        delivery.provider_id, delivery.provider_detail = outcome.provider_id, outcome.detail
        deciding.finish(space, delivery, Verdict.SENT, None, now)
    elif delivery.delivered:  # an attempt has arrived, whatever became of the latest: there is nothing to repeat
        deciding.give_up(space, delivery, now, outcome.detail)
    elif isinstance(outcome, Rejected):
        _rejected(space, delivery, outcome, now)
    elif isinstance(outcome, Retry):
        delivery.doubtful = delivery.doubtful or outcome.doubtful
        uncount_contact(space, delivery)
        _wait_for_provider(delivery, now + _patience(outcome.after, delivery.attempts), outcome.detail or outcome.code)
    elif _may_repeat(delivery, adapter):
        delivery.doubtful = True
        _wait_for_provider(delivery, now + _patience(MINUTE, delivery.attempts), outcome.detail)
    else:
        deciding.give_up(space, delivery, now, outcome.detail)


def take_back(space: Workspace, delivery: Delivery) -> None:
    """No byte left within five seconds: an opt-out may have come, so the gates run again."""
    if delivery.state == SENDING:
        delivery.state, delivery.due = PENDING, None
        uncount_contact(space, delivery)


def _patience(asked: int, attempts: int) -> int:
    """How long (ms) to leave a provider alone: what it asked for, twice as long each time, but never hours. Who says "at once" is not
    asked ten times a second."""
    asked = max(asked, SECOND)
    return min(max(asked, min(asked << min(attempts - 1, 16), LONGEST_OF_OURS)), LONGEST_OF_THEIRS)


def _wait_for_provider(delivery: Delivery, until: int, detail: str) -> None:
    delivery.provider_until, delivery.provider_detail = until, detail
    deciding.hold(delivery, Reason.PROVIDER, until)


def _rejected(space: Workspace, delivery: Delivery, outcome: Rejected, now: int) -> None:
    uncount_contact(space, delivery)
    delivery.provider_detail = f"{outcome.code} {outcome.detail}".strip()
    facts = {"code": outcome.code, "detail": outcome.detail}
    shut = GateRecord("provider", GateVerdict.REFUSED, facts, Reason.REJECTED, Scope.CHANNEL)
    delivery.gates = [*delivery.gates, shut]
    if outcome.suppress and delivery.address is not None:
        space.address(delivery.address).suppress(STOPPED if outcome.opted_out else outcome.code)
    deciding.finish(space, delivery, Verdict.NOT_SENT, Reason.REJECTED, now)


def _may_repeat(delivery: Delivery, adapter: Adapter | None) -> bool:
    """Repeating is harmless where the provider honours our id, or where the template says so."""
    honours = adapter is not None and adapter.capabilities.idempotent
    return (honours or delivery.message.repeats_allowed) and delivery.attempts < TRIES and not delivery.delivered
