"""One event as its sender put it, in our words but not yet believed."""

from __future__ import annotations

from typing import Any

import msgspec


class Posting(msgspec.Struct, frozen=True, kw_only=True):
    """What both doors, the tracking API and CloudEvents, bring. `Any` is what nobody has looked at."""

    name: Any
    name_field: str = "event"  # what the sender calls it: errors name fields so
    properties: Any
    root: str = "properties"
    user_id: Any = None
    user_field: str = "userId"
    anonymous_id: Any = None
    message_id: Any = None
    id_field: str = "messageId"
    source: str
    told: Any = None  # when it happened, by the sender
    sent: Any = None  # when it was sent, by the same clock
    context: dict[str, Any]
