"""Logs of a process: JSON for whatever collects them, text for whoever reads them. No line names a customer or an address."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from tactful.errors import raised_at

RARELY: Final = 60.0  # seconds until the same is told again
REMEMBERED: Final = 1000  # of what was told
QUIET: Final = ("aiokafka", "apscheduler", "httpx", "sqlalchemy")  # what they say below a warning is about themselves


class OnceAMinute(logging.Filter):
    """A warning that is said again and again is told once a minute: of a broker that is away, its client says so a hundred times a
    second. `seconds` gives seconds that never go back."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._seconds, self._told = seconds, dict[tuple[str, str, str], float]()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        error = record.exc_info[1] if record.exc_info else None
        where = raised_at(error) if error is not None and error.__traceback__ is not None else ""
        said, now = (record.name, record.getMessage(), where), self._seconds()
        if now - self._told.get(said, now - RARELY) < RARELY:
            return False
        if len(self._told) >= REMEMBERED:
            self._told = {}
        self._told[said] = now
        return True


class AsJson(logging.Formatter):
    """A line each: `{"at", "level", "service", "logger", "message"}`, and the traceback if there is one."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False)


TIMED: Final = logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S %z")
BARE: Final = logging.Formatter("%(message)s")  # of `tactful dev`: its clock is another one than the machine's


def log_in(form: logging.Formatter) -> None:
    """From now on the whole process logs to standard error, in this form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(form)
    handler.addFilter(OnceAMinute())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
