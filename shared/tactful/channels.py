"""How a customer is reached, and the channel that is none of theirs."""

from __future__ import annotations

import re
from typing import Final

from tactful.errors import InvalidInput

CHANNELS: Final = ("email", "sms", "push", "webpush", "whatsapp", "telegram", "viber", "onsite", "call", "webhook")

E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")  # a number for SMS and calls, by ITU-T E.164: at most 15 digits

DESK: Final = "desk"
"""To the shop's own mailbox, by which people there hear what a customer has answered. It speaks to no customer, so what the
customer allows, and when, does not bind it, and it is no contact with them."""


def known_channel(channel: str, field: str) -> str:
    """The channel, "" being every one. Raises InvalidInput for what is none, so that nobody allows or withdraws nothing."""
    if channel and channel not in CHANNELS:
        raise InvalidInput("wrong_value", f"channel is one of {', '.join(CHANNELS)}", field)
    return channel
