"""Runs that wait until the shop's feeds have come as far as what they would act on. Pure but for the row and the cursor."""

from __future__ import annotations

from collections.abc import Sequence

from tactful.durations import milliseconds
from tactful.rules import Terms
from tactful_trigger.effects import Effects
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.state.cursor import Cursor
from tactful_trigger.state.row import Row, Run


class Feeds:
    """`after=` of a rule: what is due waits until the feeds have told that they are complete, or, for one with a lag in the
    settings, for so long."""

    def __init__(self, book: Rulebook, cursor: Cursor, effects: Effects) -> None:
        self._book, self._cursor, self._effects = book, cursor, effects

    def hold_back(self, row: Row, run: Run, due: int) -> bool:
        """Whether what is due now has to wait; the run then knows until when."""
        terms, since = self._book.terms[run.rule], due if run.late_since is None else run.late_since
        behind = self._behind(terms, since)
        if run.wait is None or not behind:
            return False
        until = self._lagging_until(behind, since)
        if until is not None and until <= due:
            return False
        run.late_since, run.wait.due, run.deadline = since, until, since + terms.after_max
        self._cursor.late.add(row.id)
        self._effects.tell(row, due, "note", run.rule, run.id, {"text": f"source_late: waits for {', '.join(behind)}"})
        return True

    def arrived(self, row: Row, run: Run, at: int, *, still: bool) -> bool:
        """Whether a run that waits for its feeds may go on now. Otherwise the instant at which it comes up is set anew: a feed without
        a lag may have told meanwhile, or the settings are others. One that stands `still` never goes on here: it comes up once its
        rule is back, and until then the customer's acts move it as any other."""
        terms, since = self._book.terms.get(run.rule), run.late_since
        if terms is None or run.wait is None or since is None:
            return False
        behind = self._behind(terms, since)
        if not behind and not still:
            return True
        due, deadline = self._lagging_until(behind, since) if behind else at, run.deadline
        if due is not None and due <= at:  # it comes up now, unless it has come up before
            due = at if run.wait.due is None else min(run.wait.due, at)
        if not behind:
            deadline = run.first.appended_at + terms.max_age
        if (due, deadline) != (run.wait.due, run.deadline):
            run.wait.due, run.deadline = due, deadline
            self._effects.dirty[row.id] = row
        return False

    def forget(self, row: Row, run: Run) -> None:
        """The run waits for its feeds no longer: what it waited for has happened or moved. What comes next asks them anew."""
        if run.late_since is not None and (terms := self._book.terms.get(run.rule)) is not None:
            run.late_since, run.deadline = None, run.first.appended_at + terms.max_age
            self.note(row)

    def note(self, row: Row) -> None:
        """A customer none of whose runs waits for a feed is not looked at when one comes."""
        if row.id in self._cursor.late and not any(run.late_since is not None for run in row.runs):
            self._cursor.late.remove(row.id)

    def _behind(self, terms: Terms, due: int) -> list[str]:
        """The feeds that a rule waits for and that have not come so far."""
        return [feed for feed in terms.after if self._cursor.feeds.get(feed, -1) < due]

    def _lagging_until(self, feeds: Sequence[str], since: int) -> int | None:
        """When all of these feeds are complete by their lags; None if one of them has none and must tell by itself."""
        sources = self._book.settings.sources
        if any(feed not in sources for feed in feeds):
            return None
        return since + max(milliseconds(sources[feed].lag) for feed in feeds)
