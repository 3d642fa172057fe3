"""One customer is one row: projections, live runs with their journals, recent event ids, marks of cooldowns and goals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from struct import Struct
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from tactful.clock import MINUTE
from tactful.events.model import is_act
from tactful.journal import Entry, Kept, Notice, Wait
from tactful.projections import Projection
from tactful_trigger.state.unread import Unread, read_state

SEEN_LIMIT: Final = 256
SEEN_BYTES: Final = SEEN_LIMIT * 12
SEEN_MINUTES: Final = 48 * 60
_SEEN: Final = Struct(">8sI")  # what is remembered of each: hash and minute of append time
ROW_LIMIT: Final = 256 * 1024
WEIGHED: Final = ROW_LIMIT // 8  # bytes of what events said, after which a row is weighed
LEAST: Final = 128  # that an event which says nothing counts for
_ANSWERED: Final = ("send ", "step ")  # shapes of operations
_HEARS: Final = ("wait_for ", "wait_any(", "engaged ")
_IN_VAIN: Final = (b"null", b"null]", b"false", b"false]")  # what they give when their time is up


class Run(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One live execution of a rule for this customer (and key). `subject` is the first customer it ran for."""

    id: str
    rule: str
    version: int
    subject: str
    first: Kept
    started: int
    deadline: int  # max_age, or the end of waiting for a late feed
    key: str = ""
    generation: int = 0
    journal: list[Entry] = []
    wait: Wait | None = None
    inbox: tuple[Kept, ...] = ()
    put_by: tuple[Kept, ...] = ()  # only its rule can judge them, and could not: the run is parked, or the rule away
    dropped: int = 0  # events that fitted into neither
    sends: int = 0
    steps: int = 0
    reached: bool = False  # something was sent, may have been, or would have been but for the holdout
    parked: str = ""  # why it must not go on
    holdout: bool = False
    parameters: dict[str, Any] | None = None
    notices: dict[str, Notice] | None = None
    late_since: int | None = None  # the due instant that waits for a feed
    put_off_since: int | None = None  # debounce: when the first of the runs began whose place this one took
    asked_as: str = ""  # under which name the message was asked that it waits for, if it was another one

    @property
    def due(self) -> int:
        """The next instant at which something happens by itself: while parked, its end."""
        if self.parked:
            return self.deadline
        wait, deadline = self.wait, self.deadline
        if self.put_by:
            return min(self.put_by[0].appended_at, self.waits_since if wait is None else wait.due or deadline)
        if wait is None:  # it stands still with an answer in its journal
            return self.waits_since
        due = wait.due
        return deadline if due is None or deadline < due else due

    @property
    def message(self) -> str:
        """The message whose decision it waits for; "" while it waits for nothing of the kind."""
        return self.wait.message if self.wait is not None and self.wait.op == "send" else ""

    @property
    def waits_since(self) -> int:
        """The instant from which on events concern what it waits for, or will wait for once it goes on."""
        if self.wait is not None:
            return self.wait.since
        return self.journal[-1].at if self.journal else self.started

    @property
    def debounced_since(self) -> int:
        """When the first of the runs began each of which took the place of the one before."""
        return self.started if self.put_off_since is None else self.put_off_since

    @property
    def has_waited(self) -> bool:
        """Whether it may start over: a run that only sends, or does steps, would send as fast as these are answered. An event that
        it waited for counts however soon it came, since each comes once."""
        before = self.started
        for entry in self.journal:
            happened = entry.shape.startswith(_HEARS) and not bytes(entry.value).endswith(_IN_VAIN)
            if happened or (entry.at > before and not entry.shape.startswith(_ANSWERED)):
                return True
            before = entry.at
        return before - self.started >= MINUTE

    @property
    def contact(self) -> str:
        """What the messages of one generation share."""
        return f"{self.id}.{self.generation}"

    def clamp(self, instant: int) -> None:
        """Put off until `instant` what would fall due before it."""
        if self.wait is None and self.journal:
            self.journal[-1] = replace(self.journal[-1], at=max(self.journal[-1].at, instant))
        elif self.wait is not None and self.wait.due is not None:
            self.wait.due = max(self.wait.due, instant)
        self.deadline = max(self.deadline, instant)
        self.put_by = tuple(replace(kept, appended_at=max(kept.appended_at, instant)) for kept in self.put_by)


class First(msgspec.Struct, frozen=True, array_like=True):
    """A customer's first contact, or what would have been it, for as long as no goal has followed."""

    at: int
    held_out: bool = False


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """The first message of a contact that was sent or held out: cooldowns count from it."""

    contact: str
    at: int
    held_out: bool = False
    reached: bool = False  # a goal followed in time
    objected: bool = False  # the customer opted out soon after, or reported it as spam
    first: First | None = None

    @property
    def run(self) -> str:
        """The run that spoke."""
        return self.contact.rpartition(".")[0]


def mark_key(rule: str, key: str = "") -> str:
    """The name under which a row keeps the mark of a rule, or of one key of it."""
    return f"{rule}\x1f{key}"


def marked_rule(key: str) -> str:
    """The rule that such a name is about."""
    return key.partition("\x1f")[0]


class Goal(msgspec.Struct, frozen=True, array_like=True):
    """The latest goal or exit of a rule without a key: when it happened, and when it was first appended."""

    occurred: int
    appended: int

    def joined(self, other: Goal) -> Goal:
        """The later of both, each by itself."""
        return Goal(max(self.occurred, other.occurred), max(self.appended, other.appended))


class Image(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A row as it is stored."""

    states: dict[str, tuple[int, msgspec.Raw]] = {}
    runs: list[Run] = []
    seen: bytearray = msgspec.field(default_factory=bytearray)  # (hash, minute of append time), oldest first
    marks: dict[str, Mark] | None = None
    goals: dict[str, Goal] | None = None
    recipient: str = ""
    linked_to: str = ""
    device_of: str = ""
    absorbed: tuple[str, ...] = ()
    blocked: str = ""
    limited: int = 0
    weight: int = 0


class Row(msgspec.Struct, eq=False, gc=False):
    """A row in memory. It belongs to an epoch and is dropped whole when a slice does not commit."""

    id: str
    states: dict[str, tuple[int, Any]] = {}  # with versions, as they are stored: more often than they change
    runs: list[Run] = []
    trail: bytearray = msgspec.field(default_factory=bytearray)
    marks: dict[str, Mark] | None = None
    goals: dict[str, Goal] | None = None
    recipient: str = ""  # digest of what dispatch knows
    linked_to: str = ""  # who they turned out to be; nothing is applied here any more
    device_of: str = ""  # of a visitor: who uses the device now, if it is somebody else
    absorbed: tuple[str, ...] = ()  # who turned out to be this customer
    blocked: str = ""  # why further events are only counted
    limited: int = 0  # the hour in which the story last said that they are
    weight: int = 0  # bytes of what events said since it was weighed
    pushed: int | None = None  # the earliest due instant that stands in the timer heap
    held: frozenset[str] = frozenset()  # runs that came up and may not go on: rule missing, newer or paused

    @property
    def due(self) -> int | None:
        """The earliest due instant of all runs: what the store keeps."""
        earliest = None
        for run in self.runs:
            due = run.due
            if earliest is None or due < earliest:
                earliest = due
        return earliest

    @property
    def next_due(self) -> int | None:
        """The earliest due instant of the runs that may go on."""
        if not self.held:
            return self.due
        return min((run.due for run in self.runs if run.id not in self.held), default=None)

    def state(self, projection: str) -> Any:
        """What a projection knows of the customer: None if nothing, Unread if that cannot be read."""
        kept = self.states.get(projection)
        return kept if kept is None or type(kept) is Unread else kept[1]

    def has_seen(self, event: bytes) -> bool:
        """Whether this event (its hash) is remembered."""
        place = self.trail.find(event)
        while place > 0 and place % 12:  # within two entries, and so by chance
            place = self.trail.find(event, place + 1)
        return place >= 0

    def remember(self, event: bytes, at: int) -> None:
        """Recognise this event for 48 hours, among the latest 256 that changed something."""
        minute, trail = at // MINUTE, self.trail
        trail += _SEEN.pack(event, minute)
        while len(trail) > SEEN_BYTES or _SEEN.unpack_from(trail)[1] < minute - SEEN_MINUTES:
            del trail[:12]

    def remember_all(self, other: bytes | bytearray) -> None:
        """What another row remembers too, in order of time."""
        entries = {bytes(trail[n : n + 12]) for trail in (self.trail, other) for n in range(0, len(trail), 12)}
        latest = sorted(entries, key=lambda entry: (entry[8:], entry))[-SEEN_LIMIT:]
        self.trail = bytearray(b"".join(latest))

    def run_of(self, rule: str, key: str) -> Run | None:
        """A live run of a rule for a key."""
        return next((run for run in self.runs if run.rule == rule and run.key == key), None)

    def asks_beside(self, run: Run) -> bool:
        """Whether a parallel run of the same rule and key has asked for a message, of which nobody has decided yet."""
        others = [each for each in self.runs if each is not run and (each.rule, each.key) == (run.rule, run.key)]
        return any(other.message and not other.parked for other in others)

    def mark_of(self, rule: str, key: str = "") -> Mark | None:
        """The mark of a rule, and of a key of it."""
        return self.marks.get(mark_key(rule, key)) if self.marks else None

    def cooling_until(self, rule: str, key: str, cooldown: int) -> int:
        """Until when the customer rests from a rule (and key) that has this cooldown (ms); 0 if they do not."""
        mark = self.mark_of(rule, key)
        return mark.at + cooldown if mark is not None and cooldown else 0

    def empty(self) -> None:
        """Forget all but who the customer turned out to be."""
        self.states, self.runs, self.trail, self.marks, self.goals = {}, [], bytearray(), None, None
        self.recipient, self.absorbed, self.blocked, self.held, self.weight = "", (), "", frozenset(), 0

    def is_flooding(self, at: int) -> bool:
        """Whether 256 events changed something within this minute."""
        trail = self.trail
        return len(trail) >= SEEN_BYTES and _SEEN.unpack_from(trail)[1] == at // MINUTE

    def waits_for(self, name: str, scope: str) -> bool:
        """Whether an event of this name and scope may end or move a wait, or belongs into an inbox."""
        for run in self.runs:
            wait = run.wait
            if wait is None:
                return True
            names = wait.names
            if (wait.op != "quiet" or is_act(name, scope)) if names is None else name in names:
                return True
        return False

    def weigh(self) -> None:
        """A row beyond the limit is blocked until half of it has gone. When it is looked at depends on its events alone: on where
        slices are cut it must not."""
        size, self.weight = len(self.encode()), 0
        if size > ROW_LIMIT if not self.blocked else size <= ROW_LIMIT // 2:
            self.blocked = "" if self.blocked else f"row of {size} bytes, limit {ROW_LIMIT}"

    def encode(self) -> bytes:
        """The stored form."""
        return _encode(self._image())

    def parts(self) -> Iterator[bytes]:
        """The row without its runs, then a row of each run alone: each fits into a record of the log."""
        whole = self._image()
        yield _encode(replace(whole, runs=[]))
        for run in whole.runs:
            yield _encode(Image(runs=[run]))

    def _image(self) -> Image:
        return Image(
            states=self.states,
            runs=self.runs,
            seen=self.trail,
            marks=self.marks,
            goals=self.goals,
            recipient=self.recipient,
            linked_to=self.linked_to,
            device_of=self.device_of,
            absorbed=self.absorbed,
            blocked=self.blocked,
            limited=self.limited,
            weight=self.weight,
        )


_encode = msgspec.json.Encoder().encode
_decode_image = msgspec.json.Decoder(Image).decode
_PARKED: Final = b'"parked":'  # stands in a row with a run that is parked


def decode(customer: str, value: bytes, projections: Mapping[str, Projection[Any]]) -> Row:
    """A row from its stored form. States of projections that are not loaded, or cannot read them, are carried along untouched."""
    image, row = _decode_image(value), Row(customer)
    for name, (version, raw) in image.states.items():
        row.states[name] = read_state(projections.get(name), version, raw)
    row.runs, row.marks, row.goals = image.runs, image.marks, image.goals
    row.recipient, row.linked_to, row.blocked = image.recipient, image.linked_to, image.blocked
    row.trail, row.absorbed = image.seen, image.absorbed
    row.device_of, row.limited, row.weight = image.device_of, image.limited, image.weight
    return row


class _Names(msgspec.Struct):
    linked_to: str = ""
    absorbed: tuple[str, ...] = ()


_decode_names = msgspec.json.Decoder(_Names).decode


def names_in(value: bytes | msgspec.Raw) -> tuple[str, tuple[str, ...]]:
    """Who the customer of a stored row turned out to be ("" for nobody), and who turned out to be them."""
    names = _decode_names(value)
    return names.linked_to, names.absorbed


class _Began(msgspec.Struct):
    started: int


class _Runs(msgspec.Struct):
    runs: list[_Began] = []


_decode_runs = msgspec.json.Decoder(_Runs).decode


def beginnings_in(value: bytes | msgspec.Raw) -> list[int]:
    """Of a stored row: when each of its runs began."""
    return [run.started for run in _decode_runs(value).runs]


def has_run(value: bytes, rule: str, *, parked: bool) -> bool:
    """Whether a stored row holds a run of a rule; `parked`: one that is parked."""
    return any(run.rule == rule and (not parked or bool(run.parked)) for run in _decode_image(value).runs)


def count_runs(rows: Iterable[bytes], *, parked: bool) -> dict[str, int]:
    """Runs by rule over stored rows; `parked`: those that are parked. Of a million rows few are, and only these are decoded."""
    counts: Counter[str] = Counter()
    for value in rows:
        if not parked or _PARKED in value:
            counts.update(run.rule for run in _decode_image(value).runs if run.parked or not parked)
    return dict(counts)
