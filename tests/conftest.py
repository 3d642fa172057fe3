"""What tests counted is printed at the end of a run, whichever process they ran in."""

from __future__ import annotations

import pytest
from servers import kafka, postgres

__all__ = ["kafka", "postgres"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tests say it by `record_property("counted", "318 of ...")`."""
    counted = [
        str(value)
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == "counted"
    ]
    if counted:
        terminalreporter.section("counted")
        for line in sorted(counted):
            terminalreporter.write_line(line)
