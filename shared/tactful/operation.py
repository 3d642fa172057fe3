"""What every operation of a run is: it begins, is offered events, and its time may be up.

Operations are yielded to whoever drives the run's coroutine; nothing here does I/O or reads a clock.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from tactful.customer import Customer
from tactful.errors import TactfulError
from tactful.journal import NOTHING, Answer, Kept, Notice, Wait

T = TypeVar("T")


class StepFailed(TactfulError):
    """A step's function failed after its retries; raised at the `await`."""


class EndRun(Exception):
    """Raised while an operation begins: the run must not go on. Carries why."""


class Done(msgspec.Struct, frozen=True):
    """The operation has its result (JSON). `used`: so many events of the inbox are over with it, when it begins."""

    value: msgspec.Raw = NOTHING
    used: int = 0


class Moved(msgspec.Struct, frozen=True):
    """The operation still waits, until another instant."""


class Ask(msgspec.Struct, frozen=True):
    """Only the rule's own predicates can tell: of `wait_any`, those of `branches`. `otherwise`: what it means if none of them
    accepts."""

    branches: tuple[int, ...] = ()
    otherwise: Done | Moved | None = None


Offered = Done | Moved | Ask | None


class Happening(Protocol):
    """An event as the engine offers it to a waiting run."""

    at: int  # append time
    name: str
    message_id: str

    @property
    def act(self) -> bool: ...
    @property
    def answer(self) -> Answer | None: ...
    @property
    def notice(self) -> Notice | None: ...
    @property
    def step(self) -> tuple[str, int, msgspec.Raw] | None: ...
    def kept(self) -> Kept: ...


class Wish(Protocol):
    """What a send wants of dispatch, apart from its data."""

    channel: str
    template: str
    expires: int | None
    variant: str | None
    repeats_allowed: bool


class Host(Protocol):
    """What an operation may ask of the engine when it begins."""

    now: int

    @property
    def inbox(self) -> tuple[Kept, ...]: ...
    @property
    def zone(self) -> ZoneInfo: ...
    def view(self) -> Customer: ...
    def state(self, projection: str) -> Any: ...
    def ask(self, send: Wish, data: Mapping[str, Any], not_before: int | None) -> str: ...
    def may_send(self) -> None: ...
    def step(self, name: str, function: str, arguments: Sequence[Any]) -> tuple[str, int]: ...
    def noticed(self, message_id: str) -> Notice | None: ...


class Operation(Generic[T]):
    """`shape` names the operation in the journal; a journal whose shapes differ does not fit the code."""

    op: ClassVar[str]
    consumes_inbox: ClassVar[bool] = True
    shape: str
    version: int = 0  # of the form that its result has in the journal

    def __await__(self) -> Generator[Operation[Any], Any, T]:
        result: T = yield self
        return result

    def begin(self, host: Host) -> Done | Wait:
        """The result at once, or what to wait for. Raises EndRun."""
        raise NotImplementedError

    @staticmethod
    def offer(wait: Wait, happening: Happening) -> Offered:
        """Whether an event ends or moves the wait."""
        return None

    def accepts(self, kept: Kept, branches: Sequence[int] = ()) -> Done | None:
        """Answer an Ask by the rule's own predicates."""
        return None

    @staticmethod
    def expire(wait: Wait) -> msgspec.Raw:
        """The result when the time is up."""
        return NOTHING

    def revive(self, value: msgspec.Raw) -> T:
        """The journaled result as the rule sees it."""
        return None  # type: ignore[return-value]

    def migrate(self, version: int, value: msgspec.Raw) -> T:
        """As `revive`, from another version's form."""
        return self.revive(value)

    def _wait(self, host: Host, **more: Any) -> Wait:
        return Wait(op=self.op, shape=self.shape, since=host.now, **more)
