"""What an SMS provider's answers and callbacks mean for one message. Pure.

Codes: https://www.twilio.com/docs/api/errors
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from tactful.clock import MINUTE, SECOND
from tactful_dispatch.channels import Accepted, Outcome, Rejected, Retry, Unknown
from tactful_dispatch.channels.http import Reply
from tactful_dispatch.channels.words import printable
from tactful_dispatch.content.smsparts import Parts

RETRY_BROKEN: Final = 30 * SECOND
RETRY_REFUSED: Final = 5 * MINUTE
# Not a number, not a mobile one, not reachable.
_BAD_NUMBER: Final = frozenset({21211, 21214, 21217, 21614})
_OPTED_OUT: Final = 21610  # has answered STOP
# Our sender, the regions that our account may write to, its full queue, our public URL.
_OUR_ACCOUNT: Final = frozenset({21212, 21408, 21603, 21606, 21609, 21611, 21659, 21660, 21703, 21704, 21705})
_GONE: Final = frozenset({"30004", "30005", "30006"})  # blocked, unknown or landline: hard
_LONGEST: Final = 300


class _Answer(msgspec.Struct, frozen=True):
    sid: str = ""
    num_segments: str | int | None = None
    price: str | float | None = None
    price_unit: str | None = None
    code: int = 0
    message: str = ""


_decode = msgspec.json.Decoder(_Answer).decode


def meaning(reply: Reply, size: Parts) -> Outcome:
    """Of the answer to one POST. A server error is no refusal: the message may have gone out before it."""
    try:
        answer = _decode(reply.body)
    except msgspec.DecodeError:
        answer = _Answer()
    words = printable(answer.message or f"HTTP {reply.status}")[:_LONGEST]
    if 200 <= reply.status < 300:
        return Accepted(answer.sid, _cost(answer, size)) if answer.sid else Unknown("accepted without an id")
    if reply.status == 429 or (reply.status == 503 and "retry-after" in reply.headers):
        return Retry(reply.retry_after(RETRY_REFUSED), str(reply.status), words)
    if reply.status == 408:  # of whoever stands in between: the provider may have it
        return Unknown(f"HTTP 408: {words}")
    if reply.status in (401, 403, 404) or answer.code in _OUR_ACCOUNT:  # not about the message
        return Retry(RETRY_REFUSED, str(answer.code or reply.status), words)
    if 400 <= reply.status < 500:
        code, opted_out = str(answer.code or reply.status), answer.code == _OPTED_OUT
        return Rejected(code, words, suppress=opted_out or answer.code in _BAD_NUMBER, opted_out=opted_out)
    return Unknown(f"HTTP {reply.status}: {words}")


def report(form: dict[str, str]) -> tuple[str, dict[str, Any]] | None:
    """The receipt that a status callback stands for; None for stations on the way."""
    status, code = form.get("MessageStatus") or form.get("SmsStatus") or "", form.get("ErrorCode", "")
    if status in ("delivered", "read"):
        return "Message Delivered", {}
    if status in ("undelivered", "failed"):
        told = {"hard": code in _GONE, "detail": f"{status} {code}".strip()}
        return "Message Bounced", told | ({"hard": True, "opted_out": True} if code == str(_OPTED_OUT) else {})
    return None


def _cost(answer: _Answer, size: Parts) -> str:
    """`2 parts GSM-7, 0.0158 USD`; the price is there once the provider has set it."""
    told = str(answer.num_segments or "")
    number = int(told) if told.isdigit() else size.number
    said = f"{number} part{'s' if number != 1 else ''} {size.encoding}"
    price = str(answer.price or "").lstrip("-")
    return f"{said}, {price} {answer.price_unit or ''}".strip() if re.fullmatch(r"[0-9.]+", price) else said
