"""Topics: the categories of products that a message is about, by which customers ask for less. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from tactful.records import MessageBody

LONGEST_TOPIC: Final = 300  # characters
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def topics_of(message: MessageBody) -> tuple[str, ...]:
    """What a message is about: categories of products, as far as its rule gave any that can be read."""
    given = message.data.get("categories")
    topics = [given] if isinstance(given, str) else given if isinstance(given, list | tuple) else ()
    names = (topic_name(str(topic)) for topic in topics if topic and isinstance(topic, str | int))
    return tuple(dict.fromkeys(filter(None, names)))


def topic_name(text: str) -> str:
    """A topic by the name under which a page can show it and a form sends it back: shops write categories with blanks around
    and of every kind, and paths without end."""
    return " ".join(_CONTROLS.sub(" ", text).split())[:LONGEST_TOPIC].strip()


def without_muted(items: Iterable[Any], muted: Iterable[str]) -> list[Any]:
    """The `items` that a rule gave, but for those whose category the customer wants to hear nothing about."""
    names = set(map(topic_name, muted)) - {""}
    return [item for item in items if _category(item) not in names]


def _category(item: Any) -> str:
    return topic_name(str(item.get("category") or "")) if isinstance(item, dict) else ""
