"""A simulated year with the shipped rules, opt-outs, merges, erasures, complaints, a failing provider and lost commits.

`make year` lives it with twenty thousand customers.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from year_promises import in_words, lived


@pytest.mark.parametrize("seed", [6, pytest.param(13, marks=pytest.mark.long)])
def test_in_a_year_under_fault_every_promise_is_kept(seed: int, record_property: Callable[[str, object], None]) -> None:
    world = lived(120, seed)
    assert {"restarts", "repeats", "erased", "merged", "answered unsettled"} <= world.happened.keys()
    assert world.left
    record_property("counted", f"year, seed {seed}: {in_words(world)}")
