"""What most tests of dispatch begin with."""

from __future__ import annotations

import pytest
from dispatchbench import DispatchBench


@pytest.fixture
def bench() -> DispatchBench:
    """Tuesday noon, and a customer who may be written to."""
    bench = DispatchBench()
    bench.consenting()
    bench.advance("1s")
    return bench
