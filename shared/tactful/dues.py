"""What falls due first, for stores in memory."""

from __future__ import annotations

from collections.abc import Iterable


def first_due(dues: Iterable[tuple[int, str]], most: int) -> list[tuple[int, str]]:
    """The first so many `(due, customer)` in order, and whoever is due together with the last of them."""
    ordered = sorted(dues)
    return ordered[:most] + [entry for entry in ordered[most:] if entry[0] == ordered[most - 1][0]]
