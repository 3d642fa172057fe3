"""Customers' ids as PostgreSQL's text takes them: it has no room for U+0000, which an id may hold."""

from __future__ import annotations


def stored(name: str) -> str:
    """The id as it stands in a column. Different ids stay different."""
    if "\0" in name or "\1" in name:
        return name.replace("\1", "\1\1").replace("\0", "\1\2")
    return name


def known(text: str) -> str:
    """The id that stands in a column as `text`."""
    if "\1" in text:
        return "\1".join(part.replace("\1\2", "\0") for part in text.split("\1\1"))
    return text
