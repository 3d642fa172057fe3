"""The visit: acts without a pause of half an hour.

When the last act was does not depend on the order of arrival. Start and count do, where a late act would have bridged two
visits: the earlier visit is forgotten by then.
"""

from __future__ import annotations

from typing import Final

from tactful.clock import MINUTE
from tactful.customer import Session
from tactful.events import Event, Page
from tactful.events.model import class_of, known_names
from tactful_trigger.projections.versions import FirstVersion

PAUSE: Final = 30 * MINUTE


class SessionProjection(FirstVersion):
    """Implements `tactful.projections.Projection` for `Session`. Acts outside the vocabulary are not counted."""

    name = "session"
    state = Session
    events = tuple(class_of(name) for name in known_names() if class_of(name).act)

    def fold(self, state: Session, event: Event) -> Session:
        if not event.act:
            return state
        at, url = event.meta.occurred_at, event.url if type(event) is Page else ""
        if state.acts and state.last_act_at <= at <= state.last_act_at + PAUSE:  # as nearly always
            acts, url = state.acts + 1, url or state.last_url
            return Session(started_at=state.started_at, last_act_at=at, acts=acts, last_url=url)
        return self.merge(state, Session(started_at=at, last_act_at=at, acts=1, last_url=url))

    def merge(self, mine: Session, theirs: Session) -> Session:
        """The later visit; one visit if they touch."""
        later, earlier = (mine, theirs) if mine.last_act_at > theirs.last_act_at else (theirs, mine)
        if not earlier.acts or earlier.last_act_at + PAUSE < later.started_at:
            return later
        return Session(
            started_at=min(later.started_at, earlier.started_at),
            last_act_at=later.last_act_at,
            acts=later.acts + earlier.acts,
            last_url=later.last_url or earlier.last_url,
        )
