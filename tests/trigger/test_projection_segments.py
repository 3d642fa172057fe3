"""New, repeat, loyal: by the orders that stand, however the news about them arrive."""

from __future__ import annotations

import pytest
from folding import at, folded
from hypothesis import given
from hypothesis import strategies as st

from tactful.customer import Segments
from tactful.events import Event, OrderCancelled, OrderCompleted
from tactful_trigger.projections.segments import SegmentsProjection

SEGMENTS = SegmentsProjection()


def after(*events: Event) -> Segments:
    return folded(SEGMENTS, [at(number, event) for number, event in enumerate(events)])


def placed(count: int) -> list[Event]:
    return [OrderCompleted(order_id=f"o{number}") for number in range(count)]


@pytest.mark.parametrize(
    ("count", "name"), [(0, "new"), (1, "new"), (2, "repeat"), (4, "repeat"), (5, "loyal"), (40, "loyal")]
)
def test_the_segment_follows_from_the_number_of_orders(count: int, name: str) -> None:
    state = after(*placed(count))
    assert (state.count, state.name) == (count, name)


def test_a_cancelled_order_does_not_count_whichever_comes_first() -> None:
    order, cancelled = OrderCompleted(order_id="o1"), OrderCancelled(order_id="o1")
    assert after(order, cancelled).count == after(cancelled, order).count == 0


def test_orders_without_a_name_are_each_another_one() -> None:
    assert after(OrderCompleted(), OrderCompleted()).count == 2


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), max_size=20))
def test_the_count_is_that_of_the_orders_that_stand(news: list[tuple[bool, int]]) -> None:
    events = [(OrderCompleted if came else OrderCancelled)(order_id=f"o{number}") for came, number in news]
    standing = {number for came, number in news if came} - {number for came, number in news if not came}
    assert after(*events).count == len(standing)
    assert after(*events, *events).count == len(standing)


@given(st.lists(st.integers(0, 9), max_size=12), st.lists(st.integers(0, 9), max_size=12))
def test_an_order_that_two_customers_share_counts_once_when_they_are_one(mine: list[int], theirs: list[int]) -> None:
    one, other = (after(*(OrderCompleted(order_id=f"o{n}") for n in numbers)) for numbers in (mine, theirs))
    assert SEGMENTS.merge(one, other).count == len({*mine, *theirs})
