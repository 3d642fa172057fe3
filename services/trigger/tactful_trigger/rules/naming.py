"""What a product is called in a message."""

from __future__ import annotations

from html import unescape


def title_of(name: str, product_id: str) -> str:
    """The product's name; its id if no name is known, or one of which nothing is seen: shops post blanks and `&nbsp;`."""
    return name if any(letter.isprintable() and not letter.isspace() for letter in unescape(name)) else product_id
