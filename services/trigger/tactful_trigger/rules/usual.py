"""What a customer usually buys, as messages show it."""

from __future__ import annotations

from typing import Any

from tactful.customer import Customer
from tactful.rhythm import Line
from tactful_trigger.rules.naming import title_of
from tactful_trigger.rules.sensitive import is_sensitive


def usual_lines(customer: Customer, sensitive: frozenset[str]) -> list[Line]:
    """What the customer usually buys, but for what is not to be named."""
    return [line for line in customer.rhythm.usual() if not is_sensitive(line.category, sensitive)]


def shown(line: Line) -> dict[str, Any]:
    """The product as one of a message's `items`."""
    named = {"title": title_of(line.title, line.product_id), "url": line.url, "image_url": line.image_url}
    return named | ({"category": line.category} if line.category else {})
