"""Time does not go back because a log's clock does."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from tactful.log import Stored, rising

INSTANTS = st.lists(st.integers(0, 50))


def stored(instants: list[int]) -> list[Stored]:
    return [Stored("events", 0, offset, at, b"%d" % offset) for offset, at in enumerate(instants)]


@given(INSTANTS, st.integers(0, 50))
def test_every_record_is_stamped_with_the_latest_instant_up_to_it(instants: list[int], clock: int) -> None:
    found = rising(stored(instants), clock)
    assert [each.appended for each in found] == list(accumulate(instants, max, initial=clock))[1:]
    assert [each[:3] + each[4:] for each in found] == [each[:3] + each[4:] for each in stored(instants)]


@given(INSTANTS, INSTANTS)
def test_where_a_slice_is_cut_changes_nothing(first: list[int], second: list[int]) -> None:
    whole = rising(stored(first + second), 0)
    begun = rising(stored(first + second)[: len(first)], 0)
    rest = rising(stored(first + second)[len(first) :], begun[-1].appended if begun else 0)
    assert [*begun, *rest] == list(whole)


def test_records_in_order_are_not_even_copied() -> None:
    records = stored([1, 2, 2, 3])
    assert rising(records, 1) is records
