"""Events that are almost called like one of ours: nobody posts them. A shop's own may be called anything, so none is refused, and
nothing else notices."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Final

from tactful.events import UnknownEvent
from tactful.events.model import class_of, known_names, name_of
from tactful.plugins import Loaded
from tactful.rules import Rule
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


def calls_in(file: str, operations: Iterable[str]) -> Iterator[ast.Call]:
    """Of these methods, of whatever object. None of a file that is gone, or was broken since it was loaded."""
    try:
        tree = ast.parse(text_of(file))
    except (ValueError, SyntaxError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in operations:
            yield node


def text_of(file: str) -> str:
    """Of a rule's file, as it stands; "" if it is gone."""
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
