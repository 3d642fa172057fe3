"""Driving one run by hand: its coroutine is rebuilt from the journal, then carried on until it waits or ends."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple, Protocol, TypeVar, cast

from tactful.errors import TactfulError
from tactful.journal import Entry, Wait
from tactful.operation import EndRun, Host, Operation, StepFailed
from tactful.rules import Rule
from tactful.run import Again
from tactful.run import Run as RunHandle
from tactful_trigger.row import Run

T = TypeVar("T")

JOURNAL_ENTRIES: Final = 256
JOURNAL_BYTES: Final = 64 * 1024


class Waiting(NamedTuple):
    """The run waits in an operation."""

    wait: Wait


class Ended(NamedTuple):
    """The rule returned, or an operation said that the run must not go on."""

    why: str
    again: bool = False


class Parked(NamedTuple):
    """The run must not go on before somebody looks at it; nothing is sent."""

    why: str


Outcome = Waiting | Ended | Parked


class TooSlow(BaseException):
    """Raised into a rule that ran for longer than a second. Not an Exception, so that no rule swallows it."""


class Watch(Protocol):
    """Interrupts a rule that does not come back; see `tactful_trigger.watch`."""

    def enter(self, rule: str) -> None: ...
    def leave(self) -> None: ...


class NoWatch:
    """Virtual time, and wherever signals cannot be used."""

    def enter(self, rule: str) -> None:
        pass

    def leave(self) -> None:
        pass


class _Stop(Exception):
    """Ends the driving with an outcome."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome


class Execution:
    """One wake-up. Notes that the rule left at earlier wake-ups are not left again.

    `fresh` is the number of journal entries that the previous wake-up had already consumed.
    """

    def __init__(self, rule: Rule, run: Run, host: RunHost, fresh: int) -> None:
        self._rule, self._run, self.host, self._fresh = rule, run, host, fresh
        self._index = 0
        self.rule, self.subject, self.version = rule.name, run.subject, run.version
        self.started = self.now = run.started
        self.parameters = run.parameters or {}
        self._coroutine: Coroutine[Any, Any, Any] | None = None

    def note(self, text: str) -> None:
        if self._index >= self._fresh:
            self.host.note(text)

    def type_of(self, projection: str) -> Any:
        return self.host.type_of(projection)

    def carry_on(self) -> Outcome:
        """Replay the journal, then live on until the run waits or ends."""
        return self._guarded(self._live_until_waiting)

    def pending(self, ask: Callable[[Operation[Any]], T]) -> T | Parked:
        """Replay the journal, and ask the operation the run waits in, closures and all."""
        answers: list[T] = []

        def rewind() -> Outcome:
            answers.append(ask(self._replayed()))
            return Parked("")

        outcome = self._guarded(rewind)
        return answers[0] if answers else cast(Parked, outcome)

    def _guarded(self, drive: Callable[[], Outcome]) -> Outcome:
        self.host.watch.enter(self.rule)
        try:
            return drive()
        except _Stop as stop:
            return stop.outcome
        except TooSlow:
            self.host.too_slow(self.rule)
            return Parked(f"{self._place()}: ran for longer than a second without coming back")
        except TactfulError as error:
            return Parked(f"{self._place()}: {error}")
        except Exception as error:  # noqa: BLE001 - whatever a rule raises parks its run and nothing else
            return Parked(f"{self._place(error)}: {type(error).__name__}: {error}")
        finally:
            self.host.watch.leave()
            if self._coroutine is not None:
                self._coroutine.close()

    def _live_until_waiting(self) -> Outcome:
        operation, run, host = self._replayed(), self._run, self.host
        while True:
            self._limit()
            try:
                begun = operation.begin(host)
            except EndRun as end:
                return Ended(str(end))
            if isinstance(begun, Wait):
                return Waiting(begun)
            run.journal.append(Entry(operation.shape, host.now, begun.value))
            operation = self._consume(operation)

    def _replayed(self) -> Operation[Any]:
        body = self._rule.body_for(self._run.version)
        self._coroutine = cast(Coroutine[Any, Any, Any], body(RunHandle(self), self._run.first.event()))
        operation = self._send(None)
        while self._index < len(self._run.journal):
            operation = self._consume(operation)
        return operation

    def _consume(self, operation: Operation[Any]) -> Operation[Any]:
        entry = self._run.journal[self._index]
        if entry.shape != operation.shape:
            raise _Stop(
                Parked(
                    f"{self._place()}: entry {self._index + 1} of the journal is `{entry.shape}`, the rule now awaits "
                    f"`{operation.shape}`; raise the version and keep the old body with @{self.rule}.previous"
                )
            )
        self._index += 1
        self.now = entry.at
        try:
            value = operation.revive(entry.value)
        except StepFailed as failure:
            return self._send(failure)
        return self._send(value)

    def _send(self, value: Any) -> Operation[Any]:
        assert self._coroutine is not None
        try:
            yielded = self._coroutine.throw(value) if isinstance(value, StepFailed) else self._coroutine.send(value)
        except StopIteration as stop:
            raise _Stop(_ending(stop.value)) from None
        except RuntimeError as error:
            if "no running event loop" in str(error):
                raise _Stop(Parked(self._foreign(error))) from None
            raise
        if not isinstance(yielded, Operation):
            raise _Stop(Parked(self._foreign()))
        return yielded

    def _foreign(self, error: BaseException | None = None) -> str:
        return f"{self._place(error)}: only operations of the run can be awaited here; to wait use run.sleep, for I/O run.step"

    def _place(self, error: BaseException | None = None) -> str:
        """The line of the rule's own file at which it stands or at which the error passed."""
        file = self._rule.file
        trace = error.__traceback__ if error else None
        lines = [frame.lineno for frame in inspect.getinnerframes(trace) if frame.filename == file] if trace else []
        if lines:
            return f"{file}:{lines[-1]}"
        frame = getattr(self._coroutine, "cr_frame", None)
        return f"{file}:{frame.f_lineno if frame else self._rule.line}"

    def _limit(self) -> None:
        journal = self._run.journal
        if len(journal) > JOURNAL_ENTRIES or sum(len(bytes(entry.value)) for entry in journal) > JOURNAL_BYTES:
            raise _Stop(Parked(f"{self._place()}: the journal is full; start over with `return run.again()`"))


class RunHost(Host, Protocol):
    """What driving needs from the engine, beside what operations ask."""

    watch: Watch

    def note(self, text: str) -> None: ...
    def type_of(self, projection: str) -> Any: ...
    def too_slow(self, rule: str) -> None: ...


def _ending(value: Any) -> Ended:
    if isinstance(value, Again):
        return Ended("starts over", again=True)
    return Ended("done" if value is None else str(value))
