"""Secrets of one deployment: made at random when they are first needed, kept in `<data>/secrets` for nobody else to read."""

from __future__ import annotations

import os
from pathlib import Path
from secrets import token_bytes


def secret(data: Path, name: str, size: int = 32) -> bytes:
    """The named secret; 0600 in a folder of 0700."""
    folder = data / "secrets"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / name
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_bytes()
    with os.fdopen(handle, "wb") as made:
        value = token_bytes(size)
        made.write(value)
    return value
