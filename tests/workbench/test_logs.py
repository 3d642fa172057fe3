"""Each line of a service's log is one JSON object, whatever is in it, and says something new."""

from __future__ import annotations

import json
import logging
import sys

from tactful_workbench.process.logs import AsJson, OnceAMinute


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


def test_what_is_said_again_and_again_is_told_once_a_minute() -> None:
    seconds = [0.0]
    rarely = OnceAMinute(lambda: seconds[0])

    def told(message: str, level: int = logging.ERROR, error: Exception | None = None) -> bool:
        what = (type(error), error, error.__traceback__) if error else None
        return bool(rarely.filter(logging.LogRecord("aiokafka", level, __file__, 1, message, (), what)))

    assert [told("node 1 is away"), told("node 1 is away"), told("node 2 is away")] == [True, False, True]
    assert [told("history: 5 gone", logging.INFO), told("history: 5 gone", logging.INFO)] == [True, True]
    assert [told("failed", error=error) for error in (raised(KeyError), raised(KeyError), raised(OSError))] == [1, 0, 1]
    assert told("failed", error=ValueError("was never raised"))
    seconds[0] = 60
    assert told("node 1 is away")


def raised(kind: type[Exception]) -> Exception:
    try:
        raise kind
    except kind as error:
        return error
