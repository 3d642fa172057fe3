"""One address, two people: nobody learns from a message what belongs to the other."""

from __future__ import annotations

from typing import Any

import pytest
from dispatchbench import DispatchBench
from enginebench import drive

from tactful.clock import HOUR
from tactful_dispatch.public.choices import topics

HOME = {"email": "home@example.test"}
KETTLE = {"title": "Kettle", "image_url": "https://shop.example/kettle.jpg"}


@pytest.fixture(params=[1, 4])
def family(request: pytest.FixtureRequest) -> DispatchBench:
    """Uma and Ivo, who share an address."""
    bench = DispatchBench(partitions=request.param)
    for customer, name in (("u1", "Uma"), ("u2", "Ivo")):
        bench.consenting(customer, addresses=HOME, first_name=name)
    return bench


def greetings(bench: DispatchBench) -> list[str]:
    return [envelope.rendered.text for envelope in bench.adapter.sent]


def shown(bench: DispatchBench) -> list[str]:
    """The switches of the preference page, for marketing and for the cart."""
    known = topics(drive(bench.desk.card("u1")), "marketing.cart", bench.now)
    return ["on" if switch.on else "off" for topic in known for switch in topic.switches]


def test_an_address_that_one_person_uses_is_greeted_by_name_and_sees_pictures(family: DispatchBench) -> None:
    family.asks(data={"items": [KETTLE]})
    assert greetings(family) == ["Hello Uma"]
    assert "kettle.jpg" in family.adapter.sent[0].rendered.subject


def test_where_others_read_along_there_is_neither_a_name_nor_a_picture(family: DispatchBench) -> None:
    family.asks(data={"items": [KETTLE]})
    family.advance("8d")
    family.asks("m2", "u2", data={"items": [KETTLE], "value": 5})
    family.advance("8d")
    family.asks("m3", "u1")
    assert greetings(family) == ["Hello Uma", "Hello you", "Hello you"]
    told = family.adapter.sent[1].rendered.subject
    assert "Kettle" in told
    assert "'value': 5" in told
    assert "kettle.jpg" not in told


def test_where_others_read_along_a_complaint_goes_by_its_number(family: DispatchBench) -> None:
    complaint = {"ticket_id": "T-1042", "about": "Rash from the shampoo", "cause": ""}
    family.asks(data=complaint)
    family.advance("8d")
    family.asks("m2", "u2", data=complaint)
    alone, read_along = (envelope.rendered.subject for envelope in family.adapter.sent)
    assert ("Rash" in alone, "Rash" in read_along, "'about': 'T-1042'" in read_along) == (True, False, True)


def test_where_others_read_along_a_complaint_that_has_no_number_of_the_shop_s_goes_by_none(
    family: DispatchBench,
) -> None:
    complaint = {"ticket_id": "survey-m_0123", "about": "Rash from the shampoo", "cause": ""}
    family.asks(data=complaint)
    family.advance("8d")
    family.asks("m2", "u2", data=complaint)
    assert "'about': ''" in family.adapter.sent[1].rendered.subject


@pytest.mark.parametrize("items", [None, 7, "Kettle", {"p1": 1}, ["Kettle", None, 7], []])
def test_whatever_a_rule_gives_for_items_the_message_leaves(family: DispatchBench, items: Any) -> None:
    family.asks()
    family.advance("8d")
    family.asks("m2", "u2", data={"items": items})
    assert family.words == ["sent", "sent"]
    assert greetings(family)[-1] == "Hello you"


def test_no_reminder_of_a_gift_goes_where_others_read_along(family: DispatchBench) -> None:
    family.asks(data={"gift": True})
    family.advance("8d")
    family.asks("m2", "u2", data={"gift": True})
    assert [(decision.verdict, decision.reason) for decision in family.decisions] == [
        ("sent", None),
        ("not_sent", "suppressed_address"),
    ]


@pytest.mark.parametrize("old", ["anon:a1", "u0"])
@pytest.mark.parametrize("purpose", ["marketing.cart", "service.consent"])
def test_who_was_written_to_before_it_was_known_who_they_are_is_one_person_not_two(old: str, purpose: str) -> None:
    bench = DispatchBench(partitions=4)
    home = {"email": "home@example.test"}
    bench.consenting(old, addresses=home)
    bench.asks(customer=old, purpose=purpose)
    bench.link(old, "u1")
    bench.consenting("u1", addresses=home, first_name="Uma")
    bench.advance("8d")
    bench.asks("m2", "u1", data={"gift": True, "items": [KETTLE]})
    assert (bench.words, greetings(bench)[-1]) == (["sent", "sent"], "Hello Uma")
    bench.consenting("u2", addresses=home, first_name="Ivo")
    bench.asks("m3", "u2", purpose="service.order")
    assert greetings(bench)[-1] == "Hello you"


def test_two_who_turn_out_to_be_one_are_greeted_by_name_again(family: DispatchBench) -> None:
    family.asks(customer="u2")
    family.advance("8d")
    family.link("u2", "u1")
    family.asks("m2", "u1")
    assert greetings(family) == ["Hello Ivo", "Hello Uma"]


@pytest.mark.parametrize(("left", "switches"), [("marketing", ["off", "off"]), ("marketing.cart", ["on", "off"])])
def test_who_says_yes_again_after_the_other_opted_out_there_is_written_to_again(left: str, switches: list[str]) -> None:
    bench = DispatchBench()
    for customer in ("u1", "u2"):
        bench.knows(customer, addresses={"email": "home@example.test"})
        bench.grants(customer, channel="email")
    bench.asks(customer="u2")
    bench.advance("1s")
    heard = {"message_id": "m1"}
    drive(bench.desk.consent("u2", left, "email", "withdrawn", via="one-click", proof=heard))
    bench.advance("8d")
    bench.asks("m2")
    assert shown(bench) == switches
    for _ in range(2):
        drive(bench.desk.consent("u1", "marketing", "email", "granted", via="preference-page"))
    bench.asks("m3")
    assert shown(bench) == ["on", "on"]
    assert bench.words == ["sent", "withdrawn", "sent"]
    assert len(drive(bench.store.ledger(0))) == 4


@pytest.mark.parametrize(("channel", "held_for"), [("email", "budget"), ("call", ""), ("", "")])
def test_what_another_tool_has_sent_to_an_address_counts_for_everybody_there(
    family: DispatchBench, channel: str, held_for: str
) -> None:
    for _ in range(2):
        family.knows("u1", addresses=HOME, contacted_at=family.now - HOUR, contacted_on=channel, in_touch_with="mailer")
    family.asks(customer="u2")
    assert family.delivery().held_for == held_for


@pytest.mark.parametrize("spelt", ["Home@BÜCHER.example", "Ivo <home@bücher.example>"])
def test_an_address_is_one_however_it_is_spelt(spelt: str) -> None:
    bench = DispatchBench()
    bench.consenting("u1", addresses={"email": "home@xn--bcher-kva.example"})
    bench.consenting("u2", addresses={"email": spelt})
    bench.asks()
    drive(bench.desk.receipt("m1", "Message Complained", {}))
    bench.asks("m2", "u2")
    assert bench.words == ["sent", "suppressed_address"]


@pytest.mark.parametrize("first", ["address", "opt-out"])
@pytest.mark.parametrize(("channel", "words"), [("email", ["withdrawn"]), ("", ["withdrawn"]), ("push", ["sent"])])
def test_an_opt_out_binds_the_address_whichever_of_the_two_is_heard_of_first(
    family: DispatchBench, first: str, channel: str, words: list[str]
) -> None:
    """Consent comes straight from the door, an address by way of trigger."""
    family.advance("1s")
    if first == "address":
        family.knows("u3", addresses=HOME)
    family.grants("u3", channel=channel, state="withdrawn")
    family.settle()
    family.knows("u3", addresses=HOME)
    family.settle()
    family.asks()
    assert family.words == words


def test_an_opt_out_of_long_ago_does_not_come_along_to_another_address(family: DispatchBench) -> None:
    family.advance("1s")
    family.knows("u3", addresses={"email": "old@example.test"})
    family.grants("u3", state="withdrawn")
    family.settle()
    family.knows("u3", addresses=HOME)
    family.settle()
    family.asks()
    assert family.words == ["sent"]
