"""Missed orders of four real shops, by the shipped rule in virtual time."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Final
from zlib import crc32

from replaying import SETTINGS, Plain, Row, rows_of, with_parameters

from tactful.clock import DAY, HOUR, SECOND
from tactful.events import OrderCompleted
from tactful.records import EVENTS, MessageBody
from tactful_trigger.rules import missed_order
from tactful_workbench.virtual.driver import Input
from tactful_workbench.virtual.simulation import Simulation, event_record, settings_from

Order = tuple[int, str, str, int]  # (instant in ms, customer, order id, thousandths of money)
REGULAR: Final = 0.5  # the variation of the gaps up to which a rhythm is regular
STEADY: Final = missed_order.named("missed_order_of_the_steady")


@dataclass(frozen=True, slots=True)
class Orders:
    """One file of real orders, and how a row of it is one, or a part of one."""

    file: str
    read: Callable[[dict[str, str], int], Order | None]


@lru_cache(maxsize=4096)  # the lines of one order share their time
def _instant(text: str, form: str) -> int:
    return int(datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()) * 1000


def _at_noon(text: str, form: str) -> int:
    """Rows that tell only the day happen at 12:00."""
    return _instant(text, form) + 12 * HOUR


def _thousandths(*factors: str) -> int:
    return int(prod(map(Decimal, factors)) * 1000)


def _cdnow(row: dict[str, str], number: int) -> Order:
    return _at_noon(row["date"], "%Y%m%d"), row["customer_id"], f"row-{number}", _thousandths(row["dollars"])


def _grocery(row: dict[str, str], number: int) -> Order:
    return _at_noon(row["date"], "%Y-%m-%d"), row["cust"], f"row-{number}", 0


def _journey(row: dict[str, str], _number: int) -> Order:
    at = _instant(row["transaction_timestamp"], "%Y-%m-%d %H:%M:%S")
    return at, row["household_id"], row["basket_id"], _thousandths(row["sales_value"])


def _retail(row: dict[str, str], _number: int) -> Order | None:
    if not (row["InvoiceNo"].isdigit() and int(row["Quantity"]) > 0 and row["CustomerID"]):
        return None
    at = _instant(row["InvoiceDate"], "%Y-%m-%d %H:%M:%S")
    return at, row["CustomerID"], row["InvoiceNo"], _thousandths(row["Quantity"], row["UnitPrice"])


ORDERS: Final[Mapping[str, Orders]] = {
    "cdnow": Orders("cdnow_orders", _cdnow),
    "grocery_elog": Orders("grocery_elog", _grocery),
    "cj": Orders("cj_transactions", _journey),
    "online_retail": Orders("online_retail", _retail),
}


def orders_of(name: str, data: Path) -> list[Order]:
    """Every order once, with the money of all its parts, in order of time."""
    source = ORDERS[name]
    whole: dict[tuple[str, str], tuple[int, int]] = {}
    for number, row in enumerate(rows_of(data / f"{source.file}.csv.gz")):
        if (part := source.read(row, number)) is not None:
            at, customer, id, money = part
            first, sum_ = whole.get((customer, id), (at, 0))
            whole[customer, id] = min(at, first), sum_ + money
    return sorted((at, customer, id, money) for (customer, id), (at, money) in whole.items())


def drawn(customer: str, share: int) -> bool:
    """Whether a customer is among the one in so many that are looked at."""
    return crc32(customer.encode()) % share == 0


def missed(name: str, data: Path, share: int = 1) -> list[Row]:
    """customer, last_order_day, due_day, median_gap, regular, next_order_day of every order that did not come in time.

    `share`: for one customer in so many.
    """
    everybody = orders_of(name, data)
    orders = [order for order in everybody if drawn(order[1], share)]
    messages = _replayed(orders)
    regular = {_place(message) for message in messages if message.rule == STEADY.name}
    days: defaultdict[str, list[date]] = defaultdict(list)
    for at, customer, _, _ in orders:
        if (day := _day(at)) not in days[customer][-1:]:
            days[customer].append(day)
    last = _day(everybody[-1][0])
    rows = []
    for message in messages:
        customer, due = _place(message)
        if message.rule == missed_order.name and due <= last:
            later = days[customer][bisect_right(days[customer], due) :]
            told = message.data
            rows.append(
                (
                    customer,
                    told["last_order_on"],
                    due.isoformat(),
                    str(float(told["every_days"])),
                    str(int((customer, due) in regular)),
                    later[0].isoformat() if later else "",
                )
            )
    return sorted(rows)


def _replayed(orders: list[Order]) -> list[MessageBody]:
    """What the rule asks for in two forms: for everybody, and under another name for those with a regular rhythm."""
    settings = settings_from(SETTINGS / "missed.toml")
    settings = with_parameters(
        settings, STEADY.name, **{**settings.rule(missed_order.name).parameters, "max_cv": REGULAR}
    )
    simulation = Simulation([missed_order, STEADY], settings, orders[0][0] - DAY, content=Plain(), keep_history=False)

    def inputs() -> Iterator[Input]:
        for at, customer, id, _ in orders:
            yield simulation.input(EVENTS, event_record(customer, OrderCompleted(order_id=id), at, id), at)

    simulation.run_out(inputs())
    return simulation.messages()


def _place(message: MessageBody) -> tuple[str, date]:
    """Whose order is missed, and the day at whose end it was."""
    return message.customer, _day(message.requested_at - SECOND)


def _day(at: int) -> date:
    return datetime.fromtimestamp(at / 1000, UTC).date()
