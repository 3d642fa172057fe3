"""What a rule holds in its hand: one live execution for one customer."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import ModuleType
from typing import Any, Literal, Protocol, TypeVar, overload
from zoneinfo import ZoneInfo

from tactful.customer import Cart, Engagement, Orders, Profile, Segments, Session, Tickets
from tactful.durations import Duration, ahead
from tactful.errors import TactfulError
from tactful.events.model import Event, UnknownEvent
from tactful.identity import fraction, is_anonymous
from tactful.localtime import first_instant, local_time
from tactful.operation import Host, Operation
from tactful.operations import Data, Events, Get, Message, Quiet, Send, Sleep, Step, WaitAny, WaitFor, Zone
from tactful.projections import Projection
from tactful.rhythm import Rhythm

E = TypeVar("E", bound=Event)
T = TypeVar("T")
Only = Callable[[T], T] | None


class Again:
    """Returned by a rule that wants to start over: same run, next generation, empty journal."""


class Situation(Protocol):
    """What the driver of a run tells it. Changes only when an operation has its result."""

    now: int

    @property
    def rule(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def started(self) -> int: ...
    @property
    def parameters(self) -> Mapping[str, Any]: ...
    def note(self, text: str) -> None: ...
    def projection(self, name: str) -> Projection[Any]: ...


class Run:
    """Every `await` of a rule is one of these operations; everything else here is pure."""

    def __init__(self, situation: Situation) -> None:
        self._situation = situation

    @property
    def now(self) -> datetime:
        """The instant of the latest result, by the log's clock, in UTC."""
        return _moment(self._situation.now)

    @property
    def started(self) -> datetime:
        """The instant at which the run began."""
        return _moment(self._situation.started)

    @property
    def began_anonymous(self) -> bool:
        """Whether nobody knew the customer when the run began. `wait_for(CustomerRecognised, ...)` waits until somebody does."""
        return is_anonymous(self._situation.subject)

    def sleep(self, duration: Duration) -> Operation[None]:
        """Wait so long, counted from the latest result."""
        return Sleep.lasting(duration)

    def sleep_until(self, moment: datetime) -> Operation[None]:
        """Wait for an instant; one in the past is now."""
        return Sleep.until(moment)

    def sleep_until_local(self, clock: str, days: int = 0) -> Operation[None]:
        """Wait for a wall time (`"10:00"`) in the customer's zone, so many days from today."""
        return Sleep.until_local(clock, days)

    def quiet(self, duration: Duration, of: Events | None = None) -> Operation[None]:
        """Wait until the customer has done nothing for so long; `of` narrows what counts as doing something."""
        return Quiet(duration, of)

    @overload
    def wait_for(
        self, event: type[E], within: Duration, where: Callable[[E], bool] | None = None
    ) -> Operation[E | None]: ...
    @overload
    def wait_for(
        self, event: str, within: Duration, where: Callable[[UnknownEvent], bool] | None = None
    ) -> Operation[UnknownEvent | None]: ...
    def wait_for(
        self, event: type[Any] | str, within: Duration, where: Callable[[Any], bool] | None = None
    ) -> Operation[Any]:
        """The first such event since the previous wait ended, or None when the time is up. An event of the shop's own has a name."""
        return WaitFor(event, within, where)

    def wait_any(self, *waits: Operation[Any]) -> Operation[tuple[int, Any]]:
        """The index and the result of the first of several waits."""
        return WaitAny(waits)

    def send(
        self,
        channel: str,
        template: str,
        data: Data | None = None,
        *,
        not_before: Duration | datetime | None = None,
        expires: Duration | None = None,
        variant: str | None = None,
        repeats_allowed: bool = False,
        **fixed: Any,
    ) -> Operation[Message]:
        """Ask for a message and wait for dispatch's final word.

        `data` gets a read-only view of the customer now and again before the message leaves; None withdraws it.
        """
        if data is not None and not callable(data):
            raise TactfulError("`data` is a function of the customer, `lambda customer: …`; give facts by their names")
        return Send(
            channel,
            template,
            data,
            fixed,
            not_before=_not_before(not_before),
            expires=None if expires is None else max(ahead(expires), 0),
            variant=variant,
            repeats_allowed=repeats_allowed,
        )

    @overload
    def get(self, projection: Literal["cart"], only: Only[Cart] = None) -> Operation[Cart]: ...
    @overload
    def get(self, projection: Literal["orders"], only: Only[Orders] = None) -> Operation[Orders]: ...
    @overload
    def get(self, projection: Literal["profile"], only: Only[Profile] = None) -> Operation[Profile]: ...
    @overload
    def get(self, projection: Literal["tickets"], only: Only[Tickets] = None) -> Operation[Tickets]: ...
    @overload
    def get(self, projection: Literal["engagement"], only: Only[Engagement] = None) -> Operation[Engagement]: ...
    @overload
    def get(self, projection: Literal["session"], only: Only[Session] = None) -> Operation[Session]: ...
    @overload
    def get(self, projection: Literal["segments"], only: Only[Segments] = None) -> Operation[Segments]: ...
    @overload
    def get(self, projection: Literal["rhythm"], only: Only[Rhythm] = None) -> Operation[Rhythm]: ...
    @overload
    def get(self, projection: str, only: Only[Any] = None) -> Operation[Any]: ...
    def get(self, projection: str, only: Only[Any] = None) -> Operation[Any]:
        """A projection's state as it is now; the rule must name it in `uses`. The journal keeps what is given, and has an end:
        of a state that may be large `only` makes one of the same type that holds what the rule needs."""
        return Get(self._situation.projection(projection), only)

    def zone(self) -> Operation[ZoneInfo]:
        """The customer's time zone as of now, or else the shop's."""
        return Zone()

    @overload
    def step(self, name: str, function: Callable[..., Coroutine[Any, Any, T]], *arguments: Any) -> Operation[T]: ...
    @overload
    def step(self, name: str, function: Callable[..., T], *arguments: Any) -> Operation[T]: ...
    def step(self, name: str, function: Callable[..., Any], *arguments: Any) -> Operation[Any]:
        """Run an importable function with JSON arguments outside the engine. Raises StepFailed at the `await`."""
        place = getattr(function, "__qualname__", f"<{type(function).__name__}>")
        if "<" in place or not isinstance(getattr(function, "__self__", None), type | ModuleType | None):
            raise TactfulError(f"step {name}: {place} cannot be imported; make it a function of a module")
        if not isinstance(name, str):
            raise TactfulError(f"the name of a step is text, not {name!r}")
        return Step(name, f"{function.__module__}:{function.__qualname__}", arguments)

    def again(self) -> Again:
        """`return run.again()` starts the rule over with the same first event."""
        return Again()

    def variant(self, name: str, choices: Sequence[str]) -> str:
        """One of the choices, always the same for this customer."""
        if len(choices) == 1:
            return choices[0]
        return choices[int(fraction("variant", self._situation.rule, name, self._situation.subject) * len(choices))]

    def param(self, name: str, default: T, *, like: T | None = None) -> T:
        """An operator's value from `[rules.NAME]`, pinned when the run began; of the default's type. `like`: an example, by which
        the file is checked where the default is none: `run.param("second_after", "", like="48h")` is off, or a length."""
        value = self._situation.parameters.get(name, default)
        if value is default or is_like(value, default):
            return value  # type: ignore[no-any-return]
        kind = type(default).__name__
        raise TactfulError(f"[rules.{self._situation.rule}] {name} = {value!r} must be a {kind}, like {default!r}")

    def since(self, version: int) -> bool:
        """Whether this run began under that version of the rule or a later one."""
        return self._situation.version >= version

    def note(self, text: str) -> None:
        """Leave a line on the customer's timeline."""
        self._situation.note(text)


def is_like(value: Any, default: object) -> bool:
    """Whether a value from the settings has the type of a default: a whole number also stands for one with decimals, and beside
    None everything does."""
    return default is None or isinstance(value, type(default)) or (isinstance(default, float) and type(value) is int)


@lru_cache(maxsize=1024)  # a rule is run again for each answer, and asks again each time
def _moment(instant: int) -> datetime:
    return local_time(instant, UTC)


def _at_once(host: Host) -> None:
    return None


def _not_before(given: Duration | datetime | None) -> Callable[[Host], int | None]:
    if given is None:
        return _at_once
    if isinstance(given, datetime):
        if given.tzinfo is None:
            raise TactfulError("not_before needs a datetime with a time zone")
        instant = first_instant(given)
        return lambda host: host.now + ahead(timedelta(milliseconds=instant - host.now))
    length = ahead(given)
    return lambda host: host.now + length
