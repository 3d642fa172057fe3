"""What a run remembers: one entry per operation that has its result, and the operation it waits in."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tactful.durations import spoken
from tactful.events.model import Event, Meta, decode

NOTHING: Final = msgspec.Raw(b"null")


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The result of one operation: its shape, the instant it was known, the value as JSON."""

    shape: str
    at: int
    value: msgspec.Raw = NOTHING
    version: int = 0  # get: the projection's; 0 in journals from before it was kept


class Wait(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """The operation a run waits in, with what decides whether an event concerns it."""

    op: str
    shape: str
    since: int  # the instant it began; quiet: of the act that moved it last
    due: int | None = None
    length: int = 0  # quiet, engaged: how long without an act, in ms
    names: tuple[str, ...] | None = None  # canonical event names; None is any
    where: bool = False  # the rule has a predicate of its own
    message: str = ""
    number: int = 0  # step: which
    hold: int = 0  # send: the hold that asked and got no answer yet, while the run stands still
    # send: what `data` gave when it was last asked, earlier ones stand in the log; engaged: earlier messages that count too
    data: tuple[Any, ...] = ()
    branches: tuple[Wait, ...] = ()

    @property
    def words(self) -> str:
        """What it is, for a story: people at the shop read it."""
        if self.op == "quiet":
            return f"{spoken(self.length)} of quiet"
        if self.op == "wait_any":
            *others, last = (branch.words for branch in self.branches)
            return f"{', '.join(others)} or {last}" if others else last
        _, *of = self.shape.split(" ")
        match self.op:
            case "sleep":
                return "time to pass"
            case "wait_for":
                return " ".join(of)
            case "engaged":
                return f"a reaction to the {of[0]}"
            case "send":
                return f"what becomes of the {of[0]}"
        return self.shape


class Kept(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An event as a journal or an inbox keeps it."""

    name: str
    id: str
    source: str
    occurred_at: int
    appended_at: int
    scope: str
    properties: msgspec.Raw

    def event(self) -> Event:
        """The typed event."""
        meta = Meta(self.id, self.source, self.occurred_at, self.appended_at, self.scope)
        return decode(self.name, self.properties, meta)


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Dispatch's final word on one message, as the run keeps it. `at` is the append time of the decision."""

    message_id: str
    channel: str
    verdict: str
    at: int
    reason: str | None = None
    scope: str | None = None


class Notice(msgspec.Struct, frozen=True, array_like=True):
    """The first sign that a message was noticed, or that it bounced."""

    name: str
    at: int
    counts: bool
