"""What was sent to the customer and whether they noticed, and who else spoke to them.

A click, a reply or an answer counts as noticed, and an open unless a machine fetched it ahead. A reaction may arrive
before the decision that the message was sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from msgspec.structs import replace

from tactful.channels import DESK
from tactful.customer import Contact, Engagement
from tactful.decisions import Verdict
from tactful.events import (
    ConsentChanged,
    ContactMade,
    Event,
    MessageClicked,
    MessageDecided,
    MessageOpened,
    MessageReplied,
    SurveyAnswered,
)
from tactful.purposes import is_marketing
from tactful_trigger.projections.versions import FirstVersion

KEPT: Final = 32
_MAY_HAVE_ARRIVED: Final = (Verdict.SENT, Verdict.UNKNOWN)


class EngagementProjection(FirstVersion):
    """Implements `tactful.projections.Projection` for `Engagement`."""

    name = "engagement"
    state = Engagement
    events = (
        MessageDecided,
        MessageOpened,
        MessageClicked,
        MessageReplied,
        SurveyAnswered,
        ConsentChanged,
        ContactMade,
    )

    def fold(self, state: Engagement, event: Event) -> Engagement:
        at = event.meta.occurred_at
        if isinstance(event, ContactMade):
            return _contacted(state, at, event.by, event.channel, event.purpose)
        if isinstance(event, ConsentChanged):
            return _withdrawn(state, at) if event.state == "withdrawn" else state
        news = _news(event, at)
        return state if news is None else _with(state, news)

    def merge(self, mine: Engagement, theirs: Engagement) -> Engagement:
        """The messages of both, and the latest of what else happened."""
        said = (theirs.contacted_at, theirs.contacted_by, theirs.contacted_on, theirs.contacted_for)
        merged = _withdrawn(_in_touch(_contacted(mine, *said), theirs.person_at), theirs.withdrawn_at)
        for contact in theirs.recent:
            merged = _with(merged, contact)
        return merged


def _news(event: Event, at: int) -> Contact | None:
    """What one event tells of a message; None if nothing."""
    if isinstance(event, MessageDecided):
        if event.verdict not in _MAY_HAVE_ARRIVED or event.channel == DESK:
            return None
        template = "" if event.template == event.rule else event.template
        return _contact(event, sent_at=at, ladder=event.contact, template=template)
    if isinstance(event, MessageReplied) or (
        isinstance(event, (MessageOpened, MessageClicked)) and not event.prefetched
    ):
        return _contact(event, engaged_at=at)
    if isinstance(event, SurveyAnswered) and event.message_id:
        return Contact(
            message_id=event.message_id,
            channel="",
            rule=event.survey,
            engaged_at=at,
            answer=event.answer,
            answered_at=at,
        )
    return None


def _contact(event: MessageDecided | MessageOpened | MessageClicked | MessageReplied, **more: Any) -> Contact:
    return Contact(message_id=event.message_id, channel=event.channel, rule=event.rule, **more)


def _with(state: Engagement, news: Contact) -> Engagement:
    recent = state.recent
    if not recent:
        return replace(state, recent=(news,))
    old = next((contact for contact in recent if contact.message_id == news.message_id), None)
    new = news if old is None else _joined(old, news)
    if new == old:
        return state
    return replace(state, recent=_latest((*(contact for contact in state.recent if contact is not old), new)))


def _joined(one: Contact, other: Contact) -> Contact:
    """The decision names the message; it counts as sent once, and as noticed from the first reaction on. The first answer
    stands."""
    decision = max(one, other, key=lambda contact: (contact.sent_at, contact.channel))  # an answer names no channel
    reactions = [contact.engaged_at for contact in (one, other) if contact.engaged_at]
    answers = [(contact.answered_at, contact.answer) for contact in (one, other) if contact.answered_at]
    answered_at, answer = min(answers, default=(0, ""))
    return replace(decision, engaged_at=min(reactions, default=0), answer=answer, answered_at=answered_at)


def _withdrawn(state: Engagement, at: int) -> Engagement:
    return replace(state, withdrawn_at=at) if at > state.withdrawn_at else state


def _contacted(state: Engagement, at: int, by: str, on: str, purpose: str) -> Engagement:
    if not is_marketing(purpose):
        state = _in_touch(state, at)
    if at <= state.contacted_at:
        return state
    return replace(state, contacted_at=at, contacted_by=by, contacted_on=on, contacted_for=purpose)


def _in_touch(state: Engagement, at: int) -> Engagement:
    return replace(state, person_at=at) if at > state.person_at else state


def _latest(contacts: Iterable[Contact]) -> tuple[Contact, ...]:
    return tuple(sorted(contacts, key=lambda contact: (contact.sent_at, contact.message_id)))[-KEPT:]
