"""The demo's year: what is real in it, what is made up, and that it says so."""

from __future__ import annotations

import csv
import gzip
import re
from collections import Counter, defaultdict
from functools import cache
from hashlib import blake2b, sha256
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from doorstep import Doorstep
from folding import at, folded

from tactful.clock import DAY, MINUTE
from tactful.customer import Cart
from tactful.events import Event, OrderCompleted, ProductAdded, ProductRemoved
from tactful.events.model import class_of
from tactful.events.wire import canonical
from tactful_trigger.projections.cart import LINES, CartProjection
from tactful_workbench.demo.diary import Call
from tactful_workbench.demo.retail import Invoice, invoices, shipped
from tactful_workbench.demo.shop import MadeUp, shop_year

SOURCE = Path(__file__).parents[3] / "shared" / "data" / "online_retail.csv.gz"
HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
LIMIT = 32 * 1024  # of one event at the door


@cache
def year() -> tuple[list[Invoice], list[Call], MadeUp]:
    real = shipped()
    return (real, *shop_year(real, seed=1))


def named(name: str) -> list[Call]:
    return [call for call in year()[1] if call.body.get("event", call.body["type"]) == name]


def by_customer(calls: list[Call]) -> dict[str, list[Call]]:
    theirs: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        theirs[call.body["userId"]].append(call)
    return theirs


def properties(call: Call) -> dict[str, Any]:
    found: dict[str, Any] = call.body["properties"]
    return found


def event(call: Call) -> Event:
    name, wire = canonical(call.body["event"], properties(call), "EUR")
    return at(call.at, msgspec.json.decode(wire, type=class_of(name)))


def fingerprint(calls: list[Call]) -> str:
    return sha256(msgspec.json.encode(calls)).hexdigest()[:16]


def test_the_data_set_is_small_and_says_where_it_comes_from() -> None:
    folder = files("tactful_workbench.demo")
    assert len(folder.joinpath("online_retail.csv.gz").read_bytes()) <= 1_000_000
    notice = folder.joinpath("ATTRIBUTION.md").read_text(encoding="utf-8")
    for words in ("10.24432/C5BW33", "creativecommons.org/licenses/by/4.0", "What was changed", "15,628 lines"):
        assert words in notice


@pytest.mark.skipif(not SOURCE.exists(), reason="the data set that the cut was made from is not here")
def test_the_cut_is_what_its_notice_says() -> None:
    with gzip.open(SOURCE, "rt", encoding="utf-8", newline="") as text:
        header, *rows = csv.reader(text)
    packed = files("tactful_workbench.demo").joinpath("online_retail.csv.gz").read_bytes()
    kept = list(csv.reader(gzip.decompress(packed).decode().splitlines()))
    chosen = [
        row for row in rows if row[6] and int.from_bytes(blake2b(row[6].encode(), digest_size=8).digest()) % 100 < 5
    ]
    assert kept == [header, *chosen]
    assert (len(chosen), len({row[0] for row in chosen}), len({row[6] for row in chosen})) == (15_628, 874, 185)


def test_an_invoice_is_read_with_its_lines_in_the_time_of_the_shop() -> None:
    rows = [
        HEADER,
        "5001,22745,POPPY'S PLAYHOUSE,6,2011-06-01 12:00:00,2.1,7,France",
        "5001,POST,POSTAGE,1,2011-06-01 12:01:00,18.0,7,France",
        "C5002,22745,POPPY'S PLAYHOUSE,-6,2011-01-01 12:00:00,2.1,7,France",
    ]
    returned, order = invoices(rows)
    assert (order.number, order.customer, order.country, str(order.total)) == ("5001", "7", "France", "30.6")
    assert [line.product for line in order.goods] == ["22745"]
    assert order.at == 1_306_926_000_000  # 11:00 UTC: summer time in London
    assert returned.is_return
    assert returned.at == 1_293_883_200_000  # 12:00 UTC in winter


def test_the_calls_come_in_order_of_time_each_under_its_own_id() -> None:
    calls = year()[1]
    assert all(before.at <= after.at for before, after in pairwise(calls))
    assert len({call.body["messageId"] for call in calls}) == len(calls)


def test_there_are_enough_calls_to_see_something_and_few_enough_for_a_minute() -> None:
    assert 20_000 <= len(year()[1]) <= 40_000


def test_the_same_seed_gives_the_same_calls_on_every_machine() -> None:
    real, calls, _ = year()
    assert fingerprint(calls) == "acf2a90c3cdfa692"
    assert fingerprint(shop_year(real, seed=2)[0]) != fingerprint(calls)


def test_every_real_order_is_there_at_its_minute_with_its_total() -> None:
    told = {properties(call)["order_id"]: call for call in named("Order Completed")}
    orders = {invoice.number: invoice for invoice in year()[0] if not invoice.is_return and invoice.goods}
    assert told.keys() == orders.keys()
    for number, order in orders.items():
        call = told[number]
        assert (call.at, call.body["userId"], properties(call)["total"]) == (
            order.at,
            order.customer,
            f"{order.total:.2f}",
        )


def test_what_was_ordered_lay_in_the_cart_before() -> None:
    """As the cart's own projection sees it; a cart of more than a hundred lines forgets the oldest."""
    goods = {invoice.number: {line.product for line in invoice.goods} for invoice in year()[0]}
    told = ("Product Added", "Product Removed", "Order Completed")
    visited = {properties(call)["order_id"] for call in named("Checkout Started")}
    for calls in by_customer([call for name in told for call in named(name)]).values():
        cart = Cart()
        for call in sorted(calls, key=lambda call: call.at):
            now = event(call)
            if isinstance(now, OrderCompleted) and now.order_id in visited:
                lying = {item.product_id for item in cart.items}
                assert lying >= goods[now.order_id] or len(cart.items) == LINES
            cart = folded(CartProjection(), [now], cart)


def test_some_carts_are_ordered_hours_later_and_some_never() -> None:
    """Never: nothing is ordered for two days after the last add."""
    waits = [
        after.at - before.at
        for calls in by_customer([*named("Product Added"), *named("Order Completed")]).values()
        for before, after in pairwise(sorted(calls, key=lambda call: call.at))
        if before.body["event"] == "Product Added" and after.body["event"] == "Order Completed"
    ]
    made_up = year()[2]
    assert sum(90 * MINUTE <= wait <= 2 * DAY + MINUTE for wait in waits) == made_up.carts_ordered_later > 50
    assert made_up.carts_never_ordered > 100


def test_some_left_carts_are_emptied_by_hand() -> None:
    removals = {(call.body["userId"], call.at) for call in named("Product Removed")}
    assert len(removals) == year()[2].carts_emptied > 10
    assert isinstance(event(named("Product Removed")[0]), ProductRemoved)


def test_a_return_names_an_earlier_order_of_the_same_customer() -> None:
    ordered = {properties(call)["order_id"]: call for call in named("Order Completed")}
    returns = named("Order Refunded")
    assert returns
    for call in returns:
        order = ordered[properties(call)["order_id"]]
        assert (order.body["userId"], order.at <= call.at) == (call.body["userId"], True)


def test_nobody_is_real() -> None:
    people = [call.body["traits"] for call in named("identify")]
    assert all(re.fullmatch(r"customer-\d+@example\.test", traits["email"]) for traits in people)
    phones = [traits["phone"] for traits in people if "phone" in traits]
    assert all(re.fullmatch(r"\+447700900\d{3}", phone) for phone in phones)
    assert len(set(phones)) == len(phones) > 5


def test_everybody_is_introduced_before_anything_else() -> None:
    first = {customer: calls[0].body["type"] for customer, calls in by_customer(year()[1]).items()}
    assert set(first.values()) == {"identify"}


def test_a_part_agreed_to_marketing_and_a_few_of_them_changed_their_minds() -> None:
    granted: dict[tuple[str, str], int] = {}
    for call in named("Consent Changed"):
        key = (call.body["userId"], properties(call)["channel"])
        if properties(call)["state"] == "granted":
            granted[key] = call.at
        else:
            assert granted[key] < call.at
    by_email = sum(channel == "email" for _, channel in granted)
    assert 0.65 < by_email / year()[2].customers < 0.85
    assert year()[2].withdrawals > 0


def test_what_was_made_up_is_counted_and_said() -> None:
    real, calls, made_up = year()
    names = Counter(call.body.get("event", call.body["type"]) for call in calls)
    assert (made_up.customers, made_up.orders, made_up.returns, made_up.calls) == (
        names["identify"],
        names["Order Completed"],
        names["Order Refunded"],
        len(calls),
    )
    assert made_up.left_out == len(real) - made_up.orders - made_up.returns
    assert made_up.carts_ordered_at_once + made_up.carts_ordered_later == names["Checkout Started"]
    for count in made_up:
        assert f"{count:,}" in made_up.text
    assert "CC BY 4.0" in made_up.text


def test_every_call_fits_into_one_event() -> None:
    assert max(len(msgspec.json.encode(call.body)) for call in year()[1]) < LIMIT


def test_every_tracked_event_is_one_that_the_vocabulary_reads() -> None:
    for call in year()[1]:
        if call.body["type"] == "track":
            assert type(event(call)).__name__ == call.body["event"].replace(" ", "")


def test_prices_are_exact_and_in_pounds() -> None:
    added = event(named("Product Added")[0])
    assert isinstance(added, ProductAdded)
    assert added.price is not None
    assert (f"{added.price.minor / 100:.2f}", added.price.currency) == (
        properties(named("Product Added")[0])["price"],
        "GBP",
    )


async def test_the_door_takes_the_calls_as_they_are() -> None:
    door = Doorstep()
    batch = [call.body for call in year()[1][:500]]
    answer = await door.post("/v1/batch", {"batch": batch})
    assert (answer.status_code, answer.json()) == (200, {"success": True})
