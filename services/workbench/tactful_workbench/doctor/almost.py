"""Slips of the pen in rules that nothing else notices before somebody's run comes to them: an event that is almost called like one of
ours, which nobody posts, a length of time that is none, another clock, and what a run cannot do. A shop's own events may be called
anything, so none is refused."""

from __future__ import annotations

import ast
import inspect
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path
from typing import Final

from tactful.channels import CHANNELS, DESK
from tactful.durations import ahead
from tactful.errors import InvalidInput
from tactful.events import UnknownEvent
from tactful.events.model import class_of, known_names, name_of
from tactful.plugins import Loaded
from tactful.rules import Rule
from tactful.run import Run
from tactful_workbench.settings.unheard import files_of

LENGTHS: Final = ("within", "expires", "not_before")  # arguments of operations
WALL_CLOCKS: Final = ("datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time")
NEAR: Final = 0.88  # of the letters: `Order Complete` is near, `Order Confirmed` is not


def slips(loaded: Loaded) -> list[str]:
    """All of them, each with its file and line."""
    uses = defaultdict[str, set[str]](set)
    found = set(_misnamed(_named(loaded)))
    for rule in loaded.rules:
        for file in files_of(rule):
            uses[file].update(rule.terms.uses)
        found.update(_by_another_clock(rule))
    for file, used in uses.items():
        calls = list(calls_in(file))
        found.update(_misnamed(_awaited(file, calls)), _misspoken(file, calls, used), _mismeasured(file, calls))
    return sorted(found)


def _misnamed(named: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    """Of places, what names an event there, and the event, those that are almost called like one of the vocabulary."""
    for place, where, name in named:
        if near := near_event(name):
            yield f'{place}: {where} names "{name}", an event of your own; if you mean "{near}", correct it'


def _named(loaded: Loaded) -> Iterator[tuple[str, str, str]]:
    """The events that rules and projections name where they are declared."""
    for rule in loaded.rules:
        for argument in ("on", "goal", "exit_on"):
            for name in getattr(rule.terms, argument):
                yield f"{rule.file}:{rule.line}", f"`{argument}` of {rule.name}", name
    for projection in loaded.projections:
        for event in projection.events:
            yield f"projection {projection.name}", "`events`", name_of(event)


def _misspoken(file: str, calls: Iterable[ast.Call], used: Collection[str]) -> Iterator[str]:
    """What `run` is asked for that it does not have; by another name nobody knows it."""
    for call in calls:
        match call:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="run"), attr=attr)) if not hasattr(Run, attr):
                yield f"{file}:{call.lineno}: run.{attr} is nothing that a run can do{_perhaps(attr)}"
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="run"), attr="send"), args=[ast.Constant(value=str(channel)), *_]
            ) if channel not in (*CHANNELS, DESK):
                yield f"{file}:{call.lineno}: {channel} is no channel; there are: {', '.join(CHANNELS)}"
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="run"), attr="get"), args=[ast.Constant(value=str(name)), *_]
            ) if name not in used:
                yield f"{file}:{call.lineno}: run.get({name!r}) needs the projection in `uses` of the rule"


def _mismeasured(file: str, calls: Iterable[ast.Call]) -> Iterator[str]:
    """Lengths of time that are none."""
    for call in calls:
        match call.func:
            case ast.Attribute(value=ast.Name(id="run"), attr=attr):
                given = call.args[:1] if attr in ("sleep", "quiet") else []
                for node in (*given, *(keyword.value for keyword in call.keywords if keyword.arg in LENGTHS)):
                    if isinstance(node, ast.Constant) and (fault := _no_length(node.value)):
                        yield f"{file}:{node.lineno}: {fault}"


def _by_another_clock(rule: Rule) -> Iterator[str]:
    """What a body reads the wall clock by; a step of the same file may."""
    try:
        lines, first = inspect.getsourcelines(rule.body)
    except (OSError, TypeError):
        return
    if not any(clock in line for line in lines for clock in WALL_CLOCKS):
        return  # as nearly always, and there is no tree to look through
    for call in calls_in(rule.file):
        name = ast.unparse(call.func)
        if first <= call.lineno < first + len(lines) and name.endswith(WALL_CLOCKS):
            yield f"{rule.file}:{call.lineno}: {name} tells another time whenever the run is replayed; its own is run.now"


def _no_length(given: object) -> str:
    if given is None:  # `expires=None` is as shipped
        return ""
    try:
        ahead(str(given))
    except InvalidInput as error:
        return error.message
    return ""


def _perhaps(attr: str) -> str:
    near = get_close_matches(attr, [name for name in dir(Run) if not name.startswith("_")], 1)
    return f"; perhaps run.{near[0]}" if near else ""


def near_event(name: str) -> str:
    """The event of the vocabulary that whoever wrote `name` may have meant; "" if it is one, or like none."""
    if class_of(name) is not UnknownEvent:
        return ""
    return next((known for known in known_names() if _is_near(name, known)), "")


def _is_near(name: str, known: str) -> bool:
    """A slip of the pen leaves each word its first letter."""
    said, meant = name.casefold().split(), known.casefold().split()
    if _letters(name) == _letters(known):
        return True
    alike = [word[0] for word in said] == [word[0] for word in meant]
    return alike and SequenceMatcher(None, _letters(name), _letters(known)).ratio() >= NEAR


def _letters(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalpha())


def _awaited(file: str, calls: Iterable[ast.Call]) -> Iterator[tuple[str, str, str]]:
    """The events that a body waits for by their names."""
    for call in calls:
        match call.func:
            case ast.Attribute(attr=("wait_for" | "quiet") as operation):
                given = (*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg == "of"))
                for node in (node for each in given for node in (each, *getattr(each, "elts", ()))):
                    if isinstance(node, ast.Constant) and isinstance(node.value, str):
                        yield f"{file}:{node.lineno}", f"`{operation}`", node.value


def calls_in(file: str) -> Iterator[ast.Call]:
    """Calls of methods, of whatever object. None of a file that is gone, or was broken since it was loaded."""
    try:
        tree = ast.parse(source_of(file))
    except (ValueError, SyntaxError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node


def source_of(file: str) -> str:
    """Of a rule's file, as it stands; "" if it is gone."""
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
