"""What a rule may await. Each class knows how it begins, which events concern it, and what it means that its time is up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import NoneType
from typing import Any, Final, Generic, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from tactful.customer import Customer
from tactful.durations import Duration, milliseconds
from tactful.errors import TactfulError
from tactful.events.model import Event, name_of, unread
from tactful.journal import Answer, Kept, Wait
from tactful.localtime import first_instant, instant_of, local_day, local_time, wall_time
from tactful.operation import Ask, Done, Happening, Host, Moved, Offered, Operation, StepFailed
from tactful.projections import Projection

E = TypeVar("E", bound=Event)
Events = type[Event] | str | Sequence[type[Event] | str]
Data = Callable[[Customer], Mapping[str, Any] | None]

CONTENT_BYTES: Final = 64 * 1024  # of what a send or a step is given: a log has a limit of its own

_encode = msgspec.json.Encoder().encode
_decode_answer = msgspec.json.Decoder(Answer).decode
_decode_kept: Callable[[msgspec.Raw], Kept | None] = msgspec.json.Decoder(Kept | None).decode


class Sleep(Operation[None]):
    """Until an instant. A calendar wait becomes an instant when it begins."""

    op = "sleep"

    def __init__(self, due: Callable[[Host], int], shape: str = "sleep") -> None:
        self._due, self.shape = due, shape

    @classmethod
    def lasting(cls, duration: Duration) -> Sleep:
        length = milliseconds(duration)
        return cls(lambda host: host.now + length)

    @classmethod
    def until(cls, moment: datetime) -> Sleep:
        if moment.tzinfo is None:
            raise TactfulError("sleep_until needs a datetime with a time zone")
        due = first_instant(moment)
        return cls(lambda host: due, "sleep_until")

    @classmethod
    def until_local(cls, clock: str, days: int) -> Sleep:
        wanted = wall_time(clock)

        def due(host: Host) -> int:
            return instant_of(datetime.combine(local_day(host.now, host.zone) + timedelta(days), wanted), host.zone)

        return cls(due, "sleep_until_local")

    def begin(self, host: Host) -> Done | Wait:
        return self._wait(host, due=max(self._due(host), host.now))


class Quiet(Operation[None]):
    """Until the customer has done nothing for so long. One journal entry however often it moves."""

    op = "quiet"
    shape = "quiet"

    def __init__(self, duration: Duration, of: Events | None) -> None:
        self._length = max(milliseconds(duration), 0)  # one that is over by now: time never runs back
        self._names = None if of is None else _names((of,) if isinstance(of, (str, type)) else tuple(of))

    def begin(self, host: Host) -> Done | Wait:
        now, length = host.now, self._length
        return Wait(op="quiet", shape="quiet", since=now, due=now + length, length=length, names=self._names)

    @staticmethod
    def offer(wait: Wait, happening: Happening) -> Offered:
        if not happening.act if wait.names is None else happening.name not in wait.names:
            return None
        if happening.at <= wait.since:  # of somebody who turns out to be this customer
            return None
        wait.since, wait.due = happening.at, happening.at + wait.length
        return Moved()


class WaitFor(Operation[E | None], Generic[E]):
    """The first matching event since the previous wait ended, or None when the time is up."""

    op = "wait_for"

    def __init__(self, event: type[E] | str, within: Duration, where: Callable[[E], bool] | None) -> None:
        self._name, self._within, self._where = _names((event,))[0], max(milliseconds(within), 0), where
        self.shape = f"wait_for {self._name}"

    def begin(self, host: Host) -> Done | Wait:
        for place, kept in enumerate(host.inbox, 1):
            if kept.name == self._name and (done := self.accepts(kept)):
                return Done(done.value, place)
        names = (self._name,)
        return self._wait(host, due=host.now + self._within, names=names, where=self._where is not None)

    @staticmethod
    def offer(wait: Wait, happening: Happening) -> Offered:
        if wait.names is None or happening.name not in wait.names:
            return None
        return Ask() if wait.where else Done(msgspec.Raw(_encode(happening.kept())))

    def accepts(self, kept: Kept, branches: Sequence[int] = ()) -> Done | None:
        matches = self._where is None or self._where(kept.event())  # type: ignore[arg-type]
        return Done(msgspec.Raw(_encode(kept))) if matches else None

    def revive(self, value: msgspec.Raw) -> E | None:
        kept = _decode_kept(value)
        return None if kept is None else kept.event()  # type: ignore[return-value]


class WaitAny(Operation[tuple[int, Any]]):
    """The first of several waits: its index and its result. Of two at one instant, the first in the list."""

    op = "wait_any"

    def __init__(self, branches: Sequence[Operation[Any]]) -> None:
        """Raises TactfulError for what is no wait: a message that is asked for in here would be nobody's to take back."""
        if not branches or any(not isinstance(branch, (Sleep, Quiet, WaitFor, Engaged)) for branch in branches):
            given = ", ".join(getattr(branch, "shape", type(branch).__name__) for branch in branches) or "nothing"
            raise TactfulError(f"wait_any takes sleeps, quiet, wait_for and engaged, each by itself, not: {given}")
        self._branches = branches
        self.shape = f"wait_any({', '.join(branch.shape for branch in branches)})"

    def begin(self, host: Host) -> Done | Wait:
        begun = [branch.begin(host) for branch in self._branches]
        done = [(one.used, index, one.value) for index, one in enumerate(begun) if isinstance(one, Done)]
        if done:
            used, index, value = min(done)
            return Done(_indexed(index, value), used)
        waits = [one for one in begun if isinstance(one, Wait)]
        return self._wait(host, due=_earliest(waits), branches=tuple(waits))

    @staticmethod
    def offer(wait: Wait, happening: Happening) -> Offered:
        asking: list[int] = []
        otherwise: Done | Moved | None = None
        for index, branch in enumerate(wait.branches):
            offered = OPERATIONS[branch.op].offer(branch, happening)
            if isinstance(offered, Done):
                otherwise = Done(_indexed(index, offered.value))
                break
            if isinstance(offered, Ask):
                asking.append(index)
            elif offered is not None:
                otherwise, wait.due = offered, max(happening.at, _earliest(wait.branches) or 0)
        return Ask(tuple(asking), otherwise) if asking else otherwise

    def accepts(self, kept: Kept, branches: Sequence[int] = ()) -> Done | None:
        for branch in branches:
            if done := self._branches[branch].accepts(kept):
                return Done(_indexed(branch, done.value))
        return None

    @staticmethod
    def expire(wait: Wait) -> msgspec.Raw:
        index = min(range(len(wait.branches)), key=lambda i: (wait.branches[i].due or 2**62, i))
        return _indexed(index, OPERATIONS[wait.branches[index].op].expire(wait.branches[index]))

    def revive(self, value: msgspec.Raw) -> tuple[int, Any]:
        index, inner = msgspec.json.decode(value, type=tuple[int, msgspec.Raw])
        return index, self._branches[index].revive(inner)


class Get(Operation[Any]):
    """A projection's state as it is now, or `only` a part of it. Journaled with its version, since both will be others later."""

    op = "get"
    consumes_inbox = False

    def __init__(self, projection: Projection[Any], only: Callable[[Any], Any] | None = None) -> None:
        self._projection, self.version, self.shape = projection, projection.version, f"get {projection.name}"
        self._only = only

    def begin(self, host: Host) -> Done | Wait:
        state = host.state(self._projection.name)
        return Done(msgspec.Raw(_encode(state if self._only is None else self._only(state))))

    def revive(self, value: msgspec.Raw) -> Any:
        return msgspec.json.decode(value, type=self._projection.state)

    def migrate(self, version: int, value: msgspec.Raw) -> Any:
        return self._projection.migrate(version, msgspec.json.decode(value)) if version else self.revive(value)


class Zone(Operation[ZoneInfo]):
    """The time zone that calendar waits go by. Journaled, since the customer may move."""

    op = "zone"
    shape = "zone"
    consumes_inbox = False

    def begin(self, host: Host) -> Done | Wait:
        return Done(msgspec.Raw(_encode(host.zone.key)))

    def revive(self, value: msgspec.Raw) -> ZoneInfo:
        return ZoneInfo(msgspec.json.decode(value, type=str))


class Send(Operation["Message"]):
    """Ask dispatch for a message and wait for its final decision."""

    op = "send"
    consumes_inbox = False

    def __init__(
        self,
        channel: str,
        template: str,
        data: Data | None,
        fixed: Mapping[str, Any],
        *,
        not_before: Callable[[Host], int | None],
        expires: int | None,
        variant: str | None,
        repeats_allowed: bool,
    ) -> None:
        if not (isinstance(channel, str) and isinstance(template, str) and isinstance(variant, (str, NoneType))):
            raise TactfulError(f"channel, template and variant of a send are text, not {(channel, template, variant)}")
        self.channel, self.template, self.expires = channel, template, expires
        self.variant, self.repeats_allowed = variant, bool(repeats_allowed)
        self._data, self._fixed, self._not_before = data, fixed, not_before
        self.shape = f"send {channel} {template}"

    def content(self, host: Host) -> dict[str, Any] | None:
        """What the message is about, as of now; None when there is nothing to say. Always plain JSON values."""
        values: dict[str, Any] = {}
        if self._data is not None:
            given = self._data(host.view())
            if given is None:
                return None
            values = msgspec.to_builtins(given)
            if not isinstance(values, dict):
                raise TactfulError("`data` of a send must give an object or None")
        if self._fixed:
            values = {**values, **msgspec.to_builtins(dict(self._fixed))}
        size = len(_encode(values))  # here it still parks the run and names the line
        if size > CONTENT_BYTES:
            raise TactfulError(f"`data` of a send has {size:,} bytes of {CONTENT_BYTES:,}; a message needs far less")
        return values

    def begin(self, host: Host) -> Done | Wait:
        host.may_send()
        data = self.content(host)
        if data is None:
            return Done(msgspec.Raw(_encode(_nothing_to_say(self.channel, host.now))))
        message = host.ask(self, data, self._not_before(host))
        return Wait(op="send", shape=self.shape, since=host.now, message=message, data=(data,))

    @staticmethod
    def offer(wait: Wait, happening: Happening) -> Offered:
        if happening.message_id != wait.message or (answer := happening.answer) is None:
            return None
        return Done(msgspec.Raw(_encode(answer)))

    def revive(self, value: msgspec.Raw) -> Message:
        return Message(_decode_answer(value))


class Engaged(Operation[bool]):
    """Whether the customer reacted to a message within so long of the decision, or later while they had not yet been quiet
    for `quiet`. A bounce ends it at once. So does a reaction to one of `earlier`."""

    op = "engaged"

    def __init__(self, answer: Answer, within: Duration, quiet: Duration, earlier: Sequence[str] = ()) -> None:
        self._answer, self._within, self._quiet = answer, milliseconds(within), milliseconds(quiet)
        self._earlier, self.shape = tuple(earlier), f"engaged {answer.channel}"

    def begin(self, host: Host) -> Done | Wait:
        if any((seen := host.noticed(message)) and seen.counts for message in self._earlier):
            return Done(_truth(True))
        if (notice := host.noticed(self._answer.message_id)) is not None:
            return Done(_truth(notice.counts))
        due = max(self._answer.at + self._within, host.now)
        return self._wait(host, due=due, message=self._answer.message_id, length=self._quiet, data=self._earlier)

    @staticmethod
    def offer(wait: Wait, happening: Happening) -> Offered:
        if happening.notice is not None and happening.message_id == wait.message:
            return Done(_truth(happening.notice.counts))
        if happening.notice is not None and happening.notice.counts and happening.message_id in wait.data:
            return Done(_truth(True))
        rested = happening.at + wait.length
        if not wait.length or wait.due is None or rested <= wait.due or not happening.act:
            return None
        wait.due = rested
        return Moved()

    @staticmethod
    def expire(wait: Wait) -> msgspec.Raw:
        return _truth(False)

    def revive(self, value: msgspec.Raw) -> bool:
        return bytes(value) == b"true"


class Step(Operation[Any]):
    """Any other I/O: an importable function of JSON values, run after the slice has committed."""

    op = "step"
    consumes_inbox = False

    def __init__(self, name: str, function: str, arguments: Sequence[Any]) -> None:
        self._function, self._arguments, self._name, self.shape = function, arguments, name, f"step {name}"

    def begin(self, host: Host) -> Done | Wait:
        run, number = host.step(self._name, self._function, self._arguments)
        return self._wait(host, message=run, number=number)

    @staticmethod
    def offer(wait: Wait, happening: Happening) -> Offered:
        step = happening.step
        if step is None or step[:2] != (wait.message, wait.number):
            return None
        return Done(step[2])

    def revive(self, value: msgspec.Raw) -> Any:
        answer = msgspec.json.decode(value)
        if answer.get("error") is not None:
            raise StepFailed(f"step {self._name}: {answer['error']}")
        return answer.get("value")


class Message:
    """What became of a send. True when it was sent, or may have been."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def __bool__(self) -> bool:
        return self._answer.verdict in ("sent", "unknown")

    @property
    def channel(self) -> str:
        """The channel by which it was to go."""
        return self._answer.channel

    @property
    def unknown(self) -> bool:
        """Nobody can know whether it left; it counts as sent."""
        return self._answer.verdict == "unknown"

    @property
    def reason(self) -> str | None:
        """Why it was not sent: a `tactful.decisions.Reason`."""
        return self._answer.reason

    @property
    def scope(self) -> str | None:
        """`customer`: try no other channel. `channel`: another one may do."""
        return self._answer.scope

    @property
    def decided_at(self) -> datetime:
        """When it was sent, or refused."""
        return local_time(self._answer.at, UTC)

    def engaged(self, within: Duration, quiet: Duration = "0s", *, earlier: Sequence[Message] = ()) -> Operation[bool]:
        """Wait for a sign that it was noticed, counted from the decision; and on, until the customer has done nothing for
        `quiet`. That one of the `earlier` messages was noticed meanwhile is as good."""
        return Engaged(self._answer, within, quiet, [message._answer.message_id for message in earlier])


OPERATIONS: Final[dict[str, type[Operation[Any]]]] = {
    kind.op: kind for kind in (Sleep, Quiet, WaitFor, WaitAny, Get, Zone, Send, Engaged, Step)
}


@lru_cache(maxsize=1024)
def _names(events: tuple[type[Event] | str, ...]) -> tuple[str, ...]:
    if wrong := unread(events):
        raise TactfulError(wrong)
    return tuple(map(name_of, events))


def _earliest(waits: Sequence[Wait]) -> int | None:
    return min((wait.due for wait in waits if wait.due is not None), default=None)


def _indexed(index: int, value: msgspec.Raw) -> msgspec.Raw:
    return msgspec.Raw(b"[%d,%b]" % (index, bytes(value)))


def _truth(value: bool) -> msgspec.Raw:
    return msgspec.Raw(b"true" if value else b"false")


def _nothing_to_say(channel: str, now: int) -> Answer:
    return Answer(message_id="", channel=channel, verdict="not_sent", at=now, reason="nothing_to_say", scope="customer")
