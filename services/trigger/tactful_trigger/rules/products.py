"""Products as messages name and show them."""

from __future__ import annotations

from collections.abc import Iterable
from html import unescape
from typing import Any

from tactful.customer import Customer
from tactful.rhythm import Line


def title_of(name: str, product_id: str) -> str:
    """The product's name; its id if no name is known, or one of which nothing is seen: shops post blanks and `&nbsp;`."""
    return name if any(letter.isprintable() and not letter.isspace() for letter in unescape(name)) else product_id


def sensitive_names(listed: Iterable[object]) -> frozenset[str]:
    """Categories that nobody wants to see named in a letter, as a shop lists them for a rule, however it spells them; some are
    numbers."""
    return frozenset(str(category).casefold() for category in listed)


def is_sensitive(category: str, sensitive: frozenset[str]) -> bool:
    """Whether a product of this category is not to be named."""
    return category.casefold() in sensitive


def usual_lines(customer: Customer, sensitive: frozenset[str]) -> list[Line]:
    """What the customer usually buys, but for what is not to be named."""
    return [line for line in customer.rhythm.usual() if not is_sensitive(line.category, sensitive)]


def shown(line: Line) -> dict[str, Any]:
    """The product as one of a message's `items`."""
    named = {"title": title_of(line.title, line.product_id), "url": line.url, "image_url": line.image_url}
    return named | ({"category": line.category} if line.category else {})
