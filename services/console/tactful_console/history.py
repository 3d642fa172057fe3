"""What the console is told of one customer. Whoever puts the services together fills these in; the console asks nobody else.

`HistoryRow.data` by kind:

- `event` name, id, source, about (a few words), properties; `consent` purpose, channel, state, entry, wording, via;
  `receipt` name, message_id, ...; `preferences` change, rule, until; `decided` all fields of a `Message Decided`;
- `started` version, waiting (in words, may be missing); `asked` message_id, channel, template;
  `confirmed` message_id; `withdrawn`, `ended`, `parked`, `not_started` why; `note` text;
  `goal` held_out, after (ms since the message); `linked`, `absorbed`, `adopted` customer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One thing that happened. (at, offset, index) is its place; instants in ms."""

    customer: str
    at: int
    offset: int
    index: int
    kind: str
    rule: str
    run: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pending:
    """A timer that will fire. `text` says what the run waits for, without the time: "1h of quiet". A run that is `parked` waits
    for nothing but its end."""

    at: int
    rule: str
    run: str
    what: str  # the operation: quiet, sleep, wait_for, ...
    text: str = ""
    parked: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """A message that dispatch keeps back. `reason` is a `tactful.decisions.Reason`."""

    message_id: str
    rule: str
    channel: str
    reason: str
    until: int | None
    facts: Mapping[str, Any] = field(default_factory=dict)
    expires: int | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """The latest word on one purpose and channel; channel "" is every channel."""

    purpose: str
    channel: str
    state: str  # granted | withdrawn
    entry: int
    at: int
    basis: str = ""
    wording: str = ""
    via: str = ""
    once: bool = False  # for one message


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """What a live run remembers of one operation."""

    shape: str
    at: int
    value: Any = None


@dataclass(frozen=True, slots=True)
class TimelineInputs:
    """All that the page of one customer shows, in any order. `zone` is the customer's, "" if nobody knows it."""

    customer: str
    zone: str = ""
    rows: Sequence[HistoryRow] = ()
    pending: Sequence[Pending] = ()
    held: Sequence[Held] = ()
    consents: Sequence[Consent] = ()
    journals: Mapping[str, Sequence[JournalEntry]] = field(default_factory=dict)  # by run
    first_name: str = ""
