"""Whether a run stands still: what comes up is kept, its clock and its answers too, and nothing is said. Pure."""

from __future__ import annotations

from collections.abc import Collection

from tactful_trigger.row import Run
from tactful_trigger.rulebook import Rulebook


def why_still(run: Run, book: Rulebook, paused: Collection[str] = ()) -> str:
    """Why it does not go on for now; "" if it does. `paused`: rules, as the partition's cursor has them."""
    rule = book.rules.get(run.rule)
    if rule is None:
        return "its rule is not installed"
    if run.version > rule.terms.version:
        return f"it began under version {run.version} of its rule, and version {rule.terms.version} is installed"
    return "its rule is paused" if run.rule in paused else ""
