"""What the shipped rules make of real shops' data, row for row, in virtual time: carts, sends, missed orders,
complaints, returned mail.

    python benchmarks/truth.py --data DIR --truth DIR --out DIR

Writes its own rows to --out before it opens any expected answer, then prints per list: expected, equal, missing, extra,
seconds. Exit code 1 on a difference, 2 on missing data.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from replaying import SETTINGS, Plain, Row, rows_of, with_parameters
from truth_bounces import BOUNCES, bounces
from truth_complaints import OLIST, complaints
from truth_orders import ORDERS, missed
from truth_rfm import rfm

from tactful.events import (
    ConsentChanged,
    Event,
    Identify,
    OrderCompleted,
    Product,
    ProductAdded,
    ProductAddedToWishlist,
    ProductViewed,
)
from tactful.records import DISPATCH, EVENTS
from tactful.rules import Rule
from tactful.settings import Settings
from tactful_trigger.rules import abandoned_cart
from tactful_workbench.virtual.driver import Input
from tactful_workbench.virtual.simulation import Simulation, consent_record, event_record, settings_from

DELAYS: Final = ("1h", "4h", "24h")


@dataclass(frozen=True, slots=True)
class Shop:
    """One file of real behaviour: its columns, what its words mean, and its local time."""

    name: str
    visitor: str
    item: str
    kind: str
    at: str
    zone: str
    words: Mapping[str, str]  # the file's word -> view, add, wish, buy


SHOPS: Final = (
    Shop(
        "taobao_window",
        "user_id",
        "item_id",
        "behavior",
        "ts",
        "Asia/Shanghai",
        {"pv": "view", "cart": "add", "fav": "wish", "buy": "buy"},
    ),
    Shop(
        "taobao_users",
        "user_id",
        "item_id",
        "behavior",
        "ts",
        "Asia/Shanghai",
        {"pv": "view", "cart": "add", "fav": "wish", "buy": "buy"},
    ),
    Shop(
        "rees46_oct2019",
        "user_id",
        "product_id",
        "event_type",
        "event_time",
        "UTC",
        {"view": "view", "cart": "add", "purchase": "buy"},
    ),
)


def behaviour(shop: Shop, data: Path) -> list[tuple[int, str, Event]]:
    """(instant in ms, visitor, event) in order of time, then of the file."""
    found = []
    for number, row in enumerate(rows_of(data / f"{shop.name}.csv.gz")):
        event = _event(shop.words[row[shop.kind]], row[shop.item], number)
        found.append((_instant(row[shop.at]), row[shop.visitor], event))
    return sorted(found, key=lambda each: each[0])


def _event(word: str, item: str, number: int) -> Event:
    if word == "add":
        return ProductAdded(product_id=item)
    if word == "buy":
        return OrderCompleted(order_id=f"row-{number}", products=(Product(product_id=item),))
    return ProductViewed(product_id=item) if word == "view" else ProductAddedToWishlist(product_id=item)


def _instant(text: str) -> int:
    if text.isdigit():
        return int(text) * 1000
    return int(datetime.strptime(text, "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC).timestamp()) * 1000


def simulate(
    shop: Shop, data: Path, settings: Settings, rules: Sequence[Rule] = (abandoned_cart,), *, only_carts: bool = False
) -> Simulation:
    """Replay a file from its first event until nothing waits any more; `only_carts` leaves out who never had one."""
    events = behaviour(shop, data)
    if only_carts:
        with_cart = {visitor for _, visitor, event in events if isinstance(event, ProductAdded)}
        events = [each for each in events if each[1] in with_cart]
    start = events[0][0] - 1000
    simulation = Simulation(rules, settings, start, content=Plain(), keep_history=False)

    def inputs() -> Iterator[Input]:
        for visitor in sorted({visitor for _, visitor, _ in events}):
            known = Identify(email=f"{visitor}@example.test", timezone=shop.zone)
            yield simulation.input(EVENTS, event_record(visitor, known, start, f"who-{visitor}"), start)
            said = ConsentChanged(purpose="marketing", state="granted", via="assumed")
            yield simulation.input(DISPATCH, consent_record(visitor, said, start), start)
        for number, (at, visitor, event) in enumerate(events):
            yield simulation.input(EVENTS, event_record(visitor, event, at, f"row-{number}"), at)

    simulation.run_out(inputs())
    return simulation


def carts(shop: Shop, data: Path, delay: str) -> list[Row]:
    """visitor, fire_ts, n_items, items of every cart that was left alone."""
    settings = with_parameters(settings_from(SETTINGS / "carts.toml"), "abandoned_cart", delay=delay)
    rows = []
    for message in simulate(shop, data, settings).messages():
        items = sorted(item["product_id"] for item in message.data["items"])
        rows.append((message.customer, str(message.requested_at // 1000), str(len(items)), "|".join(items)))
    return sorted(rows)


def sends(shop: Shop, data: Path) -> list[Row]:
    """visitor, fire_ts, send_ts of every message that left."""
    simulation = simulate(shop, data, settings_from(SETTINGS / "sends.toml"))
    rows = [
        (customer, str(decision["requested_at"] // 1000), str(decision["decided_at"] // 1000))
        for customer, decision in simulation.decided()
        if decision["verdict"] == "sent"
    ]
    return sorted(rows)


LISTS: Final[Mapping[str, Callable[[Path], list[Row]]]] = {
    **{f"carts_{shop.name}_{delay}": partial(carts, shop, delay=delay) for shop in SHOPS for delay in DELAYS},
    **{f"sends_{shop.name}_1h": partial(sends, shop) for shop in SHOPS},
    **{f"missed_{name}": partial(missed, name) for name in ORDERS},
    **{f"rfm_{name}": partial(rfm, name) for name in ORDERS},
    "complaints_olist": complaints,
    **{f"bounces_{name}": partial(bounces, name) for name in BOUNCES},
}
FILES: Final = (*(shop.name for shop in SHOPS), *(source.file for source in ORDERS.values()), *OLIST)
RETURNED: Final = tuple(f"bounces_{name}.ndjson.gz" for name in BOUNCES)
HEADS: Final = {
    "carts": ("visitor", "fire_ts", "n_items", "items"),
    "sends": ("visitor", "fire_ts", "send_ts"),
    "missed": ("customer", "last_order_day", "due_day", "median_gap", "regular", "next_order_day"),
    "rfm": ("customer", "recency_days", "orders", "money_thousandths", "R", "F", "M"),
    "complaints": ("order_id", "person", "score", "complaint_at", "follow_up_due_72h", "late", "never_delivered"),
    "bounces": ("name", "kind", "recipient", "action_status", "class"),
}


def expected(file: Path) -> list[Row]:
    """The rows of an expected answer; items in text order."""
    rows = []
    for row in rows_of(file):
        values = [("|".join(sorted(value.split("|"))) if name == "items" else value) for name, value in row.items()]
        rows.append(tuple(values))
    return sorted(rows)


def main() -> int:
    """Compute everything, then compare."""
    options = argparse.ArgumentParser(description=__doc__)
    for name in ("data", "truth", "out"):
        options.add_argument(f"--{name}", type=Path, required=True)
    given = options.parse_args()
    needed = (*(f"{name}.csv.gz" for name in FILES), *RETURNED)
    if missing := [name for name in needed if not (given.data / name).exists()]:
        print(f"missing in {given.data}: {', '.join(missing)}")
        return 2
    given.out.mkdir(parents=True, exist_ok=True)
    computed: dict[str, tuple[list[Row], float]] = {}
    for name, compute in LISTS.items():
        began = time.perf_counter()
        rows = compute(given.data)
        computed[name] = (rows, time.perf_counter() - began)
        with (given.out / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([HEADS[name.partition("_")[0]], *rows])
    return _compare(computed, given.truth)


def _compare(computed: dict[str, tuple[list[Row], float]], truth: Path) -> int:
    different = 0
    for name, (rows, seconds) in computed.items():
        file = truth / f"{name}.csv.gz"
        if not file.exists():
            print(f"missing in {truth}: {file.name}")
            return 2
        wanted = expected(file)
        missing, extra = set(wanted) - set(rows), set(rows) - set(wanted)
        equal = len(wanted) - len(missing)
        different += bool(missing or extra or len(rows) != len(wanted))
        print(
            f"{name}: expected {len(wanted)}, equal {equal}, missing {len(missing)}, extra {len(extra)}, {seconds:.1f} s"
        )
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
