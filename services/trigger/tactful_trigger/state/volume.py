"""How many people a rule writes to a day, or would: what a roll-out foresees, and what is too much of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil
from typing import Final, NamedTuple

import msgspec

from tactful.clock import DAY
from tactful.settings import Guard as Limits

WEEK: Final = 7  # complete days that are looked back upon


class Volume(msgspec.Struct, frozen=True, array_like=True):
    """One rule's contacts of one day (UTC, days since 1970). Withheld: everything spoke for it, but the rule stood in shadow,
    or the address was not on the allow-list. Enrolled: runs that an operator let begin."""

    day: int
    wrote: int = 0
    withheld: int = 0
    enrolled: int = 0


class Forecast(NamedTuple):
    """Contacts of the last complete days, were the rule live for everybody. Cooldowns and budgets count what was sent, so
    that a rule that was in shadow would have written to fewer."""

    days: int  # 1 to 7
    contacts: int
    busiest: int  # day's contacts


def added(known: Sequence[Volume], more: Volume) -> list[Volume]:
    """What is known and what one day brought. Kept are the first day, which tells since when is counted, and what a forecast
    needs."""
    if known and known[-1].day == more.day:  # as nearly always
        return [*known[:-1], _both(known[-1], more)]
    by_day = {volume.day: volume for volume in known}
    by_day[more.day] = _both(by_day.get(more.day, Volume(more.day)), more)
    first, *later = (by_day[day] for day in sorted(by_day))
    return [first, *(volume for volume in later if volume.day >= more.day - WEEK)]


def _both(one: Volume, other: Volume) -> Volume:
    return Volume(one.day, one.wrote + other.wrote, one.withheld + other.withheld, one.enrolled + other.enrolled)


def foresee(partitions: Iterable[Sequence[Volume]], now: int) -> Forecast | None:
    """The forecast of one rule; None as long as there is no complete day. The day on which it began is none."""
    everything, today = [volume for known in partitions for volume in known], now // DAY
    first = max(min((volume.day for volume in everything), default=today) + 1, today - WEEK)
    if first >= today:
        return None
    by_day = dict.fromkeys(range(first, today), 0)
    for volume in everything:
        if volume.day in by_day:
            by_day[volume.day] += volume.wrote + volume.withheld
    return Forecast(len(by_day), sum(by_day.values()), max(by_day.values()))


def flood(partitions: Sequence[Sequence[Volume]], share: float, now: int, limits: Limits) -> str:
    """Why a rule that is live for a share of customers writes to too many of them today; "" if it does not, or if there is no
    week to tell by. Whom an operator enrolled is expected."""
    forecast, today = foresee(partitions, now), now // DAY
    if not limits.volume or forecast is None or forecast.days < WEEK:
        return ""
    everything = [volume for known in partitions for volume in known]
    wrote = sum(volume.wrote for volume in everything if volume.day == today)
    enrolled = sum(volume.enrolled for volume in everything if volume.day >= today - WEEK)
    most = limits.volume * share * forecast.busiest + enrolled
    if wrote < limits.after or wrote <= most:
        return ""
    return f"wrote to {wrote:,} people today, where {ceil(share * forecast.busiest):,} a day were the most that was foreseen"
