"""Events that a run cannot be shown yet are kept for it. Pure but for the row and the effects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tactful.journal import Kept
from tactful_trigger.effects import Effects
from tactful_trigger.happening import ANSWERS, Seen
from tactful_trigger.state.row import Row, Run

INBOX_LIMIT: Final = 64
INBOX_BYTES: Final = 16 * 1024  # of what a row may have: what is kept for one rule is not to shut it for the others


def keep(effects: Effects, row: Row, run: Run, seen: Seen) -> bool:
    """Keep what was seen in the run's inbox, for when it goes on: unless it is an answer to some message or step. Whether it was
    kept."""
    if seen.name in ANSWERS:
        return False
    run.inbox = _with(effects, row, run, run.inbox, seen)
    return True


def put_by(effects: Effects, row: Row, run: Run, seen: Seen) -> bool:
    """Put what was seen by until the run's rule can judge it, which alone can, and is away or has failed. Always True: the run
    changed."""
    if not is_among(run.put_by, seen):
        run.put_by = _with(effects, row, run, run.put_by, seen)
    return True


def is_among(events: Iterable[Kept], seen: Seen) -> bool:
    """Whether these events hold what was seen. Each source numbers its own."""
    id, source = seen.record.id, seen.record.body.source
    return any(kept.id == id and kept.source == source for kept in events)


def _with(effects: Effects, row: Row, run: Run, events: tuple[Kept, ...], seen: Seen) -> tuple[Kept, ...]:
    kept = [*events, seen.kept()]
    size = sum(len(event.properties) for event in kept)
    while len(kept) > 1 and (len(kept) > INBOX_LIMIT or size > INBOX_BYTES):
        size -= len(kept.pop(0).properties)
        run.dropped += 1
        if run.dropped == 1:
            text = f"keeps {INBOX_LIMIT} events while it waits, 16 KB of them: the oldest are dropped"
            effects.tell(row, seen.at, "note", run.rule, run.id, {"text": text})
    return tuple(kept)
