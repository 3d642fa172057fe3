"""Money on the wire: whatever was written becomes whole minor units, exactly, or is refused."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tactful.errors import InvalidInput
from tactful.events.amounts import LARGEST, minor_digits, minor_units, number
from tactful.events.wire import canonical

DIGITS = {"EUR": 2, "USD": 2, "JPY": 0, "KRW": 0, "VND": 0, "XPF": 0, "KWD": 3, "TND": 3, "CLF": 4, "UYW": 4}


def price(value: Any, *, currency: str | None = None, default: str = "EUR") -> Any:
    """What the price of a product becomes."""
    posted = {"price": value} if currency is None else {"price": value, "currency": currency}
    return msgspec.json.decode(canonical("Product Added", posted, default).properties)["price"]


def by_fractions(written: str, currency: str) -> int:
    """The oracle: exact fractions, which Python rounds half to even."""
    scale: int = 10 ** DIGITS[currency]
    return round(Fraction(written) * scale)


@pytest.mark.parametrize(
    ("written", "minor"),
    [
        (39.9, 3990),
        ("39.90", 3990),
        ("39.9", 3990),
        (" 39.90 ", 3990),
        ("+39.90", 3990),
        ("3.99e1", 3990),
        (40, 4000),
        ("40", 4000),
        (0, 0),
        (0.1 + 0.2, 30),
        (1.1 * 3, 330),
        (19.99, 1999),
        (4.35, 435),
        (-2.5, -250),
        (-0.05, -5),
        (".5", 50),
        ("5.", 500),
        (1e-7, 0),
    ],
)
def test_an_amount_in_euros_becomes_cents(written: Any, minor: int) -> None:
    assert price(written) == [minor, "EUR"]


@pytest.mark.parametrize(
    ("written", "minor"), [("0.005", 0), ("0.015", 2), ("0.025", 2), ("0.0250000001", 3), ("-0.015", -2)]
)
def test_half_a_cent_goes_to_the_even_neighbour(written: str, minor: int) -> None:
    assert price(written) == [minor, "EUR"]


def test_a_long_fraction_is_rounded_once() -> None:
    assert price("0.0149999999999999999999999999999999999") == [1, "EUR"]


@pytest.mark.parametrize(
    ("currency", "minor"), [("JPY", 40), ("KRW", 40), ("EUR", 3990), ("KWD", 39900), ("CLF", 399000)]
)
def test_each_currency_has_its_own_minor_unit(currency: str, minor: int) -> None:
    assert price(39.9, currency=currency) == [minor, currency]


def test_the_currency_of_the_event_goes_before_that_of_the_shop() -> None:
    assert price(39.9, currency=" usd ") == [3990, "USD"]
    assert price(39.9, default="PLN") == [3990, "PLN"]
    assert price(39.9, currency="", default="PLN") == [3990, "PLN"]


@pytest.mark.parametrize("amount", ["amount", "value"])
def test_an_amount_may_bring_its_own_currency(amount: str) -> None:
    assert price({amount: "39.90", "currency": "jpy"}, currency="USD") == [40, "JPY"]
    assert (
        price({amount: "39.90", "currencyCode": "USD"})
        == price({amount: 39.9, "currency_code": "usd"})
        == [3990, "USD"]
    )
    assert price({amount: 39.9}, currency="USD") == [3990, "USD"]
    assert price({amount: 39.9, "currency": None}) == [3990, "EUR"]


def test_our_own_form_stays_as_it_is() -> None:
    assert price([3990, "USD"], currency="JPY") == [3990, "USD"]


@pytest.mark.parametrize(
    "written",
    [
        "39,90",
        "1,234.50",
        "1_000",
        "€39.90",
        "39.90 EUR",
        "٣٩",
        " ",
        "free",
        "NaN",
        "Infinity",
        "1e1000000",
        "1e999999999999999999",
        "0x10",
        "9" * 41,
        float("nan"),
        float("inf"),
        1e300,
        2**53,
        -(2**53),
        pytest.param(10**5000, id="5000 digits"),
        True,
        [],
        [39.9, "EUR"],
        [True, "EUR"],
        [2**53 + 1, "EUR"],
        [3990, ""],
        [3990, None],
        [3990],
        {},
        {"amount": "much", "currency": "EUR"},
        {"currency": "EUR"},
    ],
)
def test_what_is_no_amount_is_refused_and_the_field_named(written: Any) -> None:
    with pytest.raises(InvalidInput, match=r"properties\.price must be an amount of money") as refused:
        price(written)
    assert (refused.value.code, refused.value.field) == ("wrong_type", "properties.price")


@pytest.mark.parametrize("code", ["EURO", "€", "12", "E R", "ÄÖÜ", 978, ["EUR"], True])
def test_a_currency_is_three_letters(code: Any) -> None:
    with pytest.raises(InvalidInput, match="must be a currency") as refused:
        price(39.9, currency=code)
    assert refused.value.field == "properties.currency"
    with pytest.raises(InvalidInput, match="must be a currency") as refused:
        price({"amount": 39.9, "currency": code})
    assert refused.value.field == "properties.price.currency"


def test_an_order_names_the_product_whose_price_is_wrong() -> None:
    products = [{"product_id": "p0", "price": 1}, {"product_id": "p1", "price": "cheap"}]
    with pytest.raises(InvalidInput, match="not 'cheap'") as refused:
        canonical("Order Completed", {"products": products}, "EUR")
    assert refused.value.field == "properties.products[1].price"


def test_every_amount_of_an_order_becomes_money() -> None:
    amounts = ("value", "subtotal", "total", "revenue", "shipping", "tax", "discount")
    posted = {**dict.fromkeys(amounts, "1.10"), "currency": "USD", "products": [{"price": 1.1}]}
    read = msgspec.json.decode(canonical("Order Completed", posted, "EUR").properties)
    assert [read[amount] for amount in amounts] == [[110, "USD"]] * 7
    assert read["products"] == [{"price": [110, "USD"]}]


@given(cents=st.integers(-(10**13), 10**13))
def test_a_price_that_a_program_divided_by_a_hundred_comes_back_whole(cents: int) -> None:
    assert minor_units(cents / 100, "EUR") == cents


@given(
    amount=st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**11), max_value=10**11),
    currency=st.sampled_from(sorted(DIGITS)),
)
@example(amount=Decimal("0.0149999999999999999999999999999999"), currency="EUR")
def test_text_is_exact_to_the_last_digit(amount: Decimal, currency: str) -> None:
    written = str(amount)
    expected = by_fractions(written, currency) if len(written) <= 40 and abs(amount.adjusted()) <= 999 else None
    assert minor_units(written, currency) == expected


@given(amount=st.floats(-1e11, 1e11), currency=st.sampled_from(sorted(DIGITS)))
def test_a_number_means_the_shortest_decimal_that_reads_back_the_same(amount: float, currency: str) -> None:
    assert minor_units(amount, currency) == by_fractions(repr(amount), currency)


@given(amount=st.floats(1e11, 1e20), currency=st.sampled_from(sorted(DIGITS)))
def test_large_amounts_are_exact_or_refused(amount: float, currency: str) -> None:
    exact = by_fractions(repr(amount), currency)
    assert minor_units(amount, currency) == (exact if exact <= LARGEST and amount <= LARGEST else None)


@given(st.text(alphabet="0123456789+-.,eE_ naNIify", max_size=45) | st.floats() | st.integers())
def test_no_number_is_too_strange_for_an_answer(written: Any) -> None:
    read = number(written)
    assert read is None or (read.is_finite() and abs(read) <= LARGEST)


def test_an_unlisted_currency_has_hundredths() -> None:
    assert {code: minor_digits(code) for code in DIGITS} == DIGITS
    assert minor_digits("PLN") == 2
