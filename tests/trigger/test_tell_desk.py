"""What a customer answers on our pages is told to people at the shop; what the help desk says itself is not told back."""

from __future__ import annotations

import pytest
from enginebench import EngineBench, refused

from tactful.clock import DAY
from tactful.events import (
    ComplaintClosed,
    ComplaintOpened,
    ComplaintReopened,
    Event,
    Identify,
    MessageReplied,
    SurveyAnswered,
)
from tactful_trigger.rules import tell_desk

OPENED = ComplaintOpened(ticket_id="t1", subject="Blue kettle leaks", channel="mail")
NOT_YET = ComplaintReopened(ticket_id="t1", reason="the customer says that it is not settled", text="It still leaks")


def after_a_complaint(**more: object) -> EngineBench:
    bench = EngineBench(tell_desk, **more)  # type: ignore[arg-type]
    bench.emits("u1", Identify(email="uma@example.test"), OPENED, ComplaintClosed(ticket_id="t1"))
    bench.advance("2d")
    return bench


def test_a_complaint_that_is_not_settled_is_told_with_what_the_customer_says() -> None:
    bench = after_a_complaint()
    bench.emits("u1", NOT_YET, source="dispatch")
    [message] = bench.messages
    assert (message.channel, message.template, message.purpose) == ("desk", "tell_desk", "service.desk")
    assert message.expires_at - message.requested_at == 7 * DAY
    assert message.data == {
        "customer": "u1",
        "email": "uma@example.test",
        "phone": "",
        "ticket": "t1",
        "again": True,
        "about": "Blue kettle leaks",
        "said": "It still leaks",
        "answer": "",
    }


def test_a_complaint_in_answer_to_our_question_is_told() -> None:
    bench = EngineBench(tell_desk)
    bench.emits("u1", ComplaintOpened(ticket_id="s1", subject="Slow", channel="survey", text="Slow"), source="dispatch")
    [message] = bench.messages
    assert (message.data["again"], message.data["said"], message.data["email"]) == (False, "Slow", "")


@pytest.mark.parametrize(
    ("answer", "text", "told"),
    [
        ("too_expensive", "Others are cheaper", True),
        ("other", "I moved", True),
        ("too_expensive", "", False),
        ("product", "It broke", False),  # a complaint is opened, and told as that
        ("unsettled", "It still leaks", False),
    ],
)
def test_an_answer_with_words_is_told_once(answer: str, text: str, told: bool) -> None:
    bench = EngineBench(tell_desk)
    bench.emits(
        "u1", SurveyAnswered(survey="churn_survey", answer=answer, text=text, message_id="m1"), source="dispatch"
    )
    said = [(message.data["answer"], message.data["said"], message.data["ticket"]) for message in bench.messages]
    assert said == ([(answer.replace("_", " "), text, "")] if told else [])


def test_what_is_said_to_one_letter_does_not_hide_what_is_said_to_another() -> None:
    bench = EngineBench(tell_desk, decide=lambda message: None)
    for message in ("m1", "m2"):
        answer = SurveyAnswered(survey="churn_survey", answer="other", text=f"About {message}", message_id=message)
        bench.emits("u1", answer, source="dispatch")
    assert [message.data["said"] for message in bench.messages] == ["About m1", "About m2"]


def test_a_text_message_is_told_each_time_and_a_reply_by_mail_comes_by_itself() -> None:
    bench = EngineBench(tell_desk)
    bench.emits("u1", Identify(phone="+34600111222"))
    for text, channel in (("When do you open?", "sms"), ("Hello?", "sms"), ("Thanks", "email")):
        bench.emits("u1", MessageReplied(message_id="m1", channel=channel, text=text), source="dispatch")
    told = [(message.data["phone"], message.data["said"]) for message in bench.messages]
    assert told == [("+34600111222", "When do you open?"), ("+34600111222", "Hello?")]


@pytest.mark.parametrize("event", [OPENED, NOT_YET, SurveyAnswered(survey="csat", answer="5", text="Fine")])
def test_what_the_help_desk_says_is_not_told_to_it(event: Event) -> None:
    bench = EngineBench(tell_desk)
    bench.emits("u1", event, source="zendesk")
    assert bench.messages == []


def test_each_time_that_it_is_not_settled_is_told() -> None:
    bench = after_a_complaint()
    for _ in range(2):
        bench.emits("u1", NOT_YET, source="dispatch")
        bench.emits("u1", ComplaintClosed(ticket_id="t1"))
        bench.advance("3d")
    assert len(bench.messages) == 2


def test_what_cannot_be_told_says_why() -> None:
    bench = after_a_complaint(decide=refused("no_address", "channel"))
    bench.emits("u1", NOT_YET, source="dispatch")
    assert bench.endings("u1") == ["no_address"]
