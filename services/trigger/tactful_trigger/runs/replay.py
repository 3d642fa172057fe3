"""Driving one run by hand: its coroutine is rebuilt from the journal, then carried on until it waits or ends."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from traceback import walk_tb
from typing import Any, ClassVar, Final, NamedTuple, Protocol, TypeVar

from tactful.errors import TactfulError
from tactful.events.model import Event
from tactful.journal import Entry, Wait
from tactful.operation import EndRun, Host, Operation, StepFailed
from tactful.projections import Projection
from tactful.rules import Rule
from tactful.run import Again
from tactful.run import Run as RunHandle
from tactful_trigger.state.row import Run

T = TypeVar("T")

UNFINISHED: Final = "ran for longer than a second without coming back"
JOURNAL_ENTRIES: Final = 256
JOURNAL_BYTES: Final = 64 * 1024
_NO_PARAMETERS: Final[Mapping[str, Any]] = {}
WORDS: Final = 4000  # characters of what a rule raises or returns
_KEPT_OPEN: Final = (
    "awaits in `finally`, or swallows GeneratorExit and awaits again. A run is closed whenever it waits: what comes at its end "
    "belongs behind the wait or into `goal` and `exit_on`, and `except Exception` catches enough"
)


class Ended(NamedTuple):
    """The rule returned, or an operation said that the run must not go on."""

    why: str
    again: bool = False


CANCELLED: Final = Ended("cancelled by an operator")


class Parked(NamedTuple):
    """The run must not go on before somebody looks at it; nothing is sent. `words` are a rule's own: they may name a person,
    and are for that person's story."""

    place: str
    words: str = ""

    @property
    def why(self) -> str:
        """All of it."""
        return f"{self.place}: {self.words}" if self.words else self.place


Outcome = Wait | Ended | Parked


class TooSlow(BaseException):
    """Raised into a rule that ran for longer than a second. Not an Exception, so that no rule swallows it."""


class Watch(Protocol):
    """Interrupts a rule that does not come back; see `tactful_trigger.watch`."""

    outside: ClassVar[tuple[type[BaseException], ...]]  # what may be raised into a rule and is none of its doing

    @property
    def interrupted(self) -> bool: ...  # since it was last entered: a bare `except` may have swallowed that
    def enter(self, rule: str) -> None: ...
    def leave(self) -> None: ...


class RuleFailed(Exception):
    """A function that a rule gives beside its body has raised. `parked` says why, with file and line."""

    def __init__(self, parked: Parked) -> None:
        super().__init__(parked.why)
        self.parked = parked


def asked(rule: Rule, watch: Watch, function: Callable[..., T], *arguments: Any) -> T:
    """What a function says that a rule gives beside its body: `key`, `when`, `match` or `exit_when`. Raises RuleFailed, whatever
    it raises."""
    watch.enter(rule.name)
    try:
        given = function(*arguments)
        if watch.interrupted:
            raise TooSlow
        return given
    except TooSlow:
        raise RuleFailed(Parked(f"{rule.file}:{rule.line}: {UNFINISHED}")) from None
    except RuleFailed:  # of a state that cannot be read
        raise
    except watch.outside:
        raise
    except BaseException as error:  # noqa: BLE001 - `sys.exit` is a slip like any other
        place = f"{rule.file}:{line_in(rule.file, error) or rule.line}"
        if isinstance(error, TactfulError):  # ours: it says what to do
            raise RuleFailed(Parked(f"{place}: {error}")) from None
        raise RuleFailed(Parked(f"{place}: {type(error).__name__}", words_of(error))) from None
    finally:
        watch.leave()


def key_of(rule: Rule, watch: Watch, event: Event, key: Callable[[Any], str]) -> str:
    """What `key` gives. Raises RuleFailed if it is no text: a row with such a key could be written, and not be read again."""
    given = asked(rule, watch, key, event)
    if not isinstance(given, str):
        raise RuleFailed(Parked(f"{rule.file}:{rule.line}: `key` must give a str, not {type(given).__name__}"))
    return given


def line_in(file: str, error: BaseException) -> int:
    """The last line of a file that an error passed; 0 if it passed none."""
    lines = [line for frame, line in walk_tb(error.__traceback__) if frame.f_code.co_filename == file]
    return lines[-1] if lines else 0


def words_of(said: object) -> str:
    """What a rule says, as text that can be stored."""
    try:
        return str(said)[:WORDS].encode(errors="replace").decode()
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - its `__str__` is a stranger's too, and interrupted like a rule if it does not come back
        return type(said).__name__


def fault_of(projection: Projection[Any], error: BaseException) -> Parked:
    """Why rules must not go by what a projection knows."""
    file = inspect.getfile(type(projection))
    line = line_in(file, error)
    where = f"{file}:{line}: projection {projection.name}" if line else f"{file}: projection {projection.name}"
    if isinstance(error, TooSlow):
        return Parked(f"{where}: {UNFINISHED}")
    return Parked(f"{where}: {type(error).__name__}", words_of(error))


@contextmanager
def by_hand() -> Iterator[None]:
    """While rules are driven. An event loop around is told of async generators that begin, and would close those of a rule later,
    by tasks of its own that cannot."""
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        yield
    finally:
        sys.set_asyncgen_hooks(*hooks)


class NoWatch:
    """Virtual time, and wherever signals cannot be used: there Ctrl-C is raised wherever the program stands."""

    outside: ClassVar[tuple[type[BaseException], ...]] = (KeyboardInterrupt,)
    interrupted = False

    def enter(self, rule: str) -> None:
        pass

    def leave(self) -> None:
        pass


class Execution:
    """One wake-up. Notes that the rule left at earlier wake-ups are not left again.

    `fresh` is the number of journal entries that the previous wake-up had already consumed.
    """

    __slots__ = ("_bytes", "_coroutine", "_fresh", "_index", "_rule", "_run", "host", "now", "parameters", "subject")

    def __init__(self, rule: Rule, run: Run, host: RunHost, fresh: int) -> None:
        self._rule, self._run, self.host, self._fresh = rule, run, host, fresh
        self._index, self._bytes, self.now = 0, 0, run.started  # entries that were consumed, and bytes of them
        self._coroutine: Coroutine[Any, Any, Any] | None = None
        self.subject, self.parameters = run.subject, run.parameters or _NO_PARAMETERS

    @property
    def rule(self) -> str:
        return self._rule.name

    @property
    def version(self) -> int:
        return self._run.version

    @property
    def started(self) -> int:
        return self._run.started

    def note(self, text: str) -> None:
        if self._index >= self._fresh:
            self.host.note(text)

    def projection(self, name: str) -> Projection[Any]:
        return self.host.projection(name)

    def carry_on(self) -> Outcome:
        """Replay the journal, then live on until the run waits or ends. Whatever a rule raises parks its run."""
        return self._guarded(self._live_on)

    def pending(self, ask: Callable[[Operation[Any]], T]) -> T | Parked:
        """Replay the journal, and ask the operation the run waits in, closures and all."""

        def asking() -> T | Parked:
            operation = self._replayed()
            if isinstance(operation, Ended):
                return Parked(f"the rule now ends ({operation.why}) before what the run waits for; {self._mend()}")
            if not isinstance(operation, Operation):
                return operation
            if (wait := self._run.wait) is not None and wait.shape != operation.shape:
                return Parked(self._differs(wait.shape, operation))  # it would answer for another operation
            return ask(operation)

        return self._guarded(asking)

    def _guarded(self, work: Callable[[], T]) -> T | Parked:
        """Nothing that a rule raises comes further, not even when its coroutine is closed. Nothing here awaits, so a
        CancelledError is the rule's own."""
        watch = self.host.watch
        watch.enter(self._run.rule)
        try:
            done = self._caught(work)
            closed = self._caught(self._close)
        finally:
            watch.leave()
        if watch.interrupted and closed is None and not isinstance(done, Parked):
            return self._parked(TooSlow())
        return done if closed is None or isinstance(done, Parked) else closed

    def _caught(self, work: Callable[[], T]) -> T | Parked:
        try:
            return work()
        except self.host.watch.outside:
            raise
        except BaseException as error:  # noqa: BLE001
            return self._parked(error)

    def _close(self) -> None:
        if self._coroutine is not None:
            self._fresh = self._index + 1  # what its `finally` notes now has not come to pass
            self._coroutine.close()

    def _live_on(self) -> Outcome:
        run, host = self._run, self.host
        operation = self._replayed()
        while isinstance(operation, Operation):
            if self._index > 1 and self._is_full():
                return Parked(f"{self._place()}: the journal is full; start over with `return run.again()`")
            try:
                begun = operation.begin(host)
            except EndRun as end:
                return Ended(str(end))
            if isinstance(begun, Wait):
                if begun.op == "send":
                    run.wait = begun  # if the run is parked now, its message is taken back
                return begun
            run.journal.append(Entry(operation.shape, host.now, begun.value, operation.version))
            run.inbox = run.inbox[begun.used :]
            operation = self._consume(operation)
        return operation

    def misfit(self) -> str:
        """Why the rule does not come to where the run waits; "" if it does."""
        there = self.pending(lambda _: "")
        return there.why if isinstance(there, Parked) else there

    def _replayed(self) -> Operation[Any] | Ended | Parked:
        run = self._run
        self._coroutine = self._rule.body_for(run.version)(RunHandle(self), run.first.event())
        operation = self._send(None)
        while self._index < len(run.journal) and isinstance(operation, Operation):
            operation = self._consume(operation)
        return operation

    def _consume(self, operation: Operation[Any]) -> Operation[Any] | Ended | Parked:
        entry = self._run.journal[self._index]
        if entry.shape != operation.shape:
            return Parked(self._differs(entry.shape, operation))
        self._index += 1
        self._bytes += len(entry.value)
        self.now = entry.at
        try:
            if entry.version == operation.version:
                value = operation.revive(entry.value)
            else:
                value = operation.migrate(entry.version, entry.value)
        except StepFailed as failure:
            return self._send(failure)
        return self._send(value)

    def _differs(self, shape: str, operation: Operation[Any]) -> str:
        return (
            f"{self._place()}: entry {self._index + 1} of the journal is `{shape}`, the rule now awaits "
            f"`{operation.shape}`; {self._mend()}"
        )

    def _mend(self) -> str:
        return f"raise the version and keep the old body with @{self.rule}.previous"

    def _send(self, value: Any) -> Operation[Any] | Ended | Parked:
        coroutine = self._coroutine
        assert coroutine is not None
        try:
            yielded = coroutine.throw(value) if isinstance(value, StepFailed) else coroutine.send(value)
        except StopIteration as stop:
            return self._ending(stop.value)
        except RuntimeError as error:
            if "no running event loop" in str(error):
                return Parked(self._foreign(error))
            raise
        return yielded if isinstance(yielded, Operation) else Parked(self._foreign())

    def _ending(self, value: Any) -> Ended | Parked:
        if value is None:
            return Ended("done")
        if isinstance(value, Again):
            if self._run.has_waited:
                return Ended("starts over", again=True)
            return Parked(f"{self._place()}: starts over without having waited; wait before `return run.again()`")
        if isinstance(value, (Operation, Coroutine)):
            if isinstance(value, Coroutine):
                value.close()
            return Parked(f"{self._place()}: it returns what nobody awaited; write `return await …`")
        return Ended(words_of(value))

    def _parked(self, error: BaseException) -> Parked:
        if isinstance(error, TooSlow):
            self.host.too_slow(self._run.rule)
            return Parked(f"{self._place()}: {UNFINISHED}")
        if isinstance(error, RuleFailed):
            return error.parked
        if isinstance(error, TactfulError) and not isinstance(
            error, StepFailed
        ):  # of a step, a stranger's function said why
            return Parked(f"{self._place(error)}: {error}")
        if isinstance(error, RuntimeError) and "ignored GeneratorExit" in str(error):
            return Parked(f"{self._place(error)}: {_KEPT_OPEN}")
        return Parked(f"{self._place(error)}: {type(error).__name__}", words_of(error))

    def _foreign(self, error: BaseException | None = None) -> str:
        return f"{self._place(error)}: only operations of the run can be awaited here; to wait use run.sleep, for I/O run.step"

    def _place(self, error: BaseException | None = None) -> str:
        """The line of the rule's own file at which it stands or at which the error passed."""
        file = self._rule.file
        if error is not None and (line := line_in(file, error)):
            return f"{file}:{line}"
        frame = getattr(self._coroutine, "cr_frame", None)
        return f"{file}:{frame.f_lineno if frame else self._rule.line}"

    def _is_full(self) -> bool:
        return self._index > JOURNAL_ENTRIES or self._bytes > JOURNAL_BYTES


class RunHost(Host, Protocol):
    """What driving needs from the engine, beside what operations ask."""

    watch: Watch

    def note(self, text: str) -> None: ...
    def projection(self, name: str) -> Projection[Any]: ...
    def too_slow(self, rule: str) -> None: ...
