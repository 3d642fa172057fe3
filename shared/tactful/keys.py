"""Keys: who posts or operates, and what that key may do. Keys hold no colon; only their hash is stored."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from hashlib import sha256
from typing import Final, NamedTuple, Protocol

OPERATOR: Final = "operator"


class Key(NamedTuple):
    """`scope` is `server` (post everything), `browser` (append events; never consent, verified addresses or merges) or `operator`
    (the console; posts nothing). `per_second`: requests that one process takes from it; None: as many as there is room for."""

    name: str  # becomes the source of its events
    scope: str
    per_second: float | None = None


class KeyRing(Protocol):
    """Looks a key up."""

    async def find(self, secret: str) -> Key | None:
        """The key, or None if there is none or it was revoked."""
        ...


def basic_credentials(header: str) -> tuple[str, str]:
    """User name and password of an `Authorization` header (RFC 7617); empty if it holds none."""
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(credentials.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return "", ""
    return user, password


def fingerprint(secret: str) -> bytes:
    """What is stored in place of a key. Keys are at least 128 random bits, so a plain hash will do."""
    return sha256(secret.encode(errors="surrogatepass")).digest()


class FixedKeys:
    """A ring that never changes: the two keys of `tactful dev`, and tests."""

    def __init__(self, keys: Iterable[tuple[str, Key]]) -> None:
        self._keys = {fingerprint(secret): key for secret, key in keys}

    async def find(self, secret: str) -> Key | None:
        return self._keys.get(fingerprint(secret))
