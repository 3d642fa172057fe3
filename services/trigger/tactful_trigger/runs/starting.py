"""Whether something may begin, and what it asked may leave, by the terms of its rule. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tactful.rules import Rule, Terms
from tactful_trigger.happening import Seen
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.runs.replay import Watch, asked
from tactful_trigger.state.cursor import Cursor
from tactful_trigger.state.row import Goal, Row, Run

Freed = Collection[tuple[str, str]]  # places that an event has made: rule and key of the runs that it has ended


def too_late(
    row: Row, rule: str, terms: Terms, key: str, seen: Seen, goals: Mapping[str, Goal], *, replaces: bool
) -> str:
    """Why what was seen begins nothing, whatever the rule says of it; "" if it may. `goals`: as they were before it. `replaces`: it
    takes the place of a run that began for something older still."""
    if not replaces and seen.at - seen.record.body.occurred_at > terms.max_event_age:
        return "too_old"
    if terms.key is None and goals and _superseded(goals.get(rule), seen):
        return "superseded"
    if seen.at < row.cooling_until(rule, key, terms.cooldown):
        return "cooldown"
    return ""


def may_restart(alive: Sequence[Run], terms: Terms, at: int) -> bool:
    """Whether another start means anything while a run is alive."""
    if terms.repeat != "debounce":
        return terms.repeat != "ignore"
    if terms.debounce_max and at - alive[0].debounced_since > terms.debounce_max:
        return False
    return not any(run.reached or run.message for run in alive)


def counts(book: Rulebook, watch: Watch, rule: Rule, seen: Seen) -> bool:
    """Whether what its terms name is a goal or an exit of a rule, whichever run it ends. Raises RuleFailed."""
    terms = book.terms[rule.name]
    return terms.exit_when is None or seen.name in terms.goal or asked(rule, watch, terms.exit_when, seen.event)


def is_about(watch: Watch, rule: Rule, terms: Terms, run: Run, seen: Seen) -> bool:
    """Whether what was seen is about what the run began for. Raises RuleFailed."""
    return terms.match is None or asked(rule, watch, terms.match, run.first.event(), seen.event)


def taken_back(row: Row, run: Run, book: Rulebook, cursor: Cursor, at: int) -> str:
    """Why a message is taken back when its hold opens, before its rule is asked what to say; "" if it is not."""
    if cursor.cancels(run.rule, run.started):
        return "the rule was cancelled"
    if not run.reached and at < row.cooling_until(run.rule, run.key, book.terms[run.rule].cooldown):
        return "another run of the rule has spoken since: cooldown"
    return ""


def _superseded(goal: Goal | None, seen: Seen) -> bool:
    """Whether what was seen is older than the goal; of an event that went another way, by when it was first appended too."""
    if goal is None:
        return False
    return seen.record.body.occurred_at < goal.occurred or (seen.first_at < seen.at and seen.first_at <= goal.appended)
