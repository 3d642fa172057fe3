"""The real part: invoices of a British online shop, as the data set shipped beside this file has them."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from importlib.resources import files
from itertools import groupby
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

LONDON: Final = ZoneInfo("Europe/London")
CURRENCY: Final = "GBP"


class Line(NamedTuple):
    """One line of an invoice."""

    product: str
    name: str
    quantity: int  # negative in a return
    price: Decimal  # of one piece, GBP

    @property
    def is_goods(self) -> bool:
        """Postage, fees, discounts and manual corrections have codes of letters."""
        return self.product[0].isdigit()


class Invoice(NamedTuple):
    """An order, or a return if its number begins with C."""

    number: str
    customer: str
    country: str
    at: int  # ms
    lines: tuple[Line, ...]

    @property
    def is_return(self) -> bool:
        return self.number.startswith("C")

    @property
    def goods(self) -> tuple[Line, ...]:
        """The lines that can lie in a cart."""
        return tuple(line for line in self.lines if line.is_goods)

    @property
    def total(self) -> Decimal:
        """Sum of all lines, postage included."""
        return sum((line.quantity * line.price for line in self.lines), Decimal())


def shipped() -> list[Invoice]:
    """All invoices of the data set, in order of time."""
    with (
        files("tactful_workbench.demo").joinpath("online_retail.csv.gz").open("rb") as packed,
        gzip.open(packed, "rt", encoding="utf-8", newline="") as text,
    ):
        return invoices(text)


def invoices(text: Iterable[str]) -> list[Invoice]:
    """Invoices from lines of CSV with a header, in order of time. Rows of one invoice stand together."""
    rows = csv.DictReader(text)
    read = (_invoice(number, list(group)) for number, group in groupby(rows, key=lambda row: row["InvoiceNo"]))
    return sorted(read, key=lambda invoice: (invoice.at, invoice.number))


def _invoice(number: str, rows: list[dict[str, str]]) -> Invoice:
    """A few invoices run over a full minute: the first one counts."""
    first = rows[0]
    return Invoice(number, first["CustomerID"], first["Country"], _instant(first["InvoiceDate"]), tuple(_lines(rows)))


def _lines(rows: list[dict[str, str]]) -> Iterator[Line]:
    for row in rows:
        yield Line(row["StockCode"], row["Description"].strip(), int(row["Quantity"]), Decimal(row["UnitPrice"]))


def _instant(written: str) -> int:
    """The data set tells the time of day in the shop's country, to the minute."""
    return int(datetime.fromisoformat(written).replace(tzinfo=LONDON).timestamp()) * 1000
