"""What a message is for, and which consent covers it."""

from __future__ import annotations

import pytest

from tactful.purposes import covers, is_marketing


@pytest.mark.parametrize(
    ("purpose", "marketing"),
    [("marketing", True), ("marketing.cart", True), ("service.order", False), ("marketingish", False), ("", False)],
)
def test_only_marketing_and_its_parts_are_marketing(purpose: str, marketing: bool) -> None:
    assert is_marketing(purpose) is marketing


@pytest.mark.parametrize(
    ("granted", "wanted", "covered"),
    [
        ("marketing", "marketing", True),
        ("marketing", "marketing.cart", True),
        ("marketing", "marketing.cart.gift", True),
        ("marketing.cart", "marketing", False),
        ("marketing.cart", "marketing.news", False),
        ("marketing.cart", "marketing.cartoons", False),
        ("marketing", "marketing_of_others", False),
        ("service", "marketing", False),
        ("marketing", "service.order", False),
    ],
)
def test_a_grant_covers_its_purpose_and_the_parts_of_it(granted: str, wanted: str, covered: bool) -> None:
    assert covers(granted, wanted) is covered
