"""A projection that raises: the rules that ask for it stand still for this customer, and nobody else misses the event. Pure."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from tactful.projections import Projection
from tactful_trigger.effects import Effects
from tactful_trigger.replay import Parked, line_in, words_of
from tactful_trigger.row import Row
from tactful_trigger.rulebook import RECIPIENT, Rulebook
from tactful_trigger.runs import Runs


class Unfolding:
    """Within one slice."""

    def __init__(self, book: Rulebook, effects: Effects, runs: Runs) -> None:
        self._book, self._effects, self._runs = book, effects, runs

    def blame(self, row: Row, projection: Projection[Any], error: Exception, at: int) -> Mapping[str, Parked]:
        """The rules that would go by a state that is not true any more, and why they must not. Raises the error again where it is
        dispatch that goes by it: who must not be written to is for nobody to miss."""
        if projection.name in RECIPIENT:
            raise error
        why = _why(projection, error)
        blamed = {name: why for name, rule in self._book.rules.items() if projection.name in rule.terms.uses}
        for name in blamed:
            runs = [run for run in row.runs if run.rule == name and not run.parked]
            for run in runs:
                self._runs.park(row, run, at, why)
            if not runs:
                self._runs.note_failure(name, why, 0)
                self._effects.tell(row, at, "note", name, "", {"text": why.why})
        return blamed


def _why(projection: Projection[Any], error: Exception) -> Parked:
    file = inspect.getfile(type(projection))
    return Parked(
        f"{file}:{line_in(file, error)}: projection {projection.name}: {type(error).__name__}", words_of(error)
    )
