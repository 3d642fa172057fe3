"""Two shares and whether they differ, by the examples of the paper."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tactful.shares import share_interval
from tactful_workbench.operating.comparing import difference_interval


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((6, 7, 2, 7), 0.0582, 0.8062),
        ((5, 56, 0, 29), -0.0381, 0.1926),
        ((10, 10, 0, 10), 0.6075, 1.0),
    ],
)
def test_the_interval_is_that_of_newcombe_s_table_two(
    counts: tuple[int, int, int, int], low: float, high: float
) -> None:
    interval = difference_interval(*counts)
    assert interval is not None
    assert [abs(found - expected) < 6e-5 for found, expected in zip(interval, (low, high), strict=True)] == [True, True]


@given(st.integers(1, 10_000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_the_interval_of_a_share_holds_the_share_and_stays_between_nothing_and_all(counts: tuple[int, int]) -> None:
    low, high = share_interval(*counts)
    share = counts[0] / counts[1]
    assert -1e-9 <= low <= share + 1e-9
    assert share - 1e-9 <= high <= 1 + 1e-9


def test_without_anybody_to_compare_with_nothing_is_said() -> None:
    assert difference_interval(3, 10, 0, 0) is None
    assert difference_interval(0, 0, 3, 10) is None
