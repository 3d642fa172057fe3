"""Addresses without the address: a keyed hash over the form in which two spellings of one address are equal."""

from __future__ import annotations

import hmac
import re
from hashlib import sha256

from tactful.records import RecipientBody
from tactful_dispatch.rows import AddressKey


class AddressBook:
    """Names address rows. `secret` is at least 128 random bits of this deployment."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def key(self, channel: str, address: str) -> AddressKey:
        """Lower-cased for e-mail, digits for phones."""
        plain = re.sub(r"[^+\d]", "", address) if channel in ("sms", "call") else address.strip().lower()
        return AddressKey(channel, hmac.digest(self._secret, f"{channel}\x1f{plain}".encode(), sha256).hex()[:32])

    def of(self, recipient: RecipientBody | None, channel: str) -> AddressKey | None:
        """The recipient's address on a channel, if there is one."""
        address = recipient.addresses.get(channel) if recipient else None
        return self.key(channel, address) if address else None

    def all_of(self, recipient: RecipientBody | None) -> list[AddressKey]:
        """The recipient's addresses, in order of channels."""
        channels = sorted(recipient.addresses) if recipient else []
        return [key for channel in channels if (key := self.of(recipient, channel)) is not None]
