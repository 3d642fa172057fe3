"""Asking the owner of an address whether they want what somebody has signed it up for (double opt-in). Anybody can enter an address,
so its owner is asked the same once a month at most, whoever enters it, until they answer. Pure."""

from __future__ import annotations

from typing import Final

from tactful.clock import DAY
from tactful.purposes import covers, is_marketing
from tactful.records import ConsentBody, MessageBody
from tactful_dispatch.state.rows import AddressRow

APART: Final = 30 * DAY
PURPOSE: Final = "service.consent"


def offer_of(message: MessageBody) -> tuple[str, str] | None:
    """The purpose and the channel that a message asks to consent to; None if it asks for nothing."""
    asked = message.data.get("confirm")
    if isinstance(asked, dict):
        return str(asked.get("purpose", "")), str(asked.get("channel", ""))
    return (message.purpose, message.channel) if is_marketing(message.purpose) else None


def note_question(address: AddressRow, message: MessageBody, now: int) -> None:
    """A message leaves that asks the owner of an address."""
    if covers(PURPOSE, message.purpose):
        forget_question(address, message)
        address.asked[_question(message)] = now, message.message_id


def unasked(address: AddressRow, message: MessageBody) -> None:
    """That message did not leave after all."""
    if address.asked.get(_question(message), (0, ""))[1] == message.message_id:
        forget_question(address, message)


def forget_question(address: AddressRow, message: MessageBody) -> None:
    """The owner has answered what a message asked, and may be asked again."""
    address.asked.pop(_question(message), None)


def hear_answer(address: AddressRow, word: ConsentBody) -> None:
    """The owner has granted for good, in whichever way: every question that this answers is over."""
    for question, (at, _) in list(address.asked.items()):
        purpose, _, channel = question.rpartition("/")
        if at <= word.occurred_at and covers(word.purpose, purpose) and word.channel in ("", channel):
            del address.asked[question]


def unanswered_since(address: AddressRow | None, message: MessageBody, now: int) -> int:
    """When the owner was asked the same by another message and has not answered, if it is less than a month ago; else 0."""
    if address is None or not covers(PURPOSE, message.purpose):
        return 0
    at, by = address.asked.get(_question(message), (0, ""))
    return at if by != message.message_id and now - at < APART else 0


def _question(message: MessageBody) -> str:
    return "/".join(offer_of(message) or ())
