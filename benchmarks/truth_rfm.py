"""Recency, frequency and money of four real shops' customers, as the engine's projection of orders has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from replaying import SETTINGS, Plain, Row
from truth_orders import orders_of

from tactful import Customer, Run, rule
from tactful.clock import DAY, HOUR
from tactful.events import OrderCompleted, Screen
from tactful.events.model import Money
from tactful.records import EVENTS
from tactful_workbench.virtual.driver import Input
from tactful_workbench.virtual.simulation import Simulation, event_record, settings_from

THOUSANDTHS: Final = "KWD"  # a currency with three digits, since some prices have them
FIFTHS: Final = 5
Told = dict[str, Any]


def _orders(customer: Customer) -> Told:
    last = customer.orders.last
    spent = customer.orders.spent.get(THOUSANDTHS, 0)
    return {"orders": customer.orders.count, "last_at": last.at if last else 0, "money": spent}


@rule(on=Screen, purpose="service.snapshot", uses=("orders",), max_event_age="9000d", version=1)
async def snapshot(run: Run, first: Screen) -> None:
    """Says what the customer has ordered so far."""
    await run.send("email", "snapshot", data=_orders)


def rfm(name: str, data: Path) -> list[Row]:
    """customer, recency_days, orders, money_thousandths, R, F, M, the day after the last day of the file."""
    orders = orders_of(name, data)
    day = datetime.fromtimestamp(orders[-1][0] / 1000, UTC).date() + timedelta(days=1)
    at = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000 + HOUR
    settings = settings_from(SETTINGS / "missed.toml")
    simulation = Simulation([snapshot], settings, orders[0][0] - DAY, content=Plain(), keep_history=False)

    def inputs() -> Iterator[Input]:
        for moment, customer, id, money in orders:
            event = OrderCompleted(order_id=id, total=Money(money, THOUSANDTHS))
            yield simulation.input(EVENTS, event_record(customer, event, moment, id), moment)
        for customer in sorted({customer for _, customer, _, _ in orders}):
            taken = event_record(customer, Screen(name="snapshot"), at, f"snapshot-{customer}")
            yield simulation.input(EVENTS, taken, at)

    simulation.run_out(inputs())
    found = {message.customer: _days(message.data, day) for message in simulation.messages()}
    r = _fifths(found, lambda told: -told["days"])
    f = _fifths(found, lambda told: told["orders"])
    m = _fifths(found, lambda told: told["money"])
    return sorted(
        (customer, str(told["days"]), str(told["orders"]), str(told["money"]), *(rank[customer] for rank in (r, f, m)))
        for customer, told in found.items()
    )


def _days(told: Told, day: Any) -> Told:
    return {**told, "days": (day - datetime.fromtimestamp(told["last_at"] / 1000, UTC).date()).days}


def _fifths(found: dict[str, Told], value: Callable[[Told], int]) -> dict[str, str]:
    """SQL's NTILE(5) over (value, customer as text): the first groups take what does not divide."""
    ordered = sorted(found, key=lambda customer: (value(found[customer]), customer))
    size, more = divmod(len(ordered), FIFTHS)
    edge = more * (size + 1)
    return {
        customer: str(1 + (place // (size + 1) if place < edge else more + (place - edge) // size))
        for place, customer in enumerate(ordered)
    }
