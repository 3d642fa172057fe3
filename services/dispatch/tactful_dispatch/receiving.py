"""Taking what came back on a message: told once, counted as a reaction, or the end of an address. Pure but for the
workspace."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tactful.identity import digest
from tactful.outbox import Cause
from tactful.records import EVENTS
from tactful_dispatch.announcing import announce
from tactful_dispatch.desk import ANSWERS, UNSETTLED
from tactful_dispatch.rows import Delivery
from tactful_dispatch.store import Workspace

_NOTICED: Final = frozenset({"Message Clicked", "Message Opened", "Message Replied"})


def take_receipt(
    space: Workspace, customer: str, delivery: Delivery, name: str, detail: dict[str, Any], now: int, cause: Cause
) -> None:
    """Once each. What a machine fetched ahead neither counts as a reaction nor hides the person's own."""
    machine, message = bool(detail.get("prefetched")), delivery.message
    key = f"{name} by machine" if machine else name
    if key in delivery.receipts:
        return
    delivery.receipts[key] = now
    if name in _NOTICED and not machine:
        _count_reaction(space, customer, message.message_id)
    if ended := _why_ended(name, detail):
        _suppress(space, delivery, ended)
    told = {
        "message_id": message.message_id,
        "run_id": message.run_id,
        "rule": message.rule,
        "channel": message.channel,
        "at": now,
        **detail,
    }
    space.put(EVENTS, announce(name, digest("receipt", message.message_id, key), customer, now, told), cause)


def take_answer(space: Workspace, customer: str, delivery: Delivery, answer: str, now: int, cause: Cause) -> str:
    """The first answer stands. Whoever says that their complaint is not settled opens it again."""
    given = next((said for said in ANSWERS if said in delivery.receipts), None)
    if given is not None:
        return given
    delivery.receipts[answer] = now
    message = delivery.message
    _count_reaction(space, customer, message.message_id)
    told = {"survey": message.rule, "answer": answer, "message_id": message.message_id}
    id = digest("answer", message.message_id)
    space.put(EVENTS, announce("Survey Answered", id, customer, now, told), cause)
    ticket = message.data.get("ticket_id")
    if answer == UNSETTLED and ticket:
        reopened = {"ticket_id": ticket, "reason": "the customer says that it is not settled"}
        id = digest("reopened", message.message_id)
        space.put(EVENTS, announce("Complaint Reopened", id, customer, now, reopened), cause)
    return answer


def _count_reaction(space: Workspace, customer: str, message_id: str) -> None:
    row = space.customer(customer)
    row.contacts = [
        msgspec.structs.replace(contact, engaged=True) if contact.message_id == message_id else contact
        for contact in row.contacts
    ]


def _why_ended(name: str, detail: dict[str, Any]) -> str:
    if name == "Message Complained":
        return "complained"
    return "bounced" if name == "Message Bounced" and detail.get("hard") else ""


def _suppress(space: Workspace, delivery: Delivery, why: str) -> None:
    if delivery.address is not None:
        space.address(delivery.address).suppressed = why
