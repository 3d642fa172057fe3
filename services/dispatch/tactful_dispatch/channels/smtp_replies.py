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
from tactful_dispatch.channels.words import printable

RETRY_BROKEN: Final = 30 * SECOND
RETRY_REFUSED: Final = 5 * MINUTE  # what grey-listing servers usually ask for

_SIGN_IN = frozenset({530, 534, 535, 538})  # RFC 4954: about our account, not about the message
# No such mailbox, domain or syntax, moved, takes no mail; not 5.1.7 and 5.1.8, which are about the sender's address.
_BAD_ADDRESS = re.compile(r"5\.(?:1\.(?:0|1|2|3|4|6|10)|2\.1)\b")
_SAYS_NOTHING = re.compile(r"5\.[01235]\.0|5\.1\.351")  # other or undefined; Exchange Online: "unknown or unavailable"
# The sender's address, a sending limit, credentials, an account that was shut: ours, whoever it was to go to.
_BAD_SENDER = re.compile(r"5\.(?:1\.[78]|4\.5|7\.(?:8|9|11|13|14))\b")
_ABOUT_SENDER = re.compile(
    r"(?i)\b(?:relay(?!\w* recipient)|send(?:er|ing)\b|mail\s?from\b|authenticat|spf\b|dkim\b|dmarc\b|dns\b|ptr\b|ip\b"
    r"|your (?:account|domain|server)\b|outgoing\b|spamhaus\b|(?:black|block)-?\s?list)"
)
_WHOM = r"(?:user|mailbox|recipient|account|address)\b"
_NOBODY = re.compile(
    rf"(?i)\b{_WHOM}.*\b(?:unknown|not found|no such|does(?:n't| not) exist|disabled|invalid|name not allowed)\b"
    rf"|\b(?:unknown|no such|invalid|disabled)\b.*\b{_WHOM}|\buser doesn't have an? \S+ account\b"
)
_NO_SUCH_USER = re.compile(r"(?i)\bno such user\b")  # Yandex says so under 5.7.1
_PERMANENT = re.compile(r"(?<![\d.])5\.\d{1,3}\.\d{1,3}(?!\.?\d)")
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")
_LONGEST = 300


class Phase(IntEnum):
    """How far the dialogue had come."""

    SESSION = 0  # connecting, TLS, signing in: nothing was said about the message
    SENDER = 1
    RECIPIENT = 2
    DATA = 3  # up to, and without, the final dot
    DOT = 4


_CHECKED: Final = (Phase.RECIPIENT, Phase.DOT)  # where a server looks at the recipient


def refusal(phase: Phase, code: int, text: str) -> Outcome:
    """The meaning of a reply that was not the one hoped for.

    Trouble before the recipient was mentioned is the shop's or the provider's, and is retried whatever its code, and so
    is what a later reply says of the sender: a wrong password or a spent limit must not burn the queue.
    """
    words = _shown(f"{code} {text}")
    if 400 <= code < 500:
        return Retry(RETRY_REFUSED, str(code), words)
    if not 500 <= code < 600:
        return broken(phase, f"a reply that is not SMTP: {words}")
    status = _status(text)
    bad_address = phase in _CHECKED and is_bad_address(status, words if phase is Phase.RECIPIENT else "")
    if phase <= Phase.SENDER or code in _SIGN_IN or (not bad_address and _is_about_the_sender(phase, status, words)):
        return Retry(RETRY_REFUSED, str(code), words)
    return Rejected(str(code), words, suppress=bad_address)


def broken(phase: Phase, what: str) -> Outcome:
    """The meaning of a connection that broke, or of a server that fell silent."""
    if phase is Phase.DOT:
        return Unknown(f"no answer to the end of the message: {_shown(what)}")
    return Retry(RETRY_BROKEN, "connection", _shown(what))


def is_bad_address(status: str, words: str) -> bool:
    """Only a server that says so makes an address unusable: a policy refusal (5.7.x) is the sender's fault. Its words count
    where it gives no enhanced status, or one that says nothing."""
    said = _without_addresses(words.rpartition("->")[2])  # behind it Exchange Online quotes
    if status == "5.7.1":
        nobody = bool(_NO_SUCH_USER.search(said))
    elif not status or _SAYS_NOTHING.fullmatch(status):
        nobody = status == "5.1.0" or bool(_NOBODY.search(said))
    else:
        return bool(_BAD_ADDRESS.match(status))
    return nobody and not _ABOUT_SENDER.search(said)


def most_telling(status: str, words: str) -> str:
    """Of the enhanced statuses of a report and of the refusal that it quotes the first that says why; the refusal's own before the one
    that was made of it."""
    told = [*_PERMANENT.findall(words), status]
    return next((each for each in told if not _SAYS_NOTHING.fullmatch(each)), "5.1.0" if "5.1.0" in told else status)


def _is_about_the_sender(phase: Phase, status: str, words: str) -> bool:
    """By the final dot a server judges the message itself, so that only its status counts."""
    return bool(
        _BAD_SENDER.match(status) or (phase is not Phase.DOT and _ABOUT_SENDER.search(_without_addresses(words)))
    )


def _without_addresses(words: str) -> str:
    """A mailbox may be called anything."""
    return re.sub(r"\S+@\S+", "", words[:_LONGEST])


def _status(text: str) -> str:
    enhanced = _ENHANCED.match(text.lstrip(" #"))
    return enhanced[0] if enhanced else ""


def _shown(text: str) -> str:
    return printable(text)[:_LONGEST]
