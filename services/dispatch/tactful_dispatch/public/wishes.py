"""What a customer asks for with one button: read from the form, carried out at the desk, answered in a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tactful.channels import CHANNELS
from tactful.clock import DAY
from tactful.errors import InvalidInput
from tactful.purposes import MARKETING, is_marketing
from tactful_dispatch.desk import Desk
from tactful_dispatch.preferences import PREFERENCES
from tactful_dispatch.public.texts import Texts
from tactful_dispatch.state.rows import AddressKey
from tactful_dispatch.topics import topic_name

PAUSES: Final = (30, 90)  # days
WORDING: Final = "preference-page-2"  # changes with the sentences that ask for consent
_NAME: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,200}")  # purposes and rules may be called anything, in any script


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, when, by which door and which message's link: the proof that goes into the ledger. `sent_to`: where the link says that
    the message went."""

    customer: str
    at: int
    via: str
    message_id: str
    sent_to: AddressKey | None = None

    @property
    def proof(self) -> dict[str, Any]:
        return {"message_id": self.message_id} if self.message_id else {}


@dataclass(frozen=True, slots=True)
class Turn:
    """One purpose on one channel, on or off. Channel "" is every channel."""

    purpose: str
    channel: str
    on: bool

    async def carry_out(self, desk: Desk, asked: Asked) -> None:
        state = "granted" if self.on else "withdrawn"
        wording = WORDING if self.on else ""
        await desk.consent(
            asked.customer,
            self.purpose,
            self.channel,
            state,
            via=asked.via,
            wording=wording,
            proof=asked.proof,
            sent_to=asked.sent_to,
        )

    def said(self, texts: Texts, date: Callable[[int], str], asked: Asked) -> str:
        topic = texts.topic(self.purpose)
        if self.on:
            return texts.turned_on.format(topic=topic, channel=texts.allowed(self.channel))
        sentence = f"{texts.turned_off} {texts.silent_elsewhere}"
        return sentence.format(topic=topic, channel=texts.through(self.channel))


@dataclass(frozen=True, slots=True)
class Mute:
    """Not this kind, or this kind again."""

    rule: str
    muted: bool

    async def carry_out(self, desk: Desk, asked: Asked) -> None:
        await desk.mute(asked.customer, self.rule, self.muted)

    def said(self, texts: Texts, date: Callable[[int], str], asked: Asked) -> str:
        return (texts.did_mute if self.muted else texts.did_unmute).format(rule=texts.rule(self.rule))


@dataclass(frozen=True, slots=True)
class Pause:
    """No marketing for so many days; 0 ends a pause."""

    days: int

    async def carry_out(self, desk: Desk, asked: Asked) -> None:
        await desk.pause(asked.customer, self._until(asked))

    def said(self, texts: Texts, date: Callable[[int], str], asked: Asked) -> str:
        return texts.did_pause.format(date=date(self._until(asked))) if self.days else texts.did_resume

    def _until(self, asked: Asked) -> int:
        return asked.at + self.days * DAY if self.days else 0


@dataclass(frozen=True, slots=True)
class StopAll:
    """All marketing on all channels."""

    async def carry_out(self, desk: Desk, asked: Asked) -> None:
        await desk.stop_all(asked.customer, asked.via, asked.proof, asked.sent_to)

    def said(self, texts: Texts, date: Callable[[int], str], asked: Asked) -> str:
        return texts.did_stop


@dataclass(frozen=True, slots=True)
class MuteTopic:
    """Not about this, or about this again."""

    topic: str
    muted: bool

    async def carry_out(self, desk: Desk, asked: Asked) -> None:
        await desk.mute_topic(asked.customer, self.topic, self.muted)

    def said(self, texts: Texts, date: Callable[[int], str], asked: Asked) -> str:
        said = texts.did_mute_topic if self.muted else texts.did_unmute_topic
        return said.format(topic=texts.category(self.topic))


@dataclass(frozen=True, slots=True)
class Prefer:
    """When, how often, how personal."""

    preference: str
    value: str

    async def carry_out(self, desk: Desk, asked: Asked) -> None:
        await desk.prefer(asked.customer, self.preference, self.value)

    def said(self, texts: Texts, date: Callable[[int], str], asked: Asked) -> str:
        return texts.did_prefer.format(choice=texts.choices[self.preference][self.value])


Wish = Turn | Mute | MuteTopic | Pause | Prefer | StopAll


def unsubscribe(channel: str) -> Turn:
    """What RFC 8058 and the unsubscribe button ask for."""
    return Turn(MARKETING, channel, on=False)


def wish_of(form: Mapping[str, str]) -> Wish:
    """The wish that a form of the preference page states. Raises InvalidInput (`unknown_wish`)."""
    match form.get("do"):
        case "turn_on" | "turn_off" as turn if is_marketing(form.get("purpose", "")):
            return Turn(_name(form, "purpose"), _channel(form), on=turn == "turn_on")
        case "mute" | "unmute" as mute:
            return Mute(_name(form, "rule"), muted=mute == "mute")
        case "pause" if form.get("days") in ("0", *map(str, PAUSES)):
            return Pause(int(form["days"]))
        case "mute_topic" | "unmute_topic" as mute:
            return MuteTopic(_topic(form), muted=mute == "mute_topic")
        case str(preference) if form.get("value") in PREFERENCES.get(preference, ()):
            return Prefer(preference, form["value"])
        case "stop":
            return StopAll()
    raise no_such_wish("do")


def no_such_wish(field: str) -> InvalidInput:
    """For a form that says something else than the page let it say."""
    return InvalidInput("unknown_wish", "the form states no wish that this page offers", field)


def _topic(form: Mapping[str, str]) -> str:
    topic = topic_name(form.get("topic", ""))
    if not topic:
        raise InvalidInput("unknown_wish", "topic is missing", "topic")
    return topic


def _channel(form: Mapping[str, str]) -> str:
    channel = form.get("channel", "")
    if channel not in CHANNELS:
        raise InvalidInput("unknown_wish", "channel is missing or none", "channel")
    return channel


def _name(form: Mapping[str, str], field: str) -> str:
    name = form.get(field, "")
    if not _NAME.fullmatch(name):
        raise InvalidInput("unknown_wish", f"{field} is missing or malformed", field)
    return name
