"""A partition in its owner's memory: cursor, rows, timers. It belongs to one epoch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tactful.log import Stored
from tactful.settings import settings_from_log
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.state.backlog import Backlog
from tactful_trigger.state.cursor import Cursor
from tactful_trigger.state.history import HistoryRow
from tactful_trigger.state.row import Row, decode
from tactful_trigger.state.timers import Timers
from tactful_trigger.store import SliceResult


class Savepoint(NamedTuple):
    """What a slice replaces of a partition and never changes in place, as of a commit."""

    cursor: Cursor
    graves: dict[str, int]


class Partition:
    """`rows` holds None for a customer who is known to have no row."""

    def __init__(self, cursor: Cursor, book: Rulebook) -> None:
        self.cursor, self.timers = cursor, Timers()
        self.rows: dict[str, Row | None] = {}
        self._kept = 0  # rows that the latest trimming left
        self.busy: set[str] = set()  # customers whose rows are busy, as of the latest commit
        self.unsent = Backlog()  # whether the outbox may hold records that the log does not have
        self.steps = Backlog()  # whether there may be steps to run
        self.noted = 0  # commits that changed rows
        self.looked_at_feeds = False  # under these rules: the runs that wait for feeds may be of other ones
        self.rest: Sequence[Stored] = ()  # what was read and did not fit into the latest slice, beside its timers
        # ((horizon, `noted`) as of which it was asked, the first instant behind the horizon at which anything is due)
        self.beyond: tuple[tuple[int, int], int | None] | None = None
        self.graves: dict[str, int] = {}  # who was erased, and when
        # Of customers who absorb somebody or are enrolled in this slice; `earlier`: under names that are theirs now.
        self.pasts: dict[str, Sequence[HistoryRow]] = {}
        self.earlier: dict[str, Sequence[HistoryRow]] = {}
        self._given = book
        self.book = book
        self.adopt_settings()

    def adopt_settings(self) -> None:
        """Put the rules under the settings that the log told last, and note what ends their runs, should they be away one day."""
        if self.cursor.settings:
            self.book = self._given.under(settings_from_log(self.cursor.settings))
        self.cursor.ends |= {name: (*terms.goal, *terms.exit_on) for name, terms in self.book.terms.items()}

    def take_in(self, customers: Iterable[str], stored: dict[str, bytes]) -> None:
        """Rows from the store; absence is remembered too."""
        for customer in customers:
            value = stored.get(customer)
            self.rows[customer] = None if value is None else decode(customer, value, self.book.projections)

    def row(self, customer: str) -> Row:
        """The customer's row, made now if there is none."""
        row = self.rows.get(customer)
        if row is None:
            row = self.rows[customer] = Row(customer)
        return row

    def missing(self, customers: Iterable[str]) -> set[str]:
        """Those of whom memory knows nothing."""
        return {customer for customer in customers if customer not in self.rows}

    def trim(self, limit: int) -> None:
        """Let rows go, once there are too many, for which nothing near waits; they come back from the store. How many had to
        stay is no reason to look through them again after every slice."""
        if len(self.rows) > max(limit, self._kept * 5 // 4):
            near = self.timers.customers()
            self.rows = {name: row for name, row in self.rows.items() if row is not None and (row.held or name in near)}
            self._kept = len(self.rows)

    def note(self, result: SliceResult) -> None:
        """What was committed."""
        self.unsent.note(bool(result.outbox))
        self.steps.note(bool(result.steps))
        self.noted += bool(result.rows or result.erasures)
        self.busy.difference_update([gone.customer for gone in result.erasures])
        for row in result.rows:
            if row.busy:
                self.busy.add(row.customer)
            else:
                self.busy.discard(row.customer)

    def savepoint(self) -> Savepoint:
        """Where to go back to if the next slice does not commit."""
        return Savepoint(self.cursor, self.graves)

    def back_to(self, savepoint: Savepoint) -> None:
        """After a slice that did not commit, memory is worth nothing."""
        self.cursor, self.graves = savepoint
        self.rows.clear()
        self.rest = ()
        self.timers, self.looked_at_feeds = Timers(), False
        self.adopt_settings()
