"""Feeds of the shop that no longer tell how far they are complete: runs that wait for one say nothing until they end. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from tactful.clock import DAY
from tactful.localtime import dated
from tactful.rules import Rule
from tactful.settings import Settings
from tactful_trigger.state.cursor import Cursor
from tactful_trigger.state.row import Run

PATIENCE: Final = DAY  # between two words of a feed: most tell once a night


def feeds_behind(runs: Iterable[Run], rules: Iterable[Rule], settings: Settings, cursor: Cursor) -> set[str]:
    """The feeds that the runs of one customer wait for."""
    after = {rule.name: rule.under(settings.rule(rule.name).parameters).after for rule in rules}
    return {
        feed
        for run in runs
        if run.late_since is not None
        for feed in after.get(run.rule, ())
        if cursor.feeds.get(feed, -1) < run.late_since
    }


def late_feeds(known: Sequence[Cursor], waiting: Mapping[str, int], settings: Settings, now: int) -> list[str]:
    """A sentence for each feed that so many customers are `waiting` for and that has not come further for `PATIENCE`. One with a static
    lag never tells."""
    through = {
        feed: max(cursor.feeds.get(feed, 0) for cursor in known) for feed in waiting.keys() - settings.sources.keys()
    }
    return [
        f"customers with a run that waits for {feed}: {waiting[feed]:,}; it {_told(at, settings)}: nothing is said before it tells, "
        f"or has a lag ([sources.{feed}] in settings.toml), and each of these runs ends at its rule's after_max"
        for feed, at in sorted(through.items())
        if now - at > PATIENCE
    ]


def _told(at: int, settings: Settings) -> str:
    if not at:
        return "has never told how far it is complete"
    return f"is complete until {dated(at, settings.shop.zone)} only"
