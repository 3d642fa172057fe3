"""The rules under one version of the settings, and which event concerns which of them.

An event that no rule names and no wanted projection folds costs one dictionary look-up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from tactful.errors import InvalidInput, PluginError
from tactful.events import OrderCompleted, ProductReviewed
from tactful.events.model import canonical_name, class_of, name_of
from tactful.events.own import FEED
from tactful.projections import Projection
from tactful.rules import Rule, Terms
from tactful.settings import Settings
from tactful_trigger.happening import INTERNAL
from tactful_trigger.projections import OURS
from tactful_trigger.state.history import TOLD_ALWAYS

RECIPIENT: Final = ("profile", "orders", "tickets", "engagement", "segments")  # what dispatch is told is made of these
INTERESTS: Final = "interests"  # what they looked at, as the preference page calls it
_NO_VISIT: Final = frozenset({name_of(OrderCompleted), name_of(ProductReviewed)})  # acts, but of a customer of the shop


class Route(msgspec.Struct, frozen=True):
    """What one event name means: projections to fold, rules to start, rules that it may end."""

    folds: tuple[Projection[Any], ...] = ()
    starts: tuple[Rule, ...] = ()
    ends: tuple[tuple[Rule, bool], ...] = ()  # (rule, whether it is the goal)


class Rulebook:
    """Immutable once made; a change of settings makes another one."""

    def __init__(
        self, rules: Iterable[Rule], projections: Iterable[Projection[Any]], settings: Settings | None = None
    ) -> None:
        self.settings = settings or Settings()
        self.rules: dict[str, Rule] = {rule.name: rule for rule in rules}
        self._all = tuple(projections)
        self.parameters = {name: self.settings.rule(name).parameters for name in self.rules}
        self.terms: dict[str, Terms] = {name: self._terms(rule) for name, rule in self.rules.items()}
        self.projections = self._wanted()
        self.uses = {name: self._uses_told(terms.uses) for name, terms in self.terms.items()}
        self.off = frozenset(name for name in self.rules if self.settings.rule(name).mode == "off")
        self.routes = self._routes()

    def under(self, settings: Settings) -> Rulebook:
        """The same rules under other settings."""
        return Rulebook(self.rules.values(), self._all, settings)

    def ends(self, event: str) -> tuple[tuple[Rule, bool], ...]:
        """The rules that an event may end, and whether it is their goal."""
        route = self.routes.get(event)
        return () if route is None else route.ends

    def empty(self, projection: str) -> Any:
        """The state of a projection that has seen nothing."""
        return self.projections[projection].state()

    def _terms(self, rule: Rule) -> Terms:
        try:
            return rule.under(self.parameters[rule.name])
        except InvalidInput as error:
            raise InvalidInput(error.code, f"[rules.{rule.name}] {error.message}", error.field) from None

    def _wanted(self) -> Mapping[str, Projection[Any]]:
        known = {projection.name: projection for projection in self._all}
        for rule in self.rules.values():
            if fault := rule.unmet(known):
                raise PluginError(fault)
        wanted = {*RECIPIENT, *(name for rule in self.rules.values() for name in rule.terms.uses)}
        return {name: known[name] for name in sorted(wanted & known.keys())}

    def _uses_told(self, uses: tuple[str, ...]) -> tuple[str, ...]:
        """What dispatch hears that a rule looks at: the visits that a projection of the shop's own folds are visits too."""
        own = [self.projections[name] for name in uses if name not in OURS]
        return (*uses, INTERESTS) if any(map(_looks_at_visits, own)) and INTERESTS not in uses else uses

    def _routes(self) -> dict[str, Route]:
        folded = {name_of(event) for projection in self.projections.values() for event in projection.events}
        named = {name for terms in self.terms.values() for name in (*terms.on, *terms.goal, *terms.exit_on)}
        names = {canonical_name(name) for name in folded | named} | INTERNAL | TOLD_ALWAYS | {FEED}
        return {name: self._route(name) for name in names}

    def _route(self, name: str) -> Route:
        folds = tuple(p for p in self.projections.values() if name in {name_of(event) for event in p.events})
        return Route(
            folds=folds,
            starts=tuple(rule for rule in self.rules.values() if name in self.terms[rule.name].on),
            ends=tuple(
                (rule, name in self.terms[rule.name].goal)
                for rule in self.rules.values()
                if name in (*self.terms[rule.name].goal, *self.terms[rule.name].exit_on)
            ),
        )


def _looks_at_visits(projection: Projection[Any]) -> bool:
    names = {name_of(event) for event in projection.events} - _NO_VISIT
    return any(class_of(name).act for name in names)
