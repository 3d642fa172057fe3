"""Port: what a customer (or an operator in their name) may do at dispatch: look, consent, mute, pause, report.

Every change commits before it is answered. The pages in `tactful_dispatch.public`, the console and the command line
stand in front of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from tactful.decisions import GateRecord
from tactful_dispatch.facts import Word
from tactful_dispatch.state.rows import AddressKey


@dataclass(frozen=True, slots=True)
class SentMessage:
    """One message that reached (or may have reached) the customer, with the reason it was sent."""

    message_id: str
    at: int
    channel: str
    rule: str
    subject: str
    because: str
    because_at: int
    uses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CustomerCard:
    """All that the preference page shows."""

    customer: str
    addresses: dict[str, str]
    first_name: str | None
    locale: str | None
    zone: str | None
    consents: tuple[Word, ...]  # the latest on each purpose and channel
    muted_rules: tuple[str, ...]
    paused_until: int  # 0 if not paused
    stopped: bool  # "stop all"
    messages: tuple[SentMessage, ...]  # latest first, at most 20
    muted_topics: tuple[str, ...] = ()
    hours: str = ""  # in which they want marketing; "" for the shop's own
    at_most_days: int = 0  # one contact in so many days at most; 0 for the shop's own caps
    personalisation: str = "full"  # full | none
    shop_locale: str = "en"
    # channel -> purpose -> when somebody who uses the address opted out
    closed: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    hours_guessed: bool = False  # nobody knows in which zone, and chosen hours are not open in all that are plausible
    hours_in_vain: tuple[str, ...] = ()  # choices of `hours` in which the shop never writes
    shut: tuple[str, ...] = ()  # channels whose address is not written to any more, whatever is granted
    complaint_open: bool = False  # until it is closed nothing is advertised


class Basket(NamedTuple):
    """What a message was about, so that one click puts it into the shop's basket on any device."""

    cart_id: str
    items: tuple[tuple[str, int], ...]  # product, quantity
    sent_at: int


class Desk(Protocol):
    """One customer's wishes. Every call is committed when it returns; a repeat changes nothing more."""

    async def card(self, customer: str) -> CustomerCard:
        """What is known; an unknown customer has an empty card."""
        ...

    async def consent(
        self,
        customer: str,
        purpose: str,
        channel: str,
        state: str,
        *,
        via: str,
        wording: str = "",
        proof: dict[str, Any] | None = None,
        sent_to: AddressKey | None = None,
    ) -> int:
        """Grant or withdraw; returns the ledger entry's number. `channel` "" means every channel.

        If `proof` names a `message_id`, a withdrawal binds the address that the message went to as well, and so it does if the customer
        was erased. `sent_to` is that address as the link says it, for messages that are not kept any more."""
        ...

    async def mute(self, customer: str, rule: str, muted: bool) -> None:
        """Not this kind (or: this kind again)."""
        ...

    async def pause(self, customer: str, until: int) -> None:
        """No marketing before `until`; 0 lifts the pause."""
        ...

    async def mute_topic(self, customer: str, topic: str, muted: bool) -> None:
        """Not about this (or: about this again)."""
        ...

    async def prefer(self, customer: str, preference: str, value: str) -> None:
        """One of `tactful_dispatch.preferences`, to one of its values."""
        ...

    async def stop_all(
        self, customer: str, via: str, proof: dict[str, Any] | None = None, sent_to: AddressKey | None = None
    ) -> int:
        """Withdraw all marketing on all channels; returns the ledger entry's number. `proof` and `sent_to` as of `consent`."""
        ...

    async def receipt(self, message_id: str, name: str, detail: dict[str, Any]) -> bool:
        """Report `Message Delivered|Opened|Clicked|Replied|Bounced|Complained` once each; False if the message is unknown.

        `detail` holds fields of that event (`prefetched`, `url`, ...). Replies with a `reply_id` count each. A receipt that is
        `prefetched` was made by a machine: the person's own, which may follow, is told as well.
        """
        ...

    async def answer(self, message_id: str, answer: str, text: str = "") -> str:
        """Note one of `questions.ANSWERS` to the question that a message asks, with the customer's own words. Returns the answer
        that stands, the first one that was given; "" if the message is unknown."""
        ...

    async def topics(self, message_id: str) -> tuple[str, ...]:
        """What a message is about: categories of products."""
        ...

    async def basket(self, message_id: str) -> Basket | None:
        """The products of a message; None if the message is unknown or names none."""
        ...

    async def offered(self, message_id: str) -> tuple[str, str] | None:
        """The purpose and the channel that a message asks to consent to; None if it asks for nothing, or went to an address that
        is not the customer's any more."""
        ...

    async def former(
        self, customer: str, message_id: str, who: str = "", sent_to: AddressKey | None = None
    ) -> str | None:
        """The channel of a message that somebody else than the customer may read; None if nobody else does; "" if somebody may, and
        it is not known any more where the message went.

        Somebody may if the message went to a mailbox or a phone in whose place the customer has another by now; or to a visitor, and to no
        address of the customer whom they turned out to be, since a browser says who a visitor is and anybody may name anybody.

        `who`: whom they turned out to be, if the caller may have heard of it earlier than dispatch. `sent_to`: the address as the link
        says it, for messages that are not kept any more."""
        ...

    async def check(self, customer: str, channel: str, purpose: str, rule: str = "") -> list[GateRecord]:
        """What the gates would say to somebody who wants to speak to the customer now; nothing is changed."""
        ...

    async def click_target(self, message_id: str, index: int) -> str | None:
        """The stored URL behind a tracked link."""
        ...
