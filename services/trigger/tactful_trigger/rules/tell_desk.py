"""What a customer answers, on our pages or to a text message, reaches a person at the shop."""

from __future__ import annotations

from functools import partial
from typing import Any

from tactful import Customer, Run, rule
from tactful.answers import COMPLAINTS
from tactful.events import ComplaintOpened, ComplaintReopened, MessageReplied, SurveyAnswered
from tactful_trigger.rules.tickets import subject_of, ticket_of

OURS = "dispatch"  # the source of what was said to us; the help desk knows its own tickets

Said = ComplaintReopened | ComplaintOpened | SurveyAnswered | MessageReplied


def _occasion(said: Said) -> str:
    if isinstance(said, MessageReplied):
        return said.meta.id
    return said.message_id if isinstance(said, SurveyAnswered) else ticket_of(said)


def _same(first: Said, said: Said) -> bool:
    return _occasion(first) == _occasion(said)


def _is_for_people(customer: Customer, said: Said) -> bool:
    """An answer without words needs no reader, and one that makes a complaint is told as that. Replies by mail come to the
    shop's own mailbox by themselves."""
    if isinstance(said, SurveyAnswered) and (not said.text or said.answer in COMPLAINTS):
        return False
    if isinstance(said, MessageReplied) and said.channel != "sms":
        return False
    return said.meta.source == OURS


@rule(
    on=(ComplaintReopened, ComplaintOpened, SurveyAnswered, MessageReplied),
    key=_occasion,
    match=_same,
    when=_is_for_people,
    purpose="service.desk",
    uses=("profile", "tickets"),
    priority=95,
    version=1,
)
async def tell_desk(run: Run, first: Said) -> str:
    """What customers say on a page or in a text message reaches a person at the shop, at any hour.

    The page has promised that, and nobody but us has a text message."""
    message = await run.send("desk", "tell_desk", data=partial(_told, said=first), expires=run.param("expires", "7d"))
    return "told" if message else message.reason or "refused"


def _told(customer: Customer, said: Said) -> dict[str, Any]:
    number = ticket_of(said)
    return {
        "customer": customer.id,
        "email": customer.profile.email or "",
        "phone": customer.profile.phone if isinstance(said, MessageReplied) else "",
        "ticket": number,
        "again": isinstance(said, ComplaintReopened),
        "about": subject_of(customer, number),
        "said": said.text,
        "answer": said.answer.replace("_", " ") if isinstance(said, SurveyAnswered) else "",
    }
