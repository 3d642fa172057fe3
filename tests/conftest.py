"""What tests counted is printed at the end of a run, whichever process they ran in."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings
from servers import kafka, postgres

from tactful_workbench.process import collecting

__all__ = ["kafka", "postgres"]

# Nothing has to be made or done within some time: on a busy machine that would be a fault of the machine.
settings.register_profile("whole", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# For the Pythons beside the first one.
settings.register_profile("brief", settings.get_profile("whole"), max_examples=25)
settings.load_profile("whole")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """As a service does while it loads everything, and once it has: looking through it again and again took a quarter of a run."""
    with collecting.loading():
        found = yield
    collecting.settle()
    return found


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
