"""Logs of a service: a JSON object a line, for whatever collects them. No line names a customer or an address."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final

QUIET: Final = ("aiokafka", "apscheduler", "httpx", "sqlalchemy")  # what they say below a warning is about themselves


class AsJson(logging.Formatter):
    """`{"at", "level", "service", "logger", "message"}`, and the traceback if there is one."""

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


def log_as_json(service: str) -> None:
    """Of the whole process, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(AsJson(service))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
