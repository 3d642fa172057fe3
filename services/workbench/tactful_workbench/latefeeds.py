"""Feeds of the shop that no longer tell how far they are complete: runs that wait for one say nothing until they end. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from tactful.clock import DAY
from tactful.localtime import dated
from tactful.rules import Rule
from tactful.settings import Settings
from tactful_trigger.cursor import Cursor

PATIENCE: Final = DAY  # between two words of a feed: most tell once a night


def late_feeds(known: Sequence[Cursor], rules: Iterable[Rule], settings: Settings, now: int) -> list[str]:
    """A sentence for each feed that runs wait for and that has not come further for `PATIENCE`. One with a static lag never tells."""
    if not any(cursor.late for cursor in known):
        return []
    awaited = {feed for rule in rules for feed in rule.under(settings.rule(rule.name).parameters).after}
    through = {feed: max(cursor.feeds.get(feed, 0) for cursor in known) for feed in awaited - settings.sources.keys()}
    waiting = sum(len(cursor.late) for cursor in known)
    return [
        f"customers with a run that waits for a source: {waiting:,}; {feed} {_told(at, settings)}: nothing is said before it tells, "
        f"or has a lag ([sources.{feed}] in settings.toml), and each of these runs ends at its rule's after_max"
        for feed, at in sorted(through.items())
        if now - at > PATIENCE
    ]


def _told(at: int, settings: Settings) -> str:
    if not at:
        return "has never told how far it is complete"
    return f"is complete until {dated(at, settings.shop.zone)} only"
