"""What the shop vocabulary lacks: whole carts, stock, prices, complaints, consent, and what dispatch and steps report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, get_args

import msgspec

from tactful.clock import DAY
from tactful.decisions import GateRecord
from tactful.events.commerce import Act, CartEvent, OrderRefunded, ProductReviewed
from tactful.events.model import Event, Money

# Unless a machine fetched it ahead.
REACTIONS: Final = frozenset({"Message Clicked", "Message Opened", "Message Replied"})
_LATE: Final = 2 * DAY
_BAD_CSAT: Final = ("1", "2")
_BAD_NPS: Final = ("0", "1", "2", "3", "4", "5", "6")


class CartUpdated(CartEvent, frozen=True, kw_only=True):
    """The whole cart as it is now. One that tells a value alone says nothing of what is in it."""

    @property
    def tells_lines(self) -> bool:
        """Whether it says what is in the cart, be it nothing."""
        return bool(self.products) or not (self.value and self.value.minor)


class ProductBackInStock(Event, frozen=True, kw_only=True):
    """A product can be bought again."""

    product_id: str
    name: str = ""
    url: str = ""


class ProductPriceChanged(Event, frozen=True, kw_only=True):
    """A product has another price."""

    product_id: str
    old_price: Money | None = None
    price: Money | None = None
    currency: str = ""


class ShipmentDelivered(Event, frozen=True, kw_only=True):
    """An order arrived."""

    order_id: str = ""
    shipment_id: str = ""
    promised_at: int = 0  # ms; 0 if nothing was promised
    carrier: str = ""

    @property
    def ticket_id(self) -> str:
        """Under which a parcel more than two days late is a complaint; "" for any other."""
        late = 0 < self.promised_at < self.meta.occurred_at - _LATE
        return f"late-{self.order_id or self.shipment_id or self.meta.id}" if late else ""


class ComplaintOpened(Event, frozen=True, kw_only=True):
    """Somebody complained. Without a ticket it could never be closed, so `ticket_id` is required."""

    ticket_id: str
    subject: str = ""
    channel: str = ""
    text: str = ""  # what the customer says

    @property
    def came_by(self) -> str:
        """The channel, however the help desk spells it."""
        return self.channel.strip().casefold()


class ComplaintClosed(Event, frozen=True, kw_only=True):
    """A complaint was settled."""

    ticket_id: str
    resolution: str = ""

    @property
    def outcome(self) -> str:
        """The resolution, however the help desk spells it."""
        return self.resolution.strip().casefold()


class ComplaintReopened(Event, frozen=True, kw_only=True):
    """A complaint was not settled after all."""

    ticket_id: str
    reason: str = ""
    text: str = ""  # what the customer says


class ContactMade(Event, frozen=True, kw_only=True):
    """Somebody else spoke to the customer; it counts against budgets."""

    channel: str = ""
    by: str = ""
    purpose: str = ""


class CustomerFlagged(Event, frozen=True, kw_only=True):
    """Do not contact: deceased, legal, vulnerable, staff. An empty reason lifts it."""

    reason: str = ""


FEED: Final = "Feed Complete"  # about a source, and so about nobody


class FeedComplete(Event, frozen=True, kw_only=True):
    """A source that delivers late has delivered everything up to `through` (ms)."""

    spellings: ClassVar[Mapping[str, str]] = {"source": "feed"}

    feed: str
    through: int


class SurveyAnswered(Event, frozen=True, kw_only=True):
    """An answer to a question that we asked."""

    survey: str = ""
    question: str = ""
    answer: str = ""
    text: str = ""
    message_id: str = ""

    @property
    def ticket_id(self) -> str:
        """Under which a bad rating is a complaint: satisfaction of one or two (`csat`, of five), or up to six with words
        (`nps`, of ten); "" for any other answer."""
        survey = self.survey.lower()
        bad = _BAD_CSAT if survey == "csat" else _BAD_NPS if survey == "nps" and self.text else ()
        return f"{survey}-{self.message_id or self.meta.id}" if self.answer in bad else ""


class Identify(Event, frozen=True, kw_only=True):
    """Who the customer is. `traits` holds what has no field of its own, `unset` the fields that hold no more, `implied` those that
    nobody said: the language of a browser."""

    aliases: ClassVar[tuple[str, ...]] = ("identify",)

    email: str = ""
    phone: str = ""
    push_token: str = ""
    first_name: str = ""
    last_name: str = ""
    locale: str = ""
    timezone: str = ""
    country: str = ""
    birthday: str = ""
    traits: dict[str, Any] = msgspec.field(default_factory=dict)
    unset: tuple[str, ...] = ()
    implied: tuple[str, ...] = ()


class Page(Act, frozen=True, kw_only=True):
    """The customer opened a page. Its title is `title_text`, since every event has the `title` by which it is known."""

    aliases: ClassVar[tuple[str, ...]] = ("page",)
    spellings: ClassVar[Mapping[str, str]] = {"title": "title_text"}

    name: str = ""
    category: str = ""
    path: str = ""
    title_text: str = ""
    url: str = ""
    referrer: str = ""
    search: str = ""


class Screen(Act, frozen=True, kw_only=True):
    """The customer opened a screen of the app."""

    aliases: ClassVar[tuple[str, ...]] = ("screen",)

    name: str = ""
    category: str = ""


class Group(Event, frozen=True, kw_only=True):
    """The customer belongs to a company or household."""

    aliases: ClassVar[tuple[str, ...]] = ("group",)

    group_id: str = ""
    traits: dict[str, Any] = msgspec.field(default_factory=dict)


class Alias(Event, frozen=True, kw_only=True):
    """Two ids are one customer; server keys only."""

    aliases: ClassVar[tuple[str, ...]] = ("alias",)

    previous_id: str = ""


class CustomerRecognised(Event, frozen=True, kw_only=True):
    """The stranger for whom a run began turned out to be a known customer. Only that run sees it."""

    anonymous: str = ""


class StoryRead(Event, frozen=True, kw_only=True):
    """An operator looked at what is known of the customer."""

    by: str = ""


class AddressReopened(Event, frozen=True, kw_only=True):
    """An operator says that an address works again, whatever a provider said of it (`was`)."""

    channel: str = ""
    by: str = ""
    why: str = ""
    was: str = ""


class ConsentChanged(Event, frozen=True, kw_only=True):
    """Dispatch has committed a word on consent as entry number `entry` of its ledger."""

    purpose: str
    channel: str = ""
    state: str  # granted | withdrawn | taken_back (what a list said) | requested
    basis: str = "consent"
    wording: str = ""
    via: str = ""
    once: bool = False  # for one message
    proof: dict[str, Any] = msgspec.field(default_factory=dict)
    entry: int = 0


class MessageDecided(Event, frozen=True, kw_only=True):
    """Dispatch's final word on one message."""

    message_id: str
    run_id: str = ""
    rule: str = ""
    rule_version: int = 0
    run_key: str = ""
    channel: str = ""
    template: str = ""
    variant: str | None = None
    purpose: str = ""
    verdict: str
    reason: str | None = None
    scope: str | None = None
    facts: dict[str, Any] = msgspec.field(default_factory=dict)
    gates: tuple[GateRecord, ...] = ()
    consent_entry: int | None = None
    requested_at: int = 0
    decided_at: int = 0
    subject: str = ""
    provider: str = ""
    provider_id: str = ""
    content_version: str = ""
    detail: str = ""
    url: str = ""
    contact: str = ""


class HoldOpened(Event, frozen=True, kw_only=True):
    """A hold is about to open: does the run still want to say it?"""

    message_id: str
    run_id: str = ""
    hold: int = 0
    reason: str = ""


class ReceiptEvent(Event, frozen=True, kw_only=True):
    """What came back about a message that was sent."""

    message_id: str
    run_id: str = ""
    rule: str = ""
    channel: str = ""
    at: int = 0
    detail: str = ""


class MessageDelivered(ReceiptEvent, frozen=True, kw_only=True):
    """It arrived."""


class MessageOpened(ReceiptEvent, frozen=True, kw_only=True):
    """It was opened, or fetched ahead by a machine."""

    prefetched: bool = False


class MessageClicked(ReceiptEvent, frozen=True, kw_only=True):
    """A link in it was followed, or fetched ahead by a machine."""

    url: str = ""
    prefetched: bool = False


class MessageReplied(ReceiptEvent, frozen=True, kw_only=True):
    """The customer answered."""

    text: str = ""
    reply_id: str = ""  # the provider's; "" if it gives none


class MessageBounced(ReceiptEvent, frozen=True, kw_only=True):
    """It came back."""

    hard: bool = False


class MessageComplained(ReceiptEvent, frozen=True, kw_only=True):
    """The customer reported it as spam."""


class PreferencesChanged(Event, frozen=True, kw_only=True):
    """The customer said what they want: rule_muted, rule_unmuted, paused, resumed, stopped."""

    change: str
    rule: str = ""
    until: int = 0


class StepFinished(Event, frozen=True, kw_only=True):
    """The answer to a step of a run."""

    run_id: str
    n: int
    value: Any = None
    error: str | None = None


Unclosed = ProductReviewed | SurveyAnswered | ShipmentDelivered | OrderRefunded
"""What may be a complaint that nobody closes: then it has a `ticket_id`."""
UNCLOSED: Final[tuple[type[Event], ...]] = get_args(Unclosed)
