"""What the rule after a complaint promises, cell by cell: docs/reference/complaint_followup.md."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from enginebench import Decide, EngineBench, sent
from msgspec.structs import replace

from tactful.clock import DAY, HOUR
from tactful.events import (
    ComplaintClosed,
    ComplaintOpened,
    ComplaintReopened,
    ContactMade,
    Event,
    OrderCompleted,
    OrderRefunded,
    ProductReviewed,
    ShipmentDelivered,
    SurveyAnswered,
)
from tactful.localtime import local_time
from tactful.rules import Rule
from tactful_trigger.rules import complaint_followup
from tactful_trigger.rules.complaint_followup import NOT_ASKED

MADRID = ZoneInfo("Europe/Madrid")
OPENED = ComplaintOpened(ticket_id="t1", subject="Dented kettle")
CLOSED = ComplaintClosed(ticket_id="t1", resolution="replaced")
REOPENED = ComplaintReopened(ticket_id="t1")
REVIEW = ComplaintOpened(ticket_id="r1", channel="review")


def bench_with(decide: Decide = sent, **parameters: Any) -> EngineBench:
    """The rule under an operator's parameters; it is Monday, three in the afternoon."""
    bench = EngineBench(complaint_followup, decide=decide)
    bench.broadcast("Settings Changed", rules={"complaint_followup": parameters})
    return bench


def after(*events: Event, length: str = "30d", **parameters: Any) -> EngineBench:
    bench = bench_with(**parameters)
    bench.emits("u1", *events)
    bench.advance(length)
    return bench


# at opening, and starts speaking


def test_nothing_is_said_while_a_complaint_is_open() -> None:
    assert after(OPENED).messages == []


def test_a_day_after_it_was_closed_the_customer_is_asked_once_whether_it_is_settled() -> None:
    bench = bench_with()
    bench.emits("u1", OPENED, CLOSED)
    start = bench.now
    bench.advance("60d")
    assert [(m.channel, m.template, m.requested_at - start) for m in bench.messages] == [
        ("email", "complaint_followup", DAY)
    ]
    assert bench.messages[0].data == {"ticket_id": "t1", "about": "Dented kettle", "cause": ""}


def test_what_a_customer_wrote_to_a_survey_is_not_read_out_to_them() -> None:
    words = ComplaintOpened(ticket_id="survey-m1", subject="You are thieves", channel="survey")
    bench = after(words, ComplaintClosed(ticket_id="survey-m1"))
    assert bench.messages[0].data == {"ticket_id": "survey-m1", "about": "", "cause": ""}


@pytest.mark.parametrize("again", [[OPENED, CLOSED], [CLOSED]], ids=["opened and closed again", "closed once more"])
def test_a_complaint_that_is_closed_again_is_asked_about_a_day_after_that(again: list[Event]) -> None:
    bench = bench_with()
    bench.emits("u1", OPENED, CLOSED)
    bench.advance("20h")
    bench.emits("u1", *again)
    start = bench.now
    bench.advance("60d")
    assert [message.requested_at - start for message in bench.messages] == [DAY]


def test_that_it_had_been_opened_again_before_is_old_news_however_often_a_shop_tells_it() -> None:
    bench = bench_with()
    bench.emits("u1", OPENED, CLOSED)
    bench.advance("1h")
    bench.emits("u1", REOPENED)
    bench.advance("3d")
    bench.emits("u1", CLOSED)
    bench.advance("20h")
    bench.emits("u1", REOPENED, ago="92h")
    bench.advance("60d")
    assert len(bench.messages) == 1


def test_it_waits_for_a_working_day() -> None:
    bench = bench_with()
    bench.advance("4d")  # Friday
    bench.emits("u1", OPENED, CLOSED)
    bench.advance("10d")
    asked = local_time(bench.messages[0].requested_at, MADRID)
    assert (asked.weekday(), asked.hour) == (0, 10)


def held_on_friday(*meanwhile: Event, **parameters: Any) -> EngineBench:
    """What was asked for on Friday at three has not left by Saturday."""
    bench = bench_with(decide=lambda message: None, **parameters)
    bench.advance("3d")
    bench.emits("u1", OPENED, CLOSED)
    bench.advance("1d")
    (message,) = bench.messages
    bench.advance_to(message.expires_at)
    bench.decides(message, verdict="not_sent", reason="expired", scope="customer")
    bench.emits("u1", *meanwhile)
    bench.advance("10d")
    return bench


def test_what_waits_for_its_hour_as_the_weekend_begins_is_asked_once_more_after_it() -> None:
    first, second = held_on_friday().messages
    assert f"{local_time(first.expires_at, MADRID):%a %H:%M}" == "Sat 00:00"
    assert f"{local_time(second.requested_at, MADRID):%a %H:%M}" == "Mon 10:00"
    assert second.expires_at - second.requested_at == 3 * DAY


def test_who_complains_again_at_the_weekend_is_not_asked_after_it() -> None:
    bench = held_on_friday(ComplaintOpened(ticket_id="t2"))
    assert (len(bench.messages), bench.endings("u1")) == (1, ["another complaint is open"])


def test_a_shop_that_asks_on_any_day_lets_it_wait_into_the_weekend() -> None:
    (message,) = held_on_friday(working_days=False).messages
    assert message.expires_at - message.requested_at == 3 * DAY


@pytest.mark.parametrize(
    ("closed_after", "asked"),
    [("5h", "Tue 20:00"), ("6h", "Wed 10:00"), ("17h", "Wed 10:00"), ("18h", "Wed 09:00"), ("103h", "Mon 10:00")],
    ids=["in the evening", "at nine", "early in the morning", "at nine in the morning", "late on Friday"],
)
def test_nobody_is_asked_at_night(closed_after: str, asked: str) -> None:
    bench = bench_with()
    bench.advance(closed_after)
    bench.emits("u1", OPENED, CLOSED)
    bench.advance("10d")
    assert [f"{local_time(m.requested_at, MADRID):%a %H:%M}" for m in bench.messages] == [asked]


@pytest.mark.parametrize(
    ("closed_after", "parameters"),
    [("96h", {"working_days": False}), ("10h", {"by_day": False})],
    ids=["on a Saturday", "at one in the morning"],
)
def test_a_shop_may_let_it_ask_on_any_day_or_at_any_hour(closed_after: str, parameters: dict[str, Any]) -> None:
    bench = bench_with(**parameters)
    bench.advance(closed_after)
    bench.emits("u1", OPENED, CLOSED)
    start = bench.now
    bench.advance("10d")
    assert [message.requested_at - start for message in bench.messages] == [DAY]


def test_a_run_that_began_before_nights_were_respected_goes_on() -> None:
    bench = bench_with()
    bench.advance("11h")
    bench.deploy(Rule(complaint_followup.body, replace(complaint_followup.terms, version=1)))
    bench.emits("u1", OPENED, CLOSED)
    bench.advance("1h")
    bench.deploy(complaint_followup)
    bench.advance("10d")
    assert [f"{local_time(m.requested_at, MADRID):%a %H:%M}" for m in bench.messages] == ["Wed 02:00"]


def test_a_review_that_nobody_closes_counts_as_closed_after_three_days() -> None:
    bench = bench_with()
    bench.emits("u1", REVIEW)
    start = bench.now
    bench.advance("30d")
    assert [message.requested_at - start for message in bench.messages] == [3 * DAY]


@pytest.mark.parametrize(
    ("news", "days"),
    [
        (ProductReviewed(review_id="r1", rating=2.0), [3]),
        (ProductReviewed(review_id="r1", rating=3.0), []),
        (ProductReviewed(review_id="r1"), []),
        (SurveyAnswered(survey="CSAT", answer="1"), [3]),
        (SurveyAnswered(survey="csat", answer="3"), []),
        (SurveyAnswered(survey="nps", answer="6", text="Too slow."), [3]),
        (SurveyAnswered(survey="nps", answer="6"), []),
        (SurveyAnswered(survey="nps", answer="10", text="Fine."), []),
        (SurveyAnswered(survey="churn_risk", answer="2", text="Hm."), []),
    ],
    ids=[
        "two stars",
        "three stars",
        "no stars",
        "satisfaction of one",
        "satisfaction of three",
        "six of ten with words",
        "six of ten without",
        "ten of ten",
        "another question",
    ],
)
def test_a_bad_review_or_rating_is_a_complaint_that_nobody_closes(news: Event, days: list[int]) -> None:
    bench = bench_with()
    bench.emits("u1", news)
    start = bench.now
    bench.advance("30d")
    assert [(message.requested_at - start) // DAY for message in bench.messages] == days
    assert {message.data["cause"] for message in bench.messages} <= {"rated"}


@pytest.mark.parametrize(
    ("stars", "said"),
    [([1, 5], "closed as withdrawn"), ([1, 5, 2], "asked"), ([1, 2], "asked")],
    ids=["a good one", "a good one, and a bad one again", "another bad one"],
)
def test_who_writes_their_bad_review_anew_is_asked_only_if_it_is_bad_still(stars: list[int], said: str) -> None:
    bench = bench_with()
    for rating in stars:
        bench.emits("u1", ProductReviewed(review_id="r1", rating=rating))
        bench.advance("1d")
    bench.advance("3d")
    assert bench.endings("u1")[-1] == said


@pytest.mark.parametrize(
    ("late", "asked"), [(2 * DAY + 1, ["late"]), (2 * DAY, []), (-DAY, [])], ids=["late", "nearly on time", "early"]
)
def test_a_parcel_more_than_two_days_late_is_a_complaint_that_nobody_had_to_make(late: int, asked: list[str]) -> None:
    bench = bench_with()
    bench.emits("u1", OrderCompleted(order_id="o1"), ShipmentDelivered(order_id="o1", promised_at=bench.now - late))
    start = bench.now
    bench.advance("30d")
    assert [message.data["cause"] for message in bench.messages] == asked
    assert all(message.requested_at - start == 3 * DAY for message in bench.messages)


@pytest.mark.parametrize(
    ("reason", "asked"), [(" Defective ", ["returned"]), ("changed mind", []), ("", [])], ids=["fault", "mind", "none"]
)
def test_a_return_for_a_fault_is_a_complaint_and_any_other_is_none(reason: str, asked: list[str]) -> None:
    bench = after(OrderCompleted(order_id="o1"), OrderRefunded(order_id="o1", reason=reason))
    assert [message.data["cause"] for message in bench.messages] == asked


def test_a_late_parcel_is_asked_about_though_the_next_order_has_not_come() -> None:
    bench = bench_with()
    bench.emits("u1", OrderCompleted(order_id="o1"), ShipmentDelivered(order_id="o1", promised_at=bench.now - 5 * DAY))
    bench.emits("u1", OrderCompleted(order_id="o2"))
    bench.advance("4d")
    assert [message.data["ticket_id"] for message in bench.messages] == ["late-o1"]


@pytest.mark.parametrize(
    "news", [ShipmentDelivered(order_id="o1"), OrderRefunded(order_id="o1")], ids=["it came", "it was paid back"]
)
def test_after_a_review_nobody_is_asked_before_the_order_came_or_was_paid_back(news: Event) -> None:
    bench = bench_with()
    bench.emits("u1", OrderCompleted(order_id="o1"), REVIEW)
    bench.advance("10d")
    assert bench.messages == []
    bench.emits("u1", news)
    bench.advance("4d")
    assert len(bench.messages) == 1


def test_what_came_before_the_latest_order_is_not_what_is_waited_for() -> None:
    bench = bench_with()
    bench.emits("u1", OrderCompleted(order_id="o1"))
    bench.advance("1h")
    bench.emits("u1", OrderCompleted(order_id="o2"), REVIEW)
    bench.advance("5d")
    bench.emits("u1", ShipmentDelivered(order_id="o1"))
    bench.advance("5d")
    assert bench.messages == []
    bench.emits("u1", ShipmentDelivered(order_id="o2"))
    bench.advance("4d")
    assert len(bench.messages) == 1


def test_a_run_that_waited_for_whatever_came_goes_on_as_it_began() -> None:
    bench = EngineBench(Rule(complaint_followup.body, replace(complaint_followup.terms, version=2)))
    bench.emits("u1", OrderCompleted(order_id="o1"))
    bench.advance("1h")
    bench.emits("u1", OrderCompleted(order_id="o2"), REVIEW)
    bench.advance("5d")
    bench.deploy(complaint_followup)
    bench.emits("u1", ShipmentDelivered(order_id="o1"))
    bench.advance("4d")
    assert len(bench.messages) == 1


def test_a_shop_may_let_it_ask_about_a_review_before_the_order_came() -> None:
    assert len(after(OrderCompleted(order_id="o1"), REVIEW, after_arrival=False).messages) == 1


@pytest.mark.parametrize("channel", ["store", " Store"])
def test_what_was_bought_in_the_store_need_not_come(channel: str) -> None:
    assert len(after(OrderCompleted(order_id="o1", channel=channel), REVIEW).messages) == 1


def test_after_a_review_of_an_order_that_never_comes_nobody_is_asked() -> None:
    bench = after(OrderCompleted(order_id="o1"), REVIEW, length="90d")
    assert (bench.messages, bench.endings("u1")) == ([], ["the order has not come"])


# silent


@pytest.mark.parametrize("resolution", sorted(NOT_ASKED))
def test_what_was_no_complaint_or_is_a_person_s_matter_is_not_asked_about(resolution: str) -> None:
    bench = after(OPENED, ComplaintClosed(ticket_id="t1", resolution=resolution))
    assert (bench.messages, bench.endings("u1")) == ([], [f"closed as {resolution}"])


@pytest.mark.parametrize("resolution", ["Legal", "DUPLICATE", " spam "])
def test_how_the_help_desk_spells_a_resolution_does_not_matter(resolution: str) -> None:
    assert after(OPENED, ComplaintClosed(ticket_id="t1", resolution=resolution)).messages == []


def test_a_review_counts_as_one_however_it_is_spelt() -> None:
    assert len(after(ComplaintOpened(ticket_id="r1", channel=" Review")).messages) == 1


def test_while_another_complaint_is_open_nobody_is_asked() -> None:
    bench = after(OPENED, ComplaintOpened(ticket_id="t2"), CLOSED)
    assert (bench.messages, bench.endings("u1")) == ([], ["another complaint is open"])


def test_of_several_complaints_the_last_one_to_be_closed_is_asked_about() -> None:
    bench = bench_with()
    bench.emits("u1", OPENED, ComplaintOpened(ticket_id="t2"), CLOSED)
    bench.advance("2h")
    bench.emits("u1", ComplaintClosed(ticket_id="t2"))
    bench.advance("30d")
    assert [message.data["ticket_id"] for message in bench.messages] == ["t2"]


def test_of_two_complaints_closed_on_a_friday_one_is_asked_about_on_monday() -> None:
    bench = bench_with()
    bench.emits("u1", OPENED, ComplaintOpened(ticket_id="t2"))
    bench.advance("4d")
    bench.emits("u1", CLOSED)
    bench.advance("2h")
    bench.emits("u1", ComplaintClosed(ticket_id="t2"))
    bench.advance("30d")
    assert [message.data["ticket_id"] for message in bench.messages] == ["t2"]


def test_of_two_complaints_closed_together_one_is_asked_about() -> None:
    bench = after(OPENED, ComplaintOpened(ticket_id="t2"), CLOSED, ComplaintClosed(ticket_id="t2"))
    assert [message.data["ticket_id"] for message in bench.messages] == ["t2"]


@pytest.mark.parametrize("first", [REVIEW, ComplaintClosed(ticket_id="r1")], ids=["a review", "a closed ticket"])
def test_what_is_closed_as_no_complaint_while_the_question_waits_is_not_asked_about(first: Event) -> None:
    bench = bench_with()
    bench.emits("u1", first)
    bench.advance("2h")
    bench.emits("u1", ComplaintClosed(ticket_id="r1", resolution="Spam"))
    bench.advance("30d")
    assert (bench.messages, bench.endings("u1")) == ([], ["closed as spam"])


def test_a_held_question_is_withdrawn_when_the_complaint_becomes_a_person_s_matter() -> None:
    bench = bench_with(decide=lambda message: None)
    bench.emits("u1", OPENED, CLOSED)
    bench.advance("25h")
    bench.emits("u1", ComplaintClosed(ticket_id="t1", resolution="legal"))
    bench.decides(bench.messages[0], name="Hold Opened", hold=1)
    assert bench.cancelled == [bench.messages[0].message_id]


@pytest.mark.parametrize("resolution", ["duplicate", "Spam"])
def test_its_duplicate_is_not_asked_about_in_its_place(resolution: str) -> None:
    bench = bench_with()
    bench.emits("u1", OPENED, ComplaintOpened(ticket_id="t2"), CLOSED)
    bench.advance("2h")
    bench.emits("u1", ComplaintClosed(ticket_id="t2", resolution=resolution))
    bench.advance("30d")
    assert [message.data["ticket_id"] for message in bench.messages] == ["t1"]


NEWSLETTER = ContactMade(channel="email", by="mailchimp", purpose="marketing.newsletter")
CALL = ContactMade(channel="call", by="Ana")


@pytest.mark.parametrize(
    ("contacts", "asked"),
    [([NEWSLETTER], 1), ([CALL, NEWSLETTER], 0), ([NEWSLETTER, CALL], 0)],
    ids=["a newsletter", "a call before it", "a call after it"],
)
def test_a_newsletter_is_no_person_in_touch_and_hides_none(contacts: list[Event], asked: int) -> None:
    bench = bench_with()
    bench.emits("u1", OPENED, CLOSED)
    for contact in contacts:
        bench.advance("2h")
        bench.emits("u1", contact)
    bench.advance("30d")
    assert len(bench.messages) == asked


def test_after_a_person_was_in_touch_within_a_day_nobody_asks() -> None:
    bench = bench_with()
    bench.emits("u1", OPENED, CLOSED)
    bench.advance("20h")
    bench.emits("u1", ContactMade(channel="call", by="Ana"))
    bench.advance("30d")
    assert (bench.messages, bench.endings("u1")) == ([], ["a person was in touch"])


# cancels


def test_a_complaint_that_is_opened_again_ends_it() -> None:
    bench = bench_with()
    bench.emits("u1", OPENED, CLOSED)
    bench.advance("23h")
    bench.emits("u1", REOPENED)
    bench.advance("30d")
    assert (bench.messages, bench.endings("u1")) == ([], ["ended by Complaint Reopened"])


def test_a_held_message_is_withdrawn_when_another_complaint_comes() -> None:
    bench = bench_with(decide=lambda message: None)
    bench.emits("u1", OPENED, CLOSED)
    bench.advance("25h")
    bench.emits("u1", ComplaintOpened(ticket_id="t2"))
    message = bench.messages[0]
    bench.decides(message, name="Hold Opened", hold=1, reason="quiet_hours")
    assert bench.cancelled == [message.message_id]


def test_an_order_does_not_end_it() -> None:
    bench = bench_with()
    bench.emits("u1", OPENED, CLOSED)
    bench.advance("2h")
    bench.emits("u1", OrderCompleted(order_id="o9"))
    bench.advance("2d")
    assert len(bench.messages) == 1


# how often, and what it is


def test_a_customer_is_asked_once_in_two_weeks() -> None:
    bench = after(OPENED, CLOSED, length="3d")
    bench.emits("u1", ComplaintOpened(ticket_id="t2"), ComplaintClosed(ticket_id="t2"))
    bench.advance("5d")
    assert (len(bench.messages), bench.endings("u1")[-1]) == (1, "asked lately")
    bench.advance("8d")
    bench.emits("u1", ComplaintOpened(ticket_id="t3"), ComplaintClosed(ticket_id="t3"))
    bench.advance("5d")
    assert [message.data["ticket_id"] for message in bench.messages] == ["t1", "t3"]


def test_a_ticket_that_is_opened_and_closed_again_weeks_later_is_not_asked_about_again() -> None:
    bench = after(OPENED, CLOSED)
    bench.emits("u1", REOPENED, CLOSED)
    bench.advance("30d")
    assert len(bench.messages) == 1


def test_it_is_a_service_message_that_nobody_is_held_out_of() -> None:
    message = after(OPENED, CLOSED).messages[0]
    assert (message.purpose, message.holdout, message.uses) == (
        "service.complaint",
        False,
        ("tickets", "orders", "engagement"),
    )


def test_it_may_be_sent_for_three_days() -> None:
    message = after(OPENED, CLOSED).messages[0]
    assert message.expires_at - message.requested_at == 72 * HOUR
