"""A partition's cursor: how far it was read, what time it is there, and what its broadcasts said."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec

from tactful.clock import DAY
from tactful_trigger.state.tally import Tally
from tactful_trigger.state.volume import Volume, added

PAUSE_AFTER_FAILURES: Final = 5
FEEDS: Final = 256  # that are remembered: a shop may name each file


class LetGo(msgspec.Struct, frozen=True, array_like=True):
    """When an operator last let a rule go on, and what had been counted of it by then."""

    at: int = 0
    tally: Tally = Tally()


class Failing(msgspec.Struct, frozen=True, array_like=True):
    """Runs of a rule that were parked in a row, and why the last one was; how many entries of its journal lay behind it."""

    times: int
    why: str
    depth: int = 0


class Cursor(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Compared and set in every slice's transaction. `clock` is the latest append time read; nothing else moves it."""

    partition: int
    offset: int = 0
    clock: int = 0
    epoch: int = 0
    sequences: dict[str, int] = {}  # outbox: target -> last sequence given
    taken: dict[str, int] = {}  # origin -> last sequence read
    settings: str = ""  # JSON, as last told
    paused: set[str] = set()  # rules: nothing of them moves
    paused_why: dict[str, str] = {}  # by rule
    draining: set[str] = set()  # rules: what runs goes on, nothing begins
    cancelled: dict[str, int] = {}  # by rule: what began until then ends, wherever it turns up
    ends: dict[str, tuple[str, ...]] = {}  # rule -> its goals and exits, as it was last installed
    feeds: dict[str, int] = {}  # feed -> complete through, ms
    late: set[str] = set()  # customers with a run that waits for a feed
    slow: dict[str, int] = {}  # rule -> interrupted runs
    failing: dict[str, Failing] = {}  # by rule, as long as no run of it comes further
    tallies: dict[str, Tally] = {}  # by rule
    volumes: dict[str, list[Volume]] = {}  # by rule: the first day, and the last ones
    let_go: dict[str, LetGo] = {}  # by rule that was paused once
    duplicates: int = 0
    counted: int = 0  # events of customers beyond a limit: counted, not applied
    attempts: int = 0  # claims since the last commit: a slice may kill its process
    poison: int = 0  # records in a row that could not be applied

    def count(self, rule: str, what: Tally) -> None:
        """Add to what is known of a rule."""
        self.tallies[rule] = self.tallies.get(rule, Tally()) + what

    def count_day(self, rule: str, at: int, *, wrote: int = 0, withheld: int = 0, enrolled: int = 0) -> None:
        """Add to what a rule did on the day of an instant."""
        more = Volume(at // DAY, wrote, withheld, enrolled)
        self.volumes[rule] = added(self.volumes.get(rule, ()), more)

    def note_feed(self, feed: str, through: int, at: int, awaited: Collection[str]) -> None:
        """A feed is complete up to an instant. Of many, those are forgotten that came least far and that no rule awaits."""
        known = self.feeds.get(feed, 0)
        self.feeds[feed] = max(through, known if known <= at else 0)  # an older program believed what is to come
        if len(self.feeds) > FEEDS:
            others = [(at, name) for name, at in self.feeds.items() if name not in awaited]
            for _, name in sorted(others)[: len(self.feeds) - FEEDS]:
                del self.feeds[name]

    def note_failure(self, rule: str, why: str, place: str, depth: int) -> None:
        """A run of the rule could not go on. So many in a row and nothing of the rule moves any more, which keeps the others
        from being parked as well. `place` is all of `why` that may be told to everybody: its words may name a person."""
        times = self.failing[rule].times + 1 if rule in self.failing else 1
        self.failing[rule] = Failing(times, why, depth)
        if times >= PAUSE_AFTER_FAILURES and rule not in self.paused:
            self.pause(rule, f"{times} runs in a row could not go on, the last: {place}")

    def forget_words(self) -> None:
        """Forget the words of failures: they may name the customer who was just erased."""
        told = "what it said went with an erasure"
        self.failing = {rule: Failing(known.times, told, known.depth) for rule, known in self.failing.items()}

    def note_progress(self, rule: str, depth: int) -> None:
        """A run has gone on behind so many entries of its journal. One that has only begun does not speak for those that fail
        later: where customers come all day, somebody begins between any two of these."""
        if (failing := self.failing.get(rule)) is not None and depth >= failing.depth:
            del self.failing[rule]

    def pause(self, rule: str, why: str) -> None:
        """From now on nothing of the rule moves. `why`: "" if it was an operator."""
        self.paused.add(rule)
        self.paused_why[rule] = why

    def drain(self, rule: str, at: int, *, cancels: bool) -> None:
        """From now on nothing of the rule begins. `cancels`: what has begun by `at` ends, too."""
        self.draining.add(rule)
        if cancels:
            self.cancelled[rule] = at
            self.failing.pop(rule, None)

    def cancels(self, rule: str, started: int) -> bool:
        """Whether a run of the rule that began then was cancelled. Operators end those they know of one by one; others begin in
        what is still unread, or are on their way from one customer to another."""
        return started <= self.cancelled.get(rule, -1)

    def resume(self, rule: str, at: int) -> None:
        """What was counted against the rule counts no more."""
        self.paused.discard(rule)
        self.draining.discard(rule)
        self.paused_why.pop(rule, None)
        self.failing.pop(rule, None)
        self.let_go[rule] = LetGo(at, self.tallies.get(rule, Tally()))

    def since_let_go(self) -> dict[str, Tally]:
        """What was counted of each rule since an operator last let it go on."""
        return {rule: tally - self.let_go.get(rule, LetGo()).tally for rule, tally in self.tallies.items()}

    def copy(self) -> Cursor:
        """A cursor that can be changed without touching this one. What its containers hold is never changed in place."""
        return msgspec.structs.replace(self, **{name: getattr(self, name).copy() for name in _CONTAINERS})


_CONTAINERS: Final = [field.name for field in msgspec.structs.fields(Cursor) if field.default_factory in (dict, set)]
encode: Final = msgspec.json.Encoder().encode
decode: Final = msgspec.json.Decoder(Cursor).decode
