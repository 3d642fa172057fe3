"""What is in the basket, whatever the order in which the shop's news arrive."""

from __future__ import annotations

from folding import at, by_time, euros, folded, ids, scripts
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tactful.customer import Cart
from tactful.events import (
    CartShared,
    CartUpdated,
    CheckoutStarted,
    Event,
    OrderCompleted,
    Product,
    ProductAdded,
    ProductRemoved,
    WishlistProductAddedToCart,
)
from tactful.events.model import Money
from tactful_trigger.projections.cart import LINES, MARKS, CartProjection

CART = CartProjection()


def add(product: str, quantity: int = 1) -> ProductAdded:
    return ProductAdded(cart_id="c1", product_id=product, quantity=quantity)


def remove(product: str, quantity: int = 0) -> ProductRemoved:
    return ProductRemoved(cart_id="c1", product_id=product, quantity=quantity)


def whole(*products: str) -> CartUpdated:
    return CartUpdated(cart_id="c1", products=tuple(Product(product_id=product) for product in products))


def order() -> OrderCompleted:
    return OrderCompleted(order_id="o1")


def cart(*events: Event) -> Cart:
    return folded(CART, events)


def plainly(events: list[Event]) -> dict[str, int]:
    """The obvious basket: product -> pieces, in order of the first add, for events in order of time."""
    basket: dict[str, int] = {}
    for event in events:
        match event:
            case ProductAdded():
                basket[event.product_id] = basket.get(event.product_id, 0) + event.quantity
            case ProductRemoved() if 0 < event.quantity < basket.get(event.product_id, 0):
                basket[event.product_id] -= event.quantity
            case ProductRemoved():
                basket.pop(event.product_id, None)
            case CartUpdated():
                basket = {product.product_id: product.quantity for product in event.products}
            case OrderCompleted():
                basket = {}
    return basket


products = st.sampled_from("abcd")
adds = st.builds(add, products, st.integers(1, 5))
changes: st.SearchStrategy[Event] = st.one_of(
    adds,
    adds,
    st.builds(remove, products),
    st.lists(products, unique=True, max_size=3).map(lambda names: whole(*names)),
    st.builds(order),
)


@given(scripts(st.one_of(changes, st.builds(remove, products, st.integers(1, 5)))))
def test_events_in_order_of_time_give_the_obvious_basket(arrivals: list[Event]) -> None:
    state = folded(CART, by_time(arrivals))
    assert {item.product_id: item.quantity for item in state.items} == plainly(by_time(arrivals))
    assert ids(state.items) == list(plainly(by_time(arrivals)))


@given(scripts(changes))
def test_which_products_are_in_the_basket_does_not_depend_on_the_order_of_arrival(arrivals: list[Event]) -> None:
    assert set(ids(folded(CART, arrivals).items)) == set(plainly(by_time(arrivals)))


@given(scripts(st.one_of(adds, st.builds(order))), st.data())
def test_the_whole_state_does_not_depend_on_the_order_of_arrival_when_no_product_comes_twice(
    arrivals: list[Event], data: st.DataObject
) -> None:
    distinct = [
        at(event.meta.occurred_at, add(f"p{number}") if isinstance(event, ProductAdded) else order())
        for number, event in enumerate(arrivals)
    ]
    assert folded(CART, distinct) == folded(CART, data.draw(st.permutations(distinct)))


@given(scripts(adds))
def test_repeated_adds_in_any_order_of_arrival_give_one_state(arrivals: list[Event]) -> None:
    assert folded(CART, arrivals) == folded(CART, by_time(arrivals))


def test_the_basket_is_in_order_of_the_first_add() -> None:
    assert ids(cart(at(1, add("b")), at(2, add("a")), at(3, add("b"))).items) == ["b", "a"]


def test_an_earlier_add_that_arrives_later_stands_before() -> None:
    assert ids(cart(at(5, add("b")), at(1, add("a"))).items) == ["a", "b"]


def test_adding_what_is_there_raises_the_quantity_of_its_line() -> None:
    (line,) = cart(at(1, add("a", 2)), at(2, add("a", 3))).items
    assert (line.quantity, line.added_at, line.again_at) == (5, 1, 2)


def test_a_line_keeps_what_is_known_of_it_when_it_is_added_again_and_when_only_the_later_add_is_left() -> None:
    """A category that is lost is one that nobody knows to be sensitive, or a gift."""

    def card() -> ProductAdded:
        return ProductAdded(
            product_id="card", sku="k1", name="Card", category="Gift cards", price=euros(5), url="u", image_url="i"
        )

    [once] = cart(at(7, card())).items
    [twice] = cart(at(3, card()), at(7, card())).items
    [left] = cart(at(3, card()), at(7, card()), at(5, order())).items
    assert twice == replace(once, quantity=2, added_at=3, again_at=7)
    assert left == replace(once, quantity=2)


def test_a_line_shows_the_price_of_its_latest_add() -> None:
    dear = at(2, ProductAdded(product_id="a", name="Kettle, new", price=euros(4500)))
    cheap = at(1, ProductAdded(product_id="a", name="Kettle", price=euros(3990)))
    for arrivals in ([cheap, dear], [dear, cheap]):
        (line,) = folded(CART, arrivals).items
        assert (line.name, line.price) == ("Kettle, new", euros(4500))


def test_the_value_is_the_sum_in_the_currency_of_the_first_line_that_has_a_price() -> None:
    pan = ProductAdded(product_id="pan", price=euros(10), quantity=2)
    lid = ProductAdded(product_id="lid", price=euros(3))
    pot = ProductAdded(product_id="pot", price=Money(900, "SEK"))
    assert cart(add("mug"), pan, pot, lid).value == Money(23, "EUR")
    assert cart(add("mug")).value is None


def test_removing_takes_the_line_out_whole() -> None:
    assert cart(at(1, add("a", 3)), at(2, remove("a"))).items == ()


def test_removing_some_pieces_leaves_the_others() -> None:
    (line,) = cart(at(1, add("a", 3)), at(2, remove("a", 1))).items
    assert line.quantity == 2


def test_pieces_may_be_removed_at_the_very_instant_of_their_add() -> None:
    """Some sources know the second only."""
    assert cart(at(5, add("a", 3)), at(5, remove("a", 1))).items[0].quantity == 2


def test_removing_as_many_pieces_as_there_are_takes_the_line_out() -> None:
    assert cart(at(1, add("a", 3)), at(2, remove("a", 3))).items == ()


def test_removing_some_pieces_takes_none_of_what_was_added_later() -> None:
    (line,) = cart(at(5, add("a", 3)), at(2, remove("a", 1))).items
    assert line.quantity == 3


def test_an_add_that_happened_before_a_removal_of_that_product_stays_out() -> None:
    assert cart(at(5, remove("a")), at(4, add("a"))).items == ()


def test_an_older_removal_that_arrives_late_does_not_weaken_a_newer_one() -> None:
    assert cart(at(9, remove("a")), at(3, remove("a")), at(6, add("a"))).items == ()


def test_a_removal_concerns_no_other_product() -> None:
    assert ids(cart(at(5, remove("a")), at(4, add("b"))).items) == ["b"]


def test_an_order_empties_the_basket_whole() -> None:
    state = cart(at(1, add("a")), at(2, add("b")), at(3, order()))
    assert (state.items, state.cart_id) == ((), "")


def test_an_add_that_happened_before_the_latest_order_stays_out() -> None:
    assert cart(at(5, order()), at(4, add("a"))).items == ()


def test_it_stays_out_though_something_was_removed_since_the_order() -> None:
    assert cart(at(5, order()), at(7, add("b")), at(8, remove("b")), at(1, add("a"))).items == ()


def test_an_order_that_arrives_late_leaves_what_was_added_after_it() -> None:
    state = cart(at(1, add("a")), at(9, add("b")), at(5, order()))
    assert (ids(state.items), state.cart_id) == (["b"], "c1")


def test_an_order_that_arrives_late_leaves_a_product_that_was_added_again_after_it() -> None:
    (line,) = cart(at(1, add("a")), at(9, add("a")), at(5, order())).items
    assert (line.product_id, line.added_at) == ("a", 9)


def test_of_two_at_one_millisecond_the_later_arrival_counts() -> None:
    assert cart(at(5, add("a")), at(5, order())).items == ()
    assert ids(cart(at(5, order()), at(5, add("a"))).items) == ["a"]
    assert cart(at(5, add("a")), at(5, remove("a"))).items == ()
    assert ids(cart(at(5, remove("a")), at(5, add("a"))).items) == ["a"]


def test_a_whole_cart_wins_over_older_single_changes() -> None:
    assert ids(cart(at(1, add("a")), at(5, whole("b", "c")), at(3, add("d"))).items) == ["b", "c"]


def test_a_whole_cart_that_arrives_late_keeps_what_was_changed_after_it() -> None:
    state = cart(at(1, add("x")), at(7, add("a")), at(8, remove("b")), at(5, whole("b", "c")))
    assert ids(state.items) == ["c", "a"]


def test_a_whole_cart_from_before_the_latest_order_changes_nothing() -> None:
    state = cart(at(5, order()))
    assert CART.fold(state, at(4, whole("a"))) is state


def test_a_whole_cart_without_products_empties_the_basket() -> None:
    assert cart(at(1, add("a")), at(2, whole())).items == ()


def test_a_whole_cart_that_names_a_product_twice_has_one_line_of_it() -> None:
    twice = CartUpdated(products=(Product(product_id="a", variant="red"), Product(product_id="a", quantity=2)))
    (line,) = cart(at(1, twice)).items
    assert line.quantity == 3


def test_a_line_of_no_pieces_is_none() -> None:
    assert cart(at(1, CartUpdated(products=(Product(product_id="a", quantity=0),)))).items == ()
    assert cart(at(1, add("a", 0))).items == ()


def test_what_has_neither_an_id_nor_a_sku_is_no_line() -> None:
    assert cart(CartUpdated(cart_id="c1", products=(Product(name="?"),))).items == cart(ProductAdded()).items == ()


def test_a_product_without_an_id_goes_by_its_sku() -> None:
    assert ids(cart(at(1, ProductAdded(sku="G-32"))).items) == ["G-32"]
    assert cart(at(1, ProductAdded(name="no id at all"))) == Cart()


def test_a_wish_moved_into_the_cart_is_an_add() -> None:
    assert ids(cart(at(1, WishlistProductAddedToCart(product_id="w"))).items) == ["w"]


def test_a_checkout_fills_an_empty_basket() -> None:
    checkout = CheckoutStarted(products=(Product(product_id="a"), Product(product_id="b")))
    assert ids(cart(at(1, checkout)).items) == ["a", "b"]


def test_a_checkout_of_one_product_leaves_a_full_basket_as_it_is() -> None:
    checkout = CheckoutStarted(products=(Product(product_id="z"),))
    assert ids(cart(at(1, add("a")), at(2, checkout)).items) == ["a"]


def test_where_only_checkouts_tell_the_latest_of_them_counts() -> None:
    first, second = (
        CheckoutStarted(products=tuple(Product(product_id=name) for name in names)) for names in ("a", "bc")
    )
    told = cart(at(1, first), at(9, second))
    assert ids(told.items) == ["b", "c"]
    assert folded(CART, [at(1, first)], told) == told
    assert ids(folded(CART, [at(12, second)], CART.merge(Cart(), cart(at(1, first)))).items) == ["b", "c"]
    assert ids(cart(at(1, first), at(5, add("z")), at(9, second)).items) == ["a", "z"]


def test_a_checkout_from_before_the_order_fills_nothing() -> None:
    assert cart(at(5, order()), at(4, CheckoutStarted(products=(Product(product_id="a"),)))).items == ()


def test_sharing_the_basket_is_remembered() -> None:
    shared = cart(at(1, add("a")), at(7, CartShared()), at(3, CartShared()))
    assert shared.shared_at == 7
    for later in (add("b"), remove("a"), whole("c"), order()):
        assert folded(CART, [at(9, later)], shared).shared_at == 7


def test_the_basket_keeps_the_latest_hundred_lines() -> None:
    state = cart(*(at(number, add(f"p{number}")) for number in range(1, LINES + 3)))
    assert (len(state.items), state.items[0].product_id) == (LINES, "p3")


def test_the_basket_keeps_the_latest_marks_of_removals() -> None:
    state = cart(*(at(number, remove(f"p{number}")) for number in range(1, MARKS + 3)))
    assert (len(state.removed), state.removed[0][0]) == (MARKS, "p3")


def test_a_removal_at_the_instant_of_an_order_needs_no_mark() -> None:
    assert cart(at(5, order()), at(5, remove("a"))).removed == ()


def test_the_basket_goes_by_its_latest_name() -> None:
    other = at(9, ProductAdded(cart_id="c2", product_id="b"))
    assert cart(at(1, add("a")), other).cart_id == "c2"
    assert cart(other, at(1, add("a"))).cart_id == "c2"
    assert cart(at(9, ProductAdded(product_id="b")), at(1, add("a"))).cart_id == "c1"


def test_an_order_takes_the_marks_with_it_that_have_done_their_work() -> None:
    assert cart(at(1, remove("a")), at(9, remove("b")), at(5, order())).removed == (("b", 9),)


def test_of_two_baskets_the_newer_one_lives_on() -> None:
    older, newer = cart(at(1, add("a")), at(2, add("b"))), cart(at(3, add("c")))
    assert ids(CART.merge(older, newer).items) == ["c"]
    assert ids(CART.merge(newer, older).items) == ["c"]


def test_what_was_added_elsewhere_before_an_order_does_not_come_back_by_a_merge() -> None:
    assert CART.merge(cart(at(5, order())), cart(at(4, add("a")))).items == ()


def test_of_two_baskets_of_one_age_mine_lives_on() -> None:
    mine, theirs = cart(at(3, add("a"))), cart(at(3, add("b")))
    assert ids(CART.merge(mine, theirs).items) == ["a"]


def test_what_was_added_elsewhere_at_the_instant_of_an_order_comes_by_a_merge() -> None:
    assert ids(CART.merge(cart(at(5, order())), cart(at(5, add("a")))).items) == ["a"]


def test_what_was_added_elsewhere_after_an_order_comes_by_a_merge() -> None:
    assert ids(CART.merge(cart(at(5, order())), cart(at(6, add("a")))).items) == ["a"]


@given(scripts(changes), scripts(changes), scripts(changes))
def test_a_merge_of_three_does_not_depend_on_which_two_come_first(
    one: list[Event], two: list[Event], three: list[Event]
) -> None:
    a, b, c = folded(CART, one), folded(CART, two), folded(CART, three)
    left, right = CART.merge(CART.merge(a, b), c), CART.merge(a, CART.merge(b, c))
    assert left == right


def test_a_whole_basket_that_is_told_again_as_it_was_is_no_change() -> None:
    twice = cart(at(10, whole("tea", "pot")), at(20, whole("pot", "tea")))
    assert twice.changed_at == 10
    assert folded(CART, [at(30, whole("tea"))], twice).changed_at == 30


def test_a_whole_basket_of_which_only_the_value_is_told_keeps_its_lines() -> None:
    full = cart(at(1, add("tea")))
    assert folded(CART, [at(2, CartUpdated(cart_id="c1", value=euros(4900)))], full) == full
    assert folded(CART, [at(2, CartUpdated(cart_id="c1", value=euros(0)))], full).items == ()
