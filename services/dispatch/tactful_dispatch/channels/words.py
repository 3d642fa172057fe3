"""What a provider says of a message, as it may be kept: decisions outlive addresses, and why a provider is left alone is told of
everybody whose message waits for it. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from tactful_dispatch.channels import Accepted, Outcome

_MAILBOX: Final = re.compile(r"[^\s<>()\[\]\"':;,]+@[^\s<>()\[\]\"':;,]+")
_LONGEST: Final = 300


def kept(outcome: Outcome, address: str) -> Outcome:
    """An outcome as it may be kept: in printable letters, since others cannot be stored (a mail server may speak Latin-1), and without
    addresses. `address` is where the message was to go."""
    if isinstance(outcome, Accepted):
        outcome = replace(outcome, provider_id=printable(outcome.provider_id))
    return replace(outcome, detail=_without_addresses(printable(outcome.detail), address)[:_LONGEST])


def _without_addresses(words: str, address: str) -> str:
    words = _MAILBOX.sub("…", words)
    return re.sub(rf"\+?{re.escape(address.lstrip('+'))}", "…", words, flags=re.IGNORECASE) if address else words


def printable(text: str) -> str:
    """The text on one line, with a blank in place of what is not printable."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
