"""Categories that nobody wants to see named in a letter, as a shop lists them for a rule."""

from __future__ import annotations

from collections.abc import Iterable


def sensitive_names(listed: Iterable[object]) -> frozenset[str]:
    """However the shop spells them; some are numbers."""
    return frozenset(str(category).casefold() for category in listed)


def is_sensitive(category: str, sensitive: frozenset[str]) -> bool:
    """Whether a product of this category is not to be named."""
    return category.casefold() in sensitive
