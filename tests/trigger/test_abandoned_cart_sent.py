"""The shipped rule and the gates together, in virtual time: what reaches a customer who left a cart, and what does not."""

from __future__ import annotations

from typing import Any

import pytest
from enginebench import MONDAY, drive

from tactful.clock import DAY, HOUR, MINUTE
from tactful.events import (
    ComplaintClosed,
    ComplaintOpened,
    ConsentChanged,
    ContactMade,
    CustomerFlagged,
    Event,
    Identify,
    Money,
    OrderCompleted,
    OrderRefunded,
    Product,
    ProductAdded,
    ProductRemoved,
)
from tactful.records import DISPATCH, EVENTS
from tactful.settings import Settings
from tactful_console.moments import Moments
from tactful_console.verdicts import why_not
from tactful_trigger.rules import abandoned_cart
from tactful_workbench.virtual.simulation import Simulation, consent_record, event_record

UMA = Identify(email="uma@example.test", phone="+34600123456", push_token="t0ken", timezone="Europe/Madrid")
KETTLE = ProductAdded(product_id="p1", cart_id="c1", name="Kettle", price=Money(4900, "EUR"))
GRANT = ConsentChanged(purpose="marketing", state="granted", via="checkout")
STOP = ConsentChanged(purpose="marketing", channel="email", state="withdrawn", via="page")


class Shop:
    """Uma's shop. She is known and has agreed; it is Monday, 15:00 in Madrid."""

    def __init__(self, **parameters: Any) -> None:
        values = {"mode": "live", "holdout": 0.0, **parameters}
        settings = Settings.model_validate({"rules": {"abandoned_cart": values}, "sending": {"mode": "live"}})
        self.simulation = Simulation((abandoned_cart,), settings, MONDAY)
        self._count = 0
        self.hears(UMA, GRANT)

    def hears(self, *events: Event, after: int = 0) -> Shop:
        """Something happens, so long from now."""
        simulation = self.simulation
        at = simulation.now + after
        inputs = []
        for event in events:
            self._count += 1
            if isinstance(event, ConsentChanged):
                inputs.append(simulation.input(DISPATCH, consent_record("uma", event, at), at))
            else:
                inputs.append(simulation.input(EVENTS, event_record("uma", event, at, f"e{self._count}"), at))
        simulation.advance(at, inputs)
        return self

    def waits(self, length: int) -> Shop:
        self.simulation.advance(self.simulation.now + length)
        return self

    def said(self) -> list[str]:
        """By which channels something arrived, the first first."""
        return [letter.channel for letter in reversed(self.simulation.letters())]

    def decided(self) -> list[str]:
        """Verdicts and reasons, the first first."""
        return [word["reason"] or word["verdict"] for _, word in self.simulation.decided()]


def test_a_cart_that_was_left_alone_becomes_a_letter_that_names_the_product() -> None:
    shop = Shop().hears(KETTLE).waits(61 * MINUTE)
    (letter,) = shop.simulation.letters()
    assert (letter.channel, "Kettle" in letter.subject) == ("email", True)


def test_a_gift_is_not_named_in_the_subject() -> None:
    card = ProductAdded(product_id="g1", name="Gift card", category="Gift cards", price=Money(5000, "EUR"))
    shop = Shop().hears(card).waits(61 * MINUTE)
    (letter,) = shop.simulation.letters()
    assert letter.subject == "Your basket is still here"


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        (OrderCompleted(order_id="o1"), "resting"),
        (OrderRefunded(order_id="o1"), "resting"),
        (ComplaintOpened(ticket_id="t1"), "complaint_open"),
        (CustomerFlagged(reason="legal"), "do_not_contact"),
        (STOP, "withdrawn"),
    ],
    ids=["an order", "a refund", "a complaint", "a flag", "an opt-out"],
)
def test_what_happened_just_before_silences_the_whole_ladder(before: Event, reason: str) -> None:
    shop = Shop(sms=True).hears(before).hears(KETTLE, after=MINUTE).waits(3 * DAY)
    assert (shop.said(), shop.decided()) == ([], [reason])


def test_a_complaint_silences_for_seven_days_after_it_was_closed() -> None:
    shop = Shop().hears(ComplaintOpened(ticket_id="t1"), ComplaintClosed(ticket_id="t1"))
    assert shop.waits(7 * DAY - 2 * HOUR).hears(KETTLE).waits(61 * MINUTE).decided() == ["resting"]
    assert shop.waits(2 * HOUR).hears(KETTLE).waits(61 * MINUTE).said() == ["email"]


def test_an_opt_out_while_the_ladder_waits_ends_it_on_every_channel() -> None:
    shop = Shop(sms=True).hears(KETTLE).waits(2 * HOUR).hears(STOP).waits(3 * DAY)
    assert (shop.said(), shop.decided()) == (["email"], ["sent", "withdrawn"])


def test_what_is_due_at_night_arrives_in_the_morning_with_the_cart_of_the_morning() -> None:
    shop = Shop().waits(7 * HOUR).hears(KETTLE)  # 22:00
    assert shop.waits(9 * HOUR).said() == []
    shop.hears(ProductAdded(product_id="p2", name="Tea")).hears(ProductRemoved(product_id="p1")).waits(3 * HOUR)
    (letter,) = shop.simulation.letters()
    assert "Tea" in letter.subject


def test_a_cart_emptied_during_the_night_is_not_spoken_of() -> None:
    shop = Shop().waits(7 * HOUR).hears(KETTLE).waits(9 * HOUR).hears(ProductRemoved(product_id="p1")).waits(2 * DAY)
    assert shop.said() == []
    assert shop.decided() == ["nothing_to_say"]


def test_an_order_during_the_night_takes_the_reminder_back() -> None:
    shop = Shop().waits(7 * HOUR).hears(KETTLE).waits(9 * HOUR).hears(OrderCompleted(order_id="o1")).waits(2 * DAY)
    assert (shop.said(), shop.decided()) == ([], ["cancelled"])
    [(_, word)] = shop.simulation.decided()
    assert why_not(word, Moments.of("UTC", "UTC")) == "the run took it back: goal reached"


def test_patience_with_a_letter_that_was_held_overnight_begins_in_the_morning() -> None:
    shop = Shop().waits(7 * HOUR).hears(KETTLE).waits(34 * HOUR)  # 08:00 two days later
    assert shop.said() == ["email"]
    assert shop.waits(2 * HOUR).said() == ["email", "push"]


def test_who_is_held_out_gets_no_rung_at_all() -> None:
    shop = Shop(holdout=0.999, sms=True).hears(KETTLE).waits(3 * DAY)
    assert (shop.said(), shop.decided()) == ([], ["holdout"])


def test_a_ladder_counts_once_in_the_weekly_budget() -> None:
    assert Shop(sms=True).hears(KETTLE).waits(3 * DAY).said() == ["email", "push", "sms"]


def test_who_was_spoken_to_today_is_not_reminded_before_tomorrow() -> None:
    call = ContactMade(by="the manager", purpose="service.delivery")
    shop = Shop().hears(call).hears(KETTLE, after=MINUTE).waits(23 * HOUR)
    assert shop.said() == []
    assert shop.waits(2 * HOUR).said() == ["email"]


def test_who_was_sold_something_on_the_phone_is_not_reminded_in_the_same_week() -> None:
    call = ContactMade(by="the manager", channel="call", purpose="marketing.offers")
    shop = Shop().hears(call).hears(KETTLE, after=MINUTE).waits(3 * DAY)
    assert shop.said() == []


def test_only_what_was_given_back_in_the_cart_is_nothing_to_speak_of() -> None:
    order = OrderCompleted(order_id="o1", products=(Product(product_id="p1"),))
    shop = Shop().hears(order, OrderRefunded(order_id="o1")).waits(8 * DAY).hears(KETTLE).waits(3 * DAY)
    assert shop.said() == []


@pytest.mark.parametrize("came_back", ["Message Complained", "Message Bounced"])
def test_who_reports_the_letter_as_spam_gets_no_push_instead_but_who_has_no_such_mailbox_does(came_back: str) -> None:
    shop = Shop().hears(KETTLE).waits(61 * MINUTE)
    (letter,) = shop.simulation.letters()
    drive(shop.simulation.desk.receipt(letter.message_id, came_back, {"hard": True}))
    shop.waits(2 * DAY)
    if came_back == "Message Bounced":
        assert shop.said() == ["email", "push"]
    else:
        assert (shop.said(), shop.decided()) == (["email"], ["sent", "withdrawn"])
