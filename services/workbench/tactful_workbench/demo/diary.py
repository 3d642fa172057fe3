"""The tracking calls of one customer, as a shop's backend would post them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from tactful_workbench.demo.retail import CURRENCY, Invoice, Line

SHOP: Final = "https://shop.example.test"
_LISTED: Final = 100  # products named in one call: an event has a limit of 32 KB


class Call(NamedTuple):
    """One call of the tracking API and when it happens, in ms."""

    at: int
    body: dict[str, Any]


class Diary:
    """Writes down calls of one customer; each gets a message id of its own."""

    def __init__(self, customer: str) -> None:
        self._customer = customer
        self.calls: list[Call] = []

    def identify(self, at: int, traits: Mapping[str, Any]) -> None:
        self._call(at, "identify", traits=dict(traits))

    def page(self, at: int, path: str) -> None:
        self._call(at, "page", properties={"url": SHOP + path, "path": path})

    def track(self, at: int, event: str, **properties: Any) -> None:
        self._call(at, "track", event=event, properties=properties)

    def product(self, at: int, event: str, line: Line) -> None:
        """A call about one product."""
        self.track(at, event, **described(line), currency=CURRENCY)

    def products(self, at: int, event: str, invoice: Invoice, total: Decimal) -> None:
        """A call about an order."""
        listed = [described(line) for line in invoice.goods[:_LISTED]]
        self.track(at, event, order_id=invoice.number, currency=CURRENCY, total=_amount(total), products=listed)

    def _call(self, at: int, kind: str, **fields: Any) -> None:
        body = {
            "type": kind,
            "userId": self._customer,
            "messageId": f"demo-{self._customer}-{len(self.calls)}",
            "timestamp": datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds"),
            **fields,
        }
        self.calls.append(Call(at, body))


def described(line: Line) -> dict[str, Any]:
    """A product as the shop vocabulary has it."""
    return {
        "product_id": line.product,
        "name": line.name.capitalize(),
        "price": _amount(line.price),
        "quantity": abs(line.quantity),
        "url": f"{SHOP}/p/{line.product}",
    }


def _amount(amount: Decimal) -> str:
    """Decimal text: amounts are exact on the wire."""
    return f"{amount:.2f}"
