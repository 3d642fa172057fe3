"""One customer's year: their real orders and returns, and the visits that we make up around them.

Before each real order its goods go into the cart, one by one. Some of these carts are left behind for hours and ordered
later; between orders there are carts that nobody ever orders, and some of those are emptied by hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from random import Random
from typing import Final

from tactful.clock import DAY, HOUR, MINUTE, SECOND
from tactful_workbench.demo.diary import Call, Diary
from tactful_workbench.demo.people import Person
from tactful_workbench.demo.retail import Invoice, Line

HESITATES: Final = 0.25  # of real orders: the cart is filled hours before
LEAVES: Final = 0.5  # of long gaps between orders: a cart that is never ordered
EMPTIES: Final = 0.15  # of those: emptied by hand
VIEWED: Final = 3  # products that are looked at before the first of them is added
LONG_GAP: Final = 6 * DAY
PACE: Final = 30 * SECOND  # between two adds, at most
LONGEST: Final = 45 * MINUTE  # visit
FIRST_VISIT: Final = 50 * MINUTE  # before the first order at the earliest, when they have signed up


class Year:
    """Writes one customer's diary. `carts` counts those that we make up, by what becomes of them."""

    def __init__(self, person: Person, invoices: Sequence[Invoice], random: Random, carts: Counter[str]) -> None:
        self._person, self._random, self._carts = person, random, carts
        self._orders = [invoice for invoice in invoices if not invoice.is_return and invoice.goods]
        self._returns = [invoice for invoice in invoices if invoice.is_return]
        self._diary = Diary(person.id)

    def calls(self, end: int) -> list[Call]:
        """All calls up to `end`, the instant at which the data set ends; in no order."""
        if not self._orders:
            return []
        self._introduce(self._orders[0].at - HOUR)
        instants = [order.at for order in self._orders]
        for order, since in zip(self._orders, (instants[0] - FIRST_VISIT, *instants), strict=False):
            self._ordered(order, since)
        for before, after in pairwise((*instants, end)):
            self._left(before, after)
        for returned in self._returns:
            self._refunded(returned)
        return [call for call in self._diary.calls if call.at <= end]

    def _introduce(self, at: int) -> None:
        """Who it is, and what they agreed to when they signed up."""
        self._diary.identify(at, self._person.traits)
        for channel in self._person.granted:
            self._consent(at, channel, "granted", "sign-up")
        if self._person.withdraws:
            regret = self._random.randrange(DAY, self._orders[-1].at - at + 2 * DAY)
            self._consent(at + regret, "email", "withdrawn", "preference-page")

    def _consent(self, at: int, channel: str, state: str, via: str) -> None:
        self._diary.track(
            at, "Consent Changed", purpose="marketing", channel=channel, state=state, wording="demo-1", via=via
        )

    def _ordered(self, order: Invoice, since: int) -> None:
        """A visit that fills the cart, and the order. Where the last order leaves no time for that, somebody typed it in."""
        free = order.at - since
        if free >= 2 * MINUTE + len(order.goods) * SECOND:
            filled = order.at - self._hesitation(free) - 30 * SECOND
            self._visit(max(filled - LONGEST, since + 30 * SECOND), filled, order.goods)
            self._diary.track(order.at - 20 * SECOND, "Checkout Started", order_id=order.number)
        self._diary.products(order.at, "Order Completed", order, order.total)

    def _hesitation(self, free: int) -> int:
        if free > 4 * HOUR and self._random.random() < HESITATES:
            self._carts["hours later"] += 1
            return self._random.randrange(90 * MINUTE, min(2 * DAY, free // 2))
        self._carts["at once"] += 1
        return 0

    def _left(self, before: int, after: int) -> None:
        """Somewhere in a long gap, a few things of earlier orders are put into the cart and left there."""
        if after - before < LONG_GAP or self._random.random() >= LEAVES:
            return
        day = self._random.randrange(before + 2 * DAY, after - 3 * DAY) // DAY
        at = day * DAY + self._random.randrange(8 * HOUR, 23 * HOUR)
        ordered = (line for order in self._orders if order.at <= before for line in order.goods)
        known = list({line.product: line for line in ordered}.values())
        lines = self._random.sample(known, min(len(known), self._random.randrange(1, 5)))
        self._visit(at - 5 * MINUTE, at, lines)
        self._carts["never"] += 1
        if self._random.random() < EMPTIES:
            self._carts["emptied"] += 1
            for line in lines:
                self._diary.product(at + 10 * MINUTE, "Product Removed", line)

    def _visit(self, begin: int, end: int, lines: Sequence[Line]) -> None:
        """A page, a few looks, and every line into the cart, the last one at `end`."""
        apart = min(PACE, (end - begin) // (len(lines) + VIEWED))
        looks, first = lines[:VIEWED], end - apart * (len(lines) - 1)
        self._diary.page(first - apart * (len(looks) + 1), "/")
        for back, line in enumerate(reversed(looks), start=1):
            self._diary.product(first - apart * back, "Product Viewed", line)
        for number, line in enumerate(lines):
            self._diary.product(first + apart * number, "Product Added", line)

    def _refunded(self, returned: Invoice) -> None:
        """A return belongs to the latest earlier order with one of its goods; without one it is no return of ours."""
        goods = {line.product for line in returned.goods}
        earlier = (order for order in reversed(self._orders) if order.at <= returned.at)
        order = next((order for order in earlier if goods & {line.product for line in order.goods}), None)
        if order is not None:
            self._diary.products(returned.at, "Order Refunded", returned._replace(number=order.number), -returned.total)
