"""Complaints of a real marketplace (reviews with one or two stars), by the shipped rule in virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from replaying import SETTINGS, Plain, Row, rows_of

from tactful.clock import DAY
from tactful.customer import REVIEW
from tactful.events import ComplaintOpened
from tactful.records import EVENTS
from tactful_trigger.rules import complaint_followup
from tactful_workbench.virtual.driver import Input
from tactful_workbench.virtual.simulation import Simulation, event_record, settings_from

OLIST: Final = ("olist_orders", "olist_customers", "olist_order_reviews")
WORST: Final = ("1", "2")  # stars
_TIME: Final = "%Y-%m-%d %H:%M:%S"


def complaints(data: Path) -> list[Row]:
    """order_id, person, score, complaint_at, follow_up_due_72h, late, never_delivered of every order complained about."""
    orders = {row["order_id"]: row for row in rows_of(data / "olist_orders.csv.gz")}
    people = {row["customer_id"]: row["customer_unique_id"] for row in rows_of(data / "olist_customers.csv.gz")}
    first: dict[str, tuple[str, str]] = {}  # order -> when, and how many stars
    for row in rows_of(data / "olist_order_reviews.csv.gz"):
        if row["review_score"] in WORST:
            said = (row["review_answer_timestamp"], row["review_score"])
            first[row["order_id"]] = min(said, first.get(row["order_id"], said))
    opened = sorted((_instant(at), order) for order, (at, _) in first.items())
    simulation = Simulation(
        [complaint_followup],
        settings_from(SETTINGS / "complaints.toml"),
        opened[0][0] - DAY,
        content=Plain(),
        keep_history=False,
    )

    def inputs() -> Iterator[Input]:
        for at, order in opened:
            person = people[orders[order]["customer_id"]]
            event = ComplaintOpened(ticket_id=order, channel=REVIEW)
            yield simulation.input(EVENTS, event_record(person, event, at, f"review-{order}"), at)

    simulation.run_out(inputs())
    rows = []
    for message in simulation.messages():
        order = message.data["ticket_id"]
        at, score = first[order]
        asked = datetime.fromtimestamp(message.requested_at / 1000, UTC).strftime(_TIME)
        rows.append((order, message.customer, score, at, asked, *_delivery(orders[order])))
    return sorted(rows)


def _delivery(order: dict[str, str]) -> tuple[str, str]:
    """Whether it came on a later day than was estimated, and whether it never came."""
    came, promised = order["order_delivered_customer_date"], order["order_estimated_delivery_date"]
    return str(int(bool(came) and came[:10] > promised[:10])), str(int(not came))


def _instant(text: str) -> int:
    return int(datetime.strptime(text, _TIME).replace(tzinfo=UTC).timestamp()) * 1000
