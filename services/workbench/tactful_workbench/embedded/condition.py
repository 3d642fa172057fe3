"""On what the embedded size stands: its file and the disk below it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from tactful_workbench.doctor.findings import Finding

SPARE: Final = 1024**3  # bytes that should be free


def file_findings(file: Path) -> list[Finding]:
    """Whether the database is there, and whether the disk has room beside it."""
    try:
        size, free = file.stat().st_size, shutil.disk_usage(file.parent).free
    except OSError as error:
        gone = "it was taken away while the server writes to it. Stop the server, and put it back before it is started again"
        return [Finding("fail", f"{file} cannot be seen ({error.strerror}): {gone}")]
    found = Finding("ok", f"{file} {_told(size)}, {_told(free)} free beside it")
    if free < max(SPARE, size):
        return [found._replace(level="warn", text=f"{found.text}: too little for a back-up or a day of events")]
    return [found]


def _told(size: int) -> str:
    return f"{size / 1024**3:.1f} GB" if size >= SPARE else f"{size / 1024**2:.1f} MB"
