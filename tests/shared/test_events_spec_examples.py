"""The examples of Segment's own specification pages become canonical, all of them but the ones that are no event."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tactful.events import Event, Meta, Money, OrderCompleted, Product, ProductAdded, ProductReviewed, UnknownEvent
from tactful.events.model import canonical_name, class_of, decode, known_names
from tactful.events.reading import fields_of
from tactful.events.wire import canonical, clean

FILE = Path(__file__).parents[2].parent / "shared" / "data" / "segment_spec_examples.ndjson.gz"
NO_EVENT = {("common.md", "Integrations"): "only the switches for destinations, no message"}
COMMERCE = {name for name in known_names() if class_of(name).__module__ == "tactful.events.commerce"}
SHOPPING = COMMERCE - {"Coupon Applied", "Coupon Denied", "Coupon Removed"}
CALLS = {"Identify", "Group", "Alias", "Page", "Screen"}
OUTSIDE = {"Report Submitted", "User Registered", "Course Clicked"}


@pytest.fixture(scope="module")
def examples() -> list[dict[str, Any]]:
    if not FILE.exists():
        pytest.skip(f"{FILE.name} is not here")
    with gzip.open(FILE, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def posted(example: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Name and properties of an example, whether it is a message or a call of a client library; None for no event."""
    call, value = example["call"], example["value"]
    if call is not None:
        return _called(call, value)
    if "event" in value:
        return value["event"], value.get("properties", {})
    readings = {
        "identify": ("Identify", value.get("traits")),
        "group": ("Group", {"group_id": value.get("groupId"), "traits": value.get("traits")}),
        "alias": ("Alias", {"previousId": value.get("previousId")}),
        "page": ("Page", {"name": value.get("name"), **value.get("properties", {})}),
        "screen": ("Screen", {"name": value.get("name"), **value.get("properties", {})}),
    }
    return readings.get(value.get("type"))


def _called(call: str, arguments: list[Any]) -> tuple[str, dict[str, Any]]:
    objects = [argument for argument in arguments if isinstance(argument, dict)]
    texts = [argument for argument in arguments if isinstance(argument, str)]
    readings: dict[str, tuple[str, dict[str, Any]]] = {
        "track": (texts[0] if texts else "", objects[0] if objects else {}),
        "identify": ("Identify", objects[0] if objects else {}),
        "group": ("Group", {"group_id": texts[0] if texts else None, "traits": objects[0] if objects else None}),
        "alias": ("Alias", {}),
        "page": ("Page", {"category": texts[0] if texts else None, "name": texts[-1] if texts else None}),
    }
    return readings[call]


def events(examples: list[dict[str, Any]], name: str) -> list[Event]:
    """The typed events of all examples of one name."""
    found = [event for event in map(posted, examples) if event is not None and canonical_name(event[0]) == name]
    logged = [canonical(event, properties, "EUR") for event, properties in found]
    return [decode(name, properties, Meta()) for name, properties in logged]


def test_all_fifty_one_examples_are_read_but_for_the_one_that_is_no_event(examples: list[dict[str, Any]]) -> None:
    unread = {(example["page"], example["heading"]) for example in examples if posted(example) is None}
    assert len(examples) == 51
    assert unread == set(NO_EVENT)


def test_every_example_becomes_canonical_and_decodes_into_its_class(examples: list[dict[str, Any]]) -> None:
    seen: dict[str, type[Event]] = {}
    for name, properties in filter(None, map(posted, examples)):
        clean(properties)
        logged = canonical(name, properties, "EUR")
        seen[logged.name] = type(decode(logged.name, logged.properties, Meta()))
    assert {name for name, event in seen.items() if event is UnknownEvent} == OUTSIDE
    assert all(event is class_of(name) for name, event in seen.items())
    assert set(seen) == SHOPPING | CALLS | OUTSIDE


def test_every_property_that_the_specification_shows_has_a_field(examples: list[dict[str, Any]]) -> None:
    without = set()
    for name, properties in filter(None, map(posted, examples)):
        if canonical_name(name) in SHOPPING:
            fields = fields_of(class_of(name))
            without |= {(name, key) for key in properties if key not in fields.readers and key not in fields.spellings}
    assert without == set()


def test_the_order_of_the_specification_is_money_to_the_cent(examples: list[dict[str, Any]]) -> None:
    first_version, order = sorted(
        (event for event in events(examples, "Order Completed") if isinstance(event, OrderCompleted)),
        key=lambda event: event.checkout_id,
    )
    assert (order.total, order.tax, order.discount) == (Money(2750, "USD"), Money(200, "USD"), Money(250, "USD"))
    assert order.products[0].price == Money(1900, "USD")
    assert first_version.order_id == "50314b8e9bcf000000000000"
    assert first_version.products[1] == Product(
        product_id="505bd76785ebb509fc183733",
        sku="46493-32",
        name="Uno Card Game",
        price=Money(300, "USD"),
        quantity=2,
        category="Games",
    )


def test_the_examples_of_the_first_version_know_their_product(examples: list[dict[str, Any]]) -> None:
    added = [event for event in events(examples, "Product Added") if isinstance(event, ProductAdded)]
    assert [event.product_id for event in added] == ["507f1f77bcf86cd799439011"] * 2
    assert {event.price for event in added} == {Money(1899, "EUR")}


def test_the_rating_in_quotes_is_a_number(examples: list[dict[str, Any]]) -> None:
    (review,) = events(examples, "Product Reviewed")
    assert isinstance(review, ProductReviewed)
    assert review.rating == 5.0
