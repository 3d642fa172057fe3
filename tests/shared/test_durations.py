"""Lengths of time as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tactful.clock import DAY, HOUR, MINUTE, SECOND
from tactful.durations import milliseconds, spoken
from tactful.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("250ms", 250),
        ("90s", 90 * SECOND),
        ("1m", MINUTE),
        ("5min", 5 * MINUTE),
        ("1h", HOUR),
        ("30d", 30 * DAY),
        ("2w", 14 * DAY),
        ("1d 12h", 36 * HOUR),
        ("1d12h", 36 * HOUR),
        ("1.5h", 90 * MINUTE),
        ("0s", 0),
        (" 1h ", HOUR),
    ],
)
def test_a_length_is_read_as_people_write_it(text: str, length: int) -> None:
    assert milliseconds(text) == length


@pytest.mark.parametrize(
    "text", ["", " ", "h", "1", "1x", "-1h", "1h!", "1 month", "1h and 2m", "1,5h", "1h extra", "9" * 400 + "d"]
)
def test_what_is_no_length_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidInput, match=r'is not a length of time; write it like "90s", "1h" or "3d"') as refused:
        milliseconds(text)
    assert refused.value.code == "invalid_duration"


def test_a_timedelta_is_a_length_too() -> None:
    assert milliseconds(timedelta(hours=1, milliseconds=2)) == HOUR + 2


@pytest.mark.parametrize(
    ("length", "text"), [(5_400_000, "1h 30m"), (0, "0s"), (999, "0s"), (DAY + 1_000, "1d 1s"), (-HOUR, "1h")]
)
def test_a_length_is_spoken_in_the_largest_units_that_fit(length: int, text: str) -> None:
    assert spoken(length) == text


@given(st.integers(0, 10**7))
def test_what_is_spoken_is_read_as_the_same_length(seconds: int) -> None:
    assert milliseconds(spoken(seconds * SECOND)) == seconds * SECOND
