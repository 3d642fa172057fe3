"""Logs of the embedded size: text for whoever reads them, after the time. No line names a customer or an address."""

from __future__ import annotations

import logging
import sys
from typing import Final

from tactful_workbench.jsonlog import QUIET, OnceAMinute

TIMED: Final = "%(asctime)s %(message)s"
BARE: Final = "%(message)s"  # of `tactful dev`: its clock is another one than the machine's, and somebody watches


def log_as_text(form: str) -> None:
    """Of the whole process, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(form, "%Y-%m-%d %H:%M:%S %z"))
    handler.addFilter(OnceAMinute())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
