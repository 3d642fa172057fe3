"""The visit that goes on."""

from __future__ import annotations

from folding import at, by_time, folded, scripts
from hypothesis import given
from hypothesis import strategies as st

from tactful.clock import MINUTE
from tactful.customer import Session
from tactful.events import Event, OrderCompleted, OrderUpdated, Page, ProductViewed, Screen
from tactful_trigger.projections.session import PAUSE, SessionProjection

SESSION = SessionProjection()
NOON = 1_000_000 * MINUTE


def page(minute: int, url: str = "") -> Page:
    return at(NOON + minute * MINUTE, Page(url=url))


def session(*events: Event) -> Session:
    return folded(SESSION, events)


acts = scripts(st.just("/").map(lambda url: Page(url=url)))


@given(acts)
def test_when_the_last_act_was_does_not_depend_on_the_order_of_arrival(arrivals: list[Event]) -> None:
    assert folded(SESSION, arrivals).last_act_at == folded(SESSION, by_time(arrivals)).last_act_at


@given(acts, st.data())
def test_within_one_visit_nothing_depends_on_the_order_of_arrival(arrivals: list[Event], data: st.DataObject) -> None:
    close = [at(NOON + number, Page(url="/")) for number in range(len(arrivals))]
    assert folded(SESSION, data.draw(st.permutations(close))) == folded(SESSION, close)


def test_acts_without_a_pause_are_one_visit() -> None:
    state = session(page(0), page(30), page(60))
    assert (state.started_at, state.last_act_at, state.acts) == (NOON, NOON + 2 * PAUSE, 3)


def test_an_act_after_the_pause_begins_another_visit() -> None:
    state = session(page(0), at(NOON + PAUSE + 1, Page()))
    assert (state.started_at, state.acts) == (NOON + PAUSE + 1, 1)


def test_a_late_act_of_an_earlier_visit_changes_nothing() -> None:
    state = session(page(100))
    assert SESSION.fold(state, page(5)) is state


def test_a_late_act_of_this_visit_is_counted_and_may_begin_it() -> None:
    state = session(page(20), page(0))
    assert (state.started_at, state.last_act_at, state.acts) == (NOON, NOON + 20 * MINUTE, 2)


def test_the_last_url_is_that_of_the_latest_page() -> None:
    assert session(page(0, "/a"), page(9, "/b"), page(5, "/late")).last_url == "/b"


def test_an_act_without_a_page_keeps_the_url() -> None:
    assert session(page(0, "/a"), at(NOON + 1, ProductViewed(product_id="p1"))).last_url == "/a"


def test_acts_belong_to_a_visit_and_facts_do_not() -> None:
    assert {Page, Screen, ProductViewed, OrderCompleted} <= set(SESSION.events)
    assert OrderUpdated not in SESSION.events


def test_visits_that_touch_are_one_after_a_merge() -> None:
    merged = SESSION.merge(session(page(0, "/a"), page(10)), session(page(40, "/b")))
    assert merged == Session(started_at=NOON, last_act_at=NOON + 40 * MINUTE, acts=3, last_url="/b")


def test_of_visits_that_do_not_touch_the_later_one_lives_on() -> None:
    earlier, later = session(page(0)), session(page(90))
    assert SESSION.merge(earlier, later) == SESSION.merge(later, earlier) == later
