"""What customers choose for themselves: hours, how often, how personal, what about; and consent for once or to be confirmed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from dispatchbench import LIVE, DispatchBench
from enginebench import drive

from tactful.clock import DAY, HOUR
from tactful.decisions import GateVerdict
from tactful.errors import InvalidInput
from tactful.events import ConsentChanged
from tactful.records import EraseBody, EraseRecord, MessageRecord
from tactful_dispatch.channels import Outcome, Rejected, Retry, Unknown
from tactful_dispatch.desk.inquiring import answer
from tactful_dispatch.public.wishes import Asked, wish_of
from tactful_dispatch.state.rows import Cursor
from tactful_dispatch.store.memory import MemoryDispatchStore


def prefers(bench: DispatchBench, preference: str, value: str) -> None:
    drive(bench.desk.prefer("u1", preference, value))


def test_nobody_fills_their_row_with_rules_that_there_are_not(bench: DispatchBench) -> None:
    for number in range(300):
        drive(bench.desk.mute("u1", f"rule {number}", muted=True))
    kept = drive(bench.desk.card("u1")).muted_rules
    assert (len(kept), kept[-1]) == (256, "rule 299")


# -- hours and how often


def test_marketing_waits_for_the_hours_that_the_customer_chose(bench: DispatchBench) -> None:
    prefers(bench, "hours", "17:00-21:00")
    bench.asks()
    assert bench.sent == []
    bench.advance("5h")  # from noon to 17:00
    assert bench.sent == ["m1"]


@pytest.mark.parametrize("hours", ["09:00-12:00", "12:00-17:00"])
def test_somebody_of_a_wide_country_whose_zone_nobody_knows_gets_messages_whatever_they_choose(hours: str) -> None:
    bench = DispatchBench(settings=LIVE)
    bench.consenting(zone=None, country="US")
    bench.settle()
    assert drive(bench.desk.card("u1")).hours_guessed
    prefers(bench, "hours", hours)
    bench.asks()
    bench.advance("8h")  # from noon in Madrid to nine in Honolulu, and two in New York
    assert bench.sent == ["m1"]
    bench.knows(zone="America/New_York")
    bench.settle()
    assert not drive(bench.desk.card("u1")).hours_guessed


def test_chosen_hours_never_widen_the_shops_own() -> None:
    bench = DispatchBench(settings={**LIVE, "hours": {"marketing": "10:00-11:00"}})
    bench.consenting()
    prefers(bench, "hours", "09:00-12:00")
    bench.asks()
    bench.advance("21h")  # 09:00 of the next day
    assert bench.sent == []
    bench.advance("1h")
    assert bench.sent == ["m1"]


def test_hours_that_never_meet_the_shops_expire_with_that_reason() -> None:
    bench = DispatchBench(settings={**LIVE, "hours": {"marketing": "09:00-12:00"}})
    bench.consenting()
    prefers(bench, "hours", "17:00-21:00")
    bench.asks()
    bench.advance("2d")
    assert bench.words == ["expired"]
    assert bench.delivery().held_for == "quiet_hours"
    assert drive(bench.desk.card("u1")).hours_in_vain == ("12:00-17:00", "17:00-21:00"), "nobody else is offered them"


def test_service_messages_do_not_wait_for_chosen_hours(bench: DispatchBench) -> None:
    prefers(bench, "hours", "17:00-21:00")
    bench.asks(purpose="service.delivery")
    assert bench.words == ["sent"]


def test_the_question_after_a_complaint_waits_for_the_day_and_for_chosen_hours(bench: DispatchBench) -> None:
    bench.advance("10h")  # from noon to ten in the evening
    prefers(bench, "hours", "12:00-17:00")
    bench.asks(purpose="service.complaint")
    assert (bench.sent, bench.delivery().held_for) == ([], "quiet_hours")
    bench.advance("14h")
    assert (bench.holds, bench.sent) == (["m1 quiet_hours"], ["m1"])


def test_where_the_shop_keeps_no_budget_the_customers_own_wish_still_counts() -> None:
    bench = DispatchBench(settings={**LIVE, "caps": {"budget": False}})
    bench.consenting(at_most_days=60)
    bench.asks()
    bench.advance("1d")
    bench.asks("m2")
    prefers(bench, "at_most_days", "7")
    bench.advance("1d")
    bench.asks("m3")
    assert (bench.sent, bench.delivery("m3").held_for) == (["m1", "m2"], "budget")
    bench.advance("6d")
    bench.asks("m4")
    assert bench.sent == ["m1", "m2", "m4"]


@pytest.mark.parametrize(("days", "second"), [("0", 7), ("7", 7), ("30", 30)])
def test_the_customer_may_be_written_to_less_often_than_the_shop_would(days: str, second: int) -> None:
    bench = DispatchBench(settings={**LIVE, "caps": {"weekly": {"new": 1}}})
    bench.consenting()
    prefers(bench, "at_most_days", days)
    bench.asks()
    for day in range(1, second):
        bench.advance("1d")
        bench.asks(f"m{day}x", expires_at=bench.now + HOUR)
    bench.advance("1d")
    bench.advance("1m")
    bench.asks("last")
    assert bench.sent == ["m1", "last"]


def test_more_often_than_the_shop_would_is_no_choice() -> None:
    bench = DispatchBench(settings={**LIVE, "caps": {"weekly": {"new": 0}}})
    bench.consenting()
    prefers(bench, "at_most_days", "7")
    bench.asks(expires_at=bench.now + HOUR)
    bench.advance("2h")
    assert bench.sent == []


# -- how personal, and what about


@pytest.mark.parametrize(("uses", "word"), [(("cart",), "personalisation"), (("orders",), "sent"), ((), "sent")])
def test_who_wants_nothing_personal_gets_nothing_that_looks_at_basket_or_visits(
    bench: DispatchBench, uses: tuple[str, ...], word: str
) -> None:
    prefers(bench, "personalisation", "none")
    bench.asks(uses=uses)
    assert bench.words == [word]


def test_what_is_wholly_about_a_muted_topic_is_left_out(bench: DispatchBench) -> None:
    drive(bench.desk.mute_topic("u1", "Baby", True))
    bench.asks("m1", data={"categories": ["Baby"]})
    bench.asks("m2", data={"categories": ["Baby", "Garden"]})
    assert bench.words == ["muted_topic", "sent"]
    assert bench.decisions[0].facts == {"purpose": "marketing.cart", "topics": "Baby"}


def test_what_is_about_other_things_too_shows_nothing_of_a_muted_topic(bench: DispatchBench) -> None:
    drive(bench.desk.mute_topic("u1", "Baby", True))
    items = [{"title": "Nappies", "category": " Baby"}, {"title": "Tea", "category": "Tea"}, {"title": "Card"}, "text"]
    bench.asks(data={"categories": ["Baby", "Tea"], "items": items})
    [left] = bench.adapter.sent
    told = left.rendered.subject
    assert [word in told for word in ("Nappies", "Tea", "Card", "text")] == [False, True, True, True]


class Meanwhile(MemoryDispatchStore):
    """Something happens once, while a message is being written out."""

    happens: Callable[[], object] | None = None

    async def cursor(self, partition: int) -> Cursor:
        happens, self.happens = self.happens, None
        if happens is not None:
            happens()
        return await super().cursor(partition)


def test_nor_of_one_that_is_muted_while_it_is_being_written_out() -> None:
    store = Meanwhile(1, lambda: b"0" * 16)
    bench = DispatchBench(store=store)
    bench.consenting()
    bench.settle()
    store.happens = lambda: drive(bench.desk.mute_topic("u1", "Baby", True))
    bench.asks(data={"items": [{"title": "Pram", "category": "Baby"}, {"title": "Pot", "category": "Tea"}]})
    assert bench.words == ["sent"]
    assert ("Pram" in bench.delivery().subject, "Pot" in bench.delivery().subject) == (False, True)


def test_a_muted_topic_may_be_told_of_again(bench: DispatchBench) -> None:
    drive(bench.desk.mute_topic("u1", "Baby", True))
    drive(bench.desk.mute_topic("u1", "Baby", False))
    bench.asks(data={"categories": ["Baby"]})
    assert bench.words == ["sent"]


@pytest.mark.parametrize(
    "category",
    [
        " Tea ",
        "Tea\u00a0& Coffee",
        "Tea\nand cups",
        "\u0645\u06cc\u200c\u062e\u0648",  # Persian writes a joiner within words
        "Home > Kitchen > " * 9,
        "\N{CYRILLIC CAPITAL LETTER TE}" * 400,
    ],
)
def test_whatever_a_shop_calls_a_category_a_button_leaves_it_out_and_one_brings_it_back(
    bench: DispatchBench, category: str
) -> None:
    def press(do: str, topic: str) -> None:
        drive(
            wish_of({"do": do, "topic": topic}).carry_out(bench.desk, Asked("u1", bench.now, "preference-page", "m1"))
        )

    bench.asks("m1", data={"categories": [category]})
    press("mute_topic", *drive(bench.desk.topics("m1")))
    bench.advance("8d")
    bench.asks("m2", data={"categories": [category]})
    press("unmute_topic", *drive(bench.desk.card("u1")).muted_topics)
    bench.asks("m3", data={"categories": [category]})
    assert bench.words == ["sent", "muted_topic", "sent"]


def test_a_topic_that_is_muted_while_a_message_waits_ends_it(bench: DispatchBench) -> None:
    bench.asks(not_before=bench.now + HOUR, data={"categories": ["Baby"]})
    drive(bench.desk.mute_topic("u1", "Baby", True))
    bench.settle()
    assert bench.words == ["muted_topic"]


def test_a_choice_that_nobody_offers_is_refused_by_name(bench: DispatchBench) -> None:
    for preference, value in (("hours", "03:00-04:00"), ("at_most_days", "1"), ("stopped_at", "0")):
        with pytest.raises(InvalidInput, match=preference):
            prefers(bench, preference, value)


# -- consent for once


def test_what_was_granted_for_one_message_is_over_with_it() -> None:
    bench = DispatchBench()
    bench.knows()
    bench.grants(purpose="marketing.stock", channel="email", once=True)
    for name in ("m1", "m2"):
        bench.asks(name, purpose="marketing.stock")
        bench.advance("8d")
    assert bench.words == ["sent", "no_consent"]
    changes = [event for event in bench.trigger.events if isinstance(event, ConsentChanged)]
    assert [(change.state, change.once) for change in changes] == [("granted", True)]
    [granted, used] = drive(bench.store.ledger(0))
    assert b'"state":"granted"' in (granted.entry or b"")
    assert b'"state":"used"' in (used.entry or b"")


def test_what_was_granted_for_one_message_twice_is_still_for_one() -> None:
    bench = DispatchBench()
    bench.knows()
    for _ in range(2):
        bench.grants(purpose="marketing.cart", channel="email", once=True)
        bench.advance("1m")
    bench.asks("m1")
    bench.advance("8d")
    bench.asks("m2")
    assert bench.words == ["sent", "no_consent"]


def test_a_message_that_did_not_leave_uses_nothing_up() -> None:
    bench = DispatchBench()
    bench.knows(complaint_open=True)
    bench.grants(purpose="marketing.stock", channel="email", once=True)
    bench.asks(purpose="marketing.stock")
    bench.knows()
    bench.asks("m2", purpose="marketing.stock")
    assert bench.words == ["complaint_open", "sent"]


def test_a_grant_for_one_message_does_not_use_up_a_lasting_one(bench: DispatchBench) -> None:
    bench.grants(purpose="marketing.cart", channel="email", once=True)
    for name in ("m1", "m2"):
        bench.asks(name)
        bench.advance("8d")
    assert bench.words == ["sent", "sent"]


@pytest.mark.parametrize(("purpose", "channel"), [("marketing.cart", "push"), ("marketing.winback", "email")])
def test_a_grant_for_one_message_is_not_used_up_by_one_that_it_was_not_for(
    bench: DispatchBench, purpose: str, channel: str
) -> None:
    bench.grants(purpose=purpose, channel=channel, once=True)
    bench.asks()
    assert bench.sent == ["m1"]
    assert [word.channel for word in bench.row().words if word.once] == [channel]


@pytest.mark.parametrize("first", ["lasting", "once"])
def test_a_grant_for_one_message_stands_beside_a_lasting_one_for_the_same(first: str) -> None:
    bench = DispatchBench()
    bench.knows()
    bench.grants(purpose="marketing.cart", channel="email", once=first == "once")
    bench.advance("1m")
    bench.grants(purpose="marketing.cart", channel="email", once=first == "lasting")
    for name in ("m1", "m2"):
        bench.asks(name)
        bench.advance("8d")
    assert bench.words == ["sent", "sent"]


def test_after_the_one_message_an_earlier_withdrawal_stands_again(bench: DispatchBench) -> None:
    bench.grants(purpose="marketing.cart", channel="email", state="withdrawn")
    bench.advance("1m")
    bench.grants(purpose="marketing.cart", channel="email", once=True)
    for name in ("m1", "m2"):
        bench.asks(name)
        bench.advance("8d")
    assert bench.words == ["sent", "withdrawn"]
    shown = [(word.purpose, word.state) for word in drive(bench.desk.card("u1")).consents]
    assert shown == [("marketing", "granted"), ("marketing.cart", "withdrawn")]


def test_a_withdrawal_takes_back_what_was_granted_for_one_message_before_and_not_after() -> None:
    bench = DispatchBench()
    bench.knows()
    bench.grants(channel="email", once=True)
    bench.advance("1h")
    bench.grants(channel="email", state="withdrawn")
    bench.grants(channel="email", once=True, occurred_at=bench.now - 1)
    bench.asks()
    bench.advance("2h")
    bench.grants(channel="email", once=True, occurred_at=bench.now - 1)
    bench.grants(channel="email", state="withdrawn", occurred_at=bench.now - HOUR)
    bench.asks("m2")
    assert bench.words == ["withdrawn", "sent"]


def test_one_message_that_is_wanted_on_one_channel_does_not_end_the_silence_on_the_others() -> None:
    bench = DispatchBench()
    bench.consenting()
    bench.advance("1h")
    bench.grants(channel="sms", state="withdrawn")
    bench.advance("1h")
    bench.grants(purpose="marketing.cart", channel="push", once=True)
    bench.asks("m1", channel="email")
    bench.asks("m2", channel="push")
    assert bench.words == ["withdrawn", "sent"]


def test_whoever_may_be_written_to_once_may_still_allow_more() -> None:
    bench = DispatchBench()
    bench.knows()
    bench.grants(purpose="marketing.cart", channel="email", once=True)
    bench.settle()
    drive(bench.desk.consent("u1", "marketing.cart", "email", "granted", via="double-opt-in"))
    for name in ("m1", "m2"):
        bench.asks(name)
        bench.advance("8d")
    assert bench.words == ["sent", "sent"]


# -- consent to be confirmed


def test_what_was_only_requested_is_no_consent_until_its_owner_confirms_it() -> None:
    bench = DispatchBench()
    bench.knows()
    bench.grants(channel="email", state="requested")
    bench.asks()
    confirm = {"confirm": {"purpose": "marketing", "channel": "email"}}
    bench.asks("m2", purpose="service.consent", data=confirm)
    assert drive(bench.desk.offered("m2")) == ("marketing", "email")
    assert [event.state for event in bench.trigger.events if isinstance(event, ConsentChanged)] == ["requested"]
    assert bench.words == ["no_consent", "sent"]


def question(bench: DispatchBench, name: str, customer: str, purpose: str = "marketing") -> None:
    """Somebody has entered an address, and its owner is asked."""
    bench.knows(customer, addresses={"email": "stranger@example.test"})
    bench.trigger.fresh = asked = {"confirm": {"purpose": purpose, "channel": "email"}}
    bench.asks(name, customer, purpose="service.consent", data=asked)


@pytest.fixture(params=[1, 4])
def entered(request: pytest.FixtureRequest) -> DispatchBench:
    """A visitor has entered an address, and its owner was asked."""
    bench = DispatchBench(partitions=request.param)
    question(bench, "m1", "anon:a1")
    return bench


def test_the_owner_of_an_address_is_asked_once_a_month_whoever_enters_it_and_however_often(
    entered: DispatchBench,
) -> None:
    for number in range(2, 6):
        question(entered, f"m{number}", f"anon:a{number}")
    entered.advance("1d")
    question(entered, "m6", "anon:a1")
    assert entered.sent == ["m1"]
    assert {(d.reason, d.scope) for d in entered.decisions[1:]} == {("suppressed_address", "channel")}
    entered.advance("30d")
    question(entered, "m7", "anon:a2")
    assert entered.sent == ["m1", "m7"]


def test_several_who_enter_one_address_at_the_same_time_make_one_letter() -> None:
    bench = DispatchBench()
    bench.settings(**LIVE)
    for number in range(5):
        bench.knows(f"anon:a{number}", addresses={"email": "stranger@example.test"})
    confirm = {"confirm": {"purpose": "marketing", "channel": "email"}}
    bodies = [bench.wish(f"m{n}", f"anon:a{n}", purpose="service.consent", data=confirm) for n in range(5)]
    bench.append(*(MessageRecord(id=b.message_id, key=b.customer, at=bench.now, body=b) for b in bodies))
    bench.settle()
    assert len(bench.sent) == 1


def test_a_question_about_something_else_and_any_other_message_leave(entered: DispatchBench) -> None:
    question(entered, "m2", "anon:a1", purpose="marketing.stock")
    entered.asks("m3", "anon:a1", purpose="service.order")
    assert entered.sent == ["m1", "m2", "m3"]


def test_whoever_has_answered_may_be_asked_again(entered: DispatchBench) -> None:
    proof = {"message_id": "m1"}
    drive(entered.desk.consent("anon:a1", "marketing", "email", "granted", via="double-opt-in", proof=proof))
    question(entered, "m2", "anon:a2")
    assert entered.sent == ["m1", "m2"]


@pytest.mark.parametrize(
    ("purpose", "asked"),
    [("marketing", "marketing.stock"), ("marketing.stock", "marketing.stock"), ("marketing.a/b", "marketing.a/b")],
)
def test_an_answer_by_any_other_way_is_an_answer_too_though_it_was_taken_back_since(
    entered: DispatchBench, purpose: str, asked: str
) -> None:
    question(entered, "m2", "u1", purpose=asked)
    entered.advance("1h")
    entered.grants("u1", purpose=purpose, channel="email")
    entered.advance("1h")
    entered.grants("u1", purpose=purpose, channel="email", state="withdrawn")
    entered.advance("26h")
    question(entered, "m3", "anon:a2", purpose=asked)
    question(entered, "m4", "anon:a2")
    assert entered.sent == ["m1", "m2", "m3", "m4"][: 4 if purpose == "marketing" else 3]


@pytest.mark.parametrize(
    ("customer", "word"),
    [
        ("u1", {"once": True}),
        ("u1", {"channel": "sms"}),
        ("u1", {"state": "withdrawn"}),
        ("u1", {"occurred_at": 1}),
        ("anon:a9", {}),
        ("u9", {}),
    ],
)
def test_what_does_not_answer_for_good_or_is_said_by_somebody_else_is_no_answer(
    entered: DispatchBench, customer: str, word: dict[str, Any]
) -> None:
    entered.knows("u1", addresses={"email": "stranger@example.test"})
    entered.knows("u9")
    entered.link("anon:a9", "u1")
    entered.grants(customer, **{"channel": "email", **word})
    entered.settle()
    question(entered, "m2", "anon:a2")
    assert entered.sent == ["m1"]


@pytest.mark.parametrize(("outcome", "sent"), [(Retry(1000), ["m1", "m1"]), (Rejected("550", "no"), ["m1", "m2"])])
def test_a_question_that_did_not_leave_was_not_asked(outcome: Outcome, sent: list[str]) -> None:
    bench = DispatchBench()
    bench.adapter.outcomes = [outcome]
    question(bench, "m1", "anon:a1")
    bench.advance("1h")
    question(bench, "m2", "anon:a2")
    assert bench.sent == sent


def test_a_question_that_may_have_left_is_repeated_where_that_is_harmless() -> None:
    bench = DispatchBench(idempotent=True)
    bench.adapter.outcomes = [Unknown("no answer")]
    question(bench, "m1", "anon:a1")
    bench.advance("1h")
    assert (bench.sent, bench.words) == (["m1", "m1"], ["sent"])


def test_whoever_reads_at_an_earlier_address_allows_nothing_at_the_present_one() -> None:
    bench = DispatchBench()
    bench.knows(addresses={"email": "mallory@example.test"})
    bench.asks(purpose="service.consent", data={"confirm": {"purpose": "marketing", "channel": "email"}})
    bench.knows(addresses={"email": "victim@example.test"})
    bench.settle()
    assert drive(bench.desk.offered("m1")) is None
    bench.knows(addresses={"email": "Mallory@example.test"})
    bench.settle()
    assert drive(bench.desk.offered("m1")) == ("marketing", "email")


@pytest.mark.parametrize(("mine", "offered"), [("a1@example.test", ("marketing", "email")), ("u1@example.test", None)])
def test_a_visitor_who_has_logged_in_confirms_for_the_address_that_was_asked(
    mine: str, offered: tuple[str, str] | None
) -> None:
    bench = DispatchBench(partitions=4)
    bench.knows("anon:a1", addresses={"email": "a1@example.test"})
    confirm = {"confirm": {"purpose": "marketing", "channel": "email"}}
    bench.asks(customer="anon:a1", purpose="service.consent", data=confirm)
    bench.link("anon:a1", "u1")
    bench.knows("u1", addresses={"email": mine})
    bench.settle()
    assert drive(bench.desk.offered("m1")) == offered


def test_a_request_neither_withdraws_nor_renews_what_was_granted(bench: DispatchBench) -> None:
    bench.grants(channel="email", state="requested")
    bench.asks()
    bench.grants(channel="email", state="withdrawn")
    bench.grants(channel="email", state="requested")
    bench.asks("m2")
    assert bench.words == ["sent", "withdrawn"]


# -- asking first


def test_whoever_asks_first_is_told_what_the_gates_would_say(bench: DispatchBench) -> None:
    assert answer(drive(bench.desk.check("u1", "email", "marketing"))) == {"may": True}
    bench.knows(complaint_open=True)
    bench.settle()
    told = answer(drive(bench.desk.check("u1", "email", "marketing")))
    assert (told["may"], told["reason"], told["until"]) == (False, "complaint_open", None)
    assert answer(drive(bench.desk.check("u1", "email", "service.delivery"))) == {"may": True}


def test_what_binds_the_address_is_told_too(bench: DispatchBench) -> None:
    bench.consenting("u2", addresses={"email": "u1@example.test"})
    bench.asks("m2", "u2")
    drive(bench.desk.receipt("m2", "Message Bounced", {"hard": True}))
    told = answer(drive(bench.desk.check("u1", "email", "marketing")))
    assert (told["reason"], told["facts"]) == ("suppressed_address", {"why": "bounced"})


def test_an_answer_says_until_when(bench: DispatchBench) -> None:
    bench.knows(in_touch_until=bench.now + HOUR, in_touch_with="Ana")
    bench.settle()
    told = answer(drive(bench.desk.check("u1", "email", "marketing")))
    assert (told["reason"], told["until"], told["facts"]["who"]) == ("in_touch", bench.now + HOUR, "Ana")


def test_asking_first_changes_nothing(bench: DispatchBench) -> None:
    before = bench.row()
    for _ in range(3):
        assert drive(bench.desk.check("u1", "email", "marketing"))[-1].verdict is GateVerdict.OPEN
    assert bench.row() == before
    drive(bench.desk.check("nobody", "email", "marketing"))
    assert drive(bench.store.everybody(0, "", 99)) == ["u1"]


def test_of_whoever_was_erased_it_is_said_and_nothing_comes_back(bench: DispatchBench) -> None:
    bench.append(EraseRecord(id="x", key="u1", at=bench.now, body=EraseBody(bench.now)))
    bench.settle()
    told = answer(drive(bench.desk.check("u1", "email", "service.delivery")))
    assert (told["reason"], told["scope"]) == ("erased", "customer")
    assert drive(bench.store.everybody(0, "", 99)) == []
    bench.consenting("u2")
    bench.settle()
    assert answer(drive(bench.desk.check("u2", "email", "marketing"))) == {"may": True}
    bench.consenting()
    bench.advance("1m")
    bench.consenting()
    bench.settle()
    assert answer(drive(bench.desk.check("u1", "email", "marketing"))) == {"may": True}


def test_a_log_in_which_nothing_has_happened_for_hours_is_read_and_one_that_nobody_reads_is_not(
    bench: DispatchBench,
) -> None:
    bench.clock.forward_to(bench.now + 2 * HOUR)
    assert answer(drive(bench.desk.check("u1", "email", "marketing"))) == {"may": True}
    bench.grants(channel="sms", state="withdrawn")
    assert answer(drive(bench.desk.check("u1", "email", "marketing")))["reason"] == "log_not_read"
    bench.settle()
    assert answer(drive(bench.desk.check("u1", "email", "marketing")))["reason"] == "withdrawn"


def test_what_somebody_else_said_counts_against_the_budget_once(bench: DispatchBench) -> None:
    for _ in range(2):
        bench.knows(contacted_at=bench.now - HOUR, contacted_on="call", in_touch_with="Ana")
    bench.settle()
    bench.asks(expires_at=bench.now + HOUR)
    assert bench.delivery().held_for == "budget"
    assert len(bench.row().contacts) == 1
    bench.advance("8d")
    bench.asks("m2")
    assert bench.sent == ["m2"]


@pytest.mark.parametrize(("channel", "days"), [("sms", 10), ("email", 0.5)])
def test_who_asks_first_is_told_of_what_other_tools_have_sent_as_a_message_of_ours_is(
    channel: str, days: float
) -> None:
    caps = {"sms_per_30_days": 1, "weekly": {"new": 9}}
    bench = DispatchBench(settings={**LIVE, "caps": caps})
    sent_at = bench.now - round(days * DAY)
    home = {"email": "uma@example.test", "sms": "+34600123456"}
    bench.consenting(addresses=home, contacted_at=sent_at, contacted_on=channel, in_touch_until=sent_at)
    bench.settle()
    asked = drive(bench.desk.check("u1", channel, "marketing"))
    bench.asks(channel=channel)
    assert (asked[-1].gate, asked[-1].reason) == (bench.delivery().gates[-1].gate, bench.delivery().gates[-1].reason)
    assert asked[-1].verdict is not GateVerdict.OPEN


def test_a_call_is_no_message_that_went_unnoticed() -> None:
    bench = DispatchBench(settings={**LIVE, "caps": {"weekly": {"new": 9}, "silent_after": 2}})
    bench.consenting()
    for day in range(3):
        bench.knows(contacted_at=bench.now + day, contacted_on="call")
    bench.settle()
    bench.advance("1d")
    bench.asks()
    assert bench.sent == ["m1"]
