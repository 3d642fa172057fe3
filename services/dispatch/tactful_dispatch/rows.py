"""What dispatch keeps: one row a customer, one an address, one cursor a partition."""

from __future__ import annotations

from typing import Final

import msgspec

from tactful.decisions import GateRecord
from tactful.records import MessageBody, RecipientBody
from tactful_dispatch.facts import Contacted, Word

CONTACTS_KEPT: Final = 64
MESSAGES_KEPT: Final = 40
REPEATS_KEPT: Final = 256

# States of a delivery. Held ones wait for an instant or for the run's confirmation.
HELD, ASKED, PENDING, SENDING = "held", "asked", "pending", "sending"
ACCEPTED, REFUSED, UNKNOWN = "accepted", "refused", "unknown"
OPEN_STATES: Final = frozenset({HELD, ASKED, PENDING, SENDING})


class Delivery(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One message's life."""

    message: MessageBody
    state: str = PENDING
    order: int = 0  # in which messages of this customer arrived
    due: int | None = None  # when time moves it on
    hold: int = 0  # how many holds there were
    held_for: str = ""  # reason of the present hold, or of the last one
    held_until: int | None = None
    gates: list[GateRecord] = msgspec.field(default_factory=list)
    cancelled: str = ""
    duplicate: bool = False
    attempts: int = 0
    deadline: int = 0  # sending: after it the outcome is unknown
    provider_until: int = 0
    provider_detail: str = ""
    address_hash: str = ""
    provider: str = ""
    provider_id: str = ""
    subject: str = ""
    language: str = ""
    content_version: str = ""
    links: tuple[str, ...] = ()
    decided_at: int = 0
    verdict: str = ""
    reason: str = ""
    receipts: dict[str, int] = msgspec.field(default_factory=dict)


class CustomerRow(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Everything about one customer that decides whether they are written to."""

    recipient: RecipientBody | None = None
    words: list[Word] = msgspec.field(default_factory=list)  # the latest per purpose and channel
    repeats: list[str] = msgspec.field(default_factory=list)  # digests of consent records taken
    muted_rules: list[str] = msgspec.field(default_factory=list)
    muted_purposes: list[str] = msgspec.field(default_factory=list)
    paused_until: int = 0
    stopped_at: int = 0  # "stop all"; a grant said later lifts it
    contacts: list[Contacted] = msgspec.field(default_factory=list)
    deliveries: dict[str, Delivery] = msgspec.field(default_factory=dict)
    cancelled: dict[str, str] = msgspec.field(default_factory=dict)  # messages that have not come yet
    arrived: int = 0

    @property
    def due(self) -> int | None:
        """When time moves the first delivery on."""
        return min((d.due for d in self.deliveries.values() if d.due is not None), default=None)

    @property
    def pending(self) -> bool:
        """Whether something may leave, or stands where a restart left it."""
        return any(d.state in (PENDING, SENDING) for d in self.deliveries.values())

    def waiting(self) -> list[Delivery]:
        """What may leave, the most urgent first."""
        ready = [d for d in self.deliveries.values() if d.state == PENDING]
        return sorted(ready, key=lambda d: (-d.message.priority, d.order))

    def trim(self) -> None:
        """Keep what is open, and the latest of what is done."""
        done = [name for name, d in self.deliveries.items() if d.state not in OPEN_STATES]
        for name in done[: max(0, len(done) - MESSAGES_KEPT)]:
            del self.deliveries[name]
        del self.contacts[:-CONTACTS_KEPT], self.repeats[:-REPEATS_KEPT]
        for name in list(self.cancelled)[:-MESSAGES_KEPT]:
            del self.cancelled[name]


class AddressRow(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Everything that binds an address, whoever uses it."""

    suppressed: str = ""
    contacts: list[Contacted] = msgspec.field(default_factory=list)
    withdrawn: dict[str, int] = msgspec.field(default_factory=dict)  # purpose -> when

    def trim(self) -> None:
        """Keep the latest contacts."""
        del self.contacts[:-CONTACTS_KEPT]


class Cursor(msgspec.Struct, kw_only=True, omit_defaults=True):
    """How far a partition was read, and what its broadcasts said."""

    partition: int
    offset: int = 0
    clock: int = 0
    epoch: int = 0
    taken: dict[str, int] = msgspec.field(default_factory=dict)
    sequences: dict[str, int] = msgspec.field(default_factory=dict)
    settings: str = ""  # JSON
    stopped: str = ""  # who stopped all sending
    poison: int = 0


class AddressKey(msgspec.Struct, frozen=True, array_like=True):
    """An address without the address: its keyed hash."""

    channel: str
    hash: str


encode: Final = msgspec.json.Encoder().encode
decode_customer: Final = msgspec.json.Decoder(CustomerRow).decode
decode_address: Final = msgspec.json.Decoder(AddressRow).decode
decode_cursor: Final = msgspec.json.Decoder(Cursor).decode
