"""SMS through a provider with Twilio's interface: one form POST a message.

https://www.twilio.com/docs/messaging/api/message-resource ; the answer to a request that broke cannot be known, and the
provider knows no idempotency key: its status callback, which carries our id, settles it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

from tactful.channels import E164
from tactful_dispatch.channels import FIRST_BYTE, Capabilities, Envelope, Outcome, Rejected, Retry, Unknown
from tactful_dispatch.channels.http import Http, NoAnswer, NotSent
from tactful_dispatch.channels.sms_answers import RETRY_BROKEN, meaning
from tactful_dispatch.channels.smsgateway import SmsGateway
from tactful_dispatch.content.smsparts import parts

MOST_PARTS: Final = 10  # what a provider takes
_FORM: Final = "application/x-www-form-urlencoded"


def status_url(public_url: str, message_id: str) -> str:
    """Where the provider reports on one message. Signatures cover it, so it is made here for both sides."""
    return f"{public_url.rstrip('/')}/sms/status/{message_id}"


class SmsAdapter:
    """Hands texts to one account. `public_url` is asked at every message, so that settings take effect."""

    name = "sms"

    def __init__(self, gateway: SmsGateway, public_url: Callable[[], str], *, deadline: float = 10.0) -> None:
        self._gateway, self._public_url, self._http = gateway, public_url, Http(deadline)
        self.capabilities = Capabilities(deadline=deadline)

    async def send(self, envelope: Envelope, opening: float = FIRST_BYTE) -> Outcome:
        """One attempt. Retry: nothing was sent. Unknown: it may have been."""
        text, number = envelope.rendered.text.strip(), envelope.address
        if not E164.fullmatch(number):
            return Rejected("bad_address", "not a number in E.164", suppress=True)
        size = parts(text)
        if not text or size.number > MOST_PARTS:
            return Rejected("bad_text", f"a text takes 1 to {MOST_PARTS} parts, this one {size.number if text else 0}")
        sender = "MessagingServiceSid" if self._gateway.sender.startswith("MG") else "From"
        form = {
            "To": number,
            sender: self._gateway.sender,
            "Body": text,
            "StatusCallback": status_url(self._public_url(), envelope.message_id),
        }
        headers = {"authorization": self._gateway.authorization, "content-type": _FORM}
        try:
            reply = await self._http.post(self._gateway.messages, urlencode(form).encode(), headers, opening)
        except NotSent as error:
            return Retry(RETRY_BROKEN, "connection", str(error))
        except NoAnswer as error:
            return Unknown(f"no answer from {self._gateway.api}: {error}")
        return meaning(reply, size)
