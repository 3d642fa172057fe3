"""Slips of the pen in rules that nothing else notices before somebody's run comes to them: an event that is almost called like one of
ours, which nobody posts, and what a run cannot do. A shop's own events may be called anything, so none is refused."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path
from typing import Final

from tactful.channels import CHANNELS, DESK
from tactful.events import UnknownEvent
from tactful.events.model import class_of, known_names, name_of
from tactful.plugins import Loaded
from tactful.rules import Rule
from tactful.run import Run
from tactful_workbench.unheard import files_of

NEAR: Final = 0.88  # of the letters: `Order Complete` is near, `Order Confirmed` is not
_AWAITED: Final = ("wait_for", "quiet")


def misnamed_events(loaded: Loaded) -> list[str]:
    """Those that a rule or a projection names, and that are almost called like an event of the vocabulary."""
    named = [
        (f"{rule.file}:{rule.line}", f"`{argument}` of {rule.name}", name)
        for rule in loaded.rules
        for argument in ("on", "goal", "exit_on")
        for name in getattr(rule.terms, argument)
    ]
    named += [(file, f"`{awaited}`", name) for file, awaited, name in _awaited(loaded.rules)]
    for projection in loaded.projections:
        named += [(f"projection {projection.name}", "`events`", name_of(event)) for event in projection.events]
    found = {
        f'{place}: {where} names "{name}", an event of your own; if you mean "{near}", correct it'
        for place, where, name in named
        if (near := near_event(name))
    }
    return sorted(found)


def slips(loaded: Loaded) -> list[str]:
    """All of them, each with its file and line."""
    return sorted({*misnamed_events(loaded), *_misspoken(loaded.rules)})


def _misspoken(rules: Sequence[Rule]) -> Iterator[str]:
    """What `run` is asked for that it does not have; by another name nobody knows it."""
    uses = defaultdict[str, set[str]](set)
    for rule in rules:
        for file in files_of(rule):
            uses[file].update(rule.terms.uses)
    for file, used in uses.items():
        for call in calls_in(file):
            match call:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="run"), attr=attr)) if not hasattr(Run, attr):
                    yield f"{file}:{call.lineno}: run.{attr} is nothing that a run can do{_perhaps(attr)}"
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="run"), attr="send"),
                    args=[ast.Constant(value=str(channel)), *_],
                ) if channel not in (*CHANNELS, DESK):
                    yield f"{file}:{call.lineno}: {channel} is no channel; there are: {', '.join(CHANNELS)}"
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="run"), attr="get"), args=[ast.Constant(value=str(name)), *_]
                ) if name not in used:
                    yield f"{file}:{call.lineno}: run.get({name!r}) needs the projection in `uses` of the rule"


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


def _awaited(rules: Sequence[Rule]) -> Iterator[tuple[str, str, str]]:
    """File and line, operation and name of every event that a body waits for by its name."""
    for file in dict.fromkeys(file for rule in rules for file in files_of(rule)):
        for call in calls_in(file, _AWAITED):
            given = (*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg == "of"))
            names = (node for each in given for node in (each, *getattr(each, "elts", ())))
            for node in names:
                if (
                    isinstance(node, ast.Constant)
                    and isinstance(node.value, str)
                    and isinstance(call.func, ast.Attribute)
                ):
                    yield f"{file}:{node.lineno}", call.func.attr, node.value


def calls_in(file: str, operations: Iterable[str] | None = None) -> Iterator[ast.Call]:
    """Of these methods, or of any, of whatever object. None of a file that is gone, or was broken since it was loaded."""
    try:
        tree = ast.parse(text_of(file))
    except (ValueError, SyntaxError):
        return
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if operations is None or node.func.attr in operations:
            yield node


def text_of(file: str) -> str:
    """Of a rule's file, as it stands; "" if it is gone."""
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
