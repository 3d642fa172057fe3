"""Two recipients turn out to be one: what was said and sent counts for who they are, and messages stay where they were asked."""

from __future__ import annotations

import pytest
from dispatchbench import LIVE, DispatchBench
from enginebench import drive

from tactful.clock import DAY, HOUR
from tactful.events import ConsentChanged
from tactful.log.partitioning import partition_of
from tactful.records import DISPATCH, LinkedBody, LinkedRecord, decode_dispatch
from tactful_dispatch.channels import Rejected
from tactful_dispatch.public.choices import topics
from tactful_dispatch.state.ledger import broken_at

STRANGER = "anon:a1"


@pytest.fixture(params=[1, 4])
def people(request: pytest.FixtureRequest) -> DispatchBench:
    return DispatchBench(partitions=request.param)


def test_what_a_stranger_granted_counts_for_who_they_are(people: DispatchBench) -> None:
    people.knows("u1")
    people.grants(STRANGER)
    people.link(STRANGER, "u1")
    people.asks()
    assert people.words == ["sent"]


def test_what_a_stranger_granted_counts_beside_what_they_have_granted_themselves(people: DispatchBench) -> None:
    people.knows("u1")
    people.grants("u1", "marketing.winback", "email")
    people.grants(STRANGER)
    people.link(STRANGER, "u1")
    people.asks()
    assert people.words == ["sent"]


def test_what_a_stranger_withdrew_counts_for_who_they_are(people: DispatchBench) -> None:
    people.consenting("u1")
    people.advance("1h")
    people.grants(STRANGER, state="withdrawn")
    people.link(STRANGER, "u1")
    people.asks()
    assert people.words == ["withdrawn"]


def test_what_a_stranger_took_back_and_then_granted_is_granted(people: DispatchBench) -> None:
    people.knows("u1")
    people.link(STRANGER, "u1")
    for state in ("granted", "withdrawn", "granted"):
        people.grants(STRANGER, state=state)
        people.advance("1m")
    people.asks()
    assert people.words == ["sent"]


def test_what_a_stranger_withdrew_begins_a_silence_whatever_was_withdrawn_before(people: DispatchBench) -> None:
    people.knows("u1")
    people.grants("u1", state="withdrawn", channel="sms")
    people.grants("u1", channel="email")
    people.advance("40d")
    people.grants(STRANGER, state="withdrawn", channel="push")
    people.link(STRANGER, "u1")
    people.asks()
    assert people.words == ["withdrawn"]


@pytest.mark.parametrize("withdrawn", ["marketing", "marketing.cart"])
@pytest.mark.parametrize("purpose", ["marketing", "marketing.cart"])
def test_a_strangers_grant_never_undoes_a_withdrawal_however_late_it_was_said(
    people: DispatchBench, purpose: str, withdrawn: str
) -> None:
    people.consenting("u1")
    people.advance("1h")
    people.grants("u1", withdrawn, state="withdrawn", channel="email")
    people.advance("1h")
    people.grants(STRANGER, purpose=purpose)
    people.link(STRANGER, "u1")
    people.asks()
    people.grants(STRANGER, purpose=purpose, occurred_at=people.now + HOUR)
    people.asks("m2")
    assert people.words == ["withdrawn", "withdrawn"]


def test_a_strangers_grant_for_one_channel_does_not_end_the_silence_that_a_withdrawal_on_another_began(
    people: DispatchBench,
) -> None:
    people.consenting("u1")
    people.advance("1h")
    people.grants("u1", state="withdrawn", channel="push")
    people.advance("1h")
    people.grants(STRANGER, channel="email")
    people.link(STRANGER, "u1")
    people.asks()
    assert people.words == ["withdrawn"]


def test_a_withdrawal_that_arrives_after_a_strangers_grant_and_was_said_before_it_stands(people: DispatchBench) -> None:
    people.knows("u1")
    people.advance("1d")
    people.grants(STRANGER)
    people.link(STRANGER, "u1")
    people.grants("u1", state="withdrawn", occurred_at=people.now - DAY)
    people.asks()
    assert people.words == ["withdrawn"]


def test_the_customers_own_grant_ends_the_silence_that_a_strangers_cannot(people: DispatchBench) -> None:
    people.consenting("u1", addresses={"email": "u1@example.test"})
    people.grants("u1", state="withdrawn")
    people.link(STRANGER, "u1")
    people.advance("1h")
    people.grants("u1")
    people.asks()
    assert people.words == ["sent"]


def test_a_strangers_grant_does_not_lift_stop_all(people: DispatchBench) -> None:
    people.consenting("u1")
    people.settle()
    drive(people.desk.stop_all("u1", "page"))
    people.advance("1h")
    people.grants(STRANGER)
    people.link(STRANGER, "u1")
    people.asks()
    assert people.row("u1").stopped_at > 0
    assert people.words == ["withdrawn"]


def test_whoever_has_stopped_everything_under_one_name_turns_on_again_what_they_had_granted_under_another(
    people: DispatchBench,
) -> None:
    people.consenting("u1")
    drive(people.desk.stop_all(STRANGER, "page"))
    people.advance("1h")
    drive(people.desk.consent("u1", "marketing", "email", "granted", via="preference-page"))
    people.link(STRANGER, "u1")
    card = drive(people.desk.card("u1"))
    assert (card.stopped, [switch.on for switch in topics(card, "", people.now)[0].switches]) == (True, [False, False])
    drive(people.desk.consent("u1", "marketing", "email", "granted", via="preference-page"))
    people.asks()
    assert (people.words, drive(people.desk.card("u1")).stopped) == (["sent"], False)


@pytest.mark.parametrize("stops", ["u1", "u2"])
@pytest.mark.parametrize("once", [False, True])
def test_who_stopped_everything_under_one_of_two_accounts_has_stopped_it_whichever_lives_on(
    people: DispatchBench, stops: str, once: bool
) -> None:
    people.consenting("u1")
    people.consenting("u2")
    people.settle()
    drive(people.desk.stop_all(stops, "page"))
    people.advance("1h")
    people.grants("u2" if stops == "u1" else "u1", channel="push", once=once)
    people.link("u2", "u1")
    assert drive(people.desk.card("u1")).stopped
    people.advance("1h")
    people.grants("u2", channel="push")  # under the old name, and by now it is they who say it
    people.settle()
    assert not drive(people.desk.card("u1")).stopped


@pytest.mark.parametrize("once", [False, True])
def test_a_strangers_grant_stays_a_strangers_by_whichever_account_it_comes(people: DispatchBench, once: bool) -> None:
    people.consenting("u1")
    people.knows("u2")
    drive(people.desk.stop_all("u1", "page"))
    people.advance("1h")
    people.grants(STRANGER, once=once)
    people.link(STRANGER, "u2")
    people.link("u2", "u1")
    people.asks()
    people.advance("31d")
    people.asks("m2")
    assert people.words == ["withdrawn", "withdrawn"]
    assert drive(people.desk.card("u1")).stopped


def test_of_two_known_customers_the_later_word_counts(people: DispatchBench) -> None:
    people.consenting("u1")
    people.grants("u2", state="withdrawn")
    people.advance("1h")
    people.grants("u2")
    people.link("u2", "u1")
    people.asks()
    assert people.words == ["sent"]


def test_what_is_said_under_the_old_name_later_is_said_by_the_customer(people: DispatchBench) -> None:
    people.consenting("u1")
    people.link(STRANGER, "u1")
    people.advance("1m")
    people.grants(STRANGER, state="withdrawn")
    people.settle()
    people.asks()
    assert people.words == ["withdrawn"]
    changes = [event for event in people.trigger.events if isinstance(event, ConsentChanged)]
    assert [change.state for change in changes] == ["granted", "withdrawn"]


def test_what_is_inherited_stands_in_the_ledger_with_who_said_it(people: DispatchBench) -> None:
    people.grants(STRANGER)
    people.link(STRANGER, "u1")
    links = drive(people.store.ledger(partition_of("u1", people.log.partitions)))
    assert broken_at(links) is None
    assert b'"said_as":"anon:a1"' in (links[-1].entry or b"")


def test_what_was_sent_to_either_counts_against_one_budget(people: DispatchBench) -> None:
    people.settings(**LIVE, caps={"weekly": {"new": 1}, "email_gap": "1m"})
    people.consenting("u1", addresses={"email": "one@example.test"})
    people.consenting("u2", addresses={"email": "two@example.test"})
    people.asks("m1", "u2")
    people.link("u2", "u1")
    people.asks("m2", "u1", expires_at=people.now + HOUR)
    people.advance("2h")
    assert [people.sent, people.words] == [["m1"], ["sent", "expired"]]


def test_whatever_other_tools_said_to_either_counts_each_time(people: DispatchBench) -> None:
    for day, customer in ((4, "u1"), (3, "u2"), (2, "u1"), (1, "u2")):
        people.knows(customer, contacted_at=people.now - day * DAY, contacted_on="call")
    people.settle()
    people.link("u2", "u1")
    assert [people.now - contact.at for contact in people.row("u1").contacts] == [4 * DAY, 3 * DAY, 2 * DAY, DAY]


def test_mutes_and_pauses_of_both_stand(people: DispatchBench) -> None:
    people.consenting("u1")
    people.consenting("u2")
    people.settle()
    drive(people.desk.mute("u2", "cart", True))
    drive(people.desk.pause("u2", people.now + DAY))
    people.link("u2", "u1")
    row = people.row("u1")
    assert (row.muted_rules, row.paused_until) == (["cart"], people.now + DAY)


def test_the_stricter_choice_of_both_stands(people: DispatchBench) -> None:
    people.consenting("u1")
    people.consenting("u2")
    people.settle()
    drive(people.desk.mute_topic("u1", "Tea", True))
    drive(people.desk.prefer("u1", "at_most_days", "7"))
    for topic in ("Tea", "Honey"):
        drive(people.desk.mute_topic("u2", topic, True))
    for preference, value in (("at_most_days", "30"), ("personalisation", "none"), ("hours", "17:00-21:00")):
        drive(people.desk.prefer("u2", preference, value))
    people.link("u2", "u1")
    row = people.row("u1")
    assert (sorted(row.muted_topics), row.at_most_days) == (["Honey", "Tea"], 30)
    assert (row.personalisation, row.hours) == ("none", "17:00-21:00")


def test_a_laxer_choice_of_the_other_changes_nothing(people: DispatchBench) -> None:
    people.consenting("u1")
    people.consenting("u2")
    people.settle()
    for preference, value in (("at_most_days", "30"), ("personalisation", "none"), ("hours", "09:00-12:00")):
        drive(people.desk.prefer("u1", preference, value))
    drive(people.desk.prefer("u2", "hours", "17:00-21:00"))
    people.link("u2", "u1")
    row = people.row("u1")
    assert (row.at_most_days, row.personalisation, row.hours) == (30, "none", "09:00-12:00")


def test_what_is_chosen_behind_an_old_link_is_the_customers_choice(people: DispatchBench) -> None:
    people.consenting("u1")
    people.link("u2", "u1")
    drive(people.desk.mute("u2", "cart", True))
    drive(people.desk.consent("u2", "marketing", "email", "withdrawn", via="one-click"))
    people.asks()
    assert people.row("u1").muted_rules == ["cart"]
    assert people.words == ["withdrawn"]
    card = drive(people.desk.card("u2"))
    assert card.customer == "u1"


def test_a_message_that_was_asked_before_is_decided_where_it_was_asked(people: DispatchBench) -> None:
    people.consenting(STRANGER)
    people.asks(customer=STRANGER, not_before=people.now + HOUR)
    people.link(STRANGER, "u1")
    people.advance("2h")
    assert people.sent == ["m1"]
    assert people.delivery().message.customer == STRANGER


def test_another_person_on_the_same_device_says_it_for_themselves(people: DispatchBench) -> None:
    people.consenting("u1")
    people.consenting("u2")
    people.link(STRANGER, "u1")
    people.link(STRANGER, "u2")
    people.advance("1m")
    people.grants(STRANGER, state="withdrawn")
    people.asks("m1", "u1")
    people.asks("m2", "u2")
    assert people.words == ["sent", "withdrawn"]


def test_a_link_in_a_visitors_letter_stays_with_the_first_who_logged_in_on_the_device(people: DispatchBench) -> None:
    people.consenting(STRANGER)
    people.asks(customer=STRANGER, not_before=people.now + HOUR)
    for customer in ("u1", "u2"):
        people.consenting(customer)
        people.link(STRANGER, customer)
    people.advance("2h")
    assert people.sent == ["m1"]
    assert drive(people.desk.card(STRANGER)).customer == "u1"
    drive(people.desk.mute(STRANGER, "cart", True))
    drive(people.desk.consent(STRANGER, "marketing", "email", "withdrawn", via="one-click"))
    people.settle()
    assert [word.state for word in people.row("u2").words] == ["granted"]
    assert [people.row(who).muted_rules for who in ("u1", "u2")] == [["cart"], []]
    assert [[contact.message_id for contact in people.row(who).contacts] for who in ("u1", "u2")] == [["m1"], []]


def both_links(people: DispatchBench) -> None:
    """A visitor turns out to be u2, and u2 turns out to be u1 before u2 has heard of the visitor."""
    links = [(STRANGER, "u2"), ("u2", "u1")]
    people.append(*(LinkedRecord(id=who, key=who, at=people.now, body=LinkedBody(other)) for who, other in links))
    people.settle()


@pytest.mark.parametrize(("state", "word"), [("granted", "sent"), ("withdrawn", "withdrawn")])
def test_what_a_stranger_said_reaches_who_they_are_though_that_one_has_got_another_name_meanwhile(
    people: DispatchBench, state: str, word: str
) -> None:
    people.knows("u1")
    people.grants("u1" if state == "withdrawn" else STRANGER)
    people.advance("1m")
    if state == "withdrawn":
        people.grants(STRANGER, state=state)
    both_links(people)
    people.asks("m1", "u1")
    assert people.words == [word]


def test_what_is_granted_on_a_device_two_names_ago_undoes_no_withdrawal(people: DispatchBench) -> None:
    people.consenting("u1")
    both_links(people)
    people.advance("1h")
    people.grants("u1", state="withdrawn", channel="email")
    people.advance("1h")
    people.grants(STRANGER)
    people.settle()
    people.asks("m1", "u1")
    assert people.words == ["withdrawn"]


def test_what_waits_under_a_name_two_names_ago_hears_what_binds_it_and_tells_what_was_sent(
    people: DispatchBench,
) -> None:
    for customer in ("u1", STRANGER):
        people.consenting(customer, addresses={"email": "uma@example.test"})
    for hours in (1, 20):
        people.asks(f"m{hours}", STRANGER, not_before=people.now + hours * HOUR, contact="one ladder")
    both_links(people)
    people.advance("2h")
    drive(people.desk.mute("u1", "cart", True))
    people.advance("1d")
    assert people.words == ["sent", "muted_rule"]
    assert [[c.message_id for c in people.row(name).contacts] for name in (STRANGER, "u2", "u1")] == [["m1"]] * 3


def test_nothing_is_inherited_twice(people: DispatchBench) -> None:
    people.grants(STRANGER)
    people.link(STRANGER, "u1")
    people.link(STRANGER, "u1")
    told = [
        decode_dispatch(stored.value)
        for partition in range(people.log.partitions)
        for stored in drive(people.log.read(DISPATCH, partition, 0, 1000))
    ]
    assert sum(type(record).__name__ == "InheritRecord" for record in told) == 1


# -- what was granted for one message


def test_what_a_stranger_granted_for_one_message_allows_one_when_it_is_known_who_they_are(
    people: DispatchBench,
) -> None:
    people.knows("u1")
    people.grants(STRANGER, once=True)
    people.link(STRANGER, "u1")
    people.asks("m1", "u1")
    people.advance("8d")
    people.asks("m2", "u1")
    assert people.words == ["sent", "no_consent"]


def test_it_goes_with_them_and_allows_none_that_comes_under_the_old_name_afterwards(people: DispatchBench) -> None:
    for customer in (STRANGER, "u1"):
        people.knows(customer)
    people.grants(STRANGER, once=True)
    people.link(STRANGER, "u1")
    people.asks("m1", STRANGER)
    people.asks("m2", "u1")
    assert people.words == ["no_consent", "sent"]


def test_what_was_granted_for_one_message_of_two_accounts_is_used_up_by_one(people: DispatchBench) -> None:
    people.knows("u1")
    people.grants("u2", once=True)
    people.link("u2", "u1")
    people.asks("m1", "u1")
    people.advance("8d")
    people.asks("m2", "u1")
    assert people.words == ["sent", "no_consent"]


def test_a_grant_for_one_message_that_waits_under_the_old_name_is_that_messages(people: DispatchBench) -> None:
    for customer in (STRANGER, "u1"):
        people.knows(customer)
    people.grants(STRANGER, once=True)
    people.asks("m1", STRANGER, not_before=people.now + HOUR)
    people.link(STRANGER, "u1")
    people.asks("m2", "u1")
    people.advance("8d")
    people.asks("m3", "u1")
    assert people.words == ["no_consent", "sent", "no_consent"]


def test_if_that_message_is_taken_back_the_grant_is_the_next_ones(people: DispatchBench) -> None:
    for customer in (STRANGER, "u1"):
        people.knows(customer)
    people.grants(STRANGER, once=True)
    people.asks("m1", STRANGER, not_before=people.now + HOUR)
    people.link(STRANGER, "u1")
    people.cancels("m1", STRANGER)
    people.asks("m2", "u1")
    people.advance("8d")
    people.asks("m3", "u1")
    assert people.words == ["cancelled", "sent", "no_consent"]


# -- wishes bind what waits under another name


def waits(people: DispatchBench, old: str, message_id: str = "m1") -> None:
    """A letter that waits until tomorrow under an old name of u1."""
    for customer in ("u1", old):
        people.consenting(customer, addresses={"email": "uma@example.test"})
    people.asks(message_id, old, not_before=people.now + 20 * HOUR, uses=("cart",))


@pytest.fixture
def waiting(people: DispatchBench) -> DispatchBench:
    """A letter to u2 waits."""
    waits(people, "u2")
    return people


def say(people: DispatchBench, wish: str, customer: str = "u1") -> None:
    if wish == "mute":
        drive(people.desk.mute(customer, "cart", True))
    elif wish == "pause":
        drive(people.desk.pause(customer, people.now + 30 * DAY))
    elif wish == "withdraw":
        drive(people.desk.consent(customer, "marketing", "sms", "withdrawn", via="page"))
    elif wish == "stop":
        drive(people.desk.stop_all(customer, "page"))
    else:
        drive(people.desk.prefer(customer, "personalisation", "none"))
    people.settle()


REFUSED = {
    "mute": "muted_rule",
    "pause": "paused",
    "withdraw": "withdrawn",
    "stop": "withdrawn",
    "impersonal": "personalisation",
}


@pytest.mark.parametrize("wish", REFUSED)
@pytest.mark.parametrize("first", ["wish", "link"])
@pytest.mark.parametrize("old", ["u2", STRANGER])
def test_what_a_customer_wishes_binds_what_waits_under_their_old_name(
    people: DispatchBench, old: str, wish: str, first: str
) -> None:
    waits(people, old)
    people.advance("1m")
    if first == "wish":
        say(people, wish)
    people.link(old, "u1")
    if first == "link":
        say(people, wish)
    people.advance("2d")
    assert (people.sent, people.words) == ([], [REFUSED[wish]])


def test_a_visitors_later_grant_does_not_let_leave_what_waits_under_their_name_either(people: DispatchBench) -> None:
    people.consenting("u1")
    people.advance("1h")
    people.grants("u1", state="withdrawn", channel="sms")
    people.advance("1h")
    people.consenting(STRANGER)
    people.asks("m1", STRANGER, not_before=people.now + HOUR)
    people.link(STRANGER, "u1")
    people.advance("2d")
    assert (people.sent, people.words) == ([], ["withdrawn"])


def test_a_later_grant_under_another_account_of_theirs_does(people: DispatchBench) -> None:
    people.consenting("u1")
    people.advance("1h")
    people.grants("u1", state="withdrawn", channel="sms")
    people.advance("1h")
    people.consenting("u2")
    people.asks("m1", "u2", not_before=people.now + HOUR)
    people.link("u2", "u1")
    people.advance("2d")
    assert (people.sent, people.words) == (["m1"], ["sent"])


def test_names_that_nothing_waits_under_are_told_nothing(people: DispatchBench) -> None:
    people.consenting(STRANGER)
    people.asks("m1", STRANGER)
    people.link(STRANGER, "u1")
    assert people.row("u1").known_as == []


def test_what_one_may_wish_is_told_to_a_visitor_who_is_the_old_name_of_an_old_name(people: DispatchBench) -> None:
    waits(people, STRANGER)
    people.link(STRANGER, "u2")
    people.link("u2", "u1")
    say(people, "pause")
    people.advance("2d")
    assert (people.sent, people.words) == ([], ["paused"])


def test_a_wish_that_is_taken_back_binds_nothing_any_more(waiting: DispatchBench) -> None:
    waiting.settings(**LIVE, hours={"marketing": "00:00-24:00"})
    waiting.link("u2", "u1")
    say(waiting, "impersonal")
    assert waiting.words == ["personalisation"]
    waiting.asks("m2", "u2", not_before=waiting.now + HOUR)
    drive(waiting.desk.mute("u1", "cart", True))
    drive(waiting.desk.mute("u1", "cart", False))
    waiting.advance("2d")
    assert waiting.sent == ["m2"]


def test_an_answer_to_an_old_message_binds_under_every_name(waiting: DispatchBench) -> None:
    waiting.consenting("u0", addresses={"email": "uma@example.test"})
    waiting.asks("m0", "u0", contact="another")
    waiting.link("u2", "u1")
    waiting.link("u1", "u0")
    assert drive(waiting.desk.answer("m0", "no_need")) == "no_need"
    waiting.advance("2d")
    assert waiting.words == ["sent", "muted_rule"]


# -- and so does what they were sent


def test_the_page_shows_what_was_sent_under_every_name_the_latest_first(people: DispatchBench) -> None:
    people.link(STRANGER, "u2")
    for number, customer in enumerate(("anon:a2", "u2", "anon:a3", "u1")):
        people.consenting(customer)
        people.asks(f"m{number}", customer, purpose="service.order")
        people.advance("1h")
    people.link("anon:a3", "u1")
    people.link("anon:a2", "u2")
    people.link("u2", "u1")
    shown = [message.message_id for message in drive(people.desk.card("u1")).messages]
    assert shown == ["m3", "m2", "m1", "m0"]
    assert people.row("u1").known_as == ["u2"]


@pytest.fixture
def two(people: DispatchBench) -> DispatchBench:
    """One person with two accounts and an address each, of which u1 lives on."""
    people.settings(**LIVE, caps={"weekly": {"new": 1}, "email_gap": "1m"}, hours={"marketing": "00:00-24:00"})
    for customer in ("u1", "u2"):
        people.consenting(customer, addresses={"email": f"{customer}@example.test"})
    people.settle()
    return people


def later(people: DispatchBench) -> dict[str, int]:
    return {"not_before": people.now + 2 * HOUR, "expires_at": people.now + 9 * HOUR}


@pytest.mark.parametrize(("sent_as", "waits_as"), [("u1", "u2"), ("u2", "u1")])
@pytest.mark.parametrize("linked", ["before", "between"])
def test_what_was_sent_under_one_name_counts_for_what_waits_under_another(
    two: DispatchBench, sent_as: str, waits_as: str, linked: str
) -> None:
    if linked == "before":
        two.link("u2", "u1")
    two.asks("m1", sent_as)
    two.asks("m2", waits_as, **later(two))
    if linked == "between":
        two.link("u2", "u1")
    two.advance("1d")
    assert (two.sent, two.words) == (["m1"], ["sent", "expired"])


def test_what_was_sent_under_one_earlier_name_counts_under_the_others(two: DispatchBench) -> None:
    two.consenting("u3", addresses={"email": "u3@example.test"})
    two.link("u3", "u1")
    two.link("u2", "u1")
    two.asks("m1", "u3")
    two.asks("m2", "u2", **later(two))
    two.advance("1d")
    assert two.words == ["sent", "expired"]


def test_a_reaction_to_an_earlier_message_counts_under_every_name(two: DispatchBench) -> None:
    two.link("u2", "u1")
    two.asks("m1", "u2")
    drive(two.desk.receipt("m1", "Message Clicked", {}))
    two.settle()
    for customer in ("u1", "u2"):
        assert [contact.engaged for contact in two.row(customer).contacts] == [True]


def test_what_did_not_leave_counts_under_no_name(two: DispatchBench) -> None:
    two.link("u2", "u1")
    two.adapter.outcomes = [Rejected("550", "no")]
    two.asks("m1", "u2")
    two.asks("m2", "u1")
    assert two.words == ["rejected", "sent"]
