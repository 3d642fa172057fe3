"""What dispatch keeps: one row a customer, one an address, one cursor a partition."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

import msgspec

from tactful.decisions import GateRecord
from tactful.purposes import MARKETING
from tactful.records import MessageBody, RecipientBody
from tactful_dispatch.facts import Contacted, Word

CONTACTS_KEPT: Final = 64
CANCELLATIONS_KEPT: Final = 40
REPEATS_KEPT: Final = 256
CUSTOMERS_KEPT: Final = 16  # of one address
QUESTIONS_KEPT: Final = 16  # to the owner of one address
LISTS_KEPT: Final = 32  # on which one address stands
TOPICS_KEPT: Final = 64  # muted ones
RULES_KEPT: Final = 256  # likewise: far more than a shop has
# Why an address is suppressed, besides what a provider says.
FLAGGED: Final = "nobody may write to somebody who uses it"
STOPPED: Final = "stopped by its owner"
COMPLAINED: Final = "complained"
BOUNCED: Final = "bounced"
NOT_BY_PROVIDERS: Final = frozenset({FLAGGED, STOPPED, COMPLAINED})

# States of a delivery. Held ones wait for an instant; asked ones for the run to say that it still wants them.
HELD, ASKED, PENDING, SENDING = "held", "asked", "pending", "sending"
ACCEPTED, REFUSED, UNKNOWN = "accepted", "refused", "unknown"
WAITING: Final = frozenset({HELD, ASKED, PENDING})
OPEN_STATES: Final = WAITING | {SENDING}
_ARRIVED: Final = (
    "Message Delivered",
    "Message Opened",
    "Message Clicked",
    "Message Complained",
)  # what begins a receipt


class AddressKey(msgspec.Struct, frozen=True, array_like=True):
    """An address without the address: its keyed hash."""

    channel: str
    hash: str


class Delivery(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One message's life."""

    message: MessageBody
    state: str = PENDING
    order: int = 0  # in which messages of this customer arrived
    again: int = 0  # the message was decided before: this is the so-many-th arrival
    due: int | None = None  # when time moves it on
    hold: int = 0  # how many holds asked
    held_for: str = ""  # reason of the present hold, or of the last one
    held_until: int | None = None
    look_again: bool = False  # the customer said something while it was held
    gates: list[GateRecord] = msgspec.field(default_factory=list)
    cancelled: str = ""
    attempts: int = 0
    doubtful: bool = False  # an earlier attempt may have arrived
    provider_until: int = 0
    provider_detail: str = ""
    address: AddressKey | None = None  # to which the last attempt went
    follows: str = ""  # the message that went there before
    shared: bool = False  # others are written to at that address as well
    provider: str = ""
    provider_id: str = ""
    subject: str = ""
    content_version: str = ""
    links: tuple[str, ...] = ()
    decided_at: int = 0
    verdict: str = ""
    reason: str = ""
    receipts: dict[str, int] = msgspec.field(default_factory=dict)

    @property
    def name(self) -> str:
        """The message's id; a later arrival of the same message has a name of its own."""
        return f"{self.message.message_id}.{self.again}" if self.again else self.message.message_id

    @property
    def open(self) -> bool:
        """Whether the final word is still to come."""
        return self.state in OPEN_STATES

    @property
    def arrived(self) -> bool:
        """Whether it reached the customer, or may have."""
        return self.state in (ACCEPTED, UNKNOWN)

    @property
    def delivered(self) -> bool:
        """Whether it is known to have arrived: the provider has said so, or somebody, be it a machine, has opened it. That may be
        heard before the answer to the attempt. (A reply by text message may be to an earlier one.)"""
        return any(receipt.startswith(_ARRIVED) for receipt in self.receipts)


class CustomerRow(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Everything about one customer that decides whether they are written to. Decided messages are kept elsewhere."""

    recipient: RecipientBody | None = None
    words: list[Word] = msgspec.field(default_factory=list)  # the latest per purpose and channel
    repeats: list[str] = msgspec.field(default_factory=list)  # digests of consent records taken
    muted_rules: list[str] = msgspec.field(default_factory=list)
    muted_topics: list[str] = msgspec.field(default_factory=list)  # categories of products
    paused_until: int = 0
    hours: str = ""  # in which they want marketing, within the shop's
    at_most_days: int = 0  # one contact in so many days at most
    personalisation: str = "full"  # full | none
    stopped_at: int = 0  # "stop all"; a grant said later lifts it
    contacts: list[Contacted] = msgspec.field(default_factory=list)
    deliveries: dict[str, Delivery] = msgspec.field(default_factory=dict)  # by name
    cancelled: dict[str, str] = msgspec.field(default_factory=dict)  # messages that have not come yet
    arrived: int = 0
    linked_to: str = ""  # who they turned out to be
    ended_with: list[AddressKey] = msgspec.field(default_factory=list)  # the addresses that they had then
    device_of: str = ""  # of a visitor: who uses the device now, if it is somebody else
    known_as: list[str] = msgspec.field(default_factory=list)  # before, as far as messages may wait under these names
    flagged: list[AddressKey] = msgspec.field(default_factory=list)  # addresses of earlier names, or taken away since
    written_as: list[str] = msgspec.field(default_factory=list)  # and as which visitors they were written to
    written_at: list[AddressKey] = msgspec.field(default_factory=list)  # whose rows name them

    @property
    def goes_to(self) -> str:
        """Who gets what is still said under this name; "" if it is their own."""
        return self.device_of or self.linked_to

    def names(self, customer: str) -> set[str]:
        """Every name of the customer whose row this is."""
        return {customer, self.linked_to, *self.known_as, *self.written_as} - {""}

    def note_written_at(self, key: AddressKey) -> None:
        """The row of this address names the customer from now on: erasing them has to look there."""
        if key not in self.written_at:
            self.written_at.append(key)

    @property
    def due(self) -> int | None:
        """When time moves the first delivery on."""
        return min((d.due for d in self.deliveries.values() if d.due is not None), default=None)

    @property
    def pending(self) -> bool:
        """Whether something may leave, stands where a restart left it, or has to be looked at again."""
        return any(d.state in (PENDING, SENDING) or d.look_again for d in self.deliveries.values())

    def look_again(self) -> None:
        """The customer said something: the gates of their wishes are asked at once about what is held, and may refuse it."""
        for delivery in self.deliveries.values():
            delivery.look_again = delivery.state in (HELD, ASKED)

    def waiting(self) -> list[Delivery]:
        """What may leave, the most urgent first."""
        return sorted((d for d in self.deliveries.values() if d.state == PENDING), key=urgency)

    def take_decided(self) -> list[Delivery]:
        """Take the decided deliveries out of the row, and drop contacts, repeats and cancellations that are too old to matter."""
        decided = [d for d in self.deliveries.values() if not d.open]
        for delivery in decided:
            del self.deliveries[delivery.name]
        del self.contacts[:-CONTACTS_KEPT], self.repeats[:-REPEATS_KEPT]
        for name in list(self.cancelled)[:-CANCELLATIONS_KEPT]:
            del self.cancelled[name]
        return decided


def urgency(delivery: Delivery) -> tuple[int, int]:
    """Sorts the more urgent first, then those that came first."""
    return -delivery.message.priority, delivery.order


def held_in(rows: Iterable[CustomerRow]) -> list[Delivery]:
    """What waits for its hour, or for the run's word on whether it is still wanted."""
    return [delivery for row in rows for delivery in row.deliveries.values() if delivery.state in (HELD, ASKED)]


class AddressRow(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Everything that binds an address, whoever uses it."""

    suppressed: str = ""  # why, as was heard first
    refused: list[str] = msgspec.field(default_factory=list)  # and what people have said besides
    contacts: list[Contacted] = msgspec.field(default_factory=list)
    withdrawn: dict[str, int] = msgspec.field(default_factory=dict)  # purpose -> when
    customers: list[str] = msgspec.field(default_factory=list)  # who was written to here, the latest last
    flagged: list[str] = msgspec.field(default_factory=list)  # of those who use it: whom nobody may write to
    latest: str = ""  # the message, of whatever purpose, that went here last: replies name none
    asked: dict[str, tuple[int, str]] = msgspec.field(default_factory=dict)  # what for -> when, and by which message
    # of other senders' lists: "reason/source" -> as of when it counts. Apart from what people said, since a list may be taken back
    listed: dict[str, int] = msgspec.field(default_factory=dict)
    opened: list[str] = msgspec.field(default_factory=list)  # which of them an operator has opened the address against

    def trim(self) -> None:
        """Keep the latest contacts, customers, questions and lists. What an earlier list has said binds on; only it cannot be taken back."""
        del self.contacts[:-CONTACTS_KEPT], self.customers[:-CUSTOMERS_KEPT]
        for question in list(self.asked)[:-QUESTIONS_KEPT]:
            del self.asked[question]
        for name in list(self.listed)[:-LISTS_KEPT]:
            self._bind_for_good(name, self.listed.pop(name))

    def _bind_for_good(self, name: str, at: int) -> None:
        reason = name.partition("/")[0]
        if reason in (BOUNCED, COMPLAINED) and name not in self.opened:
            self.suppress(reason)
        if reason != BOUNCED:
            self.withdrawn[MARKETING] = max(self.withdrawn.get(MARKETING, 0), at)

    @property
    def shut(self) -> str:
        """Why it must not be used; "" if it may be."""
        return self.suppressed or (FLAGGED if self.flagged else "") or self._shut_by_lists

    @property
    def kept_shut(self) -> str:
        """Why it stays shut, whatever a provider says; as `shut`, if it does not."""
        if self.refused:
            return self.refused[0]
        return COMPLAINED if self._shut_by_lists == COMPLAINED else self.shut

    @property
    def _shut_by_lists(self) -> str:
        said = {name.partition("/")[0] for name in self.listed if name not in self.opened}
        return next((reason for reason in (COMPLAINED, BOUNCED) if reason in said), "")

    def suppress(self, why: str) -> None:
        """Shut the address. The first reason stands, since its owner may open again what they have stopped, and not a dead address. What
        people say besides is kept: whoever opens a dead address does not take that back."""
        if not self.suppressed:
            self.suppressed = why
        elif why in NOT_BY_PROVIDERS and why not in (self.suppressed, *self.refused):
            self.refused.append(why)

    def start(self) -> None:
        """The owner takes back that they have stopped messages here; another reason may still keep the address shut."""
        self.refused = [why for why in self.refused if why != STOPPED]
        if self.suppressed == STOPPED:
            self.suppressed = self.refused.pop(0) if self.refused else ""

    def reopen(self) -> str:
        """Open an address that a provider has shut. What the provider had said; "" if it is not shut, or people shut it."""
        if self.flagged or self.refused or self.suppressed in NOT_BY_PROVIDERS or self._shut_by_lists == COMPLAINED:
            return ""
        was, self.suppressed = self.shut, ""
        self.opened = [name for name in self.listed if name.startswith(f"{BOUNCED}/")]
        return was

    @property
    def lists(self) -> str:
        """Whose lists it stands on."""
        return ", ".join(sorted({name.partition("/")[2] for name in self.listed}))

    @property
    def closed(self) -> dict[str, int]:
        """What was withdrawn here and when, by people or by lists."""
        latest = max(self.withdrawn.get(MARKETING, 0), self.left_at)
        return self.withdrawn | ({MARKETING: latest} if latest else {})

    @property
    def left_at(self) -> int:
        """When its owner withdrew, as the latest list has it; 0 if none has."""
        return max((at for name, at in self.listed.items() if not name.startswith(f"{BOUNCED}/")), default=0)

    def is_listed(self, reason: str, source: str, said_at: int = 0) -> bool:
        """Whether a list has said so of it, and says nothing new: a row without a date (0) is what that list has said before."""
        return said_at <= self.listed.get(f"{reason}/{source}", -1)

    def note_listed(self, reason: str, source: str, at: int) -> None:
        """It stands on a list."""
        name = f"{reason}/{source}"
        self.listed[name] = at
        self.opened = [known for known in self.opened if known != name]

    def strike(self, reason: str, source: str) -> bool:
        """A list says so no more; False if it never did."""
        return self.listed.pop(f"{reason}/{source}", None) is not None

    def used_by(self, customer: str) -> None:
        """A customer is written to here."""
        self.customers = [*(known for known in self.customers if known != customer), customer]

    def left_by(self, customer: str) -> None:
        """Forget that a customer uses the address."""
        self.customers = [known for known in self.customers if known != customer]
        self.flag(customer, False)

    def flag(self, customer: str, on: bool) -> None:
        """Note whether a customer who uses the address must not be written to (`on`): while one must not, nobody is written to here."""
        self.flagged = [known for known in self.flagged if known != customer] + [customer] * on

    def is_shared(self, names: Collection[str]) -> bool:
        """Whether anybody else than the customer of these names was written to here."""
        return any(known not in names for known in self.customers)


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
    stopped_why: str = ""
    stopped_at: int = 0
    expired: int = 0  # messages that the latest stop kept for too long
    resumed_at: int = 0
    over: int = 0  # ms over which what was kept is let go
    poison: int = 0
    graves: int = 0  # of erased customers: without any nobody need be looked up


def latest_stop(cursors: Iterable[Cursor]) -> Cursor:
    """The one that knows of the latest stop of all sending; its `stopped` is "" once that is over."""
    return max(cursors, key=lambda cursor: cursor.stopped_at)


encode: Final = msgspec.json.Encoder().encode
decode_customer: Final = msgspec.json.Decoder(CustomerRow).decode
decode_address: Final = msgspec.json.Decoder(AddressRow).decode
decode_cursor: Final = msgspec.json.Decoder(Cursor).decode
decode_delivery: Final = msgspec.json.Decoder(Delivery).decode
