"""The life of a run: it starts, waits, is woken by an event or by its time, and ends."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec

from tactful.identity import digest, fraction, run_id
from tactful.journal import Entry, Wait
from tactful.operation import Ask, Done, Host, Moved, Operation
from tactful.operations import OPERATIONS, Send
from tactful.records import DISPATCH, CancelBody, CancelRecord, ConfirmBody, ConfirmRecord
from tactful.rules import Rule, Terms
from tactful_trigger.effects import Effects
from tactful_trigger.happening import Seen, recalled
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.runs.feeds import Feeds
from tactful_trigger.runs.keeping import is_among, keep, put_by
from tactful_trigger.runs.replay import CANCELLED, Execution, Parked, RuleFailed, Watch, asked, key_of
from tactful_trigger.runs.stage import Stage, view
from tactful_trigger.runs.standstill import ends_of_absent, why_still
from tactful_trigger.runs.starting import Freed, counts, is_about, may_restart, taken_back, too_late
from tactful_trigger.state.cursor import Cursor
from tactful_trigger.state.row import Goal, Row, Run


class Runs:
    """Moves the runs of customers within one slice. Pure but for the row and the effects it is given."""

    def __init__(self, book: Rulebook, cursor: Cursor, effects: Effects, watch: Watch) -> None:
        self._book, self._cursor, self._effects, self.watch = book, cursor, effects, watch
        self._feeds = Feeds(book, cursor, effects)
        self.ends_of_absent = ends_of_absent(cursor.ends, book)
        self.counts = partial(counts, book, watch)

    # -- starting

    def start(self, row: Row, rule: Rule, seen: Seen, goals: Mapping[str, Goal] | None, freed: Freed) -> bool:
        """Begin a run of `rule` for what was seen, if its terms allow; whether the row changed. `goals`: as they were before it.
        `freed`: by the runs that it has ended."""
        try:
            return self._start(row, rule, seen, goals or {}, freed)
        except RuleFailed as failed:
            return self._fail(row, rule, seen.at, failed.parked)

    def _start(self, row: Row, rule: Rule, seen: Seen, goals: Mapping[str, Goal], freed: Freed) -> bool:
        terms = self._book.terms[rule.name]
        key = self._key_of(rule, seen)
        mine = [run for run in row.runs if run.rule == rule.name and run.key == key] if row.runs else []
        alive = [run for run in mine if not run.parked] if mine else []
        if (alive and not may_restart(alive, terms, seen.at)) or self._is_shut(rule.name):
            return False
        if not self._fits(row, rule, seen):
            return False
        if why := too_late(row, rule.name, terms, key, seen, goals, replaces=(rule.name, key) in freed):
            self._effects.tell(row, seen.at, "not_started", rule.name, "", {"why": why})
            return True
        for run in mine if terms.repeat != "parallel" else [run for run in mine if run.parked]:
            self.end(row, run, seen.at, "was parked, and made room" if run.parked else "restarted")
        since = alive[0].debounced_since if alive and terms.repeat == "debounce" else None
        self._begin(row, rule, terms, key, seen, put_off_since=since)
        return True

    def enrol(self, row: Row, rule: Rule, seen: Seen, command: str) -> None:
        """Begin a run for what happened before, however long ago, unless one is alive, or the rule has spoken of it, or its own
        terms forbid it. Each command (its id) is an occurrence of its own: what stood in shadow last time was not said."""
        try:
            why, key = self.why_not_enrolled(row, rule, seen), self._key_of(rule, seen)
        except RuleFailed as failed:
            self._fail(row, rule, seen.at, failed.parked)
            return
        if why:
            self._effects.tell(row, seen.at, "not_started", rule.name, "", {"why": why})
        else:
            self._begin(row, rule, self._book.terms[rule.name], key, seen, ("enrol", command))
            self._cursor.count_day(rule.name, seen.at, enrolled=1)

    def why_not_enrolled(self, row: Row, rule: Rule, seen: Seen) -> str:
        """Why nothing would begin for what happened before; "" if something would. Raises RuleFailed."""
        terms, key = self._book.terms[rule.name], self._key_of(rule, seen)
        if self._is_shut(rule.name):
            return "the rule is off, paused or drained"
        if row.run_of(rule.name, key) is not None:
            return "a run is alive"
        mark = row.mark_of(rule.name, key)
        if mark is not None and mark.at >= seen.record.body.occurred_at:
            return "heard from the rule since then"
        goal = (row.goals or {}).get(rule.name) if terms.key is None else None
        if goal is not None and seen.record.body.occurred_at < goal.occurred:
            return "superseded"
        if seen.at < row.cooling_until(rule.name, key, terms.cooldown):
            return "cooldown"
        return "" if self._fits(row, rule, seen) else "when"

    def _key_of(self, rule: Rule, seen: Seen) -> str:
        key = self._book.terms[rule.name].key
        return key_of(rule, self.watch, seen.event, key) if key else ""

    def _fits(self, row: Row, rule: Rule, seen: Seen) -> bool:
        when = self._book.terms[rule.name].when
        return when is None or asked(rule, self.watch, when, view(row, rule.name, self._book), seen.event)

    def _fail(self, row: Row, rule: Rule, at: int, parked: Parked) -> bool:
        """A rule that fails before it begins costs nobody else the event."""
        self.note_failure(rule.name, parked, 0)
        self._effects.tell(row, at, "not_started", rule.name, "", {"why": parked.why})
        return True

    def note_failure(self, rule: str, parked: Parked, depth: int) -> None:
        self._effects.parked.append((rule, parked.place))
        self._cursor.note_failure(rule, parked.why, parked.place, depth)

    def _is_shut(self, rule: str) -> bool:
        """Whether nothing begins."""
        return rule in self._book.off or rule in self._cursor.paused or rule in self._cursor.draining

    def may_be_many(self, rule: str) -> bool:
        """Whether one customer may have several runs of this rule for one key."""
        terms = self._book.terms.get(rule)
        return terms is not None and terms.repeat == "parallel"

    def _begin(
        self,
        row: Row,
        rule: Rule,
        terms: Terms,
        key: str,
        seen: Seen,
        occurrence: tuple[str, str] | None = None,
        put_off_since: int | None = None,
    ) -> None:
        """`occurrence`: source and id of what it begins for, if that is not what was seen."""
        run = Run(
            id=run_id(rule.name, row.id, key, *(occurrence or (seen.record.body.source, seen.record.id))),
            rule=rule.name,
            version=terms.version,
            subject=row.id,
            first=seen.kept(),
            started=seen.at,
            deadline=seen.at + terms.max_age,
            key=key,
            holdout=terms.holdout > 0 and fraction("holdout", rule.name, row.id) < terms.holdout,
            parameters=self._book.parameters[rule.name] or None,
            put_off_since=put_off_since,
        )
        if row.runs and any(other.id == run.id for other in row.runs):
            return
        row.runs.append(run)
        place = self._effects.place()
        self._drive(row, run, seen.at, fresh=0)
        told = {"version": run.version, "event": seen.record.id, "waiting": "" if run.wait is None else run.wait.words}
        self._effects.tell(row, seen.at, "started", rule.name, run.id, told, place)

    # -- being woken

    def is_over(self, row: Row, run: Run, seen: Seen, at: int) -> bool:
        """End a run if what its customer did before they were found to be one is its goal or an exit; whether it is."""
        absent = run.rule in self.ends_of_absent.get(seen.name, ())
        if self._is_ended_by(row, run, seen) or (absent and not run.key):
            self.end(row, run, at, f"ended by {seen.name}")
            return True
        if absent:
            put_by(self._effects, row, run, seen)
        return False

    def _is_ended_by(self, row: Row, run: Run, seen: Seen) -> bool:
        return any(rule.name == run.rule and self.ends(row, rule, run, seen) for rule, _ in self._book.ends(seen.name))

    def is_settled(self, run: Run, goals: Mapping[str, Goal] | None) -> bool:
        """Whether one of these goals was reached after what the run began for had happened."""
        terms, goal = self._book.terms.get(run.rule), (goals or {}).get(run.rule)
        has_key = bool(run.key) if terms is None else terms.key is not None
        return not has_key and goal is not None and run.first.occurred_at < goal.occurred

    def ends(self, row: Row, rule: Rule, run: Run, seen: Seen) -> bool:
        """Whether a goal or an exit of a rule is one of this run. A run of which nobody can tell is parked."""
        terms = self._book.terms[rule.name]
        if seen.name in terms.on and seen.record.body.occurred_at < run.first.occurred_at:
            return False  # it began for something later
        try:
            return self.counts(rule, seen) and is_about(self.watch, rule, terms, run, seen)
        except RuleFailed as failed:
            put_by(self._effects, row, run, seen)
            if not run.parked:
                self.park(row, run, seen.at, failed.parked)
            return False

    def end_absent(self, row: Row, seen: Seen) -> None:
        """A goal or an exit takes effect though its rule is not installed. Whose it is, of a rule with a key, only that can tell
        once it is back."""
        rules = self.ends_of_absent[seen.name]
        for run in [run for run in row.runs if run.rule in rules]:
            if run.key:
                put_by(self._effects, row, run, seen)
            else:
                self.end(row, run, seen.at, f"ended by {seen.name}")

    def offer(self, row: Row, run: Run, seen: Seen) -> bool:
        """Show a run what was seen; whether the run changed."""
        wait = run.wait
        if seen.message_id and seen.notice is not None and run.id == seen.pointer.run_id:
            run.notices = {seen.message_id: seen.notice, **(run.notices or {})}
        if wait is None:
            return keep(self._effects, row, run, seen)
        if run.parked and wait.op == "send":  # its message is taken back
            return False
        offered = OPERATIONS[wait.op].offer(wait, seen)
        if offered is None:
            return wait.op in ("send", "step") and keep(self._effects, row, run, seen)
        if isinstance(offered, Ask):
            return self._ask_rule(row, run, wait, offered, seen)
        return self._take(row, run, wait, offered, seen.at)

    def _take(self, row: Row, run: Run, wait: Wait, offered: Done | Moved | None, at: int) -> bool:
        if isinstance(offered, Done):
            self._resolve(row, run, wait, offered.value, at)
        elif offered is not None:
            self._feeds.forget(row, run)
        return offered is not None

    def confirm(self, row: Row, seen: Seen) -> None:
        """Dispatch asks before a hold opens: answer with fresh data if the run still waits, else withdraw."""
        message = seen.message_id
        run = next((run for run in row.runs if message and run.message == message), None)
        if run is None or run.wait is None:
            asked_as = seen.record.body.user_id or row.id
            self._cancel(asked_as, message, "cancelled", "no run waits for it any more", seen.at)
        elif self._stands_still(run):
            run.wait.hold, run.wait.due = seen.pointer.hold, seen.at
        elif not run.parked:
            self._answer_hold(row, run, run.wait, seen.pointer.hold, seen.at)

    def fire(self, row: Row, run: Run, due: int) -> bool:
        """Its time has come. False for a run that stands still: it keeps its due instant."""
        if self._stands_still(run):
            return False
        if due >= run.deadline:
            self.end(row, run, due, "source_late" if run.late_since is not None else "max_age")
            return True
        wait = run.wait
        if run.put_by and self._make_up(row, run, due):
            return True
        if wait is None:
            self._feeds.forget(row, run)  # if its rule was away when the wait ended
            self._drive(row, run, due, fresh=len(run.journal))
        elif wait.hold:
            hold, wait.hold, wait.due = wait.hold, 0, None
            self._effects.dirty[row.id] = row
            self._answer_hold(row, run, wait, hold, due)
        elif not self._feeds.hold_back(row, run, due):
            self._resolve(row, run, wait, OPERATIONS[wait.op].expire(wait), due)
        return True

    def feeds_arrived(self, row: Row, at: int) -> None:
        """A feed may have come further, or the settings say otherwise of it: go on with what need not wait for it any more."""
        for run in tuple(row.runs):
            self._feed_arrived(row, run, at)
        self._feeds.note(row)

    def _feed_arrived(self, row: Row, run: Run, at: int) -> None:
        if not run.parked and self._feeds.arrived(row, run, at, still=self._stands_still(run)) and run.wait is not None:
            self._resolve(row, run, run.wait, OPERATIONS[run.wait.op].expire(run.wait), at)

    # -- ending

    def end(self, row: Row, run: Run, at: int, why: str) -> None:
        """Timers go, and a message that dispatch still holds is cancelled."""
        self._take_back(row, run, at, why)
        row.runs.remove(run)
        self._feeds.note(row)
        self._effects.tell(row, at, "ended", run.rule, run.id, {"why": why})

    # -- within

    def _resolve(self, row: Row, run: Run, wait: Wait, value: msgspec.Raw, at: int) -> None:
        run.journal.append(Entry(wait.shape, at, value))
        run.wait = None
        self._effects.dirty[row.id] = row
        if OPERATIONS[wait.op].consumes_inbox:
            run.inbox = ()
        self._feeds.forget(row, run)
        if run.parked:
            return
        if not self._stands_still(run):
            self._drive(row, run, at, fresh=len(run.journal))

    def _drive(self, row: Row, run: Run, at: int, fresh: int) -> None:
        cancelled = self._cursor.cancels(run.rule, run.started)
        outcome = CANCELLED if cancelled else self._execution(row, run, at, fresh).carry_on()
        self._effects.dirty[row.id] = row
        if self._cursor.failing and not isinstance(outcome, Parked):
            self._cursor.note_progress(run.rule, len(run.journal))
        if isinstance(outcome, Wait):
            run.wait = outcome
        elif isinstance(outcome, Parked):
            self.park(row, run, at, outcome)
        elif not outcome.again:
            self.end(row, run, at, outcome.why)
        else:
            self._start_over(row, run, at)

    def _start_over(self, row: Row, run: Run, at: int) -> None:
        run.generation, run.journal, run.sends, run.started = run.generation + 1, [], 0, at
        run.notices, run.reached, run.put_off_since = None, False, None
        self._effects.tell(row, at, "note", run.rule, run.id, {"text": f"starts over (generation {run.generation})"})
        self._drive(row, run, at, fresh=0)

    def _answer_hold(self, row: Row, run: Run, wait: Wait, hold: int, at: int) -> None:
        asked_as = run.asked_as or row.id
        execution = self._execution(row, run, at, fresh=len(run.journal) + 1)
        pending = execution.pending(lambda operation: _content(operation, execution.host))
        if isinstance(pending, Parked):
            self.park(row, run, at, pending)
        elif (why := taken_back(row, run, self._book, self._cursor, at)) or pending is None:
            self._cancel(asked_as, wait.message, "nothing_to_say", why or "the rule has nothing to say any more", at)
        else:
            wait.data = (pending,)
            name, body = digest("confirm", wait.message, str(hold)), ConfirmBody(wait.message, hold, pending)
            self._effects.put(DISPATCH, ConfirmRecord(id=name, key=asked_as, at=at, body=body))
            self._effects.tell(row, at, "confirmed", run.rule, run.id, {"message_id": wait.message})

    def park(self, row: Row, run: Run, at: int, parked: Parked) -> None:
        self._take_back(row, run, at, "the run is parked")
        run.parked = parked.why
        self.note_failure(run.rule, parked, len(run.journal) + (run.wait is not None))
        self._effects.tell(row, at, "parked", run.rule, run.id, {"why": parked.why})

    def retry(self, row: Row, run: Run, at: int) -> None:
        """A parked run goes on with the rule and the settings of now. One that waited for a message has had it taken back."""
        if run.message:
            self.end(row, run, at, "its message was taken back")
            return
        self._effects.tell(row, at, "note", run.rule, run.id, {"text": "is tried again"})
        run.parked, run.parameters = "", self._book.parameters.get(run.rule) or None
        run.clamp(at)
        if not (still := self._stands_still(run)):
            self._make_up(row, run, at)
        if run not in row.runs:
            return
        if run.wait is not None:
            self._feed_arrived(row, run, at)
        elif not (still or run.parked):
            self._drive(row, run, at, fresh=len(run.journal))

    def _make_up(self, row: Row, run: Run, at: int) -> bool:
        """Judge what was put by, now that the rule can: whether it ends the run, and, of what was appended up to this instant, what it
        means to what the run waits for. False if there is none, and the run goes on by the clock."""
        held = run.put_by
        for kept in held:
            if self._is_ended_by(row, run, recalled(kept, row.id, at)):
                self.end(row, run, at, f"ended by {kept.name}")
                return True
        if run.parked:
            return True
        run.put_by = tuple(kept for kept in held if kept.appended_at > at)
        self._effects.dirty[row.id] = row
        ripe = [recalled(kept, row.id, at) for kept in held if kept.appended_at <= at]
        for seen in ripe:
            if run in row.runs and not is_among(run.inbox, seen):
                self.offer(row, run, seen)
        return bool(ripe)

    def _ask_rule(self, row: Row, run: Run, wait: Wait, ask: Ask, seen: Seen) -> bool:
        if run.parked or why_still(run, self._book):
            return put_by(self._effects, row, run, seen)
        execution = self._execution(row, run, seen.at, fresh=len(run.journal) + 1)
        answer = execution.pending(lambda operation: operation.accepts(seen.kept(), ask.branches))
        if isinstance(answer, Parked):
            self.park(row, run, seen.at, answer)
            return put_by(self._effects, row, run, seen)
        return self._take(row, run, wait, answer or ask.otherwise, seen.at)

    def _execution(self, row: Row, run: Run, at: int, fresh: int) -> Execution:
        rule = self._book.rules[run.rule]
        stage = Stage(row, run, at, self._book, self._effects, self.watch, self._cursor.slow)
        return Execution(rule, run, stage, fresh)

    def _stands_still(self, run: Run) -> bool:
        return bool(why_still(run, self._book, self._cursor.paused))

    def _take_back(self, row: Row, run: Run, at: int, why: str) -> None:
        """Cancel the message that the run waits for, if it waits for one: dispatch may still hold it."""
        if run.message:
            self._cancel(run.asked_as or row.id, run.message, "cancelled", why, at)

    def _cancel(self, asked_as: str, message: str, reason: str, note: str, at: int) -> None:
        body = CancelBody(message, reason, note)
        self._effects.put(DISPATCH, CancelRecord(id=digest("cancel", message), key=asked_as, at=at, body=body))


def _content(operation: Operation[Any], host: Host) -> dict[str, Any] | None:
    assert isinstance(operation, Send), "the journal's shape says that the run waits in a send"
    return operation.content(host)
