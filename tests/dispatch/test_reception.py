"""The desk: wishes, receipts, links, the card."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from dispatchbench import DispatchBench
from enginebench import drive

from tactful.clock import DAY, HOUR
from tactful.errors import InvalidInput
from tactful.events import (
    AddressReopened,
    ComplaintOpened,
    ComplaintReopened,
    ConsentChanged,
    MessageBounced,
    MessageClicked,
    MessageComplained,
    PreferencesChanged,
    SurveyAnswered,
)
from tactful.events.model import Event
from tactful.purposes import SPAM_REPORT
from tactful_dispatch.applying.receiving import MOST_RECEIPTS
from tactful_dispatch.channels import Rejected, Retry, Unknown
from tactful_dispatch.desk import Basket
from tactful_dispatch.desk.correspondence import Correspondence
from tactful_dispatch.gates.person import SILENCE
from tactful_dispatch.public.choices import topics
from tactful_dispatch.store.memory import MemoryDispatchStore


class Meanwhile(MemoryDispatchStore):
    """Something happens once, right before a transaction begins."""

    happens: Callable[[], None] | None = None

    async def transact(self, *args: Any, **more: Any) -> Any:
        happens, self.happens = self.happens, None
        if happens is not None:
            happens()
        return await super().transact(*args, **more)


@pytest.mark.parametrize("stops", [False, True])
def test_an_opt_out_that_meets_a_merge_is_the_word_of_who_they_turn_out_to_be(stops: bool) -> None:
    store = Meanwhile(1, lambda: b"0" * 16)
    bench = DispatchBench(store=store)
    bench.consenting("u1")
    bench.consenting("u2")
    bench.advance("1h")
    store.happens = lambda: bench.link("u2", "u1")
    if stops:
        drive(bench.desk.stop_all("u2", "page"))
    else:
        drive(bench.desk.consent("u2", "marketing", "", "withdrawn", via="page"))
    bench.settle()
    bench.asks("m1", "u1")
    assert bench.words == ["withdrawn"]


def test_not_this_kind_mutes_the_rule_and_no_other(bench: DispatchBench) -> None:
    drive(bench.desk.mute("u1", "cart", True))
    bench.asks()
    bench.settings(rules={"other": {"mode": "live"}}, sending={"mode": "live"})
    bench.asks("m2", rule="other")
    assert bench.words == ["muted_rule", "sent"]
    assert [e.change for e in bench.trigger.events if isinstance(e, PreferencesChanged)] == ["rule_muted"]


def test_a_pause_ends_by_itself(bench: DispatchBench) -> None:
    drive(bench.desk.pause("u1", bench.now + 30 * DAY))
    bench.asks()
    bench.advance("30d")
    bench.asks("m2")
    assert bench.words == ["paused", "sent"]


def test_a_receipt_is_told_once_and_one_by_a_machine_does_not_hide_the_persons(bench: DispatchBench) -> None:
    bench.asks()
    for detail in ({"prefetched": True}, {"prefetched": True}, {}, {}):
        assert not (bench.row().contacts[0].engaged and detail)
        assert drive(bench.desk.receipt("m1", "Message Clicked", detail))
    assert not drive(bench.desk.receipt("unknown", "Message Clicked", {}))
    bench.settle()
    assert bench.row().contacts[0].engaged
    clicks = [e.prefetched for e in bench.trigger.events if isinstance(e, MessageClicked)]
    assert clicks == [True, False]


def test_the_first_answer_to_a_question_stands_and_is_told_once(bench: DispatchBench) -> None:
    bench.asks(data={"ticket_id": "t1"})
    said = [drive(bench.desk.answer("m1", answer)) for answer in ("settled", "unsettled", "settled")]
    bench.settle()
    assert said == ["settled"] * 3
    assert bench.row().muted_rules == []
    assert bench.row().contacts[0].engaged
    assert [e.answer for e in bench.trigger.events if isinstance(e, SurveyAnswered)] == ["settled"]
    assert not [e for e in bench.trigger.events if isinstance(e, ComplaintReopened)]


def test_whoever_answers_has_noticed_the_message_also_if_their_click_was_taken_for_a_machines(
    bench: DispatchBench,
) -> None:
    bench.asks()
    drive(bench.desk.receipt("m1", "Message Clicked", {"prefetched": True}))
    drive(bench.desk.answer("m1", "in_a_week"))
    drive(bench.desk.receipt("m1", "Message Clicked", {}))
    bench.settle()
    told = [e for e in bench.trigger.events if isinstance(e, MessageClicked | SurveyAnswered)]
    assert [e.prefetched if isinstance(e, MessageClicked) else e.answer for e in told] == [True, False, "in_a_week"]


def test_who_says_that_it_is_not_settled_opens_their_complaint_again(bench: DispatchBench) -> None:
    bench.asks(data={"ticket_id": "t1"})
    assert drive(bench.desk.answer("m1", "unsettled", "It still leaks")) == "unsettled"
    bench.settle()
    [reopened] = [e for e in bench.trigger.events if isinstance(e, ComplaintReopened)]
    assert (reopened.ticket_id, reopened.text) == ("t1", "It still leaks")


@pytest.mark.parametrize(
    ("answer", "text", "opens"), [("product", "It broke.", True), ("product", "", False), ("other", "Hm.", False)]
)
def test_who_was_hurt_and_says_how_has_a_complaint(bench: DispatchBench, answer: str, text: str, opens: bool) -> None:
    bench.asks()
    drive(bench.desk.answer("m1", answer, text))
    bench.settle()
    opened = [e for e in bench.trigger.events if isinstance(e, ComplaintOpened)]
    assert [(e.ticket_id, e.subject, e.channel) for e in opened] == [("survey-m1", text, "survey")] * opens


def test_words_that_are_remembered_after_the_answer_are_told_once_too(bench: DispatchBench) -> None:
    bench.asks(data={"ticket_id": "t1"})
    for text in ("", "The box is missing", "The box is missing", "and the lid"):
        assert drive(bench.desk.answer("m1", "unsettled", text)) == "unsettled"
    bench.settle()
    assert [e.text for e in bench.trigger.events if isinstance(e, ComplaintReopened)] == ["", "The box is missing"]
    assert [e.text for e in bench.trigger.events if isinstance(e, SurveyAnswered)] == ["", "The box is missing"]


def test_who_says_how_they_were_hurt_only_afterwards_has_a_complaint(bench: DispatchBench) -> None:
    bench.asks()
    for text in ("", "It broke."):
        drive(bench.desk.answer("m1", "product", text))
    bench.settle()
    assert [e.text for e in bench.trigger.events if isinstance(e, ComplaintOpened)] == ["It broke."]


def test_a_complaint_of_two_lines_is_named_in_one_and_told_in_full(bench: DispatchBench) -> None:
    bench.asks()
    drive(bench.desk.answer("m1", "product", "The kettle leaks.\r\nNobody answers."))
    bench.settle()
    [opened] = [e for e in bench.trigger.events if isinstance(e, ComplaintOpened)]
    assert opened.subject == "The kettle leaks. Nobody answers."
    assert opened.text == "The kettle leaks.\r\nNobody answers."


def test_who_hears_from_us_too_often_hears_from_us_once_a_month_from_then_on(bench: DispatchBench) -> None:
    bench.asks()
    drive(bench.desk.answer("m1", "too_often"))
    for name in ("m2", "m3", "m4"):
        bench.advance("16d")
        bench.asks(name)
    bench.advance("2d")
    assert bench.words == ["sent", "expired", "sent", "expired"]
    assert drive(bench.desk.card("u1")).at_most_days == 30


@pytest.mark.parametrize("answer", ["no_need", "no_longer"])
def test_who_does_not_need_it_hears_nothing_more_about_such_things(bench: DispatchBench, answer: str) -> None:
    bench.asks(data={"categories": ["Tea", "Coffee"]})
    drive(bench.desk.answer("m1", answer))
    bench.settle()
    bench.advance("2d")
    bench.asks("m2", data={"categories": ["Tea"]})
    bench.advance("8d")
    bench.asks("m3", data={"categories": ["Tea", "Honey"]})
    assert bench.words == ["sent", "muted_topic", "sent"]
    told = [e for e in bench.trigger.events if isinstance(e, PreferencesChanged)]
    assert [e.change for e in told] == ["topic_muted", "topic_muted"]
    assert drive(bench.desk.card("u1")).muted_topics == ("Tea", "Coffee")


def test_where_nobody_knows_what_it_was_about_the_whole_kind_is_left_out(bench: DispatchBench) -> None:
    bench.asks()
    drive(bench.desk.answer("m1", "no_longer"))
    bench.advance("2d")
    bench.asks("m2")
    assert bench.words == ["sent", "muted_rule"]


def test_a_wish_in_an_answer_follows_who_the_customer_turned_out_to_be(bench: DispatchBench) -> None:
    bench.asks()
    bench.link("u1", "a1")
    drive(bench.desk.answer("m1", "no_longer"))
    assert drive(bench.desk.card("a1")).muted_rules == ("cart",)


def test_several_wishes_at_one_instant_are_told_in_their_order(bench: DispatchBench) -> None:
    bench.asks(data={"categories": ["Tea", "Coffee"]})
    drive(bench.desk.answer("m1", "no_longer"))
    drive(bench.desk.pause("u1", bench.now + DAY))
    drive(bench.desk.stop_all("u1", "preference-page"))
    bench.settle()
    told = [e.change for e in bench.trigger.events if isinstance(e, PreferencesChanged)]
    assert told == ["topic_muted", "topic_muted", "paused", "stopped"]


def test_an_answer_to_a_message_that_nobody_knows_is_none(bench: DispatchBench) -> None:
    assert drive(bench.desk.answer("unknown", "settled")) == ""


def test_a_click_leads_to_the_stored_url_only(bench: DispatchBench) -> None:
    bench.asks()
    assert drive(bench.desk.click_target("m1", 0)) == "https://shop.example/"
    assert drive(bench.desk.click_target("m1", 1)) is None
    assert drive(bench.desk.click_target("m1", -1)) is None


@pytest.mark.parametrize("items", [None, 3, "p1", [None], {"product_id": "p1"}, [{"product_id": None}]])
def test_where_a_rule_gave_no_list_of_things_there_is_no_basket(bench: DispatchBench, items: object) -> None:
    bench.asks(data={"items": items})
    assert drive(bench.desk.basket("m1")) is None


@pytest.mark.parametrize(
    ("quantity", "pieces"),
    [(2, 2), ("3", 3), ("2,5", 2), (0.5, 1), (None, 1), (-1, 1), ("many", 1), ([], 1), ("inf", 1)],
)
def test_a_basket_holds_whole_things_whatever_a_rule_gave(bench: DispatchBench, quantity: object, pieces: int) -> None:
    bench.asks(data={"items": [{"product_id": "p1", "quantity": quantity}]})
    basket = drive(bench.desk.basket("m1"))
    assert basket is not None
    assert basket.items == (("p1", pieces),)


@pytest.mark.parametrize(
    ("more", "left"), [({}, ["tea"]), ({"cart_id": ""}, ["nappies", "tea"])], ids=["usual", "cart"]
)
def test_what_they_usually_buy_is_put_into_no_basket_once_it_is_muted(
    bench: DispatchBench, more: dict[str, Any], left: list[str]
) -> None:
    items = [{"product_id": "nappies", "category": "Baby"}, {"product_id": "tea", "category": "Tea"}]
    bench.asks(data={"items": items, **more})
    drive(bench.desk.mute_topic("u1", "Baby", True))
    basket = drive(bench.desk.basket("m1"))
    assert basket is not None
    assert [product for product, _ in basket.items] == left


def test_a_basket_is_filled_again_by_its_name(bench: DispatchBench) -> None:
    bench.asks(data={"cart_id": "c7", "items": [{"product_id": "p1"}]})
    assert drive(bench.desk.basket("m1")) == Basket("c7", (("p1", 1),), bench.delivery().decided_at)


def test_the_card_tells_who_they_are_and_what_was_said_and_sent(bench: DispatchBench) -> None:
    bench.knows(first_name="Ума", locale="ru", zone="Asia/Tbilisi")
    bench.asks()
    card = drive(bench.desk.card("u1"))
    assert (card.first_name, card.locale, card.zone) == ("Ума", "ru", "Asia/Tbilisi")
    assert card.addresses["email"] == "u1@example.test"
    assert [c.state for c in card.consents] == ["granted"]
    assert [m.subject for m in card.messages] == ["about {}"]


def test_a_wish_said_twice_is_one_entry(bench: DispatchBench) -> None:
    said = [drive(bench.desk.consent("u1", "marketing", "email", "withdrawn", via="one-click")) for _ in range(2)]
    assert said == [2, 2]
    assert [drive(bench.desk.stop_all("u1", "page")) for _ in range(2)] == [3, 3]
    for _ in range(2):
        drive(bench.desk.mute("u1", "cart", True))
    bench.settle()
    assert [e.change for e in bench.trigger.events if isinstance(e, PreferencesChanged)] == ["stopped", "rule_muted"]


def test_who_stops_everything_once_more_takes_back_what_was_granted_in_between_and_is_heard_of_later(
    bench: DispatchBench,
) -> None:
    drive(bench.desk.stop_all("u1", "page"))
    bench.advance("1d")
    between = bench.now
    bench.advance("1d")
    drive(bench.desk.stop_all("u1", "page"))
    bench.grants(occurred_at=between)
    bench.asks()
    assert bench.words == ["withdrawn"]


def test_links_of_old_messages_go_on_working(bench: DispatchBench) -> None:
    bench.asks("m1")
    for number in range(2, 100):
        bench.asks(f"m{number}", channel="sms")
    assert drive(bench.desk.click_target("m1", 0)) == "https://shop.example/"
    assert drive(bench.desk.receipt("m1", "Message Clicked", {}))
    assert bench.row().deliveries == {}


def test_what_bounces_is_the_address_that_was_written_to(bench: DispatchBench) -> None:
    bench.asks()
    bench.knows(addresses={"email": "new@example.test"})
    drive(bench.desk.receipt("m1", "Message Bounced", {"hard": True}))
    bench.advance("8d")
    bench.asks("m2")
    bench.knows()
    bench.asks("m3")
    assert bench.words == ["sent", "sent", "suppressed_address"]


def test_a_complaint_ends_the_address(bench: DispatchBench) -> None:
    bench.asks()
    drive(bench.desk.receipt("m1", "Message Complained", {}))
    bench.asks("m2")
    assert [(d.reason, d.facts.get("why")) for d in bench.decisions[1:]] == [("suppressed_address", "complained")]


def test_an_address_that_works_again_is_written_to_again_and_the_story_says_who_asked_for_it(
    bench: DispatchBench,
) -> None:
    bench.adapter.outcomes = [Rejected("550", "mailbox full", suppress=True)]
    bench.asks()
    bench.asks("m2")
    assert drive(bench.desk.reopen("u1", "email", "eve", "rang us")) == "550"
    bench.asks("m3")
    assert bench.words == ["rejected", "suppressed_address", "sent"]
    [told] = [event for event in bench.trigger.events if isinstance(event, AddressReopened)]
    assert (told.channel, told.by, told.why, told.was) == ("email", "eve", "rang us", "550")


@pytest.mark.parametrize(
    ("shuts", "why"),
    [
        (lambda bench: None, "the address is not shut"),
        (lambda bench: bench.desk.receipt("m1", "Message Complained", {}), "reported a message as spam"),
        (
            lambda bench: bench.desk.receipt("m1", "Message Bounced", {"hard": True, "opted_out": True}),
            "answering START",
        ),
        (lambda bench: bench.knows(do_not_contact="deceased"), "nobody may write to somebody who uses it"),
    ],
)
def test_what_people_have_shut_no_operator_opens(
    bench: DispatchBench, shuts: Callable[[DispatchBench], Any], why: str
) -> None:
    bench.asks()
    if (coroutine := shuts(bench)) is not None:
        drive(coroutine)
    bench.settle()
    with pytest.raises(InvalidInput, match=why):
        drive(bench.desk.reopen("u1", "email", "eve", "rang us"))
    assert not any(isinstance(event, AddressReopened) for event in bench.trigger.events)


def test_nor_where_a_provider_had_called_it_dead_before(bench: DispatchBench) -> None:
    phone = Correspondence(bench.store, bench.book, bench.desk, bench.clock)
    bench.asks()
    drive(bench.desk.receipt("m1", "Message Bounced", {"hard": True}))
    drive(phone.stop("email", "u1@example.test", "sms-stop", {}))
    drive(bench.desk.receipt("m1", "Message Complained", {}))
    for why in ("answering START", "reported a message as spam"):
        with pytest.raises(InvalidInput, match=why):
            drive(bench.desk.reopen("u1", "email", "eve", "rang us"))
        drive(phone.start("email", "u1@example.test"))
    bench.asks("m2", purpose="service.order")
    assert bench.words == ["sent", "suppressed_address"]


def test_what_its_owner_has_stopped_and_started_again_an_operator_may_open(bench: DispatchBench) -> None:
    phone = Correspondence(bench.store, bench.book, bench.desk, bench.clock)
    bench.asks()
    drive(bench.desk.receipt("m1", "Message Bounced", {"hard": True}))
    drive(phone.stop("email", "u1@example.test", "sms-stop", {}))
    drive(phone.start("email", "u1@example.test"))
    assert drive(bench.desk.reopen("u1", "email", "eve", "rang us")) == "bounced"


@pytest.mark.parametrize("again", [False, True])
def test_who_reports_as_spam_what_they_had_stopped_opens_it_by_no_answer(bench: DispatchBench, again: bool) -> None:
    phone = Correspondence(bench.store, bench.book, bench.desk, bench.clock)
    bench.asks()
    drive(phone.stop("email", "u1@example.test", "sms-stop", {}))
    if again:
        drive(bench.desk.receipt("m1", "Message Complained", {}))
    drive(phone.start("email", "u1@example.test"))
    bench.asks("m2", purpose="service.order")
    assert bench.words[-1] == ("suppressed_address" if again else "sent")


def test_where_no_address_is_known_none_is_opened(bench: DispatchBench) -> None:
    with pytest.raises(InvalidInput, match="no address of u1 for call is known"):
        drive(bench.desk.reopen("u1", "call", "eve", "rang us"))


def test_a_complaint_is_a_withdrawal_told_first_and_once(bench: DispatchBench) -> None:
    bench.asks()
    for _ in range(2):
        drive(bench.desk.receipt("m1", "Message Complained", {}))
    bench.asks("m2", channel="push")
    assert bench.words == ["sent", "withdrawn"]
    told = [type(e).__name__ for e in bench.trigger.events if isinstance(e, MessageComplained) or _withdraws(e)]
    assert told == ["ConsentChanged", "MessageComplained"]


def _withdraws(event: Event) -> bool:
    return isinstance(event, ConsentChanged) and event.via == SPAM_REPORT


@pytest.mark.parametrize(("name", "state"), [("Message Delivered", "accepted"), ("Message Bounced", "unknown")])
def test_only_its_delivery_settles_what_the_attempt_could_not_tell(bench: DispatchBench, name: str, state: str) -> None:
    bench.adapter.outcomes = [Unknown("reset")]
    bench.asks()
    drive(bench.desk.receipt("m1", name, {"hard": False}))
    assert (bench.delivery().state, bench.words) == (state, ["outcome_unknown"])
    assert not bench.row().contacts[0].engaged


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("Message Clicked", {"url": "https://shop.example"}),
        ("Message Opened", {}),
        ("Message Opened", {"prefetched": True}),
        ("Message Complained", {}),
    ],
)
def test_what_somebody_has_before_them_has_arrived_and_is_not_tried_again(name: str, detail: dict[str, Any]) -> None:
    for outcome, words in ((Unknown("reset"), ["outcome_unknown"]), (Retry(HOUR, "504", "", doubtful=True), ["sent"])):
        bench = DispatchBench(idempotent=isinstance(outcome, Retry))
        bench.consenting()
        bench.adapter.outcomes = [outcome]
        bench.asks()
        drive(bench.desk.receipt("m1", name, detail))
        bench.advance("2h")
        assert (bench.delivery().state, bench.words[:1], bench.sent) == ("accepted", words, ["m1"])


def test_a_reply_may_be_to_an_earlier_message(bench: DispatchBench) -> None:
    bench.adapter.outcomes = [Unknown("reset")]
    bench.asks()
    drive(bench.desk.receipt("m1", "Message Replied", {"reply_id": "r1"}))
    assert bench.delivery().state == "unknown"


def test_a_soft_bounce_ends_nothing(bench: DispatchBench) -> None:
    bench.asks()
    drive(bench.desk.receipt("m1", "Message Bounced", {"hard": False}))
    bench.advance("8d")
    bench.asks("m2")
    assert bench.words == ["sent", "sent"]


def test_a_bounce_for_good_after_one_that_may_pass_ends_the_address(bench: DispatchBench) -> None:
    bench.asks("m1")
    drive(bench.desk.receipt("m1", "Message Bounced", {"hard": False, "detail": "failed 4.4.1"}))
    for _ in range(2):
        drive(bench.desk.receipt("m1", "Message Bounced", {"hard": True, "detail": "failed 5.1.1"}))
    bench.advance("8d")
    bench.asks("m2")
    assert bench.words == ["sent", "suppressed_address"]
    assert [event.hard for event in bench.trigger.events if isinstance(event, MessageBounced)] == [False, True]


def test_however_many_replies_came_a_complaint_is_heard(bench: DispatchBench) -> None:
    bench.asks("m1")
    for number in range(MOST_RECEIPTS):
        drive(bench.desk.receipt("m1", "Message Replied", {"reply_id": f"SM{number}"}))
    drive(bench.desk.receipt("m1", "Message Complained", {}))
    bench.advance("8d")
    bench.asks("m2")
    assert bench.words == ["sent", "suppressed_address"]


def test_the_card_says_whether_a_complaint_is_open(bench: DispatchBench) -> None:
    assert not drive(bench.desk.card("u1")).complaint_open
    bench.knows(complaint_open=True)
    bench.settle()
    assert drive(bench.desk.card("u1")).complaint_open


def test_the_page_keeps_a_silence_that_one_message_wanted_on_another_channel_does_not_end(bench: DispatchBench) -> None:
    bench.grants(purpose="marketing.cart", channel="sms", state="withdrawn")
    bench.advance("1h")
    bench.grants(purpose="marketing.cart", channel="push", once=True)
    bench.asks()
    assert bench.words == ["withdrawn"]
    (cart,) = [topic for topic in topics(drive(bench.desk.card("u1")), "", bench.now) if topic.purpose != "marketing"]
    assert cart.silent_until == bench.now - HOUR + SILENCE
