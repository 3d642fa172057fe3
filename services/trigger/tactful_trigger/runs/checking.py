"""Whether live runs fit the rules that are installed: each is rebuilt from its journal, and nothing comes of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tactful.partitions.outbox import Outbox
from tactful.records import EVENTS
from tactful_trigger.effects import Effects
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.runs.replay import Execution, NoWatch, by_hand, fault_of
from tactful_trigger.runs.stage import Stage
from tactful_trigger.runs.standstill import why_still
from tactful_trigger.state.row import Row, Run, decode
from tactful_trigger.state.unread import Unread


class Checked(NamedTuple):
    """One live run. `why` it would not go on; "" if it would."""

    customer: str
    rule: str
    version: int
    why: str


def check(customer: str, value: bytes, book: Rulebook) -> Iterator[Checked]:
    """Every run of a stored row that is not parked already."""
    try:
        row = decode(customer, value, book.projections)
    except Exception as error:  # noqa: BLE001 - of another program, or damaged
        yield Checked(customer, "", 0, f"the row cannot be read: {type(error).__name__}: {error}")
        return
    for run in row.runs:
        if not run.parked:
            yield Checked(
                customer,
                run.rule,
                run.version,
                why_still(run, book) or _unread(row, run, book) or _misfit(row, run, book),
            )


def _unread(row: Row, run: Run, book: Rulebook) -> str:
    """Why what the run's rule asks about the customer cannot be told; "" if it can."""
    states = ((book.projections[name], row.state(name)) for name in book.terms[run.rule].uses)
    return next((fault_of(fold, state.error).why for fold, state in states if isinstance(state, Unread)), "")


def _misfit(row: Row, run: Run, book: Rulebook) -> str:
    stage = Stage(row, run, run.started, book, Effects(Outbox(EVENTS, 0, 1, {})), NoWatch(), {})
    with by_hand():
        return Execution(book.rules[run.rule], run, stage, fresh=len(run.journal) + 1).misfit()
