"""What the rule for missed orders promises, cell by cell: docs/reference/missed_order.md."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from enginebench import Decide, EngineBench, refused, sent

from tactful.clock import DAY, HOUR
from tactful.durations import milliseconds
from tactful.events import (
    CartUpdated,
    CheckoutStarted,
    ComplaintClosed,
    ComplaintOpened,
    Event,
    MessageClicked,
    OrderCancelled,
    OrderCompleted,
    OrderRefunded,
    Page,
    Product,
    ProductAdded,
    ProductReviewed,
    ShipmentDelivered,
    SurveyAnswered,
    WishlistProductAddedToCart,
)
from tactful.events.model import Money
from tactful.localtime import local_time
from tactful.records import MessageBody
from tactful_trigger.rules import missed_order

MADRID = ZoneInfo("Europe/Madrid")
TEA = Product(product_id="tea", name="Tea", url="https://s/tea")


def customer_of(*gaps: int, decide: Decide = sent, **parameters: Any) -> EngineBench:
    """Orders of tea with so many days between them, each posted as it happens; the last one just now."""
    bench = EngineBench(missed_order, decide=decide)
    bench.broadcast("Settings Changed", rules={"missed_order": {"holdout": 0.0, **parameters}})
    bench.emits("u1", OrderCompleted(order_id="o0", products=(TEA,)))
    for number, gap in enumerate(gaps, start=1):
        bench.advance(f"{gap}d")
        bench.emits("u1", OrderCompleted(order_id=f"o{number}", products=(TEA,)))
    return bench


def asked_after(bench: EngineBench, days: int = 200) -> list[int]:
    """How many calendar days after now each message is asked for, at the day's very beginning or not."""
    before, today = len(bench.messages), local_time(bench.now, MADRID).date()
    bench.advance(f"{days}d")
    return [(local_time(message.requested_at, MADRID).date() - today).days for message in bench.messages[before:]]


# who has a rhythm


def test_after_four_orders_the_fifth_is_missed_once_it_is_overdue_by_half_the_gap() -> None:
    assert asked_after(customer_of(20, 20, 20, push=False)) == [31]


def test_the_day_on_which_it_is_overdue_is_waited_for_to_its_end() -> None:
    bench = customer_of(20, 20, 20)
    bench.advance("31d")
    asked = bench.messages[0].requested_at
    assert (asked + HOUR) % DAY == 0  # midnight in Madrid, an hour ahead of UTC in winter


@pytest.mark.parametrize(
    ("gaps", "why"),
    [
        ((20, 20), ""),
        ((5, 5, 5), "orders too often to be reminded"),
        ((6, 60, 10, 50), "orders too irregularly"),
    ],
    ids=["three orders", "every five days", "no regular gap"],
)
def test_who_has_no_rhythm_is_never_reminded(gaps: tuple[int, ...], why: str) -> None:
    bench = customer_of(*gaps)
    assert asked_after(bench) == []
    assert bench.endings("u1")[-1:] == ([why] if why else [])


def test_a_short_rhythm_gets_three_days_of_grace() -> None:
    assert asked_after(customer_of(6, 6, 6, push=False)) == [10]
    assert asked_after(customer_of(6, 6, 6, push=False, min_slack_days=5.0)) == [12]


def test_a_shop_that_tells_all_orders_again_changes_nothing() -> None:
    bench, told = customer_of(14, 14, 14, 14), list[int]()
    for night in range(0, 60, 3):
        for number in range(5) if night > 2 else ():
            bench.emits(
                "u1", OrderCompleted(order_id=f"o{number}", products=(TEA,)), ago=f"{night + 14 * (4 - number)}d"
            )
        told += [night + days for days in asked_after(bench, 3)]
    assert told == [22, 24]


def test_a_gift_and_what_came_to_nothing_are_no_part_of_the_rhythm() -> None:
    bench = customer_of(20, 20, 20)
    bench.advance("1d")
    bench.emits("u1", OrderCompleted(order_id="card", products=(Product(product_id="c", category="Gift cards"),)))
    bench.emits("u1", OrderCompleted(order_id="void", products=(TEA,)), OrderCancelled(order_id="void"))
    assert asked_after(bench)[:1] == [30]


def test_three_times_the_usual_quantity_lasts_three_times_as_long() -> None:
    bench = customer_of(10, 10, 10, push=False)
    bench.advance("5d")
    bench.emits("u1", OrderCompleted(order_id="stock", products=(Product(product_id="tea", quantity=3),)))
    assert asked_after(bench) == [46]


def test_who_has_stocked_up_for_longer_than_any_calendar_lasts_is_left_alone() -> None:
    bench = customer_of(20, 20, 20)
    bench.emits("u1", OrderCompleted(order_id="stock", products=(Product(product_id="tea", quantity=10**9),)))
    assert asked_after(bench) == []
    assert [run.parked for run in bench.runs("u1")] == [""]


@pytest.mark.parametrize("parameters", [{"factor": 1e300}, {"min_slack_days": 1e300}], ids=["factor", "slack"])
def test_an_operator_may_set_a_length_that_no_calendar_has(parameters: dict[str, Any]) -> None:
    bench = customer_of(20, 20, 20, **parameters)
    assert asked_after(bench) == []
    assert [run.parked for run in bench.runs("u1")] == [""]


@pytest.mark.parametrize("outside", ["a gift", "what came to nothing"])
def test_a_day_that_had_passed_before_an_order_outside_the_rhythm_is_not_spoken_of_again(outside: str) -> None:
    bench = customer_of(20, 20, 20, push=False)
    assert asked_after(bench, 32) == [31]
    bench.emits("u1", OrderCompleted(order_id="o9", products=(Product(product_id="c", category="Gift cards"),)))
    if outside != "a gift":
        bench.emits("u1", OrderCancelled(order_id="o9"))
    assert asked_after(bench) == []
    assert bench.endings("u1")[-1] == "its day had passed before this order"


def test_an_early_day_that_had_passed_before_an_order_outside_the_rhythm_is_not_made_up_for() -> None:
    bench = customer_of(182, 182, 182, push=False)
    assert asked_after(bench, 150) == [145]
    bench.emits("u1", OrderCompleted(order_id="o9", products=(Product(product_id="c", category="Gift cards"),)))
    assert asked_after(bench) == [274 - 150]


@pytest.mark.parametrize(("gap", "first"), [(60, 48), (59, 89)], ids=["ahead", "once it is overdue"])
def test_from_a_gap_of_sixty_days_on_they_are_reminded_ahead(gap: int, first: int) -> None:
    assert asked_after(customer_of(gap, gap, gap, push=False))[0] == first


def test_who_was_reminded_ahead_and_then_sent_a_gift_is_not_reminded_again_when_it_is_overdue() -> None:
    bench = customer_of(100, 100, 100, push=False)
    assert asked_after(bench, 85) == [80]
    bench.emits("u1", OrderCompleted(order_id="card", products=(Product(product_id="c", category="Gift cards"),)))
    assert asked_after(bench) == []


def test_an_order_that_is_cancelled_weeks_later_is_as_if_it_had_never_been() -> None:
    bench = customer_of(20, 20, 20, push=False)
    bench.advance("10d")
    bench.emits("u1", OrderCompleted(order_id="void", products=(TEA,)))
    bench.advance("12d")
    bench.emits("u1", OrderCancelled(order_id="void"))
    assert len(asked_after(bench)) == 1


# before


def test_a_long_rhythm_is_reminded_ahead_by_a_fifth_of_it_and_not_again_when_it_is_overdue() -> None:
    assert asked_after(customer_of(100, 100, 100, push=False)) == [80]


def test_a_very_long_rhythm_is_reminded_ahead_and_again_when_it_is_overdue() -> None:
    assert asked_after(customer_of(182, 182, 182, push=False, email_patience="1d"), 400) == [145, 274]


# silent


def test_an_order_that_came_late_is_not_followed_by_a_reminder() -> None:
    bench = customer_of(20, 20, 20)
    bench.advance("5d")
    bench.emits("u1", ShipmentDelivered(order_id="o3", promised_at=bench.now - DAY))
    assert asked_after(bench) == []
    assert bench.endings("u1")[-1] == "the last order came late"


@pytest.mark.parametrize(
    ("came", "said"), [(["o2"], []), (["o2", "o3"], [31]), ([], [31])], ids=["not it", "it", "none"]
)
def test_an_order_that_has_not_come_is_not_followed_by_a_reminder_where_the_shop_tells_what_has(
    came: list[str], said: list[int]
) -> None:
    bench = customer_of(20, 20, 20, push=False)
    bench.emits("u1", *(ShipmentDelivered(order_id=order) for order in came))
    assert asked_after(bench) == said


def test_an_order_that_was_given_back_is_not_followed_by_a_reminder() -> None:
    bench = customer_of(20, 20, 20, 20)
    bench.advance("5d")
    bench.emits("u1", OrderRefunded(order_id="o4"))
    assert asked_after(bench) == []
    assert bench.endings("u1")[-1] == "something of the last order was given back"


def test_an_order_that_was_rated_badly_is_not_followed_by_a_reminder() -> None:
    bench = customer_of(20, 20, 20)
    bench.advance("5d")
    bench.emits("u1", ProductReviewed(product_id="tea", rating=1.0))
    assert asked_after(bench) == []
    assert bench.endings("u1")[-1] == "the last order was rated badly"


def test_a_bad_rating_of_an_earlier_order_silences_nothing() -> None:
    bench = customer_of(20, 20)
    bench.emits("u1", ProductReviewed(product_id="tea", rating=1.0))
    bench.advance("20d")
    bench.emits("u1", OrderCompleted(order_id="o3", products=(TEA,)))
    assert len(asked_after(bench)) == 2  # by e-mail, then by push


def test_who_was_here_within_a_day_is_left_alone_for_another_one() -> None:
    bench = customer_of(20, 20, 20)
    bench.advance("30d")
    bench.emits("u1", Page(url="https://s/"))
    start = bench.now
    bench.advance("3d")
    assert bench.messages[0].requested_at == start + DAY


def test_who_is_here_every_day_for_half_a_year_is_left_alone_for_as_long() -> None:
    bench = customer_of(365, 365, 365, push=False, before_from_days=999)
    bench.advance("545d")
    for _ in range(150):
        bench.emits("u1", Page(url="https://s/"))
        bench.advance("23h")
    assert (bench.messages, [run.parked for run in bench.runs("u1")]) == ([], [""])
    bench.advance("5d")
    assert len(bench.messages) == 1


# cancels


@pytest.mark.parametrize(
    "news",
    [
        OrderCompleted(order_id="o9", channel="store"),
        ProductAdded(product_id="tea"),
        WishlistProductAddedToCart(product_id="tea"),
        CartUpdated(products=(TEA,)),
        CartUpdated(value=Money(4900, "EUR")),
        CheckoutStarted(),
    ],
    ids=["an order in the store", "an add", "an add from the wishlist", "a whole cart", "its value", "a checkout"],
)
def test_whoever_orders_or_begins_to_needs_no_reminder(news: Event) -> None:
    bench = customer_of(20, 20, 20)
    bench.advance("29d")
    bench.emits("u1", news)
    bench.advance("5d")
    assert bench.messages == []


@pytest.mark.parametrize("quicker", ["the shop's server", "the browser"])
def test_a_basket_that_was_emptied_by_the_order_ends_no_wait_for_the_next_one(quicker: str) -> None:
    bench = customer_of(20, 20, 20, push=False)
    bench.advance("20d")
    order, emptied = OrderCompleted(order_id="o4", products=(TEA,)), CartUpdated(cart_id="c1")
    if quicker == "the browser":
        bench.emits("u1", emptied)
        bench.emits("u1", order, ago="2s")
    else:
        bench.emits("u1", order, emptied)
    assert asked_after(bench) == [31]


def test_an_order_of_which_the_till_tells_days_later_is_counted_from_like_any_other() -> None:
    bench = customer_of(20, 20, 20, push=False)
    bench.advance("29d")
    bench.emits("u1", OrderCompleted(order_id="till", channel="store", products=(TEA,)), ago="4d")
    assert asked_after(bench) == [27]  # at the end of the thirtieth day after that order


def test_an_order_that_the_till_tells_of_while_the_e_mail_waits_takes_the_push_back() -> None:
    bench = customer_of(20, 20, 20)
    bench.advance("32d")
    bench.emits("u1", OrderCompleted(order_id="till", channel="store", products=(TEA,)), ago="4d")
    bench.advance("10d")
    assert bench.sent() == ["email missed_order"]


def test_an_order_that_is_cancelled_while_an_early_reminder_waits_for_its_answer_is_heard_of() -> None:
    bench = customer_of(182, 182, 182, 182, push=False, most_unanswered=9)
    bench.advance("150d")
    bench.emits("u1", OrderCancelled(order_id="o4"))
    assert asked_after(bench, 300) == []
    assert bench.endings("u1")[-1] == "too late"


@pytest.mark.parametrize(
    ("opened", "closed", "said", "why"),
    [
        (5, 8, [31], ""),
        (20, 28, [35], ""),
        (29, 32, [39], ""),
        (29, 36, [], "too late"),
        (29, 99, [], "a complaint is open"),
    ],
    ids=["long over", "hardly over", "open on the day", "over too late", "never over"],
)
def test_a_complaint_puts_it_off_until_a_week_after_it_was_closed(
    opened: int, closed: int, said: list[int], why: str
) -> None:
    bench = customer_of(20, 20, 20, push=False)
    ordered = local_time(bench.now, MADRID).date()
    bench.advance(f"{opened}d")
    bench.emits("u1", ComplaintOpened(ticket_id="t1"))
    bench.advance(f"{closed - opened}d")
    bench.emits("u1", ComplaintClosed(ticket_id="t1"))
    bench.advance("200d")
    assert [(local_time(m.requested_at, MADRID).date() - ordered).days for m in bench.messages] == said
    assert bench.endings("u1")[-1:] == ([why] if why else [])


def test_an_early_reminder_that_was_put_off_until_the_order_is_overdue_is_one_with_that() -> None:
    bench = customer_of(150, 150, 150, 150, push=False)
    bench.emits("u1", ComplaintOpened(ticket_id="t1"))
    bench.advance("230d")
    bench.emits("u1", ComplaintClosed(ticket_id="t1"))
    assert asked_after(bench) == [7]


# how often


def test_a_missed_order_is_spoken_of_once() -> None:
    bench = customer_of(20, 20, 20, push=False)
    bench.advance("200d")
    assert len(bench.messages) == 1


def test_after_two_reminders_that_nobody_answered_there_is_no_third() -> None:
    bench = customer_of(20, 20, 20, push=False, max_cv=10.0)
    for number in range(3):
        bench.advance("70d")  # the reminder, and then a month without an order
        bench.emits("u1", OrderCompleted(order_id=f"late{number}"))
    bench.advance("300d")
    assert len(bench.messages) == 2
    assert bench.endings("u1")[-1] == "2 reminders in a row unnoticed"


def test_a_shop_that_allows_no_unnoticed_reminder_sends_none() -> None:
    assert asked_after(customer_of(20, 20, 20, most_unanswered=0)) == []
    many = customer_of(20, 20, 20, push=False)
    assert len(asked_after(many)) == 1
    many.broadcast("Settings Changed", rules={"missed_order": {"holdout": 0.0, "most_unanswered": 0, "max_cv": 10.0}})
    many.emits("u1", OrderCompleted(order_id="o9", products=(TEA,)))
    assert asked_after(many) == []


def test_an_order_soon_after_the_reminder_answers_it() -> None:
    bench = customer_of(20, 20, 20, push=False)
    for number in range(4):
        bench.advance("31d")
        bench.emits("u1", OrderCompleted(order_id=f"next{number}"))
    assert len(bench.messages) >= 3


# the four answers


def answer(bench: EngineBench, said: str) -> None:
    """To the latest message, through the link in it."""
    message = bench.messages[-1]
    click = MessageClicked(message_id=message.message_id, run_id=message.run_id, rule=message.rule, channel="email")
    bench.emits("u1", click, SurveyAnswered(survey=message.rule, answer=said, message_id=message.message_id))


@pytest.mark.parametrize(("said", "days"), [("in_a_week", 7), ("in_a_month", 30), ("enough", 20)])
def test_who_wishes_to_be_reminded_later_is_reminded_then(said: str, days: int) -> None:
    bench = customer_of(20, 20, 20)
    bench.advance("32d")
    answer(bench, said)
    at = bench.now
    bench.advance(f"{days * 24 - 1}h")
    assert bench.sent() == ["email missed_order"]
    bench.advance("2h")
    assert [message.requested_at - at for message in bench.messages[1:]] == [days * DAY]


def test_a_reminder_that_was_wished_for_may_be_put_off_again() -> None:
    bench = customer_of(20, 20, 20)
    bench.advance("32d")
    for _ in range(3):
        answer(bench, "in_a_week")
        bench.advance("8d")
    assert bench.sent() == ["email missed_order"] * 4


@pytest.mark.parametrize("days", [32, 100, 300])
def test_a_wish_is_heeded_however_late_somebody_answers(days: int) -> None:
    bench = customer_of(20, 20, 20, push=False)
    bench.advance(f"{days}d")
    answer(bench, "in_a_month")
    assert asked_after(bench) == [30]


@pytest.mark.parametrize("days", [150, 200, 270])
def test_a_wish_after_an_early_reminder_is_heeded_until_the_next_one(days: int) -> None:
    bench = customer_of(182, 182, 182, push=False)
    bench.advance(f"{days}d")
    answer(bench, "in_a_week")
    assert asked_after(bench, 300) == [7]


def test_a_reminder_that_was_wished_for_and_is_not_answered_is_the_last_one() -> None:
    bench = customer_of(20, 20, 20, push=False)
    bench.advance("32d")
    answer(bench, "in_a_week")
    assert asked_after(bench) == [7]


def test_whoever_orders_meanwhile_is_not_reminded_at_the_wished_time() -> None:
    bench = customer_of(20, 20, 20)
    bench.advance("32d")
    answer(bench, "in_a_month")
    bench.advance("10d")
    bench.emits("u1", OrderCompleted(order_id="soon"))
    bench.advance("25d")
    assert len(bench.messages) == 1


def test_an_order_of_which_the_till_tells_days_later_ends_the_wish() -> None:
    bench = customer_of(20, 20, 20, push=False)
    bench.advance("32d")
    answer(bench, "in_a_month")
    bench.advance("10d")
    bench.emits("u1", OrderCompleted(order_id="till", channel="store", products=(TEA,)), ago="4d")
    assert asked_after(bench) == [27]


def test_a_wish_concerns_one_missed_order_and_not_the_next() -> None:
    bench = customer_of(20, 20, 20, push=False)
    bench.advance("32d")
    answer(bench, "in_a_week")
    bench.emits("u1", OrderCompleted(order_id="soon"))
    assert asked_after(bench) == [31]


def test_who_no_longer_needs_it_is_not_reminded_again() -> None:
    bench = customer_of(20, 20, 20)
    bench.advance("32d")
    answer(bench, "no_longer")
    assert asked_after(bench) == []
    assert bench.endings("u1")[-1] == "answered: no_longer"


def test_an_answer_counts_though_the_click_that_led_to_it_was_lost() -> None:
    bench = customer_of(20, 20, 20, push=False)
    bench.advance("32d")
    message = bench.messages[-1].message_id
    bench.emits("u1", SurveyAnswered(survey="missed_order", answer="in_a_week", message_id=message))
    assert asked_after(bench) == [7]


def test_an_early_reminder_may_be_put_off_as_well() -> None:
    bench = customer_of(182, 182, 182, push=False)
    bench.advance("146d")
    answer(bench, "in_a_month")
    assert asked_after(bench, 400) == [30]


@pytest.mark.parametrize("gap", [100, 182], ids=["before or after", "before and after"])
def test_who_no_longer_needs_it_is_not_reminded_again_after_an_early_reminder_either(gap: int) -> None:
    bench = customer_of(gap, gap, gap, push=False)
    bench.advance(f"{round(gap * 0.8) + 1}d")
    answer(bench, "no_longer")
    assert asked_after(bench, 400) == []
    assert bench.endings("u1")[-1] == "answered: no_longer"


# the ladder


def test_an_e_mail_that_nobody_noticed_for_two_days_is_followed_by_a_push() -> None:
    bench = customer_of(20, 20, 20)
    bench.advance("31d")
    bench.advance("33h")
    assert bench.sent() == ["email missed_order"]
    bench.advance("2h")
    assert bench.sent() == ["email missed_order", "push missed_order"]


def push_expires(message: MessageBody) -> dict[str, Any]:
    if message.channel == "email":
        return {"verdict": "sent"}
    return {"verdict": "not_sent", "reason": "expired", "scope": "customer"}


def test_an_e_mail_whose_push_came_to_nothing_was_a_reminder() -> None:
    bench = customer_of(100, 100, 100, decide=push_expires)
    bench.advance("300d")
    assert bench.sent() == ["email missed_order", "push missed_order"]


def test_the_answer_to_an_e_mail_whose_push_came_to_nothing_is_heeded() -> None:
    bench = customer_of(20, 20, 20, decide=push_expires)
    bench.advance("34d")
    message = bench.messages[0].message_id
    bench.emits("u1", SurveyAnswered(survey="missed_order", answer="in_a_week", message_id=message))
    assert asked_after(bench, 8) == [7]


def test_a_refusal_of_the_customer_ends_the_ladder() -> None:
    bench = customer_of(20, 20, 20, decide=refused("no_consent", "customer"))
    bench.advance("60d")
    assert (len(bench.messages), bench.endings("u1")[-1]) == (1, "no_consent")


def test_a_message_is_too_old_once_twice_the_gap_is_over() -> None:
    bench = customer_of(20, 20, 20)
    bench.advance("31d")
    message = bench.messages[0]
    assert message.expires_at - message.requested_at == milliseconds("10d")


def test_the_push_is_too_old_then_too_and_not_asked_for_after_an_e_mail_that_left_at_the_last_moment() -> None:
    bench = customer_of(20, 20, 20)
    bench.advance("40d")
    email, push = bench.messages
    assert (push.channel, push.expires_at) == ("push", email.expires_at)
    late = customer_of(20, 20, 20, decide=lambda message: None)
    late.advance("40d")
    late.decides(late.messages[0], verdict="sent")
    late.advance("10d")
    assert late.sent() == ["email missed_order"]


# says


def test_it_names_what_they_usually_buy() -> None:
    bench = customer_of(20, 20, 20)
    bench.advance("31d")
    told = bench.messages[0].data
    assert [item["title"] for item in told["items"]] == ["Tea"]
    assert told["every_days"] == 20.0


def test_what_they_usually_buy_goes_by_its_id_if_nothing_is_seen_of_its_name() -> None:
    bench, blank = customer_of(20, 20), Product(product_id="tea", name="  ")
    for order in ("o3", "o4"):
        bench.advance("20d")
        bench.emits("u1", OrderCompleted(order_id=order, products=(blank,)))
    bench.advance("31d")
    assert [item["title"] for item in bench.messages[0].data["items"]] == ["tea"]


def test_it_needs_consent_to_marketing_and_says_what_it_looked_at() -> None:
    bench = customer_of(20, 20, 20)
    bench.advance("31d")
    message = bench.messages[0]
    uses = ("rhythm", "orders", "tickets", "engagement", "session")
    assert (message.purpose, message.uses) == ("marketing.reorder", uses)


def test_a_sensitive_category_is_never_named() -> None:
    pads = Product(product_id="pads", name="Pads", category="health")
    bench = customer_of(20, 20, push=False, sensitive=["Health"])
    for order in ("o3", "o4"):
        bench.advance("20d")
        bench.emits("u1", OrderCompleted(order_id=order, products=(pads, TEA)))
    bench.advance("32d")
    assert [item["title"] for item in bench.messages[0].data["items"]] == ["Tea"]
