"""Messages to a system of the shop's own, by Standard Webhooks: signed, with an id by which a repeat is recognised.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import asyncio
import base64
import hmac
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

import msgspec

from tactful.clock import MINUTE, SECOND, Clock
from tactful.errors import InvalidInput
from tactful_dispatch.channels import FIRST_BYTE, Accepted, Capabilities, Envelope, Outcome, Rejected, Retry, Unknown
from tactful_dispatch.channels.http import Http, NoAnswer, NotSent, Reply
from tactful_dispatch.channels.publichost import Target, public_target

DEADLINE: Final = 15.0  # seconds for the whole attempt
RETRY_BROKEN: Final = 30 * SECOND
RETRY_SLOW: Final = 5 * MINUTE
_SLOWER: Final = frozenset({408, 425, 429, 502, 503, 504})
_DOUBTFUL: Final = frozenset({408, 502, 504})  # said by what stands between us and the receiver, who may have it
Judge = Callable[[str], Awaitable[Target]]


def sign(secret: bytes, message_id: str, seconds: int, body: bytes) -> str:
    """The value of `webhook-signature`: `v1,` and the HMAC-SHA256 of id, time and body."""
    said = b"%b.%d.%b" % (message_id.encode(), seconds, body)
    return "v1," + base64.b64encode(hmac.digest(secret, said, sha256)).decode()


class WebhookAdapter:
    """Posts to the address of each message. `judge` says whether and where it may be reached."""

    name = "webhook"

    def __init__(
        self,
        secret: bytes,
        clock: Clock,
        *,
        judge: Judge = public_target,
        http: Http | None = None,
    ) -> None:
        self._secret, self._clock, self._judge = secret, clock, judge
        self._http = http or Http(DEADLINE)
        self.capabilities = Capabilities(idempotent=True, deadline=DEADLINE)

    async def send(self, envelope: Envelope, opening: float = FIRST_BYTE) -> Outcome:
        """One attempt. Unknown: the receiver knows a repeat by its id."""
        clock = asyncio.get_running_loop().time
        until = clock() + opening
        try:
            async with asyncio.timeout_at(until):
                target = await self._judge(envelope.address)
        except InvalidInput as error:
            return Retry(RETRY_SLOW, error.code, error.message)  # the shop's setting, or its DNS: the queue waits
        except OSError as error:
            return Retry(RETRY_BROKEN, "connection", str(error) or "its name was not resolved in time")
        now = self._clock.now()
        body = _body(envelope, now)
        headers = {
            "content-type": "application/json",
            "host": target.host,
            "webhook-id": envelope.message_id,
            "webhook-timestamp": str(now // 1000),
            "webhook-signature": sign(self._secret, envelope.message_id, now // 1000, body),
        }
        try:
            reply = await self._http.post(target.url, body, headers, until - clock(), server_name=target.server_name)
        except NotSent as error:
            return Retry(RETRY_BROKEN, "connection", str(error))
        except NoAnswer as error:
            return Unknown(f"no answer from {target.host}: {error}")
        return _meaning(envelope.message_id, reply)


def _body(envelope: Envelope, now: int) -> bytes:
    rendered = envelope.rendered
    data = {
        "message_id": envelope.message_id,
        "customer": envelope.customer,
        "subject": rendered.subject,
        "text": rendered.text,
        "language": rendered.language,
        "unsubscribe_url": envelope.unsubscribe_url,
    }
    at = datetime.fromtimestamp(now / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return msgspec.json.encode({"type": "message", "timestamp": at, "data": data})


def _meaning(message_id: str, reply: Reply) -> Outcome:
    """A redirect is a failure; 410 says that nobody is there any more. Both are for the shop to mend."""
    if 200 <= reply.status < 300:
        return Accepted(message_id, f"HTTP {reply.status}")
    if reply.status in _SLOWER:
        doubtful = reply.status in _DOUBTFUL
        return Retry(reply.retry_after(RETRY_SLOW), str(reply.status), f"HTTP {reply.status}", doubtful)
    if reply.status >= 500:
        return Unknown(f"HTTP {reply.status}")
    return Rejected(str(reply.status), f"HTTP {reply.status}")
