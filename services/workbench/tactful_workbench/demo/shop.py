"""A shop's year as a stream of tracking calls: pure, and the same for the same seed.

What is real: every order (customer, minute, products, prices, quantities, country) and every return. What is made up: all
the rest, and `MadeUp` says so in words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from operator import attrgetter
from random import Random
from typing import NamedTuple

from tactful_workbench.demo.diary import Call
from tactful_workbench.demo.people import person
from tactful_workbench.demo.retail import Invoice
from tactful_workbench.demo.year import Year


class MadeUp(NamedTuple):
    """What of the stream is real and what was invented, in counts."""

    customers: int
    orders: int
    returns: int
    left_out: int  # invoices
    consents: int
    withdrawals: int
    carts_ordered_at_once: int
    carts_ordered_later: int
    carts_never_ordered: int
    carts_emptied: int
    calls: int

    @property
    def text(self) -> str:
        """To be read before anything else is shown."""
        return f"""\
Real: {self.orders:,} orders and {self.returns:,} returns of {self.customers:,} customers of a British shop for gifts,
  December 2010 to December 2011 (Chen, D., 2015, Online Retail, UCI Machine Learning Repository, CC BY 4.0).
  Left out: {self.left_out:,} invoices of postage and corrections only, and returns of what was bought before.
Made up: all names, e-mail addresses (example.test), phone numbers and push tokens,
  {self.consents:,} consents and {self.withdrawals:,} withdrawals,
  {self.carts_ordered_at_once:,} carts filled just before a real order, {self.carts_ordered_later:,} up to two days before,
  {self.carts_never_ordered:,} carts that nobody ordered, {self.carts_emptied:,} of them emptied by hand.
Together {self.calls:,} calls of the tracking API."""


def shop_year(invoices: Sequence[Invoice], seed: int) -> tuple[list[Call], MadeUp]:
    """The calls in order of time, and what was made up. `invoices` in order of time."""
    by_customer: dict[str, list[Invoice]] = {}
    for invoice in invoices:
        by_customer.setdefault(invoice.customer, []).append(invoice)
    calls: list[Call] = []
    carts: Counter[str] = Counter()
    for number, (customer, theirs) in enumerate(sorted(by_customer.items())):
        random = Random(f"{seed} {customer}")
        somebody = person(customer, theirs[-1].country, number, random)
        calls += Year(somebody, theirs, random, carts).calls(invoices[-1].at)
    calls.sort(key=attrgetter("at"))
    return calls, _summary(invoices, calls, carts)


def _summary(invoices: Sequence[Invoice], calls: Sequence[Call], carts: Mapping[str, int]) -> MadeUp:
    names = Counter(call.body.get("event", call.body["type"]) for call in calls)
    states = Counter(call.body.get("properties", {}).get("state") for call in calls)
    orders, returns = names["Order Completed"], names["Order Refunded"]
    return MadeUp(
        customers=names["identify"],
        orders=orders,
        returns=returns,
        left_out=len(invoices) - orders - returns,
        consents=states["granted"],
        withdrawals=states["withdrawn"],
        carts_ordered_at_once=carts["at once"],
        carts_ordered_later=carts["hours later"],
        carts_never_ordered=carts["never"],
        carts_emptied=carts["emptied"],
        calls=len(calls),
    )
