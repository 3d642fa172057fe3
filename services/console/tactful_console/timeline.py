"""One customer's story: what happened, what was decided and why, what comes next. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tactful.decisions import Reason
from tactful_console.entries import Chip, Entry, Fact, Tone, Upcoming
from tactful_console.history import Consent, Held, HistoryRow, JournalEntry, Pending, TimelineInputs
from tactful_console.moments import Moments
from tactful_console.telling import entry
from tactful_console.wording import hold_told


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """`entries` oldest first, `upcoming` soonest first; instants in ms. `zone` is the one in which it is told."""

    customer: str
    first_name: str  # nowhere but in their own story, of which it is noted who has read it
    zone: str
    zone_from: str  # profile | shop
    entries: tuple[Entry, ...]
    upcoming: tuple[Upcoming, ...]
    consents: tuple[Consent, ...]

    def __bool__(self) -> bool:
        """Whether anything is known."""
        return bool(self.entries or self.upcoming or self.consents)

    def decision(self, message_id: str) -> Entry | None:
        """The final word on one message, if it has been spoken."""
        return next((e for e in self.entries if e.kind == "decided" and e.message_id == message_id), None)


def timeline(inputs: TimelineInputs, shop_zone: str) -> Timeline:
    """The whole story in the customer's own time, or the shop's if theirs is not known."""
    moments = Moments.of(inputs.zone, shop_zone)
    return Timeline(
        customer=inputs.customer,
        first_name=inputs.first_name,
        zone=moments.zone,
        zone_from="profile" if moments.zone == inputs.zone else "shop",
        entries=_entries(inputs, moments),
        upcoming=_upcoming(inputs, moments),
        consents=tuple(sorted(inputs.consents, key=lambda c: (c.purpose, c.channel))),
    )


def _entries(inputs: TimelineInputs, moments: Moments) -> tuple[Entry, ...]:
    rows = sorted(inputs.rows, key=lambda row: (row.at, row.offset, row.index))
    settled = {_message(row) for row in rows if row.kind == "decided"} | {held.message_id for held in inputs.held}
    told = (entry(row, moments) for row in rows if not (row.kind == "asked" and _message(row) in settled))
    return tuple(_with_journal(part, inputs.journals.get(part.run, ()), moments) for part in told)


def _message(row: HistoryRow) -> Any:
    return row.data.get("message_id")


def _with_journal(part: Entry, journal: Sequence[JournalEntry], moments: Moments) -> Entry:
    """A live run shows what it remembers where it started."""
    if part.kind != "started" or not journal:
        return part
    lines = tuple(
        Fact(f"{number}. {line.shape}", f"{moments.near(line.at, part.at)}  {msgspec.json.encode(line.value).decode()}")
        for number, line in enumerate(journal, start=1)
    )
    return msgspec.structs.replace(part, facts=part.facts + lines)


def _upcoming(inputs: TimelineInputs, moments: Moments) -> tuple[Upcoming, ...]:
    seen_from = max((row.at for row in inputs.rows), default=0)
    parts = [_timer(wait) for wait in inputs.pending] + [_kept(hold, seen_from, moments) for hold in inputs.held]
    return tuple(sorted(parts, key=lambda part: (part.at is None, part.at or 0, part.rule)))


def _timer(wait: Pending) -> Upcoming:
    if wait.parked:
        text = f"once it is mended: tactful rules resume {wait.rule}"
        return Upcoming(at=None, rule=wait.rule, run=wait.run, text=text, chip=Chip("parked", Tone.UNKNOWN))
    return Upcoming(at=wait.at, rule=wait.rule, run=wait.run, text=wait.text or wait.what, chip=Chip("waiting"))


def _kept(hold: Held, seen_from: int, moments: Moments) -> Upcoming:
    facts = {"channel": hold.channel, "rule": hold.rule, "decided_at": seen_from, **hold.facts}
    ends, why = hold_told(Reason(hold.reason), hold.until, hold.expires, facts, moments)
    return Upcoming(
        at=ends,
        rule=hold.rule,
        message_id=hold.message_id,
        text=f"{hold.channel}: {why}",
        chip=Chip("held", Tone.HELD),
    )
