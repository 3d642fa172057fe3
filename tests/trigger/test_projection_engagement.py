"""What was sent and what was noticed, whatever the order in which dispatch's news arrive."""

from __future__ import annotations

import pytest
from folding import at, by_time, folded, scripts
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tactful.customer import Engagement
from tactful.events import (
    ConsentChanged,
    ContactMade,
    Event,
    MessageClicked,
    MessageDecided,
    MessageDelivered,
    MessageOpened,
    MessageReplied,
    SurveyAnswered,
)
from tactful_trigger.projections.engagement import KEPT, EngagementProjection

ENGAGEMENT = EngagementProjection()


def decided(message: str = "m1", verdict: str = "sent") -> MessageDecided:
    return MessageDecided(message_id=message, rule="abandoned_cart", channel="email", verdict=verdict)


def clicked(message: str) -> MessageClicked:
    return MessageClicked(message_id=message, rule="abandoned_cart", channel="email")


def answered(message: str, answer: str) -> SurveyAnswered:
    return SurveyAnswered(message_id=message, survey="abandoned_cart", answer=answer)


def engagement(*events: Event) -> Engagement:
    return folded(ENGAGEMENT, events)


names = st.sampled_from(["m1", "m2", "m3"])
news: st.SearchStrategy[Event] = st.one_of(
    st.builds(clicked, names),
    st.builds(answered, names, st.sampled_from(["yes", "no"])),
    st.sampled_from(["granted", "withdrawn"]).map(lambda state: ConsentChanged(purpose="marketing", state=state)),
    st.builds(
        lambda who, purpose: ContactMade(by=who, purpose=purpose),
        st.sampled_from(["Ana", "Luis"]),
        st.sampled_from(["", "service.call", "marketing.newsletter"]),
    ),
)


@st.composite
def stories(draw: st.DrawFn) -> list[Event]:
    """Each of some messages decided once, and any reactions and other news, in any order of arrival."""
    messages = [at(10**7 + n, decided(name)) for n, name in enumerate(draw(st.sets(names)))]
    return draw(st.permutations([*messages, *draw(scripts(news, most=8))]))


def test_what_the_shops_own_people_are_told_is_no_contact_with_the_customer() -> None:
    told = MessageDecided(message_id="m2", rule="tell_desk", channel="desk", verdict="sent")
    assert engagement(decided(), told) == engagement(decided())


@given(stories())
def test_the_state_does_not_depend_on_the_order_of_arrival(arrivals: list[Event]) -> None:
    assert folded(ENGAGEMENT, arrivals) == folded(ENGAGEMENT, by_time(arrivals))


@given(stories())
def test_hearing_everything_twice_changes_nothing(arrivals: list[Event]) -> None:
    assert folded(ENGAGEMENT, [*arrivals, *arrivals]) == folded(ENGAGEMENT, arrivals)


@given(stories(), st.data())
def test_a_merge_of_two_halves_of_the_news_is_the_whole(arrivals: list[Event], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(arrivals)))
    halves = folded(ENGAGEMENT, arrivals[:cut]), folded(ENGAGEMENT, arrivals[cut:])
    assert ENGAGEMENT.merge(*halves) == folded(ENGAGEMENT, arrivals)


@given(stories(), stories(), stories())
def test_a_merge_of_three_does_not_depend_on_which_two_come_first(
    one: list[Event], two: list[Event], three: list[Event]
) -> None:
    a, b, c = (folded(ENGAGEMENT, events) for events in (one, two, three))
    assert ENGAGEMENT.merge(ENGAGEMENT.merge(a, b), c) == ENGAGEMENT.merge(a, ENGAGEMENT.merge(b, c))


@pytest.mark.parametrize("verdict", ["sent", "unknown"])
def test_a_message_that_was_sent_or_may_have_been_is_a_contact(verdict: str) -> None:
    (contact,) = engagement(at(5, decided(verdict=verdict))).recent
    assert (contact.message_id, contact.channel, contact.rule, contact.sent_at) == ("m1", "email", "abandoned_cart", 5)


def test_a_message_that_was_not_sent_is_none() -> None:
    assert engagement(at(5, decided(verdict="not_sent"))) == Engagement()


@pytest.mark.parametrize(
    "reaction", [MessageOpened(message_id="m1"), MessageClicked(message_id="m1"), MessageReplied(message_id="m1")]
)
def test_an_open_a_click_and_a_reply_are_noticed(reaction: Event) -> None:
    assert engagement(at(5, decided()), at(9, reaction)).recent[0].engaged_at == 9


@pytest.mark.parametrize(
    "reaction", [MessageOpened(message_id="m1", prefetched=True), MessageClicked(message_id="m1", prefetched=True)]
)
def test_what_a_machine_fetched_ahead_is_not_noticed(reaction: Event) -> None:
    assert engagement(at(5, decided()), at(9, reaction)).recent[0].engaged_at == 0


def test_a_delivery_is_not_noticed() -> None:
    assert engagement(at(5, decided()), at(9, MessageDelivered(message_id="m1"))).recent[0].engaged_at == 0


def test_a_message_is_noticed_from_the_first_reaction_on() -> None:
    assert engagement(at(5, decided()), at(9, clicked("m1")), at(7, clicked("m1"))).recent[0].engaged_at == 7


def test_a_reaction_that_arrives_before_the_decision_counts() -> None:
    (contact,) = engagement(at(9, clicked("m1")), at(5, decided())).recent
    assert (contact.sent_at, contact.engaged_at) == (5, 9)


def test_a_reaction_to_a_message_long_forgotten_brings_it_not_back() -> None:
    state = engagement(*(at(number, decided(f"n{number}")) for number in range(1, KEPT + 1)))
    assert ENGAGEMENT.fold(state, at(99, clicked("old"))) == state


def test_a_withdrawal_is_remembered_and_a_grant_is_none() -> None:
    withdrawal = at(7, ConsentChanged(purpose="marketing", state="withdrawn"))
    assert engagement(withdrawal, at(9, ConsentChanged(purpose="marketing", state="granted"))).withdrawn_at == 7


def test_the_latest_contact_by_somebody_else_counts() -> None:
    state = engagement(at(7, ContactMade(by="Ana, support")), at(3, ContactMade(by="Luis")))
    assert (state.contacted_at, state.contacted_by) == (7, "Ana, support")


def test_what_another_tool_sends_to_sell_hides_no_person_who_was_in_touch() -> None:
    state = engagement(at(3, ContactMade(by="Ana")), at(7, ContactMade(by="mailer", purpose="marketing.newsletter")))
    assert (state.contacted_at, state.contacted_by, state.person_at) == (7, "mailer", 3)


def test_messages_of_one_ladder_are_one_noticed_if_any_was() -> None:
    first, second, other = (replace(decided(m), contact=c) for m, c in (("m1", "l1"), ("m2", "l1"), ("m3", "l2")))
    ladders = engagement(at(1, first), at(2, second), at(3, other), at(4, clicked("m1"))).ladders("abandoned_cart")
    assert [(ladder.message_id, ladder.engaged_at) for ladder in ladders] == [("m2", 4), ("m3", 0)]


def test_an_answer_is_noticed_and_the_first_one_stands() -> None:
    state = engagement(at(1, decided()), at(5, answered("m1", "no")), at(3, answered("m1", "yes")))
    assert (state.recent[0].answer, state.recent[0].answered_at, state.recent[0].engaged_at) == ("yes", 3, 3)


def test_an_answer_to_no_message_of_ours_is_none() -> None:
    assert engagement(SurveyAnswered(survey="abandoned_cart", answer="yes")) == Engagement()


def test_of_a_rule_s_messages_the_one_that_was_answered_last_is_known() -> None:
    state = engagement(
        at(1, decided("m1")), at(2, decided("m2")), at(5, answered("m2", "yes")), at(9, answered("m1", "no"))
    )
    known = state.answered("abandoned_cart")
    assert known is not None
    assert (known.message_id, state.answered("another")) == ("m1", None)
