"""When a customer wishes to be reminded of their usual order, and whether they need it any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from tactful.answers import ENOUGH, IN_A_MONTH, IN_A_WEEK, NO_LONGER
from tactful.customer import Engagement
from tactful.localtime import local_time
from tactful.rhythm import Pace

LATER: Final = frozenset({IN_A_WEEK, IN_A_MONTH, ENOUGH})


def wished_for(engagement: Engagement, ordered_at: int, pace: Pace) -> datetime | None:
    """When they wish to be reminded again, if they said so after their latest order (ms)."""
    known = engagement.answered("missed_order")
    if known is None or known.answer not in LATER or known.answered_at <= ordered_at:
        return None
    days = {IN_A_WEEK: 7.0, IN_A_MONTH: 30.0, ENOUGH: pace.gap}[known.answer]
    return local_time(known.answered_at, UTC) + timedelta(days=days)


def needs_no_longer(engagement: Engagement, ordered_at: int) -> bool:
    """Whether they have said so after their latest order (ms)."""
    known = engagement.answered("missed_order")
    return known is not None and known.answer == NO_LONGER and known.answered_at > ordered_at
