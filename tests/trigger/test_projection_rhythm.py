"""At what pace a customer orders, whatever the order in which the news arrive."""

from __future__ import annotations

from datetime import UTC, date, tzinfo
from zoneinfo import ZoneInfo

import pytest
from folding import at, by_time, euros, folded, scripts
from hypothesis import given
from hypothesis import strategies as st

from tactful.clock import DAY, HOUR
from tactful.events import Event, OrderCancelled, OrderCompleted, OrderRefunded, Product
from tactful.rhythm import Pace, Rhythm
from tactful_trigger.projections.rhythm import KEPT, RhythmProjection

RHYTHM = RhythmProjection()
TEA = Product(product_id="tea", name="Tea", quantity=2)
OATS = Product(product_id="oats", name="Oats")
CARD = Product(product_id="card", category="Gift cards")


def order(name: str, day: float, *products: Product) -> Event:
    return at(round(day * DAY), OrderCompleted(order_id=name, products=products))


def rhythm(*events: Event) -> Rhythm:
    return folded(RHYTHM, events)


def pace(*events: Event, zone: tzinfo = UTC) -> Pace:
    found = rhythm(*events).pace(zone)
    assert found is not None
    return found


def every(days: int, times: int, *products: Product) -> list[Event]:
    return [order(f"o{number}", 100 + days * number, *products) for number in range(times)]


names = st.sampled_from(["a", "b", "c", "d", "e", "f"])
news: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        lambda name, products, total: OrderCompleted(order_id=name, products=products, total=total),
        names,
        st.sampled_from([(TEA,), (TEA, OATS), (CARD,), ()]),
        st.sampled_from([None, euros(1000)]),
    ),
    st.builds(lambda name: OrderCancelled(order_id=name), names),
    st.builds(
        lambda name, products, total: OrderRefunded(order_id=name, products=products, total=total),
        names,
        st.sampled_from([(), (TEA,), (OATS,), (TEA, OATS)]),
        st.sampled_from([None, euros(500), euros(1000)]),
    ),
)


@given(scripts(news))
def test_the_pace_does_not_depend_on_the_order_of_arrival(arrivals: list[Event]) -> None:
    """An order that is told twice happened when it was told to have happened first."""
    assert folded(RHYTHM, arrivals).pace(UTC) == folded(RHYTHM, by_time(arrivals)).pace(UTC)


@given(scripts(news))
def test_hearing_everything_twice_changes_nothing(arrivals: list[Event]) -> None:
    assert folded(RHYTHM, [*arrivals, *arrivals]) == folded(RHYTHM, arrivals)


@given(scripts(news), scripts(news))
def test_a_merge_has_the_pace_that_one_customer_would_have(mine: list[Event], theirs: list[Event]) -> None:
    merged = RHYTHM.merge(folded(RHYTHM, mine), folded(RHYTHM, theirs))
    assert merged.pace(UTC) == folded(RHYTHM, [*mine, *theirs]).pace(UTC)


def test_gaps_are_counted_between_the_days_with_an_order() -> None:
    found = pace(order("a", 100), order("b", 100.3), order("c", 107), order("d", 121))
    assert (found.gaps, found.median, found.last) == ((7, 14), 10.5, date(1970, 5, 2))


def test_the_day_of_an_order_is_that_of_the_customer_s_calendar() -> None:
    late = at(100 * DAY + 23 * HOUR, OrderCompleted(order_id="a"))
    assert (pace(late, zone=ZoneInfo("Asia/Tokyo")).last - pace(late).last).days == 1


@pytest.mark.parametrize(
    "news", [OrderCancelled(order_id="o3"), OrderRefunded(order_id="o3")], ids=["cancelled", "refunded"]
)
def test_an_order_that_came_to_nothing_leaves_the_rhythm(news: Event) -> None:
    assert pace(*every(10, 5), at(150 * DAY, news)).gaps == (10, 10, 20)


def returned(name: str, *products: Product, total: int = 0) -> Event:
    return at(160 * DAY, OrderRefunded(order_id=name, products=products, total=euros(total) if total else None))


FORTY = tuple(Product(product_id=f"p{number}", name=f"Thing {number}") for number in range(40))


def test_who_gives_back_one_of_forty_things_has_ordered_all_the_same() -> None:
    orders = every(10, 5, *FORTY)
    assert pace(*orders, returned("o4", FORTY[7])).gaps == (10,) * 4
    assert rhythm(returned("o4", FORTY[7]), *orders) == rhythm(*orders, returned("o4", FORTY[7]))


def test_an_order_that_came_back_piece_by_piece_or_at_once_leaves_the_rhythm() -> None:
    orders = every(10, 5, TEA, OATS)
    assert pace(*orders, returned("o4", TEA)).gaps == (10,) * 4
    assert pace(*orders, returned("o4", TEA), returned("o4", OATS)).gaps == (10,) * 3
    assert pace(*every(10, 5, *FORTY), returned("o4", *FORTY)).gaps == (10,) * 3


def test_where_no_product_is_named_the_money_tells_whether_anything_was_kept() -> None:
    orders = [at((100 + 10 * n) * DAY, OrderCompleted(order_id=f"o{n}", total=euros(4000))) for n in range(5)]
    assert pace(*orders, returned("o4", total=500)).gaps == (10,) * 4
    assert pace(*orders, returned("o4", total=4000)).gaps == (10,) * 3


def test_a_refund_of_all_the_money_is_of_the_whole_order_though_it_does_not_say_how_many_pieces() -> None:
    six = Product(product_id="tea", name="Tea", quantity=6)
    orders = [
        at((100 + 10 * n) * DAY, OrderCompleted(order_id=f"o{n}", products=(six,), total=euros(4000))) for n in range(5)
    ]
    assert pace(*orders, returned("o4", OATS, total=4000)).gaps == (10,) * 3
    assert pace(*orders, returned("o4", OATS, total=700)).gaps == (10,) * 4


def test_what_came_back_is_not_usually_bought() -> None:
    returns = [returned(f"o{number}", TEA) for number in range(4)]
    assert [line.product_id for line in rhythm(*every(10, 4, TEA, OATS), *returns).usual()] == ["oats"]


def test_gifts_leave_the_rhythm_and_what_is_usually_bought() -> None:
    events = (*every(10, 4, TEA), order("g1", 133, CARD), order("g2", 134, CARD))
    assert pace(*events).gaps == (10, 10, 10)
    assert [line.product_id for line in rhythm(*events).usual()] == ["tea"]


def test_a_gift_card_beside_the_usual_things_is_not_what_they_usually_buy() -> None:
    state = rhythm(*every(10, 4, TEA, CARD))
    assert [line.product_id for line in state.usual()] == ["tea"]


def test_a_stock_bought_at_once_is_no_rhythm() -> None:
    stock = order("bulk", 133, Product(product_id="tea", quantity=6))
    assert pace(*every(10, 4, TEA), stock).gaps == (10, 10, 10)


def test_a_stock_lasts_as_many_gaps_as_it_is_usual_orders_until_two_ordinary_ones_have_followed() -> None:
    events = [*every(10, 4, TEA), order("bulk", 135, Product(product_id="tea", quantity=8))]
    found = pace(*events)
    assert (found.last, found.median, found.gap) == (date(1970, 5, 16), 10, 40)
    events.append(order("p1", 160, TEA))
    assert (pace(*events).last, pace(*events).gap) == (date(1970, 6, 10), 40)
    events.append(order("p2", 170, TEA))
    assert pace(*events).gap == pace(*events).median


def test_the_latest_order_that_came_to_something_counts_be_it_a_gift_or_a_stock() -> None:
    state = rhythm(*every(10, 4, TEA), order("g1", 150, CARD), order("void", 160, TEA), OrderCancelled(order_id="void"))
    assert (state.latest_day(UTC), Rhythm().latest_day(UTC)) == (date(1970, 5, 31), None)


def test_what_is_in_two_of_the_last_four_orders_is_usual_and_shown_as_it_was_last_shown() -> None:
    once = Product(product_id="once", name="Mug")
    renamed = Product(product_id="tea", name="Tea, new recipe")
    state = rhythm(
        order("a", 90, OATS), *every(10, 2, TEA, OATS), order("x", 150, OATS), order("y", 160, renamed, once)
    )
    assert [(line.product_id, line.title) for line in state.usual()] == [("oats", "Oats"), ("tea", "Tea, new recipe")]


def test_nobody_has_a_pace_before_the_first_order() -> None:
    assert Rhythm().pace(UTC) is None


def test_of_a_long_past_only_the_days_are_kept_and_all_of_them_count() -> None:
    events = every(3, KEPT + 200, TEA)
    assert len(rhythm(*events).orders) == KEPT
    assert pace(*events).gaps == (3,) * (KEPT + 199)


def test_of_two_long_pasts_all_days_are_kept_in_their_order() -> None:
    mine, theirs = (rhythm(*(order(f"{who}{n}", n) for n in range(who, 200, 2))) for who in (1, 2))
    older = RHYTHM.merge(mine, theirs).older
    assert (len(older), list(older)) == (199 - KEPT, sorted(older))


def test_of_one_order_the_first_twelve_lines_are_kept() -> None:
    [beat] = rhythm(order("o1", 1, *(Product(product_id=f"p{number}") for number in range(20)))).orders
    assert [line.product_id for line in beat.lines] == [f"p{number}" for number in range(12)]


def test_what_is_cancelled_or_given_back_of_no_order_leaves_no_trace() -> None:
    assert rhythm(at(5, OrderRefunded()), at(6, OrderCancelled())) == Rhythm()


def test_a_gift_of_long_ago_is_no_part_of_the_rhythm_either() -> None:
    gift, void = order("g1", 1, CARD), order("v1", 2, TEA)
    assert rhythm(gift, void, OrderCancelled(order_id="v1"), *every(3, KEPT, TEA)).older == ()
