"""The profile: who the customer is. Per field, the latest word by when it was said."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tactful.customer import Profile
from tactful.events import ContactMade, CustomerFlagged, Event, Identify
from tactful_trigger.projections.versions import unknown_version

_FIELDS: Final = {
    "email": "email",
    "phone": "phone",
    "push_token": "push_token",
    "first_name": "first_name",
    "last_name": "last_name",
    "locale": "locale",
    "timezone": "zone",
    "country": "country",
    "birthday": "birthday",
}
_ADDRESSES: Final = frozenset({"email", "phone", "push_token"})


class ProfileProjection:
    """Implements `tactful.projections.Projection` for `Profile`."""

    name = "profile"
    version = 1
    state = Profile
    events = (Identify, CustomerFlagged, ContactMade)

    def fold(self, state: Profile, event: Event) -> Profile:
        if isinstance(event, Identify):
            return _identified(state, event)
        if isinstance(event, CustomerFlagged):
            flags = {k: v for k, v in state.flags.items() if k != "do_not_contact"}
            return msgspec.structs.replace(
                state, flags={**flags, "do_not_contact": event.reason} if event.reason else flags
            )
        if isinstance(event, ContactMade):
            if event.meta.occurred_at <= state.contacted_at:
                return state
            return msgspec.structs.replace(state, contacted_at=event.meta.occurred_at, contacted_by=event.by)
        return state

    def merge(self, mine: Profile, theirs: Profile) -> Profile:
        """Mine, filled up with theirs; a flag of either holds."""
        filled = {
            field: getattr(mine, field) or getattr(theirs, field) for field in (*_FIELDS.values(), "contacted_by")
        }
        return Profile(
            **filled,
            contacted_at=max(mine.contacted_at, theirs.contacted_at),
            claimed={**theirs.claimed, **mine.claimed},
            flags={**theirs.flags, **mine.flags},
            set_at={**theirs.set_at, **mine.set_at},
        )

    def migrate(self, version: int, old: Any) -> Profile:
        raise unknown_version(self.name, version, self.version)


def _identified(state: Profile, event: Identify) -> Profile:
    at, changes, claimed, set_at = event.meta.occurred_at, {}, dict(state.claimed), dict(state.set_at)
    for given, field in _FIELDS.items():
        value = getattr(event, given)
        if not value:
            continue
        if given in _ADDRESSES and event.meta.scope == "browser":
            claimed[field] = value
        elif at >= set_at.get(field, 0):
            changes[field], set_at[field] = value, at
    if not changes and claimed == state.claimed:
        return state
    return msgspec.structs.replace(state, **changes, claimed=claimed, set_at=set_at)
