"""Which complaints are open, whatever the order in which the help desk's news arrive."""

from __future__ import annotations

from folding import at, by_time, folded, scripts
from hypothesis import given
from hypothesis import strategies as st

from tactful.customer import REVIEW_LASTS, Ticket, Tickets
from tactful.events import ComplaintClosed, ComplaintOpened, ComplaintReopened, Event, ProductReviewed
from tactful_trigger.projections.tickets import KEPT, TicketsProjection

TICKETS = TicketsProjection()


def opened(ticket: str = "t1") -> ComplaintOpened:
    return ComplaintOpened(ticket_id=ticket, subject=f"about {ticket}")


def closed(ticket: str = "t1", resolution: str = "") -> ComplaintClosed:
    return ComplaintClosed(ticket_id=ticket, resolution=resolution)


def reopened(ticket: str = "t1") -> ComplaintReopened:
    return ComplaintReopened(ticket_id=ticket)


def tickets(*events: Event) -> Tickets:
    return folded(TICKETS, events)


names = st.sampled_from(["t1", "t2", "t3"])
news: st.SearchStrategy[Event] = st.one_of(
    st.builds(opened, names), st.builds(closed, names, st.sampled_from(["", "Spam"])), st.builds(reopened, names)
)


@given(scripts(news))
def test_a_ticket_is_open_if_its_latest_word_says_so(arrivals: list[Event]) -> None:
    latest = {getattr(event, "ticket_id"): event for event in by_time(arrivals)}  # noqa: B009
    still_open = {name for name, event in latest.items() if not isinstance(event, ComplaintClosed)}
    state = folded(TICKETS, arrivals)
    assert {ticket.ticket_id for ticket in state.recent if not ticket.closed_at} == still_open
    assert state.open == bool(still_open)


@given(scripts(news))
def test_the_state_does_not_depend_on_the_order_of_arrival(arrivals: list[Event]) -> None:
    assert folded(TICKETS, arrivals) == folded(TICKETS, by_time(arrivals))


@given(scripts(news))
def test_hearing_everything_twice_changes_nothing(arrivals: list[Event]) -> None:
    assert folded(TICKETS, [*arrivals, *arrivals]) == folded(TICKETS, arrivals)


@given(scripts(news), scripts(news))
def test_a_merge_is_what_one_customer_would_have(mine: list[Event], theirs: list[Event]) -> None:
    assert TICKETS.merge(folded(TICKETS, mine), folded(TICKETS, theirs)) == folded(TICKETS, [*mine, *theirs])


def test_a_closing_that_arrives_before_its_opening_closes_it() -> None:
    state = tickets(at(5, closed()), at(1, opened()))
    assert (state.open, state.closed_at, state.recent[0].subject) == (False, 5, "about t1")


def test_a_reopened_ticket_is_open_and_keeps_its_subject() -> None:
    state = tickets(at(1, opened()), at(5, closed()), at(9, reopened()))
    assert (state.open, state.closed_at, state.recent[0].subject) == (True, 0, "about t1")


def test_a_review_that_the_customer_says_is_not_settled_is_open_until_somebody_closes_it() -> None:
    review = ComplaintOpened(ticket_id="t1", channel="review")
    assert not tickets(at(1, review)).open
    assert tickets(at(1, review), at(9, reopened())).open
    assert tickets(at(9, reopened()), at(1, review)).open
    assert not tickets(at(1, review), at(9, reopened()), at(12, closed())).open


@given(st.permutations(range(4)))
def test_a_review_that_is_written_anew_once_it_was_closed_closes_itself_again(order: list[int]) -> None:
    review = ComplaintOpened(ticket_id="t1", channel="review")
    story = (at(1, review), at(5, reopened()), at(7, closed()), at(9, review))
    state = tickets(*(story[place] for place in order))
    assert not state.open
    assert state.closed_at == 9 + REVIEW_LASTS
    assert tickets(*(story[place] for place in order), at(11, reopened())).open


def test_a_state_of_before_knows_that_the_customer_was_not_content() -> None:
    before = Tickets(recent=(Ticket(ticket_id="t1", opened_at=5, channel="review", reopened=True),))
    assert TICKETS.fold(before, at(3, opened())).open
    assert not TICKETS.fold(before, at(7, closed())).open


def test_a_late_closing_from_before_the_reopening_leaves_it_open() -> None:
    assert tickets(at(1, opened()), at(9, reopened()), at(5, closed())).open


def test_an_opening_and_a_closing_at_one_instant_are_a_closed_ticket() -> None:
    assert not tickets(at(5, opened()), at(5, closed())).open
    assert not tickets(at(5, closed()), at(5, opened())).open


def test_as_what_a_ticket_was_closed_is_known_until_it_is_opened_again() -> None:
    assert tickets(at(1, opened()), at(5, closed(resolution="Spam ")), at(7, closed())).recent[0].resolution == ""
    assert tickets(at(1, opened()), at(7, closed(resolution="Spam ")), at(5, closed())).recent[0].resolution == "spam"
    assert tickets(at(7, closed(resolution="spam")), at(9, reopened())).recent[0].resolution == ""


def test_one_open_ticket_of_several_is_enough() -> None:
    assert tickets(at(1, opened("t1")), at(2, opened("t2")), at(3, closed("t1"))).open


def test_the_last_closing_of_several_counts() -> None:
    events = [at(1, opened("t1")), at(2, opened("t2")), at(7, closed("t1")), at(4, closed("t2"))]
    assert tickets(*events).closed_at == 7


def test_an_open_ticket_is_never_forgotten_for_closed_ones() -> None:
    noise: list[Event] = []
    for number in range(10, 10 + KEPT + 3):
        noise += [at(number, opened(f"n{number}")), at(number + 1, closed(f"n{number}"))]
    state = tickets(at(1, opened("mine")), *noise)
    assert (state.open, len(state.recent)) == (True, KEPT)


def test_a_bad_review_that_is_written_anew_as_a_good_one_is_closed_by_that_unless_it_had_closed_or_a_person_looks() -> (
    None
):
    bad, good = ProductReviewed(review_id="r1", rating=1), ProductReviewed(review_id="r1", rating=5)
    [taken_back] = tickets(at(10, bad), at(20, good), at(30, ProductReviewed(review_id="r1", rating=4))).recent
    assert (taken_back.settled_at, taken_back.resolution) == (20, "withdrawn")
    assert tickets(at(10, bad), at(10 + REVIEW_LASTS, good)) == tickets(at(10, bad))
    refused = tickets(at(10, bad), at(15, reopened("review-r1")))
    assert folded(TICKETS, [at(20, good)], refused) == refused
    assert tickets(at(20, good)) == Tickets()
