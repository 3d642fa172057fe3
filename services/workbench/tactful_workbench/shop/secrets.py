"""Secrets of one deployment: made at random when they are first needed, kept in `<data>/secrets` for nobody else to read."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from secrets import token_bytes
from tempfile import mkstemp
from typing import Final

from tactful.errors import SettingsError

ADDRESS_KEY: Final = "address-key"
ADMIN_TOKEN: Final = "admin-token"
ERASURE_KEY: Final = "erasure-key"
LINK_KEY: Final = "link-key"
WEBHOOK_KEY: Final = "webhook-key"
EVERY: Final = (ADDRESS_KEY, ADMIN_TOKEN, ERASURE_KEY, LINK_KEY, WEBHOOK_KEY)
SIZE: Final = 32  # bytes


def shared_secret(data: Path, name: str) -> bytes:
    """The named secret where many processes share it, so nobody makes one up. Raises SettingsError."""
    file = data / "secrets" / name
    try:
        return _whole(file)
    except OSError as error:
        raise SettingsError(
            f"{file} cannot be read ({error.strerror}); `tactful setup` makes the secrets once, and "
            "every service has to be given the same"
        ) from None


def secret(data: Path, name: str) -> bytes:
    """The named secret; 0600 in a folder of 0700. Raises SettingsError."""
    file = data / "secrets" / name
    try:
        if not file.exists():
            _make(file)
        return _whole(file)
    except OSError as error:
        raise SettingsError(f"{file} cannot be made or read ({error.strerror}); mend that and start again") from None


def _whole(file: Path) -> bytes:
    """The secret. Raises SettingsError if it is too short: whoever knows that a key is empty can sign with it."""
    if len(value := file.read_bytes()) < SIZE:
        raise SettingsError(
            f"{file} has {len(value)} bytes and must have {SIZE} or more; put the right one back. If nothing was ever signed "
            "with it, delete it, and a new one is made"
        )
    return value


def _make(file: Path) -> None:
    """Whole or not at all; whoever was there first has made it."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = mkstemp(dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as made:
            made.write(token_bytes(SIZE))
            made.flush()
            os.fsync(made.fileno())
        with suppress(FileExistsError):
            os.link(name, file)
    finally:
        os.unlink(name)
