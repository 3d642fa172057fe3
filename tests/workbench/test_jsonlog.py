"""Each line of a service's log is one JSON object, whatever is in it."""

from __future__ import annotations

import json
import logging
import sys

from tactful_workbench.jsonlog import AsJson


def line(message: str, *arguments: object, error: bool = False) -> dict[str, str]:
    try:
        raise ValueError("a\nb") if error else KeyError
    except (ValueError, KeyError):
        what = sys.exc_info() if error else None
    record = logging.LogRecord("tactful_trigger.live", logging.ERROR, __file__, 1, message, arguments, what)
    written = AsJson("trigger").format(record)
    assert "\n" not in written
    told: dict[str, str] = json.loads(written)
    return told


def test_a_line_says_when_who_and_what() -> None:
    told = line("partition %s stops: %s", 3, "two\nlines")
    assert (told["service"], told["level"], told["logger"]) == ("trigger", "error", "tactful_trigger.live")
    assert told["message"] == "partition 3 stops: two\nlines"
    assert told["at"].endswith("+00:00")


def test_a_traceback_stays_on_its_line() -> None:
    assert "ValueError: a" in line("failed", error=True)["traceback"]
