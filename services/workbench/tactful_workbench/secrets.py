"""Secrets of one deployment: made at random when they are first needed, kept in `<data>/secrets` for nobody else to read."""

from __future__ import annotations

import os
from pathlib import Path
from secrets import token_bytes
from typing import Final

from tactful.errors import SettingsError

ADDRESS_KEY: Final = "address-key"
ADMIN_TOKEN: Final = "admin-token"
ERASURE_KEY: Final = "erasure-key"
LINK_KEY: Final = "link-key"
WEBHOOK_KEY: Final = "webhook-key"
EVERY: Final = (ADDRESS_KEY, ADMIN_TOKEN, ERASURE_KEY, LINK_KEY, WEBHOOK_KEY)


def shared_secret(data: Path, name: str) -> bytes:
    """The named secret where many processes share it, so nobody makes one up. Raises SettingsError."""
    try:
        return (data / "secrets" / name).read_bytes()
    except OSError as error:
        raise SettingsError(
            f"{data / 'secrets' / name} cannot be read ({error.strerror}); `tactful setup` makes the secrets once, and "
            "every service has to be given the same"
        ) from None


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
