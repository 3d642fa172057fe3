"""From what was posted to what is logged: one name, one spelling, one set of types, and refusals that name the field."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tactful.clock import DAY
from tactful.decisions import GateRecord, GateVerdict
from tactful.errors import InvalidInput
from tactful.events import Event, Identify, MessageDecided, Meta, Money, OrderCompleted, Page, Product, ProductAdded
from tactful.events.instants import EARLIEST
from tactful.events.model import class_of, decode, known_names, name_of
from tactful.events.own import StepFinished
from tactful.events.reading import ID_LENGTH, fields_of
from tactful.events.wire import Canonical, canonical

MONDAY = 1_795_442_400_000  # Mon 23 Nov 2026 14:00 UTC


def read(name: str, properties: dict[str, Any]) -> dict[str, Any]:
    """The canonical properties as Python values."""
    values = msgspec.json.decode(canonical(name, properties, "EUR").properties)
    assert isinstance(values, dict)
    return values


def typed(name: str, properties: dict[str, Any]) -> Event:
    logged = canonical(name, properties, "EUR")
    return decode(logged.name, logged.properties, Meta())


def refusal(name: str, properties: dict[str, Any]) -> InvalidInput:
    with pytest.raises(InvalidInput) as refused:
        canonical(name, properties, "EUR")
    return refused.value


# Names and spellings


def test_an_alias_is_logged_under_the_canonical_name() -> None:
    assert canonical("Completed Order", {}, "EUR").name == "Order Completed"


def test_what_version_one_called_id_is_the_product() -> None:
    assert typed("Added Product", {"id": 507, "sku": "G-32"}) == ProductAdded(product_id="507", sku="G-32")
    order = typed("Completed Order", {"orderId": "o1", "products": [{"id": "p1", "quantity": "2"}]})
    assert order == OrderCompleted(order_id="o1", products=(Product(product_id="p1", quantity=2),))


def test_camel_case_spells_the_same_fields() -> None:
    event = typed("Identify", {"firstName": "Ann", "lastName": "Lee", "pushToken": "t", "traits": {"plan": "pro"}})
    assert event == Identify(first_name="Ann", last_name="Lee", push_token="t", traits={"plan": "pro"})
    assert read("Product Viewed", {"productId": "p", "imageUrl": "u"}) == {"product_id": "p", "image_url": "u"}


def test_the_fields_own_name_goes_before_other_spellings() -> None:
    assert read("Product Added", {"id": "line-7", "product_id": "p1"}) == {"id": "line-7", "product_id": "p1"}
    assert read("Product Added", {"id": "p1", "product_id": None}) == {"product_id": "p1"}
    assert read("Product Added", {"id": "p1", "productId": "p2"}) == {"product_id": "p1", "productId": "p2"}


def test_a_feed_says_its_source_and_a_page_its_title() -> None:
    assert read("Feed Complete", {"source": "erp", "through": MONDAY}) == {"feed": "erp", "through": MONDAY}
    assert typed("Page", {"title": "Welcome"}) == Page(title_text="Welcome")


# Types


@pytest.mark.parametrize(
    ("posted", "logged"),
    [
        ({"product_id": 123}, {"product_id": "123"}),
        ({"product_id": 123.0}, {"product_id": "123"}),
        ({"product_id": 2**63}, {"product_id": "9223372036854775808"}),
        ({"sku": 1.5}, {"sku": "1.5"}),
        ({"quantity": "2"}, {"quantity": 2}),
        ({"quantity": 2.0}, {"quantity": 2}),
        ({"quantity": " 2.00 "}, {"quantity": 2}),
        ({"quantity": 0.75}, {"quantity": 1}),
        ({"quantity": "2.5"}, {"quantity": 1}),
        ({"quantity": -0.5}, {"quantity": -1}),
        ({"position": "-1"}, {"position": -1}),
        ({"brand": None, "coupon": ""}, {"coupon": ""}),
        ({"currency": "usd"}, {"currency": "USD"}),
        ({"colour": "blue", "sizes": [1, None]}, {"colour": "blue", "sizes": [1, None]}),
    ],
)
def test_a_value_gets_the_type_of_its_field(posted: dict[str, Any], logged: dict[str, Any]) -> None:
    assert read("Product Added", posted) == logged


def test_an_empty_text_where_a_number_or_an_amount_belongs_says_nothing() -> None:
    line = {"product_id": "p1", "price": "", "quantity": "", "coupon": "", "weight": ""}
    order = {"orderId": "o1", "total": "39.90", "discount": "", "products": [line]}
    assert read("Order Completed", order) == {
        "order_id": "o1",
        "total": [3990, "EUR"],
        "products": [{"product_id": "p1", "coupon": "", "weight": ""}],
    }


def test_false_says_nothing_but_where_a_yes_or_a_no_belongs() -> None:
    product = {"product_id": "p1", "image_url": False, "sku": False, "price": False, "in_stock": False}
    assert read("Product Added", product) == {"product_id": "p1", "in_stock": False}
    assert read("Message Bounced", {"message_id": "m", "hard": False}) == {"message_id": "m", "hard": False}
    assert refusal("Complaint Opened", {"ticket_id": False}).code == "missing"


def test_a_rating_in_digits_is_a_number() -> None:
    assert read("Product Reviewed", {"rating": "4.5"}) == {"rating": 4.5}


@pytest.mark.parametrize(
    ("value", "meant"), [(True, True), ("true", True), (1, True), (False, False), ("false", False), (0, False)]
)
def test_true_and_false_are_written_in_several_ways(value: Any, meant: bool) -> None:
    assert read("Message Bounced", {"message_id": "m", "hard": value})["hard"] is meant


@pytest.mark.parametrize(
    ("name", "posted", "field"),
    [
        ("Product Added", {"product_id": {"a": 1}}, "product_id"),
        ("Product Added", {"product_id": True}, "product_id"),
        ("Product Added", {"product_id": 1e300}, "product_id"),
        ("Product Added", {"product_id": 2**64}, "product_id"),
        ("Product Added", {"id": ["p"]}, "id"),
        ("Product Added", {"quantity": "two"}, "quantity"),
        ("Product Added", {"position": 1.5}, "position"),
        ("Product Added", {"quantity": "1e1000000"}, "quantity"),
        ("Product Added", {"quantity": 2**54}, "quantity"),
        ("Product Added", {"quantity": True}, "quantity"),
        ("Product Reviewed", {"rating": "good"}, "rating"),
        ("Product Reviewed", {"rating": float("nan")}, "rating"),
        ("Message Bounced", {"message_id": "m", "hard": "maybe"}, "hard"),
        ("Message Bounced", {"message_id": "m", "hard": 2}, "hard"),
        ("Cart Updated", {"products": {}}, "products"),
        ("Cart Updated", {"products": [{}, 7]}, "products[1]"),
        ("Cart Updated", {"products": [{"quantity": {}}]}, "products[0].quantity"),
        ("Identify", {"traits": []}, "traits"),
        ("Product List Filtered", {"filters": ["price"]}, "filters"),
        ("Message Decided", {"message_id": "m", "verdict": "sent", "gates": [{"gate": "consent"}]}, "gates"),
    ],
)
def test_a_wrong_type_is_refused_and_its_field_named(name: str, posted: dict[str, Any], field: str) -> None:
    refused = refusal(name, posted)
    assert (refused.code, refused.field) == ("wrong_type", f"properties.{field}")
    assert refused.message.startswith(f"properties.{field} must be ")
    assert len(refused.message) < 250


def test_a_refusal_says_what_was_there_and_what_was_wanted() -> None:
    assert refusal("Product Added", {"quantity": "two"}).message == (
        "properties.quantity must be a whole number, not 'two'"
    )


def test_an_id_longer_than_a_key_is_refused() -> None:
    for spelling in ("cart_id", "cartId"):
        assert read("Product Added", {spelling: "c" * ID_LENGTH}) == {"cart_id": "c" * ID_LENGTH}
    refused = refusal("Order Completed", {"products": [{"product_id": "p" * (ID_LENGTH + 1)}]})
    assert (refused.code, refused.field) == ("id_too_long", "properties.products[0].product_id")


@pytest.mark.parametrize("ticket", [{}, {"ticket_id": None}, {"ticket_id": ""}])
def test_a_complaint_without_its_ticket_is_refused(ticket: dict[str, Any]) -> None:
    refused = refusal("Complaint Opened", {"subject": "broken", **ticket})
    assert (refused.code, refused.field) == ("missing", "properties.ticket_id")


def test_zero_is_not_missing() -> None:
    assert read("Feed Complete", {"feed": "erp", "through": 0}) == {"feed": "erp", "through": 0}


@pytest.mark.parametrize("written", ["2026-11-23T15:00:00+01:00", MONDAY // 1000, MONDAY, str(MONDAY)])
def test_an_instant_is_kept_in_milliseconds_however_it_is_written(written: Any) -> None:
    assert read("Shipment Delivered", {"promisedAt": written}) == {"promised_at": MONDAY}
    assert read("Feed Complete", {"feed": "erp", "through": written}) == {"feed": "erp", "through": MONDAY}


@pytest.mark.parametrize("written", ["2026-11-23", " 2026-11-23 ", "20261123"])
def test_what_is_promised_for_a_day_is_promised_until_that_is_over(written: str) -> None:
    over = int(datetime(2026, 11, 24, tzinfo=UTC).timestamp() * 1000)
    assert read("Shipment Delivered", {"promised_at": written}) == {"promised_at": over - 1}
    assert read("Feed Complete", {"feed": "erp", "through": written}) == {"feed": "erp", "through": over - DAY}


def test_what_is_no_instant_is_refused_by_name() -> None:
    refused = refusal("Feed Complete", {"feed": "erp", "through": "yesterday"})
    assert (refused.code, refused.field) == ("wrong_type", "properties.through")
    assert 'a time like "2026-11-23T14:00:00Z"' in refused.message


# What is not ours to judge


def test_an_unknown_event_is_kept_as_it_came() -> None:
    properties = {"price": "39,90", "id": 7, "nothing": None, "$meta": 1}
    logged = canonical("Quiz Finished", properties, "EUR")
    assert (logged.name, msgspec.json.decode(logged.properties)) == ("Quiz Finished", properties)


@pytest.mark.parametrize(
    ("name", "posted"),
    [
        ("Complaint Opened", {"ticket_id": "t1", "currency": "US dollars"}),
        ("Page", {"url": "/", "currency": 978}),
        ("Contact Made", {"channel": "call", "currency": ["EUR"]}),
    ],
)
def test_an_event_without_amounts_is_not_refused_for_a_currency_that_it_has_no_use_for(
    name: str, posted: dict[str, Any]
) -> None:
    assert read(name, posted) == posted


@pytest.mark.parametrize("name", ["Order Completed", "Product List Viewed"])
def test_a_currency_in_which_nothing_can_be_counted_is_refused_by_name(name: str) -> None:
    refused = refusal(name, {"currency": "US dollars", "products": [{"price": 5}]})
    assert (refused.code, refused.field) == ("wrong_type", "properties.currency")


@pytest.mark.parametrize("meta", [{"scope": "system"}, {"scope": 5}, [], "x"])
def test_nobody_posts_what_only_the_log_knows(meta: Any) -> None:
    assert read("Page", {"$meta": meta, "url": "/"}) == {"url": "/"}


def test_what_was_posted_is_left_alone() -> None:
    properties = {"id": 1, "price": 39.9, "products": [{"price": 1}]}
    canonical("Product Added", properties, "EUR")
    assert properties == {"id": 1, "price": 39.9, "products": [{"price": 1}]}


def test_the_gates_of_a_decision_are_kept_whole() -> None:
    gate = GateRecord("consent", GateVerdict.OPEN, {"entry": 3})
    decided = MessageDecided(message_id="m", verdict="sent", gates=(gate,), consent_entry=3)
    assert typed("Message Decided", msgspec.to_builtins(decided)) == decided


# Properties


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: st.integers(-(2**53), 2**53),
    float: st.floats(-1e15, 1e15),
    bool: st.booleans(),
    type(None): st.none(),
    Any: st.none() | st.integers(-9, 9) | st.text("ab"),
    dict[str, Any]: st.dictionaries(st.text("abc", min_size=1), st.integers(0, 9), max_size=2),
    Money: st.builds(Money, st.integers(-(2**53), 2**53), st.sampled_from(["EUR", "JPY", "KWD"])),
    GateRecord: st.builds(GateRecord, st.text("ab"), st.sampled_from(GateVerdict), facts=st.just({"seen": 1})),
}


INSTANTS = st.just(0) | st.integers(EARLIEST, 10**15 - 1)  # ms


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Values that a field of this type may hold."""
    if kind in VALUES:
        return VALUES[kind]
    if get_origin(kind) is tuple:
        return st.lists(values_of(get_args(kind)[0]), max_size=3).map(tuple)
    if get_args(kind):
        return st.one_of([values_of(arg) for arg in get_args(kind)])
    return structs(kind)


def structs(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Instances of a struct with some of its fields said."""
    hints = {name: hint for name, hint in get_type_hints(kind).items() if name in kind.__struct_fields__}
    said = {name: values_of(hint) for name, hint in hints.items() if name not in {"meta", "currency"}}
    said |= {name: INSTANTS for name in said if hints[name] is int and (name.endswith("_at") or name == "through")}
    if "currency" in hints:
        said["currency"] = st.sampled_from(["EUR", "USD"])
    required = {field.name for field in msgspec.structs.fields(kind) if field.required}
    optional = {name: values for name, values in said.items() if name not in required}
    return st.fixed_dictionaries({name: said[name] for name in sorted(required)}, optional=optional).map(
        lambda fields: kind(**fields)
    )


EVENTS = st.sampled_from(known_names()).flatmap(lambda name: structs(class_of(name)))


@given(EVENTS)
@example(StepFinished(run_id="r1", n=1, value=""))
@example(StepFinished(run_id="r1", n=1, value=False))
def test_an_event_written_by_us_reads_back_as_itself(event: Event) -> None:
    posted = msgspec.json.decode(msgspec.json.encode(event))
    assert typed(name_of(type(event)), posted) == event


HOSTILE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(2**52, 2**70)
    | st.floats()
    | st.sampled_from(["39.90", "1e400", "nan", "-0", "true", "", "EUR", "2", "x" * 300])
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, st.sampled_from(["EUR", "usd", ""])).map(list)
        | st.dictionaries(
            st.sampled_from(
                ["amount", "currency", "value", "product_id", "id", "price", "quantity", "gate", "verdict"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


def posted_to(name: str) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    fields = fields_of(class_of(name))
    keys = st.sampled_from([*fields.readers, *fields.spellings, "$meta", "extra"])
    return st.tuples(st.just(name), st.dictionaries(keys, HOSTILE, max_size=6))


def answer(name: str, properties: dict[str, Any]) -> Canonical | InvalidInput:
    try:
        return canonical(name, properties, "EUR")
    except InvalidInput as refused:
        return refused


@given(st.sampled_from(known_names()).flatmap(posted_to))
def test_whatever_is_posted_is_refused_by_name_or_decodes_and_is_the_same_when_posted_again(
    posted: tuple[str, dict[str, Any]],
) -> None:
    first = answer(*posted)
    if isinstance(first, InvalidInput):
        assert first.code in {"wrong_type", "id_too_long", "missing"}
        assert str(first.field).startswith("properties.")
    else:
        assert type(decode(first.name, first.properties, Meta())) is class_of(posted[0])
        assert canonical(first.name, msgspec.json.decode(first.properties), "EUR") == first
