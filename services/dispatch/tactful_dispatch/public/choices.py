"""What a customer has chosen so far, worked out from the card that the desk keeps. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from tactful.purposes import MARKETING, covers, is_marketing
from tactful_dispatch.desk import CustomerCard
from tactful_dispatch.facts import Word, latest_word
from tactful_dispatch.gates.person import SILENCE

_ORDER: Final = ("email", "sms", "push", "webpush", "whatsapp", "telegram", "viber", "onsite", "call")


@dataclass(frozen=True, slots=True)
class Switch:
    """Whether one purpose may use one channel."""

    purpose: str
    channel: str
    on: bool
    address: str  # in the clear; "" if unknown


@dataclass(frozen=True, slots=True)
class Topic:
    """One purpose with its switches. `silent_until`: ms, or 0 if nothing keeps it silent."""

    purpose: str
    switches: tuple[Switch, ...]
    silent_until: int


def topics(card: CustomerCard, mentioned: str, now: int) -> tuple[Topic, ...]:
    """The marketing purposes that the card or the link (`mentioned`) knows, the widest first."""
    return tuple(_topic(card, purpose, now) for purpose in sorted(purposes(card, mentioned)))


def purposes(card: CustomerCard, mentioned: str) -> set[str]:
    """Those that a page offers."""
    known = {MARKETING, mentioned, *(consent.purpose for consent in card.consents)}
    return set(filter(is_marketing, known))


def channels(card: CustomerCard) -> tuple[str, ...]:
    """The channels on which the customer has an address or has said a word, the quietest first."""
    known = {*card.addresses, *(consent.channel for consent in card.consents if consent.channel)}
    return tuple(channel for channel in _ORDER if channel in known)


def kinds(card: CustomerCard) -> tuple[str, ...]:
    """The rules that wrote to the customer or were muted, by name."""
    return tuple(sorted({message.rule for message in card.messages} | set(card.muted_rules)))


def is_on(
    consents: Iterable[Word], purpose: str, channel: str, closed: Mapping[str, int] = MappingProxyType({})
) -> bool:
    """The latest word on the purpose, or on one that covers it, on this channel or on all. `closed`: for what and when somebody
    who uses the address opted out; a grant said before counts no more."""
    latest = latest_word(consents, purpose, channel)
    if latest is None or latest.state != "granted":
        return False
    return not any(covers(withdrawn, purpose) and at > latest.at for withdrawn, at in closed.items())


def silent_until(consents: Iterable[Word], purpose: str, now: int) -> int:
    """Until when a withdrawal on any channel keeps the purpose silent on all of them; 0 if nothing does. One message that is
    wanted on one channel ends it on no other."""
    latest = latest_word((said for said in consents if not (said.once and said.channel)), purpose, None)
    if latest is None or latest.state == "granted" or latest.at + SILENCE <= now:
        return 0
    return latest.at + SILENCE


def open_switches(shown: Iterable[Topic]) -> list[Switch]:
    """What is on, has an address and is not silent; a purpose that a wider one on the same channel covers is not named again."""
    heard = (topic for topic in shown if not topic.silent_until)
    on = [switch for topic in heard for switch in topic.switches if switch.on and switch.address]
    return [switch for switch in on if not any(_covers(wider, switch) for wider in on)]


def _covers(wider: Switch, switch: Switch) -> bool:
    return wider is not switch and wider.channel == switch.channel and covers(wider.purpose, switch.purpose)


def _topic(card: CustomerCard, purpose: str, now: int) -> Topic:
    switches = tuple(
        Switch(purpose, channel, _comes(card, purpose, channel), card.addresses.get(channel, ""))
        for channel in channels(card)
    )
    return Topic(purpose, switches, silent_until(card.consents, purpose, now))


def _comes(card: CustomerCard, purpose: str, channel: str) -> bool:
    if card.stopped or channel in card.shut:
        return False
    return is_on(card.consents, purpose, channel, card.closed.get(channel, {}))
