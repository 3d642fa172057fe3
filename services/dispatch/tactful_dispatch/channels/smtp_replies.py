"""What a mail server's reply, or its silence, means for one message. Pure.

Replies: RFC 5321 §4.2; enhanced status codes: RFC 3463 and the IANA registry. Until the final dot nothing was sent, so
trouble is a Retry. After it only a reply tells: RFC 1047 names the client that gives up there and sends again as a
main cause of duplicates, so silence is Unknown.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Final

from tactful.clock import MINUTE, SECOND
from tactful_dispatch.channels import Outcome, Rejected, Retry, Unknown

RETRY_BROKEN: Final = 30 * SECOND
RETRY_REFUSED: Final = 5 * MINUTE  # what grey-listing servers usually ask for

_SIGN_IN = frozenset({530, 534, 535, 538})  # RFC 4954: about our account, not about the message
_NO_MAILBOX = frozenset({550, 551, 553})
# No such mailbox, domain or syntax, moved, takes no mail; not 5.1.7 and 5.1.8, which are about the sender's address.
_BAD_ADDRESS = re.compile(r"5\.(?:1\.(?:0|1|2|3|4|6|10)|2\.1)\b")
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")
_LONGEST = 300


class Phase(IntEnum):
    """How far the dialogue had come."""

    SESSION = 0  # connecting, TLS, signing in: nothing was said about the message
    SENDER = 1
    RECIPIENT = 2
    DATA = 3  # up to, and without, the final dot
    DOT = 4


def refusal(phase: Phase, code: int, text: str) -> Outcome:
    """The meaning of a reply that was not the one hoped for.

    Trouble before the message was mentioned is the shop's or the provider's, and is retried whatever its code:
    a wrong password must not burn the queue.
    """
    words = _printable(f"{code} {text}")
    if 400 <= code < 500:
        return Retry(RETRY_REFUSED, str(code), words)
    if not 500 <= code < 600:
        return broken(phase, f"a reply that is not SMTP: {words}")
    if phase is Phase.SESSION or code in _SIGN_IN:
        return Retry(RETRY_REFUSED, str(code), words)
    return Rejected(str(code), words, suppress=_is_about_the_address(phase, code, text))


def broken(phase: Phase, what: str) -> Outcome:
    """The meaning of a connection that broke, or of a server that fell silent."""
    if phase is Phase.DOT:
        return Unknown(f"no answer to the end of the message: {_printable(what)}")
    return Retry(RETRY_BROKEN, "connection", _printable(what))


def _is_about_the_address(phase: Phase, code: int, text: str) -> bool:
    """Only a server that says so makes an address unusable: a policy refusal (5.7.x) is the sender's fault."""
    if phase not in (Phase.RECIPIENT, Phase.DOT):
        return False
    if enhanced := _ENHANCED.match(text.lstrip()):
        return bool(_BAD_ADDRESS.match(enhanced[0]))
    return phase is Phase.RECIPIENT and code in _NO_MAILBOX


def _printable(text: str) -> str:
    shown = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(shown.split())[:_LONGEST]
