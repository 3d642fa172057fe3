"""What comes of the contacts of rules with a customer: whether they were written to, reached the goal or objected. Pure but for the
row, the cursor and the effects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from tactful.clock import DAY
from tactful.decisions import Reason
from tactful.purposes import SPAM_REPORT, is_marketing
from tactful_trigger.effects import Effects
from tactful_trigger.happening import Seen
from tactful_trigger.partition import Partition
from tactful_trigger.state.cursor import LetGo
from tactful_trigger.state.row import First, Mark, Row, mark_key, marked_rule
from tactful_trigger.state.tally import Tally

OBJECTIONS: Final = frozenset({"Message Complained", "Consent Changed", "Preferences Changed"})
FEW_MARKS: Final = 32
WITHHELD: Final = frozenset({Reason.SHADOW, Reason.NOT_ALLOWED})  # nothing else spoke against it
SOON: Final = 7 * DAY  # an opt-out within so long of a contact is one to it


class _Said(msgspec.Struct, frozen=True):
    """What of an opt-out matters here."""

    state: str = ""
    purpose: str = ""
    change: str = ""
    rule: str = ""
    via: str = ""


_decode = msgspec.json.Decoder(_Said).decode


class Contacts:
    """Keeps the marks in the rows of one slice, and counts by rule what comes of them."""

    def __init__(self, partition: Partition, effects: Effects) -> None:
        self._cursor, self._terms, self._effects = partition.cursor, partition.book.terms, effects

    def decided(self, row: Row, seen: Seen) -> bool:
        """Hear the final word on a message. Cooldowns count from the first message of a contact that was sent, may have been, or was
        held out: the mark of its rule says when. Whether the row changed."""
        word = seen.pointer
        self._effects.decided.append((word.rule, word.verdict, word.reason or ""))
        if word.reason in WITHHELD:
            self._cursor.count_day(word.rule, seen.at, withheld=1)
        if word.verdict not in ("sent", "unknown") and word.reason != "holdout":
            return False
        is_counted = False  # also where a parallel run has spoken since
        for run in row.runs:
            if run.id == word.run_id:
                is_counted, run.reached = run.reached and run.contact == word.contact, True
        key, marks = mark_key(word.rule, word.run_key), self._lasting(row, seen.at)
        if not is_counted and (key not in marks or marks[key].contact != word.contact):
            held_out, known = word.reason == "holdout", marks.get(key)
            first = First(seen.at, held_out) if known is None else known.first
            row.marks = {**marks, key: Mark(word.contact, seen.at, held_out, first=first)}
            new = int(known is None)
            counted = Tally(held_out=1, first_held_out=new) if held_out else Tally(sent=1, first_sent=new)
            self._cursor.count(word.rule, counted)
            if not held_out:
                self._cursor.count_day(word.rule, seen.at, wrote=1)
        return True

    def _lasting(self, row: Row, at: int) -> Mapping[str, Mark]:
        """The marks, without those of single keys that nothing asks for any more: of a rule with a key for each order there would be
        no end of them."""
        marks, terms = row.marks or {}, self._terms
        if len(marks) <= FEW_MARKS:
            return marks
        lasts = {rule: max(known.cooldown, known.goal_within, SOON) for rule, known in terms.items() if known.key}
        return {
            key: mark
            for key, mark in marks.items()
            if (rule := marked_rule(key)) not in lasts or at - mark.at <= lasts[rule]
        }

    def objected(self, row: Row, seen: Seen) -> bool:
        """Count an objection, once a contact: a spam report with the rule whose message it was, an opt-out with the rule that wrote
        last. Whether the row changed."""
        for key, mark in sorted((row.marks or {}).items(), key=lambda known: (-known[1].at, known[0])):
            rule = marked_rule(key)
            what = _objection_to(rule, mark, seen)
            if what is None or mark.held_out:
                continue
            if mark.objected:
                return False
            row.marks = {**(row.marks or {}), key: msgspec.structs.replace(mark, objected=True)}
            if mark.at >= self._cursor.let_go.get(rule, LetGo()).at:
                self._cursor.count(rule, what)
            return True
        return False

    def reached(self, row: Row, rule: str, within: int, seen: Seen) -> None:
        """Count the first goal that follows a contact within `within` (ms), and whether the contact was held out. By when the goal
        happened, since a till may tell days later of what was bought before."""
        mark, happened = row.mark_of(rule), seen.record.body.occurred_at
        if mark is None:
            return
        if (first := mark.first) is not None and 0 <= happened - first.at <= within:
            mark = msgspec.structs.replace(mark, first=None)
            row.marks = {**(row.marks or {}), mark_key(rule): mark}
            reached = Tally(first_held_out_reached=1) if first.held_out else Tally(first_sent_reached=1)
            self._cursor.count(rule, reached)
        if mark.reached or not 0 <= happened - mark.at <= within:
            return
        row.marks = {**(row.marks or {}), mark_key(rule): msgspec.structs.replace(mark, reached=True)}
        self._cursor.count(rule, Tally(held_out_reached=1) if mark.held_out else Tally(sent_reached=1))
        self._effects.tell(
            row, seen.at, "goal", rule, mark.run, {"held_out": mark.held_out, "after": happened - mark.at}
        )


def _objection_to(rule: str, mark: Mark, seen: Seen) -> Tally | None:
    """What the event counts as if it objects to this contact of this rule; None if it does not."""
    if seen.name == "Message Complained":
        return Tally(complained=1) if seen.pointer.run_id == mark.run else None
    said, since = _decode(seen.record.body.properties), seen.record.body.occurred_at - mark.at
    opts_out = (
        (said.state == "withdrawn" and is_marketing(said.purpose) and said.via != SPAM_REPORT)
        or said.change == "stopped"
        or (said.change == "rule_muted" and said.rule == rule)
    )
    return Tally(opted_out=1) if opts_out and 0 <= since <= SOON else None
