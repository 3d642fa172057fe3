"""What is left of an erased customer: a keyed hash of each of their names, and when. Nobody can read a name from it, and
whoever comes under that name is recognised."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Final

import msgspec

ERASED: Final = "Customer Erased"  # the broadcast by which every partition hears of a grave


class Graves:
    """Makes the hash that stands for a customer. `secret` is at least 128 random bits of this deployment."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def of(self, customer: str) -> str:
        """The customer's hash: 32 hex characters."""
        return hmac.digest(self._secret, customer.encode(errors="surrogatepass"), sha256).hex()[:32]


class Erased(msgspec.Struct, frozen=True, array_like=True):
    """A grave, and since when (ms): what happened before brings nobody back."""

    grave: str
    at: int
