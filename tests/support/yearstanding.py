"""What a simulated year knows of one person by a plain reading of what happened, and which promises a message would break."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from shopyear import YEAR

from tactful.clock import DAY, SECOND
from tactful.purposes import is_marketing
from tactful.records import EventRecord, MessageBody
from tactful_dispatch.channels import Envelope, Outcome


class Left(NamedTuple):
    """One first byte. `hour` by the clock on the customer's wall."""

    message_id: str
    at: int
    customer: str
    channel: str
    address: str
    purpose: str
    contact: str
    rule: str
    hour: float
    committed: bool  # as `sending`
    outcome: Outcome
    broken: tuple[str, ...]  # promises that do not hold at this instant


class Standing:
    """What the shop knows of one person, as a plain reading of the acts has it."""

    def __init__(self, *, erased: bool = False) -> None:
        self.words: dict[str, tuple[int, str]] = {}  # channel -> instant and state; "" is every channel
        self.ordered_at = -DAY
        self.complaints: set[str] = set()
        self.paused_until = 0
        self.muted: set[str] = set()  # rules
        self.contacts: dict[str, int] = {}  # marketing -> its latest message
        self.erased = erased
        self.flagged = False
        self.address = self.zone = ""
        self.hours, self.at_most_days, self.impersonal = "", 0, False  # that they chose
        self.talked_at = -DAY  # to somebody else
        self.refunded_at = self.settled_at = -YEAR
        self.suppressed: dict[str, str] = {}  # channel -> the message whose answer said so, "" where its owner did

    def said(self, channel: str, at: int, state: str) -> None:
        self.words[channel] = (at, state)

    def is_withdrawn(self, channel: str) -> bool:
        """The latest word that covers the channel is a no; with nothing said there is none to break."""
        covering = [self.words[name] for name in ("", channel) if name in self.words]
        return bool(covering) and max(covering)[1] == "withdrawn"

    def hear(self, record: EventRecord) -> None:
        told: dict[str, Any] = msgspec.json.decode(record.body.properties)
        name, at = record.body.name, record.body.occurred_at
        if name == "Identify":
            self._is_called(told)
        elif name == "Customer Flagged":
            self.flagged = bool(told.get("reason"))
        elif name == "Contact Made":
            self.talked_at = at
        elif name == "Order Refunded":
            self.refunded_at = at
        elif name == "Order Completed":
            self.ordered_at = max(self.ordered_at, at)
        else:
            self._complains(name, told, at)

    def _is_called(self, told: dict[str, Any]) -> None:
        if told.get("email", self.address) != self.address:
            self.address = told["email"]
            self.suppressed.pop("email", None)
        self.zone = told.get("timezone") or self.zone

    def _complains(self, name: str, told: dict[str, Any], at: int) -> None:
        if name in ("Complaint Opened", "Complaint Reopened"):
            self.complaints.add(told["ticket_id"])
        elif name == "Complaint Closed":
            self.complaints.discard(told["ticket_id"])
            self.settled_at = at

    def inherit(self, other: Standing) -> None:
        """They are one person with somebody else."""
        for channel, word in other.words.items():
            self.words[channel] = max(word, self.words.get(channel, word))
        self.ordered_at = max(self.ordered_at, other.ordered_at)
        self.refunded_at = max(self.refunded_at, other.refunded_at)
        self.settled_at = max(self.settled_at, other.settled_at)
        self.talked_at = max(self.talked_at, other.talked_at)
        self.flagged |= other.flagged
        self.complaints |= other.complaints
        self.muted |= other.muted
        self.at_most_days = max(self.at_most_days, other.at_most_days)
        self.contacts |= other.contacts

    def spoke(self, contact: str, at: int) -> None:
        self.contacts[contact] = at

    def hour(self, at: int) -> float:
        """By the clock on their wall."""
        local = datetime.fromtimestamp(at / 1000, ZoneInfo(self.zone))
        return local.hour + local.minute / 60

    def _is_open(self, at: int) -> bool:
        return not self.hours or float(self.hours[:2]) <= self.hour(at) < float(self.hours[6:8])

    def broken_by(self, envelope: Envelope, message: MessageBody, at: int) -> tuple[str, ...]:
        marketing, channel = is_marketing(message.purpose), message.channel
        others = [when for contact, when in self.contacts.items() if contact != message.contact]
        checks = {
            "sent to somebody who was erased": self.erased,
            "sent to somebody who is not to be contacted": self.flagged,
            "sent to an address that they have left": channel == "email" and envelope.address != self.address,
            "sent to somebody who was held out": marketing and message.holdout,
            "marketing outside of their hours": marketing and not self._is_open(at),
            "marketing within a day of a talk": marketing and at - self.talked_at < DAY,
            "marketing within a week of a refund": marketing and at - self.refunded_at < 7 * DAY,
            "marketing within a week of the end of a complaint": marketing and at - self.settled_at < 7 * DAY,
            "made of what they looked at": marketing
            and self.impersonal
            and bool({"cart", "session"} & {*message.uses}),
            "sent to an address that is suppressed": channel in self.suppressed,
            "marketing after an opt-out": marketing and self.is_withdrawn(channel),
            "marketing within a day of an order": marketing and at - self.ordered_at < DAY,
            "marketing while a complaint was open": marketing and bool(self.complaints),
            "marketing while it was paused": marketing and at < self.paused_until,
            "marketing of a kind that was left out": marketing and message.rule in self.muted,
            "more often than they wished": marketing
            and at - max(others, default=-YEAR) < self.at_most_days * DAY - SECOND,
        }
        return tuple(name for name, broken in checks.items() if broken)
