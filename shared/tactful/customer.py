"""What a rule may ask about its customer: the states of the shipped projections, read-only.

Folding events into these states is trigger's work; here is only what they look like.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from tactful.clock import HOUR
from tactful.events.model import Money
from tactful.rhythm import Rhythm, is_gift

REVIEW: Final = "review"
REVIEW_LASTS: Final = 72 * HOUR
REPEAT, LOYAL = 2, 5  # orders
WINBACK: Final = "churn_risk"
UNNOTICED: Final = 2  # series of that rule


class CartItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a cart."""

    product_id: str
    sku: str = ""
    name: str = ""
    category: str = ""
    quantity: int = 1
    price: Money | None = None  # of one piece
    url: str = ""
    image_url: str = ""
    added_at: int = 0  # when it was first added, ms
    again_at: int = 0  # when it was last added again, ms

    @property
    def last_added_at(self) -> int:
        """When the customer last asked for it, ms."""
        return self.again_at or self.added_at

    @property
    def is_gift(self) -> bool:
        """A gift card or certificate."""
        return is_gift(self.category)


class Cart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the customer has left in the basket, in order of the first add: at most 100 lines, one a product."""

    cart_id: str = ""
    items: tuple[CartItem, ...] = ()
    changed_at: int = 0  # when the latest change happened, ms
    removed: tuple[tuple[str, int], ...] = ()  # (product, when), so that an older add that arrives late stays out
    settled_at: int = 0  # when the latest order or whole cart happened: what is older and arrives later stays out
    shared_at: int = 0  # when the customer last showed a basket to somebody
    checkout_at: int = 0  # when a checkout last said what is in it

    @property
    def value(self) -> Money | None:
        """Sum over the lines that have a price, in the first line's currency; None if no line has one."""
        priced = [(item.price, item.quantity) for item in self.items if item.price is not None]
        if not priced:
            return None
        currency = priced[0][0].currency
        return Money(sum(price.minor * pieces for price, pieces in priced if price.currency == currency), currency)


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One order."""

    order_id: str
    at: int = 0  # when it happened, ms; 0 while only news about it have arrived, and not the order itself
    updated_at: int = 0  # when the total was last corrected
    total: Money | None = None
    channel: str = ""  # "store" for a till
    status: str = "completed"  # completed | cancelled | refunded (in whole or in part)
    delivered_at: int = 0
    refunded_at: int = 0  # when it was last refunded, in whole or in part
    late: bool = False  # delivered after the promised day
    products: tuple[str, ...] = ()  # ids of the first 20; of the latest 16 orders
    returned: tuple[str, ...] = ()  # 20 ids of those that refunds named; of the latest 16 orders

    @property
    def arrived(self) -> bool:
        """Whether it came, was taken along from the store, or was paid back: nothing of it is under way."""
        return bool(self.delivered_at or self.refunded_at) or self.in_store

    @property
    def in_store(self) -> bool:
        """Whether a till told of it."""
        return self.channel.strip().lower() == "store"

    @property
    def stands(self) -> bool:
        """Whether it counts as an order: it came, and it was not cancelled."""
        return self.at > 0 and self.status != "cancelled"


class Orders(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The latest 64 orders, oldest first; the count and the sums are of all that stand."""

    count: int = 0
    recent: tuple[Order, ...] = ()
    refunded_at: int = 0
    spent: dict[str, int] = {}  # currency -> minor units; what was refunded is still in it

    @property
    def last(self) -> Order | None:
        """The latest order that stands."""
        return next((order for order in reversed(self.recent) if order.stands), None)

    @property
    def under_way(self) -> bool:
        """Whether the last order has not come, where the shop tells what has."""
        told = any(order.delivered_at for order in self.recent)
        return told and self.last is not None and not self.last.arrived


class Profile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who the customer is. Addresses that a browser key posted are only claimed: shown, never written to."""

    email: str = ""
    phone: str = ""
    push_token: str = ""
    first_name: str = ""
    last_name: str = ""
    locale: str = ""
    zone: str = ""
    country: str = ""
    birthday: str = ""
    claimed: dict[str, str] = {}
    flags: dict[str, str] = {}  # do_not_contact -> reason, ...
    set_at: dict[str, int] = {}  # field -> when it was said, so that a late identify does not undo a later one


class Ticket(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One complaint."""

    ticket_id: str
    opened_at: int = 0  # when it was opened or last reopened, ms; 0 while only its end has arrived
    closed_at: int = 0  # 0 while nobody closed it
    resolution: str = ""  # as what it was closed, in small letters
    subject: str = ""
    channel: str = ""  # in small letters; "review" if nobody will ever close it: a bad review or rating, a late parcel
    reopened: bool = False  # the customer said that it is not settled: now somebody has to close it, review or not
    reopened_at: int = 0  # when they last said so
    ended_at: int = 0  # when somebody last closed it, also if it was opened since

    @property
    def settled_at(self) -> int:
        """When it was closed. A review counts as closed after 72 hours, unless it was opened again; 0 while it is open."""
        closes_itself = self.channel == REVIEW and self.opened_at and not self.reopened
        return self.closed_at or (self.opened_at + REVIEW_LASTS if closes_itself else 0)


class Tickets(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The latest 32 complaints, oldest first; beyond that closed ones are forgotten before open ones."""

    recent: tuple[Ticket, ...] = ()

    @property
    def open(self) -> bool:
        """Whether a complaint is open that somebody has to close."""
        return any(not ticket.settled_at for ticket in self.recent)

    @property
    def closed_at(self) -> int:
        """When the last complaint closed, or will be taken for closed; or 0."""
        return max((ticket.settled_at for ticket in self.recent), default=0)


class Contact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message that was sent, and when the customer first reacted to it."""

    message_id: str
    channel: str
    rule: str
    ladder: str = ""  # messages of one ladder share it
    template: str = ""  # where it is not named like the rule
    sent_at: int = 0  # 0 while only the reaction has arrived
    engaged_at: int = 0  # the first reaction, 0 for none
    answer: str = ""  # what the customer answered to its question
    answered_at: int = 0


class Engagement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The latest 32 messages, oldest first, and what else bears on speaking to the customer."""

    recent: tuple[Contact, ...] = ()
    withdrawn_at: int = 0  # when consent was last withdrawn, for whatever purpose and channel
    contacted_at: int = 0  # when somebody else last spoke to them
    contacted_by: str = ""
    contacted_on: str = ""  # the channel
    contacted_for: str = ""  # the purpose
    person_at: int = 0  # when somebody last spoke to them and not to sell: a later newsletter does not hide it

    def ladders(self, rule: str) -> tuple[Contact, ...]:
        """This rule's contacts, oldest first, with all messages of a ladder as one: its last message, noticed if any was."""
        found: dict[str, Contact] = {}
        for contact in self.recent:
            if contact.rule == rule:
                name = contact.ladder or contact.message_id
                noticed = contact.engaged_at or (found[name].engaged_at if name in found else 0)
                found[name] = msgspec.structs.replace(contact, engaged_at=noticed)
        return tuple(found.values())

    @property
    def away_since(self) -> int:
        """When the second series in a row to win them back was sent (ms), if they have reacted neither to these two nor to
        anything since; else 0."""
        latest = self.ladders(WINBACK)[-UNNOTICED:] if len(self.recent) >= UNNOTICED else ()
        if len(latest) < UNNOTICED or any(ladder.engaged_at for ladder in latest):
            return 0
        since = latest[-1].sent_at
        return 0 if any(contact.engaged_at > since for contact in self.recent) else since

    def sent_at(self, template: str) -> int:
        """When the latest message from this template was sent, ms; 0 for never."""
        return max((contact.sent_at for contact in self.recent if contact.template == template), default=0)

    def answered(self, rule: str) -> Contact | None:
        """This rule's latest message that the customer answered."""
        answers = [contact for contact in self.recent if contact.rule == rule and contact.answer]
        return max(answers, key=lambda contact: contact.answered_at, default=None)


class Session(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The latest stretch of acts without a pause of 30 minutes."""

    started_at: int = 0
    last_act_at: int = 0
    acts: int = 0
    last_url: str = ""


class Segments(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How well the shop and the customer know each other, by orders that stand. It drives the weekly budget."""

    orders: tuple[str, ...] = ()  # ids of the latest 16
    older: int = 0
    cancelled: tuple[str, ...] = ()  # ids of the latest 16, so that an order that arrives late stays out

    @property
    def count(self) -> int:
        """Orders that stand."""
        return self.older + len(self.orders)

    @property
    def name(self) -> str:
        """`new` up to one order, `repeat` from two, `loyal` from five."""
        if self.count >= LOYAL:
            return "loyal"
        return "repeat" if self.count >= REPEAT else "new"


class Customer:
    """The read-only view that a message's `data` and a rule's `when` get: only the projections that the rule `uses`."""

    __slots__ = ("_read", "id")

    def __init__(self, id: str, read: Callable[[str], Any]) -> None:
        self.id, self._read = id, read

    @property
    def cart(self) -> Cart:
        """What is in the basket."""
        return self._read("cart")  # type: ignore[no-any-return]

    @property
    def orders(self) -> Orders:
        """What was ordered."""
        return self._read("orders")  # type: ignore[no-any-return]

    @property
    def profile(self) -> Profile:
        """Who they are, and how they are reached."""
        return self._read("profile")  # type: ignore[no-any-return]

    @property
    def tickets(self) -> Tickets:
        """Complaints."""
        return self._read("tickets")  # type: ignore[no-any-return]

    @property
    def engagement(self) -> Engagement:
        """Messages and reactions."""
        return self._read("engagement")  # type: ignore[no-any-return]

    @property
    def session(self) -> Session:
        """The visit."""
        return self._read("session")  # type: ignore[no-any-return]

    @property
    def segments(self) -> Segments:
        """How often they have ordered."""
        return self._read("segments")  # type: ignore[no-any-return]

    @property
    def rhythm(self) -> Rhythm:
        """At what pace they order."""
        return self._read("rhythm")  # type: ignore[no-any-return]

    def state(self, projection: str) -> Any:
        """A projection of a plugin."""
        return self._read(projection)
