"""Addresses without the address: a keyed hash over the form in which two spellings of one address are equal."""

from __future__ import annotations

import hmac
import re
from hashlib import sha256

from tactful.errors import InvalidInput
from tactful.mailbox import mailbox
from tactful.records import RecipientBody
from tactful_dispatch.state.rows import AddressKey


class AddressBook:
    """Names address rows. `secret` is at least 128 random bits of this deployment."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def key(self, channel: str, address: str) -> AddressKey:
        """Lower-cased for e-mail, without a name and with its domain as the wire has it; digits for phones."""
        plain = re.sub(r"[^+\d]", "", address) if channel in ("sms", "call") else _bare(address.strip()).lower()
        return AddressKey(channel, hmac.digest(self._secret, f"{channel}\x1f{plain}".encode(), sha256).hex()[:32])

    def of(self, recipient: RecipientBody | None, channel: str) -> AddressKey | None:
        """The recipient's address on a channel, if there is one."""
        address = recipient.addresses.get(channel) if recipient else None
        return self.key(channel, address) if address else None

    def all_of(self, recipient: RecipientBody | None) -> list[AddressKey]:
        """The recipient's addresses, in order of channels."""
        channels = sorted(recipient.addresses) if recipient else []
        return [key for channel in channels if (key := self.of(recipient, channel)) is not None]


def _bare(address: str) -> str:
    """As mail servers are told it: `Uma <uma@bücher.example>` is uma@xn--bcher-kva.example."""
    if address.isascii() and "<" not in address:
        return address
    try:
        return mailbox(address, "address").addr_spec
    except InvalidInput:
        return address
