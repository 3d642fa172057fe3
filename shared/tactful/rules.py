"""What a rule is: an async function with the terms under which it runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any, Final, Literal, get_args

import msgspec

from tactful.clock import DAY, HOUR
from tactful.customer import Customer
from tactful.durations import ahead, milliseconds
from tactful.errors import InvalidInput, PluginError
from tactful.events.model import Event, name_of, unread
from tactful.operations import Events
from tactful.run import Run
from tactful.unawaited import unawaited

Repeat = Literal["ignore", "restart", "parallel", "debounce"]
Body = Callable[..., Coroutine[Any, Any, Any]]
Names = str | Sequence[str]

_LENGTHS: Final = ("cooldown", "debounce_max", "goal_within", "after_max", "max_event_age", "max_age")
OVERRIDABLE: Final = (*_LENGTHS, "holdout", "priority", "repeat", "after")


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of the decorator, lengths in ms, events by name. Settings may override any value."""

    on: tuple[str, ...]
    purpose: str
    version: int
    key: Callable[[Any], str] | None = None
    match: Callable[[Any, Any], bool] | None = None
    when: Callable[[Customer, Any], bool] | None = None
    repeat: Repeat = "ignore"
    debounce_max: int = 0
    goal: tuple[str, ...] = ()
    goal_within: int = 30 * DAY
    exit_on: tuple[str, ...] = ()
    exit_when: Callable[[Any], bool] | None = None
    cooldown: int = 0
    holdout: float = 0.0
    uses: tuple[str, ...] = ()
    priority: int = 0
    after: tuple[str, ...] = ()
    after_max: int = 3 * DAY
    max_event_age: int = 72 * HOUR
    max_age: int = 90 * DAY


class Rule:
    """A rule as loaded. Its name is the function's; it knows where it stands, so that errors can say so."""

    def __init__(self, body: Body, terms: Terms) -> None:
        self.name, self.body, self.terms = body.__name__, body, terms
        self.about = inspect.getdoc(body) or ""
        self.file, self.line = body.__code__.co_filename, body.__code__.co_firstlineno
        self.older: dict[int, Body] = {}
        self.origin = "this process"  # the distribution or folder it came from; set when it is loaded

    def named(self, name: str) -> Rule:
        """The same rule under another name, with settings and runs of its own."""
        twin = Rule(self.body, self.terms)
        twin.name, twin.older, twin.origin = name, self.older, self.origin
        return twin

    def previous(self, version: int) -> Callable[[Body], Body | Rule]:
        """Keep the body of an older version for the runs that began under it. One of the rule's own name leaves the name to the
        rule. Raises PluginError naming file, line and mend."""

        def keep(body: Body) -> Body | Rule:
            if fault := self._unfit(version, body):
                where = f"{body.__code__.co_filename}:{body.__code__.co_firstlineno}"
                raise PluginError(f"{where}: rule {self.name}, previous({version!r}): {fault}")
            self.older[version] = body
            return self if body.__name__ == self.body.__name__ else body

        return keep

    def _unfit(self, version: int, body: Body) -> str:
        """Why a body cannot be that of an older version; "" if it can."""
        if type(version) is not int or not 1 <= version < self.terms.version:
            return f"it is no older version than the rule's own, {self.terms.version}; raise that"
        if version in self.older:
            return f"that version has a body already, {self.older[version].__name__}; write which it is"
        if not inspect.iscoroutinefunction(body):
            return "it must be an `async def`"
        if not _takes(body, _BODY):
            return f"it is called like {_BODY}"
        return unawaited(body)

    def body_for(self, version: int) -> Body:
        """The body that a run of that version continues with."""
        return self.older.get(version, self.body)

    def unmet(self, projections: Collection[str]) -> str:
        """What is wrong if it uses something that is not among these projections; "" if nothing is."""
        wrong = next((name for name in self.terms.uses if name not in projections), None)
        if wrong is None:
            return ""
        known = ", ".join(sorted(projections))
        return f"{self.file}:{self.line}: rule {self.name} uses {wrong!r}, which is no projection; there are: {known}"

    def under(self, parameters: Mapping[str, Any]) -> Terms:
        """The terms with an operator's overrides. Raises InvalidInput naming the value."""
        changes = {name: _override(name, value) for name, value in parameters.items() if name in OVERRIDABLE}
        return msgspec.structs.replace(self.terms, **changes) if changes else self.terms

    async def __call__(self, run: Run, *first: Any) -> Any:
        """The function itself, for a test that wants to call it."""
        return await self.body(run, *first)


def rule(
    *,
    on: Events,
    purpose: str,
    version: int,
    key: Callable[[Any], str] | None = None,
    match: Callable[[Any, Any], bool] | None = None,
    when: Callable[[Customer, Any], bool] | None = None,
    repeat: Repeat = "ignore",
    debounce_max: str | None = None,
    goal: Events = (),
    goal_within: str = "30d",
    exit_on: Events = (),
    exit_when: Callable[[Any], bool] | None = None,
    cooldown: str | None = None,
    holdout: float = 0.0,
    uses: Names = (),
    priority: int = 0,
    after: Names = (),
    after_max: str = "3d",
    max_event_age: str = "72h",
    max_age: str = "90d",
) -> Callable[[Body], Rule]:
    """Make a rule of an `async def name(run, first)`.

    on: events that start it. purpose: what consent it needs. version: raise it when the body changes.
    key: one run per customer and key; then `match(first, event)` says which events belong to it.
    when: a cheap look at the customer before a run exists. repeat: what a start means while a run is alive.
    goal: ends the run and counts as success; exit_on: ends it without, and with `exit_when(event)` only where that says so.
    cooldown: counted from the first message that was sent. holdout: share that is only watched. uses: projections it may read.
    after: feeds it waits for.
    Raises PluginError naming file, line and mend.
    """

    def decorate(body: Body) -> Rule:
        if not inspect.isfunction(body):
            raise TypeError(f"@rule stands above an `async def`, and alone: not above a {type(body).__name__}")
        where = f"{body.__code__.co_filename}:{body.__code__.co_firstlineno}: rule {body.__name__}"
        try:
            terms = Terms(
                on=_names("on", on),
                purpose=purpose,
                version=version,
                key=key,
                match=match,
                when=when,
                repeat=repeat,
                debounce_max=ahead(debounce_max) if debounce_max else 0,
                goal=_names("goal", goal),
                goal_within=ahead(goal_within),
                exit_on=_names("exit_on", exit_on),
                exit_when=exit_when,
                cooldown=ahead(cooldown) if cooldown else 0,
                holdout=holdout,
                uses=_listed(uses),
                priority=priority,
                after=_listed(after),
                after_max=ahead(after_max),
                max_event_age=ahead(max_event_age),
                max_age=ahead(max_age),
            )
        except InvalidInput as error:
            raise PluginError(f"{where}: {error.message}") from None
        if fault := _unlike(terms) or _fault(body, terms) or unawaited(body):
            raise PluginError(f"{where}: {fault}")
        return Rule(body, terms)

    return decorate


def _listed(given: Any) -> tuple[Any, ...]:
    """What was given, as a tuple: one alone needs none."""
    return tuple(given) if isinstance(given, list | tuple) else (given,)


def _names(argument: str, events: Events) -> tuple[str, ...]:
    for event in (listed := _listed(events)):
        if not (issubclass(event, Event) if isinstance(event, type) else isinstance(event, str) and event):
            raise InvalidInput(
                "invalid_event", f"`{argument}` takes classes or names of events, not {event!r}", argument
            )
        if wrong := unread([event]):
            raise InvalidInput("invalid_event", f"`{argument}`: {wrong}", argument)
    return tuple(map(name_of, listed))


_CALLED: Final = {
    "key": "lambda event: ...",
    "match": "lambda first, event: ...",
    "when": "lambda customer, event: ...",
    "exit_when": "lambda event: ...",
}
_BODY: Final = "async def name(run, first): ..."


def _takes(function: Callable[..., Any] | None, like: str) -> bool:
    """Whether a function can be called with as many arguments as the example shows; True where Python cannot tell."""
    if function is None:
        return True
    try:
        inspect.signature(function).bind(*[None] * (like.count(",") + 1))
    except TypeError:
        return False
    except ValueError:
        pass
    return True


def _is_function(given: Any) -> bool:
    return given is None or (callable(given) and not inspect.iscoroutinefunction(given))


_FORMS: Final[tuple[tuple[tuple[str, ...], Callable[[Any], bool], str], ...]] = (
    (("purpose",), lambda value: isinstance(value, str), "a text"),
    (("version", "priority"), lambda value: type(value) is int, "a whole number"),
    (("holdout",), lambda value: type(value) in (int, float), "a share from 0 to below 1"),
    (("key", "match", "when", "exit_when"), _is_function, "a function, and no `async def`"),
    (("uses", "after"), lambda names: all(isinstance(name, str) for name in names), "a name or several"),
)


def _unlike(terms: Terms) -> str | None:
    """What is not of the form that it must have; None if everything is."""
    given = ((name, getattr(terms, name), fits, form) for names, fits, form in _FORMS for name in names)
    return next((f"`{name}` is {form}, not {value!r}" for name, value, fits, form in given if not fits(value)), None)


def _fault(body: Body, terms: Terms) -> str | None:
    checks = (
        (not inspect.iscoroutinefunction(body), "it must be an `async def`"),
        (not terms.on, "`on` names no event"),
        (terms.version < 1, "`version` counts from 1"),
        (
            terms.key is not None and terms.match is None,
            "with `key`, say which events belong: match=lambda first, event: ...",
        ),
        (terms.key is None and terms.match is not None, "`match` needs a `key`"),
        (terms.exit_when is not None and not terms.exit_on, "`exit_when` needs `exit_on`"),
        *(
            (not _takes(getattr(terms, name), like), f"`{name}` is called like {like}")
            for name, like in _CALLED.items()
        ),
        (not _takes(body, _BODY), f"it is called like {_BODY}"),
        (not 0 <= terms.holdout < 1, "`holdout` is a share from 0 to below 1"),
        (terms.repeat not in get_args(Repeat), f"`repeat` is one of {', '.join(get_args(Repeat))}"),
        (terms.debounce_max and terms.repeat != "debounce", "`debounce_max` needs repeat='debounce'"),
        (terms.purpose.split(".")[0] not in ("marketing", "service"), "`purpose` begins with marketing or service"),
        ("" in terms.purpose.split("."), "`purpose` is like marketing.something, with a name behind each dot"),
    )
    return next((message for wrong, message in checks if wrong), None)


_FITTING: Final = {
    "holdout": "a share from 0 to below 1: 0.1 is a tenth",
    "priority": "a whole number",
    "after": 'a list of sources, like ["pos"]',
    "repeat": f"one of {', '.join(get_args(Repeat))}",
}


def _override(name: str, value: Any) -> Any:
    if name in _LENGTHS:
        try:
            return milliseconds(str(value))  # a number is refused with the same words
        except InvalidInput as error:
            raise InvalidInput(error.code, f"{name}: {error.message}", name) from None
    if name == "holdout" and isinstance(value, int | float) and 0 <= value < 1:
        return float(value)
    if name == "priority" and isinstance(value, int):
        return value
    if name == "after" and isinstance(value, list | tuple) and all(isinstance(feed, str) for feed in value):
        return tuple(value)
    if name == "repeat" and value in get_args(Repeat):
        return value
    raise InvalidInput("invalid_setting", f"{name} = {value!r} does not fit; it is {_FITTING[name]}", field=name)
