"""One message that came back, read: what it reports, and which message of ours it is about. Pure.

Only what machines say to machines counts: delivery reports (RFC 3464) and abuse reports (RFC 5965). The thousand ways in
which old mail servers say it in prose are left alone: a wrong guess would silence a customer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import policy
from email.message import Message
from email.parser import BytesParser
from email.utils import getaddresses
from typing import Final

import msgspec

from tactful_dispatch.channels.smtp_replies import is_bad_address

HARD, SOFT, OK = "hard", "soft", "ok"
DSN, ARF, AUTO, REPLY = "dsn", "arf", "auto", "reply"

_OURS: Final = re.compile(r"\bm_[0-9a-f]{24}\b")
_STATUS: Final = re.compile(r"([245])\.\d{1,3}\.\d{1,3}")
_DELIVERED: Final = frozenset({"delivered", "relayed", "expanded"})
_ADDRESSED: Final = ("to", "delivered-to", "x-original-to", "envelope-to")
_THREAD: Final = ("in-reply-to", "references")


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a message says. `kind`: dsn, arf, auto or reply. `outcome` of a dsn: hard, soft or ok; of an arf its
    feedback type (abuse, fraud, not-spam, auth-failure …)."""

    kind: str
    outcome: str = ""
    recipient: str = ""
    said: str = ""  # action and status, as the reporter wrote them


class Returned(msgspec.Struct, frozen=True):
    """What came back. `message_id` is ours, "" if it names none."""

    message_id: str
    reports: tuple[Report, ...]


def read(raw: bytes) -> Returned:
    """Never raises: what cannot be understood reports nothing."""
    message = BytesParser(policy=policy.compat32).parsebytes(raw)
    parts = list(message.walk())
    reports = (*_delivery(parts), *_abuse(parts))
    return Returned(_ours(message, parts), reports or _answer(message))


def _delivery(parts: list[Message]) -> Iterator[Report]:
    """RFC 3464 §2: the first block is about the message, each further one about a recipient."""
    for part in parts:
        if part.get_content_type() == "message/delivery-status":
            for block in _blocks(part):
                if report := _about_recipient(block):
                    yield report


def _blocks(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [block for block in payload if isinstance(block, Message)] if isinstance(payload, list) else []


def _about_recipient(block: Message) -> Report | None:
    recipient = _address(_header(block, "final-recipient") or _header(block, "original-recipient"))
    action = _header(block, "action").split(" ")[0].strip().lower()
    status = _STATUS.search(_header(block, "status"))
    if not recipient or not (action or status):
        return None
    said = f"{action} {status[0] if status else ''}".strip()
    if action == "delayed":
        return None  # the server still tries: nothing has come back
    if action in _DELIVERED or (status and status[1] == "2"):
        outcome = OK
    elif status:
        outcome = HARD if is_bad_address(status[0], _header(block, "diagnostic-code")) else SOFT
    else:
        return None
    return Report(kind=DSN, outcome=outcome, recipient=recipient, said=said)


def _abuse(parts: list[Message]) -> Iterator[Report]:
    for part in parts:
        if part.get_content_type() == "message/feedback-report":
            yield Report(kind=ARF, outcome=next(filter(None, map(_feedback, _blocks(part))), ""))


def _feedback(block: Message) -> str:
    return _header(block, "feedback-type").lower()


def _answer(message: Message) -> tuple[Report, ...]:
    """A person's reply, or a machine's (RFC 3834): whatever is not about a message of ours is neither."""
    if not any(_OURS.search(_header(message, name)) for name in _THREAD):
        return ()
    auto = _header(message, "auto-submitted").lower()
    by_machine = (
        (auto and auto != "no")
        or "auto" in _header(message, "precedence").lower()
        or _header(message, "x-autoreply")
        or _header(message, "x-auto-response-suppress")
        or not _header(message, "from")
    )
    return (Report(kind=AUTO if by_machine else REPLY),)


def _ours(message: Message, parts: list[Message]) -> str:
    """By the address that it came back to (`bounces+<id>@…`), by what it returns, or by the thread that it answers."""
    places = [address for name in _ADDRESSED for _, address in getaddresses([_header(message, name)])]
    places += [_header(part, "message-id") for part in parts[1:]]
    places += [_header(message, name) for name in _THREAD]
    for part in parts:
        if part.get_content_type() == "text/rfc822-headers":
            places.append(str(part.get_payload()))
    found = (_OURS.search(place) for place in places)
    return next((match[0] for match in found if match), "")


def _address(field: str) -> str:
    """`rfc822; user@host` without its type."""
    return field.partition(";")[2].strip() if ";" in field else field


def _header(part: Message, name: str) -> str:
    return str(part.get(name, "")).replace("\n", " ").replace("\r", " ").strip()
