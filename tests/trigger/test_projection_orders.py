"""The orders of a customer, whatever the order in which the news about them arrive."""

from __future__ import annotations

from functools import cache

import pytest
from folding import at, by_time, euros, folded, scripts
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tactful.customer import Orders
from tactful.events import (
    CheckoutStarted,
    Event,
    OrderCancelled,
    OrderCompleted,
    OrderRefunded,
    OrderUpdated,
    Product,
    ShipmentDelivered,
)
from tactful.events.model import Money
from tactful_trigger.projections.orders import KEPT, OrdersProjection

ORDERS = OrdersProjection()


def completed(order: str, total: int | None = None) -> OrderCompleted:
    return OrderCompleted(order_id=order, total=None if total is None else euros(total))


def orders(*events: Event) -> Orders:
    return folded(ORDERS, events)


@cache
def news_about(names: tuple[str, ...]) -> st.SearchStrategy[Event]:
    """Made once: a strategy that is made at each draw takes longer than all that is drawn from it."""
    order = st.sampled_from(names)
    return st.one_of(
        st.builds(lambda order, total: OrderUpdated(order_id=order, total=euros(total)), order, st.integers(1, 999)),
        st.builds(lambda order: OrderCancelled(order_id=order), order),
        st.builds(
            lambda order, named: OrderRefunded(
                order_id=order, products=tuple(Product(product_id=name) for name in named)
            ),
            order,
            st.sets(st.sampled_from(["p1", "p2"])),
        ),
        st.builds(
            lambda order, promised: ShipmentDelivered(order_id=order, promised_at=promised),
            order,
            st.integers(0, 10**6),
        ),
    )


@st.composite
def stories(draw: st.DrawFn, names: tuple[str, ...] = ("o1", "o2", "o3")) -> list[Event]:
    """Each of some orders once, and any news about any order, in any order of arrival."""
    placed = [at(10**7 + n, completed(name, 100 + n)) for n, name in enumerate(names) if draw(st.booleans())]
    news = draw(scripts(news_about(names), most=6))
    return draw(st.permutations([*placed, *news]))


@given(stories())
def test_the_state_does_not_depend_on_the_order_of_arrival(arrivals: list[Event]) -> None:
    assert folded(ORDERS, arrivals) == folded(ORDERS, by_time(arrivals))


@given(stories())
def test_hearing_everything_twice_changes_nothing(arrivals: list[Event]) -> None:
    assert folded(ORDERS, [*arrivals, *arrivals]) == folded(ORDERS, arrivals)


@given(stories())
def test_count_and_sums_are_those_of_the_orders_that_stand(arrivals: list[Event]) -> None:
    state = folded(ORDERS, arrivals)
    standing = [order for order in state.recent if order.stands]
    assert state.count == len(standing)
    assert sum(state.spent.values()) == sum(order.total.minor for order in standing if order.total)


@given(stories(), stories(("their1", "their2")))
def test_a_merge_is_what_one_customer_would_have(mine: list[Event], theirs: list[Event]) -> None:
    assert ORDERS.merge(folded(ORDERS, mine), folded(ORDERS, theirs)) == folded(ORDERS, [*mine, *theirs])


@given(stories(), st.data())
def test_a_merge_of_two_halves_of_the_news_is_the_whole(arrivals: list[Event], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(arrivals)))
    assert ORDERS.merge(folded(ORDERS, arrivals[:cut]), folded(ORDERS, arrivals[cut:])) == folded(ORDERS, arrivals)


@given(stories(), stories(), stories())
def test_a_merge_of_three_does_not_depend_on_which_two_come_first(
    one: list[Event], two: list[Event], three: list[Event]
) -> None:
    a, b, c = folded(ORDERS, one), folded(ORDERS, two), folded(ORDERS, three)
    assert ORDERS.merge(ORDERS.merge(a, b), c) == ORDERS.merge(a, ORDERS.merge(b, c))


def test_orders_are_sorted_by_when_they_happened() -> None:
    state = orders(at(9, completed("late")), at(1, completed("early")))
    assert [order.order_id for order in state.recent] == ["early", "late"]
    assert state.last is not None
    assert state.last.order_id == "late"


def test_an_order_id_counts_once() -> None:
    state = orders(at(1, completed("o1", 100)))
    assert folded(ORDERS, [at(2, completed("o1", 100))], state) is state


def test_orders_without_an_id_are_all_different() -> None:
    assert orders(at(1, completed("")), at(2, completed(""))).count == 2


def test_orders_without_an_id_are_different_in_a_merge_too() -> None:
    merged = ORDERS.merge(orders(at(1, completed("", 100))), orders(at(2, completed("", 250))))
    assert (merged.count, merged.spent, len(merged.recent)) == (2, {"EUR": 350}, 2)


def test_a_cancelled_order_is_taken_out_of_count_and_sums() -> None:
    state = orders(at(1, completed("o1", 100)), at(2, completed("o2", 250)), at(3, OrderCancelled(order_id="o2")))
    assert (state.count, state.spent, state.last and state.last.order_id) == (1, {"EUR": 100}, "o1")


def test_a_cancellation_that_arrives_before_its_order_holds() -> None:
    state = orders(at(3, OrderCancelled(order_id="o1")), at(1, completed("o1", 100)))
    assert (state.count, state.spent, state.last) == (0, {}, None)


def test_news_about_an_order_that_never_came_are_no_order() -> None:
    state = orders(at(3, ShipmentDelivered(order_id="o1")))
    assert (state.count, state.last) == (0, None)


def test_a_refund_leaves_the_order_standing_and_says_when() -> None:
    state = orders(at(1, completed("o1", 100)), at(5, OrderRefunded(order_id="o1")))
    assert (state.count, state.refunded_at, state.recent[0].status) == (1, 5, "refunded")
    assert state.recent[0].refunded_at == 5


def test_what_came_back_of_an_order_is_known_however_many_refunds_name_it() -> None:
    first, second = (OrderRefunded(order_id="o1", products=(Product(product_id=name),)) for name in ("p2", "p1"))
    state = orders(at(1, completed("o1")), at(5, first), at(6, second), at(7, OrderRefunded(order_id="o1")))
    assert state.recent[0].returned == ("p1", "p2")


def test_an_order_that_both_know_is_one_with_the_latest_word_of_either() -> None:
    placed, late = at(1, completed("o1", 500)), at(4, OrderUpdated(order_id="o1", total=euros(1)))
    mine = orders(placed, at(5, OrderUpdated(order_id="o1", total=euros(400))))
    theirs = orders(placed, at(3, OrderUpdated(order_id="o1", total=euros(450))), at(2, completed("o2", 7)))
    for one, other in ((mine, theirs), (theirs, mine)):
        merged = ORDERS.merge(one, other)
        assert [(order.order_id, order.total) for order in merged.recent] == [("o1", euros(400)), ("o2", euros(7))]
        assert folded(ORDERS, [late], merged) == merged


def test_an_order_that_one_of_two_knows_to_be_cancelled_is_so_for_both() -> None:
    mine = orders(at(1, completed("o1", 500)))
    theirs = orders(at(1, completed("o1", 500)), at(2, OrderCancelled(order_id="o1")))
    for one, other in ((mine, theirs), (theirs, mine)):
        merged = ORDERS.merge(one, other)
        assert (merged.count, merged.spent, merged.recent[0].status) == (0, {}, "cancelled")


def test_a_refund_of_a_cancelled_order_does_not_revive_it() -> None:
    state = orders(at(1, completed("o1")), at(2, OrderCancelled(order_id="o1")), at(3, OrderRefunded(order_id="o1")))
    assert (state.count, state.refunded_at) == (0, 3)


def test_a_refund_without_an_order_id_still_says_when() -> None:
    assert orders(at(5, OrderRefunded())).refunded_at == 5


def test_a_cancellation_of_no_order_leaves_no_trace() -> None:
    assert orders(at(5, OrderCancelled())) == Orders()


def test_a_corrected_total_replaces_the_old_one_in_the_sum() -> None:
    assert orders(at(1, completed("o1", 100)), at(2, OrderUpdated(order_id="o1", total=euros(80)))).spent == {"EUR": 80}


def test_of_two_corrections_at_one_instant_the_later_arrival_stands() -> None:
    first, second = (at(2, OrderUpdated(order_id="o1", total=euros(total))) for total in (80, 90))
    assert orders(at(1, completed("o1", 100)), first, second).spent == {"EUR": 90}


def test_an_order_update_without_an_amount_keeps_the_total() -> None:
    assert orders(at(1, completed("o1", 100)), at(2, OrderUpdated(order_id="o1"))).spent == {"EUR": 100}


def test_the_amount_of_an_order_is_its_total_or_else_its_revenue_or_value() -> None:
    amounts = {"total": euros(3), "revenue": euros(2), "value": euros(1)}
    for field, spent in (("total", 3), ("revenue", 2), ("value", 1)):
        order = at(1, replace(completed("o1"), **amounts))
        assert orders(order).spent == {"EUR": spent}
        del amounts[field]


def test_what_was_spent_is_kept_by_currency() -> None:
    yen = OrderCompleted(order_id="o2", total=Money(5000, "JPY"))
    assert orders(at(1, completed("o1", 100)), at(2, yen)).spent == {"EUR": 100, "JPY": 5000}


def test_a_parcel_after_the_promised_day_is_late() -> None:
    on_time = ShipmentDelivered(order_id="o1", promised_at=50)
    assert not orders(at(1, completed("o1")), at(50, on_time)).recent[0].late
    too_late = ShipmentDelivered(order_id="o1", promised_at=50)
    assert orders(at(1, completed("o1")), at(51, too_late)).recent[0].late


def test_a_parcel_without_a_promise_is_never_late() -> None:
    assert not orders(at(1, completed("o1")), at(99, ShipmentDelivered(order_id="o1"))).recent[0].late


def test_the_last_of_several_parcels_counts_as_the_delivery() -> None:
    parcels = [at(9, ShipmentDelivered(order_id="o1")), at(5, ShipmentDelivered(order_id="o1"))]
    assert orders(at(1, completed("o1")), *parcels).recent[0].delivered_at == 9


def test_an_order_from_the_till_says_so_and_names_its_products() -> None:
    till = OrderCompleted(order_id="o1", channel="store", products=(Product(product_id="a"), Product(sku="S")))
    (order,) = orders(at(1, till)).recent
    assert (order.channel, order.products) == ("store", ("a", "S"))


def test_the_latest_64_orders_are_kept_and_all_are_counted() -> None:
    state = orders(*(at(number, completed(f"o{number}", 1)) for number in range(1, KEPT + 3)))
    assert (len(state.recent), state.recent[0].order_id) == (KEPT, "o3")
    assert (state.count, state.spent) == (KEPT + 2, {"EUR": KEPT + 2})


@pytest.mark.parametrize(("history", "counted"), [(False, 0), (True, 1)], ids=["told once more", "imported"])
def test_an_order_older_than_all_that_are_kept_counts_if_it_is_imported(history: bool, counted: int) -> None:
    state = orders(*(at(number, completed(f"o{number}", 1)) for number in range(1, KEPT + 3)))
    assert ORDERS.fold(state, at(1, completed("o1", 1), history=history)).count == state.count + counted


def test_a_checkout_is_no_order() -> None:
    assert ORDERS.fold(Orders(), at(1, CheckoutStarted(order_id="o1"))) == Orders()


def test_the_products_of_the_latest_sixteen_orders_are_remembered() -> None:
    tea = Product(product_id="tea")
    placed = [at(n, OrderCompleted(order_id=f"o{n:02}", products=(tea,))) for n in range(1, 41)]
    state = orders(*placed)
    assert [order.order_id for order in state.recent if order.products] == [f"o{n}" for n in range(25, 41)]
    assert state == orders(*reversed(placed))
