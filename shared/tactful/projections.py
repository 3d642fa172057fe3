"""Port: a projection, a pure fold of one customer's events into a state that rules may ask for.

Shipped ones live in `tactful_trigger.projections`; plugins add theirs as instances in a module that the entry point group
`tactful.projections` names, or beside their rules.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar, runtime_checkable

from tactful.events.model import Event

S = TypeVar("S")


@runtime_checkable
class Projection(Protocol[S]):
    """`state` is a frozen msgspec Struct; `fold` and `merge` return new values and never change their arguments."""

    @property
    def name(self) -> str:
        """What rules call it."""
        ...

    @property
    def version(self) -> int:
        """Kept with each stored state; raise it when the state's meaning changes."""
        ...

    @property
    def state(self) -> type[S]:
        """The type to decode a stored state with."""
        ...

    @property
    def events(self) -> tuple[type[Event] | str, ...]:
        """What it folds: classes, or names outside the vocabulary."""
        ...

    def fold(self, state: S, event: Event) -> S:
        """The state after `event`. Events come in order of arrival, not of `meta.occurred_at`; the same state back means
        that nothing changed."""
        ...

    def merge(self, mine: S, theirs: S) -> S:
        """One state for a customer who was two: mine unless it is empty."""
        ...

    def migrate(self, version: int, old: Any) -> S:
        """A state stored by an older version (JSON values) in today's form."""
        ...
