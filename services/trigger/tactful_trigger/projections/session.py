"""The visit: acts without a pause of half an hour."""

from __future__ import annotations

from typing import Any, Final

from tactful.clock import MINUTE
from tactful.customer import Session
from tactful.events import Event, Page
from tactful.events.model import class_of, known_names
from tactful_trigger.projections.versions import unknown_version

PAUSE: Final = 30 * MINUTE


class SessionProjection:
    """Implements `tactful.projections.Projection` for `Session`."""

    name = "session"
    version = 1
    state = Session
    events = tuple(class_of(name) for name in known_names() if class_of(name).act)

    def fold(self, state: Session, event: Event) -> Session:
        at = event.meta.occurred_at
        url = event.url if isinstance(event, Page) and event.url else state.last_url
        if at > state.last_act_at + PAUSE:
            return Session(started_at=at, last_act_at=at, acts=1, last_url=url)
        if at < state.started_at - PAUSE:
            return state
        return Session(
            started_at=min(state.started_at, at),
            last_act_at=max(state.last_act_at, at),
            acts=state.acts + 1,
            last_url=url if at >= state.last_act_at else state.last_url,
        )

    def merge(self, mine: Session, theirs: Session) -> Session:
        """The later visit; one visit if they touch."""
        later, earlier = (mine, theirs) if mine.last_act_at >= theirs.last_act_at else (theirs, mine)
        if not earlier.acts or earlier.last_act_at + PAUSE < later.started_at:
            return later
        return Session(
            started_at=min(later.started_at, earlier.started_at),
            last_act_at=later.last_act_at,
            acts=later.acts + earlier.acts,
            last_url=later.last_url or earlier.last_url,
        )

    def migrate(self, version: int, old: Any) -> Session:
        raise unknown_version(self.name, version, self.version)
