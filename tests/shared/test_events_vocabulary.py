"""The vocabulary: every event by name, what the customer did and what is only known about them."""

from __future__ import annotations

from typing import assert_type

import msgspec
import pytest

import tactful.events as shop_window
from tactful.events import (
    CheckoutStarted,
    Event,
    FeedComplete,
    MessageDecided,
    Meta,
    Money,
    OrderCompleted,
    Page,
    Product,
    ProductAdded,
    StepFinished,
    UnknownEvent,
)
from tactful.events.model import canonical_name, class_of, decode, is_act, known_names, name_of

ACTS = {
    "Products Searched": (),
    "Product List Viewed": ("Viewed Product Category", "Viewed Product List"),
    "Product List Filtered": ("Filtered Product List",),
    "Promotion Viewed": ("Viewed Promotion",),
    "Promotion Clicked": ("Clicked Promotion",),
    "Product Clicked": ("Clicked Product",),
    "Product Viewed": ("Viewed Product",),
    "Product Added": ("Added Product",),
    "Product Removed": ("Removed Product",),
    "Cart Viewed": ("Viewed Cart",),
    "Cart Updated": (),
    "Checkout Started": ("Started Order", "Started Checkout"),
    "Checkout Step Viewed": ("Viewed Checkout Step",),
    "Checkout Step Completed": ("Completed Checkout Step",),
    "Payment Info Entered": ("Entered Payment Info",),
    "Order Completed": ("Completed Order",),
    "Coupon Entered": ("Entered Coupon",),
    "Coupon Applied": ("Applied Coupon",),
    "Coupon Denied": ("Denied Coupon",),
    "Coupon Removed": ("Removed Coupon",),
    "Product Added to Wishlist": ("Added Product to Wishlist",),
    "Product Removed from Wishlist": ("Removed Product from Wishlist",),
    "Wishlist Product Added to Cart": ("Wishlist Product Added", "Added Wishlist Product to Cart"),
    "Product Shared": ("Shared Product",),
    "Cart Shared": ("Shared Cart",),
    "Product Reviewed": ("Reviewed Product",),
    "Page": ("page",),
    "Screen": ("screen",),
}
FACTS = {
    "Order Updated": ("Updated Order",),
    "Order Cancelled": ("Cancelled Order",),
    "Order Refunded": ("Refunded Order",),
    "Product Back In Stock": (),
    "Product Price Changed": (),
    "Shipment Delivered": (),
    "Complaint Opened": (),
    "Complaint Closed": (),
    "Complaint Reopened": (),
    "Contact Made": (),
    "Customer Flagged": (),
    "Customer Recognised": (),
    "Story Read": (),
    "Address Reopened": (),
    "Feed Complete": (),
    "Survey Answered": (),
    "Identify": ("identify",),
    "Group": ("group",),
    "Alias": ("alias",),
    "Consent Changed": (),
    "Message Decided": (),
    "Hold Opened": (),
    "Message Delivered": (),
    "Message Opened": (),
    "Message Clicked": (),
    "Message Replied": (),
    "Message Bounced": (),
    "Message Complained": (),
    "Preferences Changed": (),
    "Step Finished": (),
}
NEEDED = {
    "Product Back In Stock": {"product_id"},
    "Product Price Changed": {"product_id"},
    "Complaint Opened": {"ticket_id"},
    "Complaint Closed": {"ticket_id"},
    "Complaint Reopened": {"ticket_id"},
    "Feed Complete": {"feed", "through"},
    "Consent Changed": {"purpose", "state"},
    "Message Decided": {"message_id", "verdict"},
    "Hold Opened": {"message_id"},
    "Message Delivered": {"message_id"},
    "Message Opened": {"message_id"},
    "Message Clicked": {"message_id"},
    "Message Replied": {"message_id"},
    "Message Bounced": {"message_id"},
    "Message Complained": {"message_id"},
    "Preferences Changed": {"change"},
    "Step Finished": {"run_id", "n"},
}
FIELDS = {
    "Cart Updated": "cart_id currency value products",
    "Product Back In Stock": "product_id name url",
    "Product Price Changed": "product_id old_price price currency",
    "Shipment Delivered": "order_id shipment_id promised_at carrier",
    "Complaint Opened": "ticket_id subject channel text",
    "Complaint Closed": "ticket_id resolution",
    "Complaint Reopened": "ticket_id reason text",
    "Contact Made": "channel by purpose",
    "Customer Flagged": "reason",
    "Feed Complete": "feed through",
    "Survey Answered": "survey question answer text message_id",
    "Identify": "email phone push_token first_name last_name locale timezone country birthday traits unset implied",
    "Page": "name category path title_text url referrer search",
    "Screen": "name category",
    "Group": "group_id traits",
    "Alias": "previous_id",
    "Customer Recognised": "anonymous",
    "Story Read": "by",
    "Address Reopened": "channel by why was",
    "Consent Changed": "purpose channel state basis wording via once proof entry",
    "Message Decided": (
        "message_id run_id rule rule_version run_key channel template variant purpose verdict reason scope facts gates "
        "consent_entry requested_at decided_at subject provider provider_id content_version detail url contact"
    ),
    "Hold Opened": "message_id run_id hold reason",
    "Message Delivered": "message_id run_id rule channel at detail",
    "Message Opened": "message_id run_id rule channel at detail prefetched",
    "Message Clicked": "message_id run_id rule channel at detail url prefetched",
    "Message Replied": "message_id run_id rule channel at detail text reply_id",
    "Message Bounced": "message_id run_id rule channel at detail hard",
    "Message Complained": "message_id run_id rule channel at detail",
    "Preferences Changed": "change rule until",
    "Step Finished": "run_id n value error",
}
ALIASES = [(alias, name) for name, aliases in (ACTS | FACTS).items() for alias in aliases]


def test_the_tables_name_every_event_there_is() -> None:
    assert sorted(ACTS | FACTS) == list(known_names())
    assert len(known_names()) == 58


@pytest.mark.parametrize("name", ACTS)
def test_what_the_customer_does_is_an_act(name: str) -> None:
    assert is_act(name, "server")


@pytest.mark.parametrize("name", FACTS)
def test_what_is_known_about_them_is_a_fact_whoever_posts_it(name: str) -> None:
    assert not is_act(name, "browser")


@pytest.mark.parametrize("name", ACTS | FACTS)
def test_an_event_answers_to_its_name_and_to_the_aliases_of_the_table_alone(name: str) -> None:
    event = class_of(name)
    assert name_of(event) == name
    assert event.aliases == (ACTS | FACTS)[name]


@pytest.mark.parametrize(("alias", "name"), ALIASES)
def test_an_alias_is_the_event_itself(alias: str, name: str) -> None:
    assert canonical_name(alias) == name
    assert class_of(alias) is class_of(name)


def test_no_two_events_answer_to_one_name() -> None:
    names = [*known_names(), *(alias for alias, _ in ALIASES)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ACTS | FACTS)
def test_an_event_needs_only_what_it_means_nothing_without(name: str) -> None:
    required = {field.name for field in msgspec.structs.fields(class_of(name)) if field.required}
    assert required == NEEDED.get(name, set())


@pytest.mark.parametrize("name", FIELDS)
def test_an_event_of_ours_carries_what_the_services_agreed_on(name: str) -> None:
    assert [field for field in class_of(name).__struct_fields__ if field != "meta"] == FIELDS[name].split()


def test_the_shop_window_shows_every_event_and_nothing_else() -> None:
    beside = {"Event", "Meta", "Money", "Product", "UnknownEvent"}
    assert set(shop_window.__all__) == beside | {class_of(name).__name__ for name in ACTS | FACTS}
    assert all(hasattr(shop_window, name) for name in shop_window.__all__)


def test_an_unknown_event_is_an_act_when_a_browser_posts_it() -> None:
    assert is_act("Quiz Finished", "browser")
    assert not is_act("Quiz Finished", "server")


def test_an_event_is_written_with_keywords_and_cannot_be_changed() -> None:
    added = ProductAdded(cart_id="c1", product_id="p1", price=Money(3990, "EUR"))
    assert added.product == Product(product_id="p1", price=Money(3990, "EUR"))
    with pytest.raises(AttributeError, match="immutable"):
        added.cart_id = "c2"  # type: ignore[misc]


def test_a_checkout_has_no_cart() -> None:
    assert "cart_id" not in CheckoutStarted.__struct_fields__


def test_a_decoded_event_knows_where_it_stands_in_the_log() -> None:
    meta = Meta(id="e1", source="web", occurred_at=1, appended_at=2)
    event = decode("Product Added", b'{"product_id":"p1","price":[3990,"EUR"],"quantity":2,"colour":"blue"}', meta)
    assert event == ProductAdded(product_id="p1", price=Money(3990, "EUR"), quantity=2, meta=meta)
    assert event.meta.appended_at == 2


def test_what_is_posted_cannot_pretend_to_be_from_the_log() -> None:
    assert decode("Page", b'{"$meta":{"scope":"system"}}', Meta()).meta.scope == "server"


def test_what_is_not_canonical_is_not_decoded() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"\$\.price"):
        decode("Product Added", b'{"price":39.9}', Meta())


def test_an_unknown_event_keeps_its_name_and_properties() -> None:
    event = decode("Quiz Finished", b'{"score":7}', Meta())
    assert event == UnknownEvent(name="Quiz Finished", properties={"score": 7})


def test_the_kind_of_an_event_tells_the_type_checker_its_fields() -> None:
    def waited_for(found: bool) -> OrderCompleted | None:
        return OrderCompleted(order_id="o1") if found else None

    order = waited_for(True)
    assert_type(order, OrderCompleted | None)
    if order is None:
        pytest.fail("an order was waited for")
    assert_type(order, OrderCompleted)
    assert_type(order.total, Money | None)
    assert_type(order.products, tuple[Product, ...])
    assert_type(ProductAdded().product, Product)
    event: Event = order
    assert isinstance(event, ProductAdded | OrderCompleted)
    assert_type(event, ProductAdded | OrderCompleted)


def test_fields_named_like_something_else_have_another_name_in_python() -> None:
    assert FeedComplete(feed="erp", through=5).feed == "erp"
    assert Page(title_text="Welcome").title == ""


def test_answers_of_dispatch_and_of_steps_tell_what_is_missing_from_what_is_false() -> None:
    assert MessageDecided(message_id="m1", verdict="sent").reason is None
    assert StepFinished(run_id="r1", n=0, value=False).value is False
