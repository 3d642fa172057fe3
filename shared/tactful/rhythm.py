"""At what pace a customer orders: the days of their orders and the gaps between them."""

from __future__ import annotations

from collections import Counter
from datetime import date, tzinfo
from itertools import pairwise
from math import inf
from statistics import mean, median, pstdev
from typing import Final, NamedTuple

import msgspec

from tactful.clock import MINUTE
from tactful.localtime import local_day

LATEST: Final = 4  # orders whose lines are remembered
USUAL: Final = 2  # of these hold what a customer usually buys
BULK: Final = 3.0  # times a customer's own usual quantity
USED_UP: Final = 2  # ordinary orders, after which what was bought in bulk is taken for used up
LONGEST: Final = 3650.0  # days: whatever was stocked up, no calendar ends before the next order


def is_gift(category: str) -> bool:
    """Whether a product of that category is a gift card or certificate."""
    return "gift" in category.lower()


class Line(msgspec.Struct, frozen=True, array_like=True):
    """One product of an order, as it was shown then."""

    product_id: str
    title: str = ""
    url: str = ""
    image_url: str = ""
    category: str = ""


class Beat(msgspec.Struct, frozen=True, array_like=True):
    """One order. `at` is 0 while only its cancellation has arrived; one that is void counts for nothing."""

    order_id: str
    at: int = 0  # ms
    units: int = 0
    gift: bool = False
    void: bool = False  # cancelled, or refunded without a word on how much of it
    lines: tuple[Line, ...] = ()
    total: int = 0  # minor units
    returned: tuple[tuple[str, int], ...] = ()  # eight of the products that were given back, and how many of each
    pieces: int = 0  # most that came back at once
    refunded: int = 0  # minor units, the most at once

    @property
    def given_back(self) -> int:
        """Pieces of it that came back, as far as anybody has told."""
        return max(self.pieces, sum(count for _, count in self.returned))

    @property
    def stands(self) -> bool:
        """Whether anything of it was kept: who gives back one of forty things has ordered all the same."""
        pieces = self.given_back
        if self.void or not (pieces or self.refunded):
            return not self.void
        told = ((pieces, self.units), (self.refunded, self.total))
        partly = [back < whole for back, whole in told if back and whole]
        return bool(partly) and all(partly)

    @property
    def kept(self) -> tuple[Line, ...]:
        """The products of which nothing came back, without gift cards."""
        back = {product for product, _ in self.returned}
        return tuple(line for line in self.lines if line.product_id not in back and not is_gift(line.category))


class Pace(NamedTuple):
    """The gaps in days between the days on which a customer ordered."""

    last: date  # an ordinary order, or one in bulk that may still last
    gaps: tuple[int, ...]
    supply: float = 1.0  # how many usual orders the one in bulk was

    @property
    def median(self) -> float:
        """The middle one of the gaps, in days; there must be a gap."""
        return median(self.gaps)

    @property
    def gap(self) -> float:
        """Days from the last order until the next is to be expected: who has bought for three comes after three gaps. There must be
        a gap."""
        return min(self.median * self.supply, LONGEST)

    @property
    def variation(self) -> float:
        """The population's standard deviation of the gaps in terms of their mean; there must be a gap."""
        return pstdev(self.gaps) / mean(self.gaps)


class Rhythm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The latest 64 orders, oldest first, with the lines of the last four; of up to 1,000 before them only when."""

    older: tuple[int, ...] = ()  # minutes since the epoch; ordinary orders alone
    orders: tuple[Beat, ...] = ()

    def pace(self, zone: tzinfo) -> Pace | None:
        """The pace by the calendar of a zone, without gifts, void orders and orders in bulk; None without an order."""
        own = [beat for beat in self.orders if beat.at and not beat.gift and beat.stands]
        units = [beat.units for beat in own if beat.units]
        usual = median(units) if len(units) > USUAL else inf
        ordinary = [beat.at for beat in own if beat.units < BULK * usual]
        days = sorted({local_day(at, zone) for at in (*(minute * MINUTE for minute in self.older), *ordinary)})
        if not days:
            return None
        gaps = tuple((later - earlier).days for earlier, later in pairwise(days))
        stock = next((beat for beat in reversed(own) if beat.units >= BULK * usual), None)
        if stock is None or sum(at > stock.at for at in ordinary) >= USED_UP:
            return Pace(days[-1], gaps)
        return Pace(max(days[-1], local_day(stock.at, zone)), gaps, stock.units / usual)

    @property
    def latest_at(self) -> int:
        """When the latest order was that was neither cancelled nor given back whole, be it a gift or in bulk, ms; 0 for none."""
        return max((beat.at for beat in self.orders if beat.stands), default=0)

    def latest_day(self, zone: tzinfo) -> date | None:
        """The day of that order."""
        return local_day(self.latest_at, zone) if self.latest_at else None

    def usual(self) -> tuple[Line, ...]:
        """What is in at least two of the last four orders, most often bought first, as it was last shown."""
        latest = [beat for beat in self.orders[-LATEST:] if beat.at and beat.stands and not beat.gift]
        counts = Counter(name for beat in latest for name in {line.product_id for line in beat.kept})
        shown = {line.product_id: line for beat in latest for line in beat.kept}
        often = [name for name, count in counts.items() if count >= USUAL]
        return tuple(shown[name] for name in sorted(often, key=lambda name: (-counts[name], name)))

    def topics(self) -> list[str]:
        """The categories of what a customer usually buys, in order of the alphabet."""
        return sorted({line.category for line in self.usual() if line.category})
