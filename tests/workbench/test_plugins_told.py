"""What a process of trigger could not load is told to whoever watches it."""

from __future__ import annotations

import pytest

from tactful.plugins import Broken
from tactful_workbench.cluster.trigger import told_broken


def test_a_rule_that_is_not_loaded_stands_in_the_log_with_its_line_and_in_the_metrics(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = told_broken([Broken("second_order", "rules/second_order.py:1: ModuleNotFoundError: No module named 'teas'")])
    assert [(sample.labels, sample.value) for sample in told.samples] == [({"name": "second_order"}, 1)]
    why = "rules/second_order.py:1: ModuleNotFoundError: No module named 'teas'"
    assert caplog.messages == [f"second_order is not loaded: {why}"]
