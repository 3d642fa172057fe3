"""Whether a run stands still: what comes up is kept, its clock and its answers too, and nothing is said. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tactful_trigger.rulebook import Rulebook
from tactful_trigger.state.row import Run


def ends_of_absent(ends: Mapping[str, Collection[str]], book: Rulebook) -> Mapping[str, set[str]]:
    """By event the rules that are not installed and whose runs it ends. `ends`: as the partition's cursor has them."""
    absent: dict[str, set[str]] = {}
    for rule in ends.keys() - book.rules.keys():
        for event in ends[rule]:
            absent.setdefault(event, set()).add(rule)
    return absent


def why_still(run: Run, book: Rulebook, paused: Collection[str] = ()) -> str:
    """Why it does not go on for now; "" if it does. `paused`: rules, as the partition's cursor has them."""
    rule = book.rules.get(run.rule)
    if rule is None:
        return "its rule is not installed"
    if run.version > rule.terms.version:
        return f"it began under version {run.version} of its rule, and version {rule.terms.version} is installed"
    return "its rule is paused" if run.rule in paused else ""
