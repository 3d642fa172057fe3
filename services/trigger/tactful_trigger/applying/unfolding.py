"""A projection that raises, does not come back or gives what no store can keep: the rules that ask for it stand still for this
customer, and nobody else misses the event. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tactful.projections import Projection
from tactful_trigger.effects import Effects
from tactful_trigger.rulebook import RECIPIENT, Rulebook
from tactful_trigger.runs.life import Runs
from tactful_trigger.runs.replay import Parked, RuleFailed, TooSlow, fault_of
from tactful_trigger.state.row import Row
from tactful_trigger.state.unread import Unread, fitting


class Unfolding:
    """Asks projections within one slice, and deals with what they raise."""

    def __init__(self, book: Rulebook, effects: Effects, runs: Runs) -> None:
        self._book, self._effects, self._runs = book, effects, runs

    def asked(self, projection: Projection[Any], function: Callable[..., Any], mine: Any, other: Any) -> Any:
        """What its `fold` or `merge` gives, as it will come back from the store. Raises RuleFailed, whatever it raises."""
        watch = self._runs.watch
        for state in (mine, other):
            if type(state) is Unread:
                raise RuleFailed(fault_of(projection, state.error))
        watch.enter(projection.name)
        try:
            given = function(mine, other)
            if watch.interrupted:
                raise TooSlow
            return mine if given is mine else fitting(projection, given)
        except watch.outside:
            raise
        except BaseException as error:  # noqa: BLE001 - `sys.exit` is a slip like any other
            raise RuleFailed(fault_of(projection, error)) from None
        finally:
            watch.leave()

    def blame(self, row: Row, projection: Projection[Any], error: Exception, at: int) -> Mapping[str, Parked]:
        """The rules that would go by a state that is not true any more, and why they must not. Raises the error again where it is
        dispatch that goes by it: who must not be written to is for nobody to miss."""
        if projection.name in RECIPIENT:
            raise error
        why = error.parked if isinstance(error, RuleFailed) else fault_of(projection, error)
        blamed = {name: why for name, rule in self._book.rules.items() if projection.name in rule.terms.uses}
        for name in blamed:
            runs = [run for run in row.runs if run.rule == name and not run.parked]
            for run in runs:
                self._runs.park(row, run, at, why)
            if not runs:
                self._runs.note_failure(name, why, 0)
                self._effects.tell(row, at, "note", name, "", {"text": why.why})
        return blamed
