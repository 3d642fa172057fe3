"""What the rule for customers who stay away promises, cell by cell: docs/reference/churn_risk.md."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from enginebench import Decide, EngineBench, refused, sent
from msgspec.structs import replace

from tactful import Rule
from tactful.clock import DAY
from tactful.events import (
    ComplaintClosed,
    ComplaintOpened,
    Event,
    MessageOpened,
    OrderCancelled,
    OrderCompleted,
    OrderRefunded,
    Page,
    Product,
    ProductReviewed,
    ShipmentDelivered,
    SurveyAnswered,
)
from tactful.localtime import local_time
from tactful.records import EVENTS, CommandBody, CommandRecord
from tactful_trigger.rules import churn_risk, missed_order

MADRID = ZoneInfo("Europe/Madrid")
TEA = Product(product_id="tea", name="Tea", url="https://s/tea")
LETTER, PUSH, QUESTION = "email churn_risk", "push churn_risk", "email churn_survey"


def customer_of(*gaps: int, decide: Decide = sent, **parameters: Any) -> EngineBench:
    """Orders of tea with so many days between them, each posted as it happens; the last one just now."""
    bench = EngineBench(churn_risk, decide=decide)
    bench.broadcast("Settings Changed", rules={"churn_risk": {"holdout": 0.0, **parameters}})
    bench.emits("u1", OrderCompleted(order_id="o0", products=(TEA,)))
    for number, gap in enumerate(gaps, start=1):
        bench.advance(f"{gap}d")
        bench.emits("u1", OrderCompleted(order_id=f"o{number}", products=(TEA,)))
    return bench


def asked_after(bench: EngineBench, days: int = 250) -> list[tuple[int, str]]:
    """How many calendar days after now each message is asked for, and which."""
    before, today = len(bench.messages), local_time(bench.now, MADRID).date()
    bench.advance(f"{days}d")
    told = bench.messages[before:]
    return [((local_time(m.requested_at, MADRID).date() - today).days, f"{m.channel} {m.template}") for m in told]


# starts


@pytest.mark.parametrize(
    ("gaps", "days"),
    [((40, 40), 80), ((10, 10), 45), ((150, 150), 180), ((), 120)],
    ids=["twice their own gap", "not before 45 days", "at the latest after 180", "one order alone"],
)
def test_who_stays_away_too_long_gets_a_reason_to_return(gaps: tuple[int, ...], days: int) -> None:
    assert asked_after(customer_of(*gaps))[0] == (days, LETTER)


def test_who_ordered_once_is_left_alone_for_at_least_ninety_days_whatever_the_shop_sets() -> None:
    assert asked_after(customer_of(one_time_days=60.0))[0] == (90, LETTER)


@pytest.mark.parametrize(("ago", "said"), [("700d", [LETTER]), ("740d", [])], ids=["within two years", "longer"])
def test_who_is_enrolled_after_an_import_is_asked_back_within_two_years_of_their_last_order(
    ago: str, said: list[str]
) -> None:
    bench = EngineBench(churn_risk)
    bench.broadcast("Settings Changed", rules={"churn_risk": {"holdout": 0.0}})
    bench.emits("u1", OrderCompleted(order_id="o1", products=(TEA,)), ago=ago, history=True)
    bench.append(EVENTS, CommandRecord(id="c1", key="u1", at=bench.now, body=CommandBody("enrol", "churn_risk", 0)))
    bench.advance("2d")
    assert bench.sent() == said


def test_an_operator_may_set_a_length_that_no_calendar_has() -> None:
    bench = customer_of(40, 40, factor=1e300, at_most_days=1e300)
    assert asked_after(bench) == []
    assert [run.parked for run in bench.runs("u1")] == [""]


def test_a_household_that_buys_two_dozen_articles_every_week_is_neither_parked_nor_taken_for_a_crawler() -> None:
    bench = EngineBench(churn_risk, missed_order)
    bench.broadcast("Settings Changed", rules={"churn_risk": {"holdout": 0.0}, "missed_order": {"holdout": 0.0}})
    for week in range(70):
        ids = [f"{week:08}-0000-4000-8000-{number:012}" for number in range(24)]
        lines = [
            Product(product_id=id, name="n" * 35, url=f"https://s/{id}", image_url=f"https://c/{id}") for id in ids
        ]
        bench.emits("u1", OrderCompleted(order_id=f"o{week}", products=tuple(lines)))
        bench.advance("7d")
    bench.advance("90d")
    row = bench.row("u1")
    assert row is not None
    assert (row.blocked, bench.sent()[-1]) == ("", QUESTION)


def test_a_household_to_whom_an_order_was_paid_back_lately_is_asked_back_once_that_is_over() -> None:
    bench = EngineBench(churn_risk)
    bench.broadcast("Settings Changed", rules={"churn_risk": {"holdout": 0.0}})
    lines = [Product(product_id=f"{number:064}", name="n" * 100, url="https://s/" + "u" * 100) for number in range(24)]
    for week in range(17):
        bench.emits("u1", OrderCompleted(order_id=f"o{week}", products=tuple(lines)))
        bench.advance("7d")
    bench.advance("30d")
    bench.emits("u1", OrderRefunded(order_id="o3"))
    bench.advance("60d")
    assert (bench.sent()[-1:], [run.parked for run in bench.runs("u1")]) == ([QUESTION], [])


def test_who_has_stocked_up_and_still_has_enough_is_asked_back_half_a_gap_after_that() -> None:
    bench = EngineBench(churn_risk, missed_order)
    bench.broadcast("Settings Changed", rules={"churn_risk": {"holdout": 0.0}, "missed_order": {"holdout": 0.0}})
    for number, pieces in enumerate((7, 7, 7, 7, 7, 22)):  # for 22/7 of 20 days, which is no whole millisecond
        bench.advance("20d")
        bench.emits("u1", OrderCompleted(order_id=f"o{number}", products=(replace(TEA, quantity=pieces),)))
    bench.advance("98d")
    answer = SurveyAnswered(survey="missed_order", answer="enough", message_id=bench.messages[0].message_id)
    bench.emits("u1", answer, source="dispatch")
    assert [what for _, what in asked_after(bench, 150) if "churn" in what] == [LETTER, PUSH, QUESTION]


def test_it_begins_at_six_in_the_morning() -> None:
    bench = customer_of(40, 40)
    bench.advance("81d")
    assert local_time(bench.messages[0].requested_at, MADRID).hour == 6


@pytest.mark.parametrize(
    ("news", "said"),
    [([], []), ([ShipmentDelivered(order_id="o2")], [LETTER]), ([OrderRefunded(order_id="o2")], [LETTER])],
    ids=["under way", "it came", "it was paid back"],
)
def test_nobody_is_asked_back_whose_last_order_has_not_come(news: list[Event], said: list[str]) -> None:
    bench = customer_of(40, 40, question=False)
    bench.emits("u1", ShipmentDelivered(order_id="o1"), *news)
    assert [what for _, what in asked_after(bench)][:1] == said


@pytest.mark.parametrize(("arrived", "said"), [(False, []), (True, [LETTER])], ids=["not come", "come"])
def test_nobody_is_asked_back_who_has_rated_badly_what_nobody_knows_to_have_come(
    arrived: bool, said: list[str]
) -> None:
    bench = customer_of()
    bench.advance("20d")
    if arrived:
        bench.emits("u1", ShipmentDelivered(order_id="o0"))
    bench.emits("u1", ProductReviewed(review_id="r1", rating=1))
    assert [what for _, what in asked_after(bench)][:1] == said


def test_a_series_that_began_before_bad_ratings_were_looked_at_goes_on() -> None:
    bench = customer_of()
    bench.deploy(Rule(churn_risk.body, replace(churn_risk.terms, version=3)))
    bench.emits("u1", OrderCompleted(order_id="o1", products=(TEA,)), ProductReviewed(review_id="r1", rating=1))
    bench.advance("50d")
    bench.deploy(churn_risk)
    assert [what for _, what in asked_after(bench)] == [LETTER, PUSH, QUESTION]


def test_where_nobody_tells_what_has_come_it_is_not_waited_for() -> None:
    assert asked_after(customer_of(40, 40), 81) == [(80, LETTER)]


def test_the_days_count_from_the_latest_order_though_it_be_a_gift() -> None:
    bench = customer_of()
    bench.advance("119d")
    bench.emits("u1", OrderCompleted(order_id="card", products=(Product(product_id="c", category="Gift cards"),)))
    assert asked_after(bench)[0] == (120, LETTER)


def test_three_times_the_usual_quantity_lasts_three_times_as_long() -> None:
    bench = customer_of(25, 25, 25)
    bench.advance("20d")
    bench.emits("u1", OrderCompleted(order_id="stock", products=(Product(product_id="tea", quantity=3),)))
    assert asked_after(bench)[0] == (150, LETTER)


# the two steps


def test_unseen_for_three_days_it_is_followed_by_a_push_and_on_the_eighth_day_by_one_question() -> None:
    assert asked_after(customer_of(40, 40)) == [(80, LETTER), (83, PUSH), (88, QUESTION)]


def test_nobody_is_asked_who_was_not_written_to() -> None:
    bench = customer_of(40, 40, decide=refused("no_consent", "customer"))
    assert asked_after(bench) == [(80, LETTER)]
    assert bench.endings("u1")[-1] == "no_consent"


def test_who_noticed_the_letter_is_not_asked() -> None:
    bench = customer_of(40, 40)
    bench.advance("80d")
    message = bench.messages[0]
    bench.decides(message, name="Message Clicked")
    bench.advance("30d")
    assert bench.sent() == [LETTER]


def test_who_noticed_the_letter_after_the_push_is_not_asked_either() -> None:
    bench = customer_of(40, 40)
    bench.advance("86d")
    letter = bench.messages[0]
    bench.emits(
        "u1", MessageOpened(message_id=letter.message_id, run_id=letter.run_id, rule=letter.rule, channel="email")
    )
    bench.advance("60d")
    assert bench.sent() == [LETTER, PUSH]


def test_who_came_to_look_is_not_asked() -> None:
    bench = customer_of(40, 40)
    bench.advance("84d")
    bench.emits("u1", Page(url="https://s/"))
    bench.advance("30d")
    assert QUESTION not in bench.sent()
    assert bench.endings("u1")[-1] == "came back to look"


def test_a_shop_may_leave_the_question_out() -> None:
    assert [what for _, what in asked_after(customer_of(40, 40, question=False))] == [LETTER, PUSH]


@pytest.mark.parametrize(
    "orders",
    [
        [OrderCompleted(order_id="o1", products=(TEA,)), OrderCancelled(order_id="o1")],
        [OrderCompleted(order_id="o1", products=(Product(product_id="card", category="Gift cards"),))],
    ],
    ids=["cancelled at once", "a gift"],
)
def test_who_has_ordered_nothing_for_themselves_is_not_asked_back(orders: list[Event]) -> None:
    bench = EngineBench(churn_risk)
    bench.emits("u1", *orders)
    assert (asked_after(bench), bench.endings("u1")) == ([], ["no order of their own"])


def test_an_order_that_is_told_weeks_late_may_bring_the_day_forward() -> None:
    bench = customer_of(80)
    bench.advance("10d")
    bench.emits("u1", OrderCompleted(order_id="till", channel="store", products=(TEA,)), ago="50d")
    assert asked_after(bench)[0] == (70, LETTER)


def test_a_letter_that_waits_when_another_order_is_cancelled_is_asked_for_anew_as_of_what_is_known_now() -> None:
    bench = customer_of(40, 40, decide=lambda message: None)
    bench.advance("81d")
    bench.emits("u1", OrderCancelled(order_id="o2"))
    bench.decides(bench.messages[0], name="Hold Opened", hold=1)
    assert bench.cancelled == [bench.messages[0].message_id]
    bench.decides(bench.messages[0], verdict="not_sent", reason="nothing_to_say", scope="customer")
    bench.advance("2d")
    assert bench.sent() == [LETTER, LETTER]


# silent


def test_who_was_here_within_a_week_is_left_alone_until_they_were_not() -> None:
    bench = customer_of(40, 40)
    bench.advance("78d")
    bench.emits("u1", Page(url="https://s/"))
    start = bench.now
    bench.advance("20d")
    assert bench.messages[0].requested_at == start + 7 * DAY


def test_who_comes_to_look_for_a_year_is_left_alone_for_as_long() -> None:
    bench = customer_of(40, 40, visit_rest="2d")
    bench.advance("79d")
    for _ in range(250):
        bench.emits("u1", Page(url="https://s/"))
        bench.advance("36h")
    assert (bench.messages, [run.parked for run in bench.runs("u1")]) == ([], [""])
    bench.advance("5d")
    assert bench.sent()[0] == LETTER


def test_a_complaint_that_closed_within_thirty_days_puts_it_off() -> None:
    bench = customer_of(40, 40, question=False)
    bench.advance("60d")
    bench.emits("u1", ComplaintClosed(ticket_id="t1"))
    assert asked_after(bench)[0] == (30, LETTER)


def test_a_complaint_that_is_open_on_the_day_is_waited_for() -> None:
    bench = customer_of(40, 40, question=False)
    bench.advance("70d")
    bench.emits("u1", ComplaintOpened(ticket_id="t1"), ComplaintOpened(ticket_id="t2"))
    bench.advance("20d")
    bench.emits("u1", ComplaintClosed(ticket_id="t1"))
    bench.advance("10d")
    bench.emits("u1", ComplaintClosed(ticket_id="t2"))
    assert asked_after(bench)[0] == (30, LETTER)


def test_a_complaint_that_stays_open_silences_it() -> None:
    bench = customer_of(40, 40)
    bench.emits("u1", ComplaintOpened(ticket_id="t1"))
    assert (asked_after(bench, 300), bench.endings("u1")[-1]) == ([], "a complaint is open")


def test_who_has_complained_since_the_letter_is_not_asked_why() -> None:
    bench = customer_of(40, 40)
    bench.advance("82d")
    bench.emits("u1", ComplaintOpened(ticket_id="t1"), ComplaintClosed(ticket_id="t1"))
    bench.advance("20d")
    assert (QUESTION in bench.sent(), bench.endings("u1")[-1]) == (False, "has complained since")


def test_a_complaint_that_closed_longer_ago_does_not() -> None:
    bench = customer_of(40, 40)
    bench.advance("49d")
    bench.emits("u1", ComplaintClosed(ticket_id="t1"))
    assert asked_after(bench)[0] == (31, LETTER)


def test_a_refund_within_thirty_days_puts_it_off() -> None:
    bench = customer_of(40, 40, 40)
    bench.advance("30d")
    bench.emits("u1", OrderRefunded(order_id="o3"))
    assert asked_after(bench)[0] == (30, LETTER)


def test_a_series_that_began_before_complaints_were_waited_for_goes_on() -> None:
    bench = customer_of()
    bench.deploy(Rule(churn_risk.body, replace(churn_risk.terms, version=4)))
    bench.emits("u1", OrderCompleted(order_id="o1", products=(TEA,)))
    bench.advance("100d")
    bench.emits("u1", ComplaintClosed(ticket_id="t1"))
    bench.deploy(churn_risk)
    assert (asked_after(bench), bench.endings("u1")[-1]) == ([], "a complaint is too recent")


def test_the_letter_dates_the_latest_order_that_came_to_something() -> None:
    """The run began with one that was cancelled."""
    bench = customer_of(40, 40)
    first = local_time(bench.now, MADRID).date()
    bench.advance("20d")
    bench.emits("u1", OrderCompleted(order_id="o3", products=(TEA,)))
    bench.advance("2d")
    bench.emits("u1", OrderCancelled(order_id="o3"))
    asked_after(bench)
    assert {message.data["last_order_on"] for message in bench.messages} == {first.isoformat()}


def test_who_gives_back_one_of_two_things_has_ordered_all_the_same() -> None:
    bench = customer_of(40, 40)
    bench.advance("40d")
    oats = Product(product_id="oats")
    bench.emits("u1", OrderCompleted(order_id="o3", products=(TEA, oats)))
    bench.advance("9d")
    bench.emits("u1", OrderRefunded(order_id="o3", products=(oats,)))
    assert asked_after(bench)[0] == (80 - 9, LETTER)


@pytest.mark.parametrize(("said", "days"), [("in_a_month", 81), ("in_a_week", 58)])
def test_who_wishes_to_be_reminded_of_their_usual_order_is_not_missed_before(said: str, days: int) -> None:
    bench = customer_of(20, 20, 20)
    bench.advance("41d")
    bench.emits("u1", SurveyAnswered(survey="missed_order", answer=said, message_id="m1"))
    assert asked_after(bench)[0] == (days - 41, LETTER)


@pytest.mark.parametrize(("after", "said"), [("21d", []), ("47d", [LETTER])], ids=["before", "after the first letter"])
def test_who_no_longer_needs_their_usual_order_is_neither_asked_back_nor_why(after: str, said: list[str]) -> None:
    bench = customer_of(20, 20, 20)
    bench.advance(after)
    bench.emits("u1", SurveyAnswered(survey="missed_order", answer="no_longer", message_id="m1"))
    bench.advance("250d")
    assert (bench.sent(), bench.endings("u1")[-1]) == (said, "they no longer need it")


def test_who_no_longer_needed_it_and_ordered_all_the_same_is_asked_back() -> None:
    bench = customer_of(20, 20, 20)
    bench.advance("5d")
    bench.emits("u1", SurveyAnswered(survey="missed_order", answer="no_longer", message_id="m1"))
    bench.advance("5d")
    bench.emits("u1", OrderCompleted(order_id="again", products=(TEA,)))
    assert LETTER in [what for _, what in asked_after(bench)]


def test_a_series_that_began_before_wishes_were_asked_about_goes_on() -> None:
    bench = customer_of(20, 20, 20)
    bench.deploy(Rule(churn_risk.body, replace(churn_risk.terms, version=1)))
    bench.emits("u1", OrderCompleted(order_id="o9", products=(TEA,)))
    bench.advance("41d")
    bench.emits("u1", SurveyAnswered(survey="missed_order", answer="in_a_month", message_id="m1"))
    bench.advance("5d")
    bench.deploy(churn_risk)
    bench.advance("10d")
    assert (bench.sent(), bench.endings("u1")[-1]) == ([LETTER, PUSH, QUESTION], "asked why")


# cancels


@pytest.mark.parametrize(("days", "before"), [(78, []), (81, [LETTER])], ids=["before the letter", "after it"])
def test_whoever_turns_out_to_have_bought_days_ago_is_not_away(days: int, before: list[str]) -> None:
    bench = customer_of(40, 40)
    bench.advance(f"{days}d")
    bench.emits("u1", OrderCompleted(order_id="till", channel="store", products=(TEA,)), ago="4d")
    bench.advance("60d")
    assert bench.sent() == before
    bench.advance("30d")
    assert len(bench.sent()) > len(before)  # twice their gap after that


def test_an_order_from_anywhere_ends_it() -> None:
    bench = customer_of(40, 40)
    bench.advance("82d")
    bench.emits("u1", OrderCompleted(order_id="o9", channel="store"))
    bench.advance("20d")
    assert bench.sent() == [LETTER]


def test_each_message_may_wait_for_seven_days() -> None:
    bench = customer_of(40, 40)
    bench.advance("100d")
    assert {message.expires_at - message.requested_at for message in bench.messages} == {7 * DAY}


def test_the_question_comes_eight_days_after_the_letter_has_left() -> None:
    bench = customer_of(
        40, 40, decide=lambda message: None if message.template == "churn_risk" else {"verdict": "sent"}
    )
    bench.advance("83d")
    bench.decides(bench.messages[0], verdict="sent")
    left = bench.now
    bench.advance("4d")
    bench.decides(bench.messages[1], verdict="sent")
    bench.advance("30d")
    assert [m.requested_at - left for m in bench.messages if m.template == "churn_survey"] == [8 * DAY]


# how often, and what it is


def test_there_is_one_series_for_each_stay_away() -> None:
    bench = customer_of(40, 40)
    bench.advance("700d")
    assert bench.sent() == [LETTER, PUSH, QUESTION]


def test_a_third_series_within_a_year_is_not_begun() -> None:
    bench = customer_of(40, 40, at_most_days=80.0)
    for number in range(3):
        bench.advance("100d")
        bench.emits("u1", OrderCompleted(order_id=f"back{number}", products=(TEA,)))
    assert bench.sent().count(LETTER) == 2
    assert "asked to come back often enough this year" in bench.endings("u1")


def test_two_series_are_at_least_sixty_days_apart() -> None:
    bench = customer_of(20, 20, question=False)
    bench.advance("46d")
    bench.emits("u1", OrderCompleted(order_id="back"))
    bench.advance("50d")
    assert (bench.sent(), bench.endings("u1")[-1]) == ([LETTER], "asked to come back lately")


def test_the_sixty_days_count_from_the_latest_series() -> None:
    bench = customer_of(20, 20, question=False, most_in_a_year=9, at_most_days=45.0)
    for number, days in enumerate((46, 70, 46)):
        bench.advance(f"{days}d")
        bench.emits("u1", OrderCompleted(order_id=f"back{number}"))
    bench.advance("46d")
    assert (bench.sent().count(LETTER), bench.endings("u1")[-1]) == (2, "asked to come back lately")


def test_a_second_question_is_not_asked_within_ninety_days() -> None:
    bench = customer_of(5, 5, at_least_days=10.0, at_most_days=10.0, series_apart="20d")
    assert [what for _, what in asked_after(bench, 40)] == [LETTER, PUSH, QUESTION]
    bench.emits("u1", OrderCompleted(order_id="o9", products=(TEA,)))
    assert [what for _, what in asked_after(bench, 40)] == [LETTER, PUSH]
    assert bench.endings("u1")[-1] == "asked why lately"


def test_after_those_ninety_days_it_is_asked_again_though_the_letter_of_the_series_before_was_noticed() -> None:
    bench = customer_of(40, 40)
    assert [what for _, what in asked_after(bench, 100)] == [LETTER, PUSH, QUESTION]
    bench.decides(bench.messages[0], name="Message Clicked")
    bench.emits("u1", OrderCompleted(order_id="o9", products=(TEA,)))
    assert [what for _, what in asked_after(bench, 150)] == [LETTER, PUSH, QUESTION]


def test_it_names_what_they_used_to_buy_and_needs_consent() -> None:
    bench = customer_of(40, 40)
    for number in (3, 4):
        bench.emits("u1", OrderCompleted(order_id=f"o{number}", products=(TEA, Product(product_id="nameless"))))
    bench.advance("110d")
    message = bench.messages[0]
    titles = [item["title"] for item in message.data["items"]]
    assert (titles, message.purpose) == (["Tea", "nameless"], "marketing.winback")


def test_a_sensitive_category_is_never_named() -> None:
    pads = Product(product_id="pads", name="Pads", category="Health")
    bench = customer_of(40, sensitive=["health"])
    for order in ("o2", "o3"):
        bench.advance("40d")
        bench.emits("u1", OrderCompleted(order_id=order, products=(pads, TEA)))
    bench.advance("81d")
    assert [item["title"] for item in bench.messages[0].data["items"]] == ["Tea"]
