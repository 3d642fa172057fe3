"""What the shipped rule promises, cell by cell: docs/reference/abandoned_cart.md."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from enginebench import Decide, EngineBench, Word, refused, sent

from tactful.clock import HOUR, MINUTE
from tactful.durations import milliseconds
from tactful.events import (
    CartShared,
    CartUpdated,
    CheckoutStarted,
    ComplaintClosed,
    ComplaintOpened,
    Event,
    Money,
    OrderCompleted,
    OrderRefunded,
    Page,
    Product,
    ProductAdded,
    ProductRemoved,
    ProductViewed,
    ShipmentDelivered,
    WishlistProductAddedToCart,
)
from tactful.records import MessageBody
from tactful_trigger.rules import abandoned_cart

KETTLE = Product(
    product_id="p1", name="Kettle", price=Money(4900, "EUR"), url="https://s/p1", image_url="https://s/p1.png"
)
ADD = ProductAdded(product_id="p1", cart_id="c1", name="Kettle", price=Money(4900, "EUR"))
GIFT = ProductAdded(product_id="g1", cart_id="c1", category="Gift cards", price=Money(5000, "EUR"))


def bench_with(decide: Decide = sent, **parameters: Any) -> EngineBench:
    """The rule under an operator's parameters."""
    bench = EngineBench(abandoned_cart, decide=decide)
    bench.broadcast("Settings Changed", rules={"abandoned_cart": parameters})
    return bench


def left_alone(bench: EngineBench, *events: Event, length: str = "1h") -> EngineBench:
    bench.emits("u1", *(events or (ADD,)))
    bench.advance(length)
    return bench


def by_channel(**words: Word | None) -> Decide:
    """Dispatch answers by channel; what is not named is sent."""
    return lambda message: words.get(message.channel, {"verdict": "sent"})


def no_way(scope: str, reason: str) -> Word:
    return {"verdict": "not_sent", "reason": reason, "scope": scope}


def reminders(bench: EngineBench, every: str, times: int, then: str = "0s") -> EngineBench:
    """A cart is left alone again and again; only the one e-mail, nobody reacts."""
    for _ in range(times):
        left_alone(bench)
        bench.advance(timedelta(milliseconds=milliseconds(every) - HOUR))
    bench.advance(then)
    return bench


# starts


@pytest.mark.parametrize(
    "event",
    [
        ADD,
        WishlistProductAddedToCart(product_id="p1", cart_id="c1"),
        CartUpdated(cart_id="c1", products=(KETTLE,)),
        CheckoutStarted(products=(KETTLE,)),
    ],
    ids=["an add", "an add from the wishlist", "a whole cart", "a checkout that was begun"],
)
def test_a_cart_that_is_left_alone_for_an_hour_is_reminded_of(event: Event) -> None:
    bench = left_alone(bench_with(), event, length="59m")
    assert bench.messages == []
    bench.advance("1m")
    assert bench.sent() == ["email abandoned_cart"]


def test_what_is_left_after_a_removal_is_reminded_of() -> None:
    bench = left_alone(bench_with(), ADD, ProductAdded(product_id="p2"), ProductRemoved(product_id="p1"))
    assert [item["product_id"] for item in bench.messages[0].data["items"]] == ["p2"]


def test_a_removal_alone_can_begin_the_hour() -> None:
    bench = bench_with()
    bench.emits("u1", ADD, ProductAdded(product_id="p2"), history=True)
    left_alone(bench, ProductRemoved(product_id="p1"))
    assert len(bench.messages) == 1


@pytest.mark.parametrize("act", [ADD, Page(url="https://s/"), ProductViewed(product_id="p9")], ids=type)
def test_any_activity_begins_the_hour_anew(act: Event) -> None:
    bench = left_alone(bench_with(), length="50m")
    left_alone(bench, act, length="59m")
    assert bench.messages == []
    bench.advance("1m")
    assert len(bench.messages) == 1


def test_what_others_do_about_a_customer_is_no_activity() -> None:
    bench = left_alone(bench_with(), length="50m")
    left_alone(bench, ShipmentDelivered(order_id="o0"), length="10m")
    assert len(bench.messages) == 1


def test_a_look_without_a_cart_starts_nothing() -> None:
    bench = left_alone(bench_with(), ProductViewed(product_id="p1"), length="1d")
    assert (bench.messages, bench.endings("u1")) == ([], [])


def test_an_event_older_than_72_hours_starts_nothing() -> None:
    bench = bench_with()
    bench.emits("u1", ADD, ago="73h")
    bench.advance("1d")
    assert bench.messages == []


def test_the_operator_sets_how_long_a_cart_is_left_alone() -> None:
    bench = left_alone(bench_with(delay="4h"), length="239m")
    assert bench.messages == []
    bench.advance("1m")
    assert len(bench.messages) == 1


def test_one_customer_has_one_run_however_many_products_and_carts() -> None:
    bench = left_alone(bench_with(), ADD, ProductAdded(product_id="p2", cart_id="c2"), CheckoutStarted())
    assert len(bench.messages) <= 1
    assert len(bench.runs("u1")) <= 1


# silent


def test_an_emptied_cart_is_not_spoken_of() -> None:
    bench = left_alone(bench_with(), ADD, ProductRemoved(product_id="p1"))
    assert (bench.messages, bench.endings("u1")) == ([], ["cart emptied"])


def test_a_cart_below_the_minimum_value_is_not_spoken_of() -> None:
    bench = left_alone(bench_with(min_value=4901))
    assert (bench.messages, bench.endings("u1")) == ([], ["below min_value"])


def test_a_cart_of_exactly_the_minimum_value_is_reminded_of() -> None:
    assert len(left_alone(bench_with(min_value=4900)).messages) == 1


# cancels


@pytest.mark.parametrize(
    "order",
    [
        OrderCompleted(order_id="o1"),
        OrderCompleted(order_id="o1", channel="store"),
        OrderCompleted(order_id="o1", products=(Product(product_id="another"),)),
    ],
    ids=["online", "in store", "something else"],
)
def test_any_order_ends_it(order: Event) -> None:
    bench = left_alone(bench_with(), length="59m")
    left_alone(bench, order, length="2d")
    assert (bench.messages, bench.endings("u1")) == ([], ["goal reached"])


def test_an_order_from_another_source_ends_it() -> None:
    bench = left_alone(bench_with(), length="30m")
    bench.emits("u1", OrderCompleted(order_id="o1"), source="tills")
    bench.advance("2d")
    assert bench.messages == []


@pytest.mark.parametrize(
    "news", [OrderCompleted(order_id="o1"), ComplaintOpened(ticket_id="t1"), ComplaintClosed(ticket_id="t1")]
)
def test_an_order_or_a_complaint_that_is_told_again_each_night_is_old_news(news: Event) -> None:
    bench = bench_with()
    bench.emits("u1", OrderCompleted(order_id="o1"), ComplaintOpened(ticket_id="t1"), ComplaintClosed(ticket_id="t1"))
    bench.advance("10d")
    bench.emits("u1", ADD)
    told = len(bench.history("u1"))
    bench.emits("u1", news, ago="10d")
    assert (len(bench.runs("u1")), len(bench.history("u1"))) == (1, told)
    bench.emits("u1", news)  # with another time it is news
    assert len(bench.history("u1")) > told


@pytest.mark.parametrize("count", [17, 65], ids=["more than the segment knows", "more than are kept"])
def test_a_shop_that_tells_all_orders_each_night_ends_no_reminder_of_its_best_customers(count: int) -> None:
    bench = bench_with()

    def tell_all_orders() -> None:
        for days in range(count + 3, 3, -1):
            bench.emits("u1", OrderCompleted(order_id=f"o{days}"), ago=f"{days}d")

    tell_all_orders()
    bench.emits("u1", ADD)
    tell_all_orders()
    assert len(bench.runs("u1")) == 1


def test_an_order_at_the_very_deadline_comes_before_it() -> None:
    bench = bench_with()
    due = bench.now + HOUR
    bench.emits("u1", ADD)
    bench.clock.forward_to(due)
    bench.emits("u1", OrderCompleted(order_id="o1"))
    bench.advance("2d")
    assert bench.messages == []


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (OrderCompleted(order_id="o1"), "goal reached"),
        (CartShared(), "ended by Cart Shared"),
        (ComplaintOpened(ticket_id="t1"), "ended by Complaint Opened"),
    ],
    ids=["order", "shared", "complaint"],
)
def test_what_ends_it_takes_back_the_message_that_dispatch_still_holds(event: Event, why: str) -> None:
    bench = left_alone(bench_with(lambda message: None))
    bench.emits("u1", event)
    assert bench.cancelled == [bench.messages[0].message_id]
    assert bench.endings("u1") == [why]


def test_an_order_between_two_rungs_ends_the_ladder() -> None:
    bench = left_alone(bench_with(), length="2h")
    left_alone(bench, OrderCompleted(order_id="o1"), length="3d")
    assert bench.sent() == ["email abandoned_cart"]


def test_a_cart_emptied_while_the_message_is_held_withdraws_it() -> None:
    bench = left_alone(bench_with(lambda message: None))
    bench.emits("u1", ProductRemoved(product_id="p1"))
    bench.decides(bench.messages[0], name="Hold Opened", hold=1, reason="quiet_hours")
    assert (bench.confirms, bench.cancelled) == ([], [bench.messages[0].message_id])


def test_a_held_message_leaves_with_the_cart_of_now() -> None:
    bench = left_alone(bench_with(lambda message: None))
    bench.emits("u1", ProductAdded(product_id="p2"))
    bench.decides(bench.messages[0], name="Hold Opened", hold=1, reason="quiet_hours")
    data = bench.confirms[0].body.data
    assert data is not None
    assert [item["product_id"] for item in data["items"]] == ["p1", "p2"]


@pytest.mark.parametrize(
    "reason", ["withdrawn", "muted_rule", "paused", "complaint_open", "resting", "holdout", "do_not_contact", "expired"]
)
def test_a_refusal_that_is_about_the_customer_ends_the_ladder(reason: str) -> None:
    bench = left_alone(bench_with(refused(reason), sms=True), length="3d")
    assert (bench.sent(), bench.endings("u1")) == (["email abandoned_cart"], [reason])


# how often


def test_one_reminder_in_three_days() -> None:
    bench = left_alone(bench_with(), length="71h")
    left_alone(bench, length="90m")
    assert [m.channel for m in bench.messages].count("email") == 1


def test_three_days_after_it_was_sent_the_next_cart_counts() -> None:
    bench = left_alone(bench_with(), length="1h")
    bench.advance("72h 1m")
    left_alone(bench)
    assert [m.channel for m in bench.messages].count("email") == 2


def test_a_whole_cart_that_is_told_every_night_as_it_was_is_reminded_of_once() -> None:
    bench = bench_with(push=False)
    for _ in range(10):
        bench.emits("u1", CartUpdated(cart_id="c1", products=(KETTLE,)))
        bench.advance("1d")
    assert len(bench.messages) == 1
    assert bench.endings("u1")[-1] == "nothing has changed since the last reminder"
    bench.emits("u1", CartUpdated(cart_id="c1", products=(KETTLE, Product(product_id="p2"))))
    bench.advance("1d")
    assert len(bench.messages) == 2


def test_a_reminder_that_did_not_leave_does_not_begin_the_three_days() -> None:
    bench = left_alone(bench_with(refused("resting")), length="1d")
    left_alone(bench)
    assert len(bench.messages) == 2


def test_four_reminders_in_ninety_days_and_no_fifth() -> None:
    bench = reminders(bench_with(push=False), "10d", 5)
    assert len(bench.messages) == 4


def test_reminders_by_push_alone_count_as_well() -> None:
    bench = reminders(bench_with(by_channel(email=no_way("channel", "no_consent"))), "10d", 6)
    assert [m.channel for m in bench.messages].count("push") == 4


def test_a_reminder_with_two_rungs_counts_once() -> None:
    bench = reminders(bench_with(), "10d", 4)
    assert [m.channel for m in bench.messages] == ["email", "push"] * 4


def test_four_in_a_row_without_a_reaction_and_there_is_none_for_ninety_days() -> None:
    bench = reminders(bench_with(push=False), "29d", 4)  # days 0, 29, 58, 87: the cap alone would allow one on day 116
    left_alone(bench)
    assert len(bench.messages) == 4


def test_ninety_days_after_the_fourth_the_next_cart_counts() -> None:
    bench = reminders(bench_with(push=False), "29d", 4, then="62d")
    left_alone(bench)
    assert len(bench.messages) == 5


def test_a_reaction_to_one_of_four_keeps_them_coming() -> None:
    bench = reminders(bench_with(push=False), "29d", 3)
    bench.decides(bench.messages[-1], name="Message Clicked")
    reminders(bench, "29d", 2)
    assert len(bench.messages) == 5


# ladder


def test_an_email_that_nobody_noticed_in_24_hours_is_followed_by_a_push() -> None:
    bench = left_alone(bench_with(), length="25h")
    bench.advance("1s")
    assert bench.sent() == ["email abandoned_cart", "push abandoned_cart"]
    email, push = bench.messages
    assert push.requested_at - email.requested_at == pytest.approx(24 * HOUR, abs=MINUTE)


def test_nobody_gets_the_push_while_they_are_shopping() -> None:
    bench = left_alone(bench_with(), length="1h")
    bench.advance("23h 30m")
    left_alone(bench, ProductViewed(product_id="p1"), length="20m")
    left_alone(bench, ADD, length="59m")
    assert bench.sent() == ["email abandoned_cart"]
    bench.advance("2m")
    assert bench.sent() == ["email abandoned_cart", "push abandoned_cart"]


def test_who_notices_the_email_while_they_are_shopping_gets_no_push() -> None:
    bench = left_alone(bench_with(), length="1h")
    bench.advance("23h 30m")
    left_alone(bench, ADD, length="40m")
    bench.decides(bench.messages[0], name="Message Clicked")
    bench.advance("5d")
    assert (bench.sent(), bench.endings("u1")[0]) == (["email abandoned_cart"], "engaged on email")


@pytest.mark.parametrize("reaction", ["Message Opened", "Message Clicked", "Message Replied"])
def test_an_email_that_was_noticed_is_followed_by_nothing(reaction: str) -> None:
    bench = left_alone(bench_with(sms=True))
    bench.decides(bench.messages[0], name=reaction)
    bench.advance("5d")
    assert (bench.sent(), bench.endings("u1")) == (["email abandoned_cart"], ["engaged on email"])


def noticed(**parameters: Any) -> EngineBench:
    """The first e-mail was opened as soon as it came."""
    bench = left_alone(bench_with(**parameters))
    bench.decides(bench.messages[0], name="Message Opened")
    return bench


def test_who_read_the_first_may_be_written_to_once_more_where_the_shop_wants_it() -> None:
    bench = noticed(second_after="48h")
    bench.advance("30d")
    first, second = bench.messages
    assert second.requested_at - first.requested_at == pytest.approx(48 * HOUR, abs=MINUTE)
    assert (first.data["again"], second.data["again"], first.contact) == (False, True, second.contact)
    assert bench.endings("u1") == ["reminded twice"]


def test_the_second_e_mail_comes_so_long_after_the_first_has_left() -> None:
    bench = left_alone(bench_with(lambda message: None, second_after="36h"))
    bench.advance("10h")
    bench.decides(bench.messages[0], verdict="sent")
    left = bench.now
    bench.decides(bench.messages[0], name="Message Opened")
    bench.advance("3d")
    assert bench.messages[1].requested_at - left == 36 * HOUR


def test_who_did_not_read_the_first_gets_no_second_e_mail() -> None:
    assert left_alone(bench_with(second_after="48h"), length="5d").sent() == [
        "email abandoned_cart",
        "push abandoned_cart",
    ]


@pytest.mark.parametrize(
    ("news", "why"),
    [(ADD, "came back to the cart"), (OrderCompleted(order_id="o1"), "goal reached")],
    ids=["touched the cart", "ordered"],
)
def test_who_came_back_after_the_first_gets_no_second_e_mail(news: Event, why: str) -> None:
    bench = noticed(second_after="48h")
    bench.advance("1h")
    bench.emits("u1", news)
    bench.advance("2d")
    assert (len(bench.messages), bench.endings("u1")[0]) == (1, why)


def test_sms_is_off_unless_the_shop_wants_it() -> None:
    bench = left_alone(bench_with(), length="5d")
    assert [m.channel for m in bench.messages] == ["email", "push"]


def test_where_sms_is_on_it_follows_four_hours_after_the_push() -> None:
    bench = left_alone(bench_with(sms=True), length="5d")
    email, push, sms = bench.messages
    assert (email.channel, push.channel, sms.channel) == ("email", "push", "sms")
    assert sms.requested_at - push.requested_at == pytest.approx(4 * HOUR, abs=MINUTE)


def test_sms_is_for_carts_that_are_worth_it() -> None:
    bench = left_alone(bench_with(sms=True, sms_min_value=4901), length="5d")
    assert [m.channel for m in bench.messages] == ["email", "push"]
    bench = left_alone(bench_with(sms=True, sms_min_value=4900), length="5d")
    assert [m.channel for m in bench.messages] == ["email", "push", "sms"]


def test_who_cannot_have_the_email_gets_the_push_at_once() -> None:
    bench = left_alone(bench_with(by_channel(email=no_way("channel", "no_address"))))
    assert bench.sent() == ["email abandoned_cart", "push abandoned_cart"]


def test_who_can_have_neither_email_nor_push_does_not_get_the_sms_earlier() -> None:
    quiet = by_channel(email=no_way("channel", "no_consent"), push=no_way("channel", "no_address"), sms=None)
    bench = left_alone(bench_with(quiet, sms=True))
    email, _, sms = bench.messages
    assert sms.not_before == email.requested_at + 28 * HOUR


def test_an_unknown_outcome_counts_as_sent_and_never_climbs_to_sms() -> None:
    bench = left_alone(bench_with(by_channel(email={"verdict": "unknown"}), sms=True), length="5d")
    assert [m.channel for m in bench.messages] == ["email", "push"]


def test_the_operator_sets_the_ladder() -> None:
    bench = left_alone(bench_with(push=False, sms=True, email_patience="2h"), length="3h")
    bench.advance("1s")
    assert [m.channel for m in bench.messages] == ["email", "sms"]


def test_patience_begins_when_the_message_leaves() -> None:
    bench = left_alone(bench_with(by_channel(email=None)), length="13h")
    bench.decides(bench.messages[0], verdict="sent")
    bench.advance("23h")
    assert bench.sent() == ["email abandoned_cart"]
    bench.advance("61m")
    assert bench.sent() == ["email abandoned_cart", "push abandoned_cart"]


# expires


def lives(message: MessageBody) -> int:
    return message.expires_at - message.requested_at


def test_an_email_expires_after_24_hours_push_and_sms_after_6() -> None:
    bench = left_alone(bench_with(sms=True), length="5d")
    assert {m.channel: lives(m) for m in bench.messages} == {"email": 24 * HOUR, "push": 6 * HOUR, "sms": 6 * HOUR}


# says


def test_it_names_the_products_at_their_price_and_the_value_of_the_cart() -> None:
    data = left_alone(bench_with(), CartUpdated(cart_id="c1", products=(KETTLE,))).messages[0].data
    assert data["items"] == [
        {
            "product_id": "p1",
            "title": "Kettle",
            "quantity": 1,
            "price": [4900, "EUR"],
            "url": "https://s/p1",
            "image_url": "https://s/p1.png",
        }
    ]
    assert (data["cart_id"], data["shown"], data["value"]) == ("c1", 3, [4900, "EUR"])


@pytest.mark.parametrize(("channel", "said"), [("store", True), ("web", None)])
def test_it_knows_who_buys_in_the_store_too(channel: str, said: bool | None) -> None:
    bench = bench_with()
    bench.emits("u1", OrderCompleted(order_id="o1", channel=channel))
    bench.advance("30d")
    assert left_alone(bench).messages[0].data.get("store") is said


def test_a_basket_of_ninety_wide_lines_is_reminded_of_like_any_other() -> None:
    bench, wide = bench_with(), "x" * 380
    for number in range(90):
        url = f"https://s/p{number}/{wide}"
        line = Product(product_id=f"p{number}", name=f"Tile {number}", price=Money(100, "EUR"), url=url, image_url=url)
        bench.emits("u1", ProductAdded(cart_id="c1", **msgspec.structs.asdict(line)))
    bench.advance("1h")
    data = bench.messages[0].data
    assert (len(data["items"]), data["value"]) == (90, [9000, "EUR"])
    assert [item["title"] for item in data["items"][:3]] == ["Tile 0", "Tile 1", "Tile 2"]
    assert {tuple(item) for item in data["items"]} == {tuple(data["items"][0])}, "whatever a template shows of a line"
    assert len(msgspec.json.encode(data)) < 32_000
    bench.advance("3d")
    assert bench.endings("u1") == ["no reaction"]
    row = bench.row("u1")
    assert row is not None
    assert not row.blocked


@pytest.mark.parametrize("name", ["", "   ", "&nbsp;", "\u200b"])
def test_a_product_of_which_no_name_is_known_or_seen_goes_by_its_id(name: str) -> None:
    data = left_alone(bench_with(), ProductAdded(product_id="p7", name=name)).messages[0].data
    assert [item["title"] for item in data["items"]] == ["p7"]


def test_the_shop_can_compare_two_wordings() -> None:
    bench = bench_with(variants=["plain", "promise"])
    for number in range(40):
        bench.emits(f"u{number}", ADD)
    bench.advance("1h")
    assert {m.variant for m in bench.messages} == {"plain", "promise"}


def test_the_wording_is_plain_unless_the_shop_compares() -> None:
    assert left_alone(bench_with()).messages[0].variant == "plain"


def test_it_says_what_it_is_about_and_how_urgent() -> None:
    message = left_alone(bench_with()).messages[0]
    assert (message.purpose, message.priority, tuple(message.uses)) == (
        "marketing.cart",
        40,
        ("cart", "engagement", "orders"),
    )


# what makes customers angry


def test_a_gift_goes_by_email_alone_and_is_marked_as_one() -> None:
    bench = left_alone(bench_with(sms=True), GIFT, length="5d")
    assert [m.channel for m in bench.messages] == ["email"]
    assert bench.messages[0].data["gift"] is True


def test_a_gift_that_is_added_after_the_email_keeps_the_push_back() -> None:
    bench = left_alone(bench_with(sms=True), length="2h")
    left_alone(bench, GIFT, length="5d")
    assert [m.channel for m in bench.messages] == ["email"]


def test_a_sensitive_category_is_never_named() -> None:
    private = ProductAdded(product_id="x1", cart_id="c1", category="Intimate", price=Money(900, "EUR"))
    mixed = left_alone(bench_with(sensitive=["intimate"]), private, ADD)
    data = mixed.messages[0].data
    assert ([item["product_id"] for item in data["items"]], data["value"]) == (["p1"], [4900, "EUR"])
    alone = left_alone(bench_with(sensitive=["intimate"]), private)
    assert (alone.messages, alone.endings("u1")) == ([], ["only sensitive categories"])


def test_a_category_that_the_shop_gives_as_a_number_is_sensitive_too() -> None:
    numbered = ProductAdded(product_id="x1", cart_id="c1", category="18", price=Money(900, "EUR"))
    assert left_alone(bench_with(sensitive=[18]), numbered).endings("u1") == ["only sensitive categories"]


def test_a_price_that_changed_is_said_as_it_is_now() -> None:
    dearer = CartUpdated(cart_id="c1", products=(Product(product_id="p1", price=Money(5200, "EUR")),))
    data = left_alone(bench_with(), ADD, dearer).messages[0].data
    assert data["items"][0]["price"] == [5200, "EUR"]


def test_a_closed_complaint_does_not_revive_the_reminder_it_ended() -> None:
    bench = left_alone(bench_with(), ADD, ComplaintOpened(ticket_id="t1"), ComplaintClosed(ticket_id="t1"), length="5d")
    assert bench.messages == []


def test_what_was_given_back_is_not_shown_for_ninety_days() -> None:
    bench = bench_with()
    bench.emits("u1", OrderCompleted(order_id="o1", products=(KETTLE,)), history=True)
    bench.emits("u1", OrderRefunded(order_id="o1"))
    bench.advance("89d")
    left_alone(bench, ADD, ProductAdded(product_id="p2"))
    assert [item["product_id"] for item in bench.messages[0].data["items"]] == ["p2"]
    bench.advance("10d")
    left_alone(bench)
    assert [item["product_id"] for item in bench.messages[-1].data["items"]] == ["p1", "p2"]


def test_what_was_kept_of_an_order_of_which_something_came_back_is_shown() -> None:
    bench = bench_with()
    bench.emits("u1", OrderCompleted(order_id="o1", products=(KETTLE, Product(product_id="p2"))), history=True)
    bench.emits("u1", OrderRefunded(order_id="o1", products=(Product(product_id="p2"),)))
    bench.advance("8d")
    left_alone(bench, ADD, ProductAdded(product_id="p2"))
    assert [item["product_id"] for item in bench.messages[0].data["items"]] == ["p1"]
