"""What happened to a customer, one row each, kept for pages and `explain`. Of it the engine reads what came from
the log, where somebody is enrolled or runs come to a customer."""

from __future__ import annotations

from typing import Final

import msgspec


class HistoryRow(msgspec.Struct, frozen=True, gc=False):
    """`data` is JSON: the whole record for what came from the log, an object of a few values otherwise.

    Kinds from the log: event, decided, receipt, consent, preferences. Kinds of the engine: started, asked, confirmed,
    withdrawn, ended, parked, not_started, goal, note; linked, absorbed, adopted.
    """

    customer: str
    at: int
    offset: int
    index: int
    kind: str
    rule: str
    run: str
    data: bytes


KIND_OF_EVENT: Final = {
    "Message Decided": "decided",
    "Consent Changed": "consent",
    "Preferences Changed": "preferences",
    **{f"Message {what}": "receipt" for what in ("Delivered", "Opened", "Clicked", "Replied", "Bounced", "Complained")},
}

FROM_LOG: Final = frozenset({"event", *KIND_OF_EVENT.values()})

TOLD_ALWAYS: Final = frozenset(
    {
        "Address Reopened",
        "Consent Changed",
        "Preferences Changed",
        "Message Decided",
        "Message Delivered",
        "Story Read",
        "Survey Answered",
    }
)  # whether or not they change a state
