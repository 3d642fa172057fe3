"""The profile: who the customer is. Per field, the latest word by when it was said."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from tactful.customer import Profile
from tactful.events import CustomerFlagged, Event, Identify
from tactful.events.model import VISITOR
from tactful_trigger.projections.versions import FirstVersion

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
_NAMES: Final = frozenset({"first_name", "last_name"})
_CLAIMS: Final = {"browser": _ADDRESSES | _NAMES, VISITOR: _NAMES}
_FLAG: Final = "do_not_contact"


class ProfileProjection(FirstVersion):
    """Implements `tactful.projections.Projection` for `Profile`."""

    name = "profile"
    state = Profile
    events = (Identify, CustomerFlagged)

    def fold(self, state: Profile, event: Event) -> Profile:
        if isinstance(event, Identify):
            return _identified(state, event)
        if isinstance(event, CustomerFlagged):
            return _flagged(state, event)
        return state

    def merge(self, mine: Profile, theirs: Profile) -> Profile:
        """Mine, and theirs where mine says nothing and has not taken back what they had said before; a flag of either holds."""
        filled = [field for field in _FIELDS.values() if not getattr(mine, field) and _is_news(mine, theirs, field)]
        return replace(
            mine,
            **{field: getattr(theirs, field) for field in filled},
            claimed={**theirs.claimed, **mine.claimed},
            flags={**theirs.flags, **mine.flags},
            set_at={**theirs.set_at, **mine.set_at, **{w: theirs.set_at[w] for w in filled if w in theirs.set_at}},
        )


def _is_news(mine: Profile, theirs: Profile, field: str) -> bool:
    """Whether mine has said nothing of it since they did: a field that is empty may have been taken back."""
    return field not in mine.set_at or mine.set_at[field] < theirs.set_at.get(field, 0)


def _identified(state: Profile, event: Identify) -> Profile:
    """Anybody can post with a browser key: the addresses it gives are claims, kept apart and never written to, and a name that it
    gives stands only as long as no server has said one. So does whatever is said of a visitor: anybody may name anybody; and what
    is implied, as long as nobody has said it."""
    at, scope = event.meta.occurred_at, event.meta.scope
    said: dict[str, str] = {}
    claimed, set_at = dict(state.claimed), dict(state.set_at)
    for given, field in _FIELDS.items():
        value, is_claim = getattr(event, given), given in _CLAIMS.get(scope, ())
        fills = scope == VISITOR or given in _NAMES or given in event.implied
        word = f"claimed {field}" if is_claim else f"visitor's {field}" if scope == VISITOR else field
        word = f"implied {field}" if given in event.implied else word
        if not (value or given in event.unset) or at < set_at.get(word, 0):
            continue
        set_at[word] = at
        if is_claim:
            claimed[field] = value
        if word == field or (field not in set_at and fills):
            said[field] = value
    return replace(state, **said, claimed=claimed, set_at=set_at) if set_at != state.set_at or said else state


def _flagged(state: Profile, event: CustomerFlagged) -> Profile:
    """An empty reason lifts the flag."""
    at = event.meta.occurred_at
    if at < state.set_at.get(_FLAG, 0):
        return state
    flags = {name: reason for name, reason in state.flags.items() if name != _FLAG}
    if event.reason:
        flags[_FLAG] = event.reason
    return replace(state, flags=flags, set_at={**state.set_at, _FLAG: at})
