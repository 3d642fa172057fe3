"""What was sent to the customer, and whether they noticed."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tactful.customer import Contact, Engagement
from tactful.events import (
    ConsentChanged,
    Event,
    MessageClicked,
    MessageDecided,
    MessageOpened,
    MessageReplied,
)
from tactful_trigger.projections.versions import unknown_version

KEPT: Final = 32


class EngagementProjection:
    """Implements `tactful.projections.Projection` for `Engagement`."""

    name = "engagement"
    version = 1
    state = Engagement
    events = (MessageDecided, MessageOpened, MessageClicked, MessageReplied, ConsentChanged)

    def fold(self, state: Engagement, event: Event) -> Engagement:
        at = event.meta.occurred_at
        if isinstance(event, MessageDecided):
            return _sent(state, event, at) if event.verdict in ("sent", "unknown") else state
        if isinstance(event, ConsentChanged):
            if event.state != "withdrawn" or at <= state.withdrawn_at:
                return state
            return msgspec.structs.replace(state, withdrawn_at=at)
        if isinstance(event, MessageClicked | MessageReplied) or (
            isinstance(event, MessageOpened) and not event.prefetched
        ):
            return _noticed(state, event.message_id, at)
        return state

    def merge(self, mine: Engagement, theirs: Engagement) -> Engagement:
        """The messages of both."""
        contacts = {contact.message_id: contact for contact in (*theirs.recent, *mine.recent)}
        return Engagement(
            recent=_latest(tuple(contacts.values())), withdrawn_at=max(mine.withdrawn_at, theirs.withdrawn_at)
        )

    def migrate(self, version: int, old: Any) -> Engagement:
        raise unknown_version(self.name, version, self.version)


def _sent(state: Engagement, event: MessageDecided, at: int) -> Engagement:
    if any(contact.message_id == event.message_id for contact in state.recent):
        return state
    contact = Contact(message_id=event.message_id, channel=event.channel, rule=event.rule, sent_at=at)
    return Engagement(recent=_latest((*state.recent, contact)), withdrawn_at=state.withdrawn_at)


def _noticed(state: Engagement, message_id: str, at: int) -> Engagement:
    if not any(contact.message_id == message_id and not contact.engaged_at for contact in state.recent):
        return state
    recent = tuple(
        msgspec.structs.replace(contact, engaged_at=at) if contact.message_id == message_id else contact
        for contact in state.recent
    )
    return Engagement(recent=recent, withdrawn_at=state.withdrawn_at)


def _latest(contacts: tuple[Contact, ...]) -> tuple[Contact, ...]:
    return tuple(sorted(contacts, key=lambda contact: (contact.sent_at, contact.message_id)))[-KEPT:]
