"""Missed orders of four real shops, by the shipped rule in virtual time."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from replaying import SETTINGS, Plain, Row, rows_of, with_parameters

from tactful.clock import DAY, HOUR, SECOND
from tactful.events import OrderCompleted
from tactful.records import EVENTS
from tactful_trigger.rules import missed_order
from tactful_workbench.simulation import Simulation, event_record, settings_from
from tactful_workbench.virtual import Input

Order = tuple[int, str, str]  # (instant in ms, customer, order id)
REGULAR: Final = 0.5  # the variation of the gaps up to which a rhythm is regular


@dataclass(frozen=True, slots=True)
class Orders:
    """One file of real orders, and how a row of it is one."""

    file: str
    read: Callable[[dict[str, str], int], Order | None]


def _instant(text: str, form: str) -> int:
    return int(datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()) * 1000


def _at_noon(text: str, form: str) -> int:
    """Rows that tell only the day happen at 12:00."""
    return _instant(text, form) + 12 * HOUR


def _retail(row: dict[str, str], _number: int) -> Order | None:
    counts = row["InvoiceNo"].isdigit() and int(row["Quantity"]) > 0 and row["CustomerID"]
    return (_instant(row["InvoiceDate"], "%Y-%m-%d %H:%M:%S"), row["CustomerID"], row["InvoiceNo"]) if counts else None


ORDERS: Final[Mapping[str, Orders]] = {
    "cdnow": Orders("cdnow_orders", lambda row, n: (_at_noon(row["date"], "%Y%m%d"), row["customer_id"], f"row-{n}")),
    "grocery_elog": Orders("grocery_elog", lambda row, n: (_at_noon(row["date"], "%Y-%m-%d"), row["cust"], f"row-{n}")),
    "cj": Orders(
        "cj_transactions",
        lambda row, n: (
            _instant(row["transaction_timestamp"], "%Y-%m-%d %H:%M:%S"),
            row["household_id"],
            row["basket_id"],
        ),
    ),
    "online_retail": Orders("online_retail", _retail),
}


def orders_of(name: str, data: Path) -> list[Order]:
    """Every order once, in order of time."""
    source = ORDERS[name]
    found = (source.read(row, number) for number, row in enumerate(rows_of(data / f"{source.file}.csv.gz")))
    first: dict[tuple[str, str], int] = {}
    for order in found:
        if order is not None:
            at, customer, id = order
            first[customer, id] = min(at, first.get((customer, id), at))
    return sorted((at, customer, id) for (customer, id), at in first.items())


def missed(name: str, data: Path) -> list[Row]:
    """customer, last_order_day, due_day, median_gap, regular, next_order_day of every order that did not come in time."""
    orders = orders_of(name, data)
    regular = {_place(message) for message in _replayed(orders, REGULAR)}
    days: defaultdict[str, list[date]] = defaultdict(list)
    for at, customer, _ in orders:
        if (day := _day(at)) not in days[customer][-1:]:
            days[customer].append(day)
    last = _day(orders[-1][0])
    rows = []
    for message in _replayed(orders, 1_000_000.0):
        customer, due = _place(message)
        if due <= last:
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


def _replayed(orders: list[Order], max_cv: float) -> list[Any]:
    settings = with_parameters(settings_from(SETTINGS / "missed.toml"), "missed_order", max_cv=max_cv)
    simulation = Simulation([missed_order], settings, orders[0][0] - DAY, content=Plain(), keep_history=False)

    def inputs() -> Iterator[Input]:
        for at, customer, id in orders:
            yield simulation.input(EVENTS, event_record(customer, OrderCompleted(order_id=id), at, id), at)

    simulation.run_out(inputs())
    return list(simulation.messages())


def _place(message: Any) -> tuple[str, date]:
    """Whose order is missed, and the day at whose end it was."""
    return message.customer, _day(message.requested_at - SECOND)


def _day(at: int) -> date:
    return datetime.fromtimestamp(at / 1000, UTC).date()
