"""Every word of the public pages, in one place. Another language is another `Texts` in `LANGUAGES`.

Placeholders in braces are filled by `str.format`; what fills them is escaped with the rest of the sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from babel.lists import format_list

from tactful_dispatch.questions import HURTS, SETTLED, TOO_OFTEN, UNSETTLED


@dataclass(frozen=True, slots=True)
class Texts:
    """One language."""

    language: str
    date: str  # babel patterns
    moment: str
    skip: str
    title: str
    hello: str
    lead: str
    done: str
    about_title: str
    about_empty: str
    on: str
    off: str
    by: str
    turn_on: str
    turn_off: str
    silent: str
    service_title: str
    service: str
    service_state: str
    kinds_title: str
    kinds_lead: str
    mute: str
    unmute: str
    muted: str
    pause_title: str
    pause_lead: str
    pause_days: str
    paused_until: str
    resume: str
    stop_title: str
    stop_lead: str
    stop: str
    stopped: str
    known_title: str
    known_name: str
    known_language: str
    known_zone: str
    known_nothing: str
    why_title: str
    why_lead: str
    why_none: str
    because: str
    because_event: str
    uses: str
    no_subject: str
    ask_unsubscribe: str
    ask_unsubscribe_lead: str
    unsubscribe: str
    ask_mute: str
    ask_mute_lead: str
    ask_pause: str
    more: str
    ask_answer: str
    answer_leads: Mapping[str, str]  # by answer: what will be sent
    send_answer: str
    answer_thanks: Mapping[str, tuple[str, str]]  # by answer: title and lead once it has been sent
    answered_before: str
    ask_reason: str
    reason_lead: str
    reasons: Mapping[str, str]
    own_words: str
    complaint_thanks: tuple[str, str]  # for who was hurt and said how
    turned_on: str
    turned_off: str
    silent_elsewhere: str
    did_mute: str
    did_unmute: str
    did_pause: str
    did_resume: str
    did_stop: str
    still_service: str
    still_by: str
    bad_link_title: str
    bad_link: str
    trouble_title: str
    trouble: str
    refused_title: str
    refused: str
    written_by: str
    contact: str
    device: str
    channels: Mapping[str, str]
    by_channel: Mapping[str, str]
    topics: Mapping[str, str]
    rules: Mapping[str, str]
    causes: Mapping[str, str]
    data: Mapping[str, str]

    def thanks(self, answer: str, with_words: bool) -> tuple[str, str]:
        """Title and lead once an answer stands."""
        if with_words and answer in HURTS:
            return self.complaint_thanks
        return self.answer_thanks.get(answer) or self.answer_thanks[""]

    def channel(self, name: str) -> str:
        """What a channel is called at the start of a line."""
        return self.channels.get(name, name)

    def through(self, name: str) -> str:
        """How a message came: `by e-mail`."""
        return self.by_channel.get(name, f"{self.by} {name}")

    def topic(self, purpose: str) -> str:
        """What a purpose is called; one that is not in the list is named after its last part."""
        return self.topics.get(purpose, _words(purpose.rpartition(".")[2]))

    def rule(self, name: str) -> str:
        """What the messages of a rule are called."""
        return self.rules.get(name, _words(name))

    def used(self, projections: Iterable[str]) -> str:
        """What projections mean to the person they are about, as a list in a sentence."""
        return self.listed(self.data.get(name, name.replace("_", " ")) for name in projections)

    def listed(self, things: Iterable[str]) -> str:
        """`a, b and c`, as the language does it."""
        return format_list(list(things), locale=self.language)


ENGLISH: Final = Texts(
    language="en",
    date="d MMMM y",
    moment="EEE d MMM y, HH:mm",
    skip="Skip to your choices",
    title="Your messages from {shop}",
    hello="Hello {name}.",
    lead="Choose what we may write to you about, and how. Every change counts at once.",
    done="Done",
    about_title="What we may write about",
    about_empty="We have no address of yours, so we cannot write to you.",
    on="On",
    off="Off",
    by="by",
    turn_on="Turn on",
    turn_off="Turn off",
    silent="You turned one of these off, so until {date} we stay silent about this everywhere. Turning one on ends that.",
    service_title="Messages about your orders",
    service="Deliveries, returns and answers to your questions. They belong to what you bought and hold no advertising.",
    service_state="always come",
    kinds_title="Not this kind",
    kinds_lead="Leave out one kind of message and keep the rest.",
    mute="No more of these",
    unmute="Send these again",
    muted="left out",
    pause_title="A pause",
    pause_lead="No offers or reminders for a while. They start again by themselves.",
    pause_days="Pause for {days} days",
    paused_until="Paused until {date}.",
    resume="End the pause",
    stop_title="Stop everything",
    stop_lead="No offers or reminders on any channel, until you turn one on again. "
    "Messages about your orders still come.",
    stop="Stop all offers and reminders",
    stopped="All offers and reminders are stopped. Turn one on above to change that.",
    known_title="What we know about you",
    known_name="First name",
    known_language="Language",
    known_zone="Time zone",
    known_nothing="Nothing but this link.",
    why_title="Why each message came",
    why_lead="Your latest messages, newest first.",
    why_none="We have not written to you yet.",
    because="It came because {cause} on {date}.",
    because_event="It came because of “{event}” on {date}.",
    uses="It used {data}.",
    no_subject="Message",
    ask_unsubscribe="Unsubscribe?",
    ask_unsubscribe_lead="You will get no more offers or reminders {channel}. Messages about your orders still come.",
    unsubscribe="Unsubscribe",
    ask_mute="No more of this kind?",
    ask_mute_lead="We will leave out one kind of message: {rule}. Everything else stays as it is.",
    ask_pause="Take a pause?",
    more="See all your choices",
    ask_answer="Is it settled?",
    answer_leads={
        SETTLED: "Your answer: yes, it is settled.",
        UNSETTLED: "Your answer: no, not yet. A person will look at it again and write to you.",
    },
    send_answer="Send this answer",
    answer_thanks={
        SETTLED: ("Thank you", "Good to know that it is settled."),
        UNSETTLED: ("We are sorry", "Your complaint is open again. A person will look at it and write to you."),
        TOO_OFTEN: ("Understood", "You get no offers or reminders from us for 30 days."),
        "": ("Thank you", "Your answer helps us. There will be no second question."),
    },
    answered_before="You have answered already, and your first answer stands.",
    ask_reason="What was in the way?",
    reason_lead="One answer is enough. Nothing is sold on this page.",
    reasons={
        "too_expensive": "It is too expensive",
        "delivery": "Delivery: time or price",
        "product": "A product let me down",
        "service": "Your service let me down",
        "not_found": "I could not find what I wanted",
        "no_need": "I do not need it now",
        "too_often": "You write too often",
        "other": "Something else",
    },
    own_words="In your own words, if you like. A person reads it.",
    complaint_thanks=("Thank you, and sorry", "A person will read it and write to you. Until then you get no offers."),
    turned_on="{topic}: you get them {channel} from now on.",
    turned_off="{topic}: you get no more of them {channel}.",
    silent_elsewhere="For 30 days we stay silent about this on every other channel too.",
    did_mute="You get no more messages of this kind: {rule}.",
    did_unmute="You get messages of this kind again: {rule}.",
    did_pause="No offers or reminders until {date}.",
    did_resume="The pause is over.",
    did_stop="All offers and reminders are stopped, on every channel.",
    still_service="Messages about your orders still come.",
    still_by="{topic} still come {channels}.",
    bad_link_title="This link does not work",
    bad_link="It is incomplete or was changed on its way. Please use the link in your message, or write to us.",
    trouble_title="That did not work just now",
    trouble="Nothing was changed. Please try again in a minute; the link stays valid.",
    refused_title="We did not understand that",
    refused="Nothing was changed. Please go back and use one of the buttons on the page.",
    written_by="Written by {shop}",
    contact="Write to us: ",
    device="a device of yours",
    channels={
        "email": "E-mail",
        "sms": "SMS",
        "push": "Push messages",
        "webpush": "Browser messages",
        "whatsapp": "WhatsApp",
        "telegram": "Telegram",
        "viber": "Viber",
        "onsite": "Messages on our site",
        "call": "Phone calls",
    },
    by_channel={
        "": "on any channel",
        "email": "by e-mail",
        "sms": "by SMS",
        "push": "by push message",
        "webpush": "by browser message",
        "whatsapp": "on WhatsApp",
        "telegram": "on Telegram",
        "viber": "on Viber",
        "onsite": "on our site",
        "call": "by phone",
    },
    topics={
        "marketing": "Offers and reminders",
        "marketing.cart": "Basket reminders",
        "marketing.goodwill": "Goodwill offers",
        "marketing.reorder": "Usual orders",
        "marketing.winback": "Notes when you have been away",
    },
    rules={
        "abandoned_cart": "Basket reminders",
        "missed_order": "Usual orders",
        "churn_risk": "Notes when you have been away",
        "complaint_followup": "Questions after a complaint",
    },
    causes={
        "Product Added": "you put something in your basket",
        "Product Removed": "you changed your basket",
        "Cart Updated": "you changed your basket",
        "Checkout Started": "you began to check out",
        "Order Completed": "you placed an order",
        "Complaint Closed": "your complaint was closed",
    },
    data={
        "cart": "what is in your basket",
        "orders": "your orders",
        "profile": "your profile",
        "tickets": "your complaints",
        "engagement": "which of our messages you noticed",
        "session": "your latest visit",
        "rhythm": "how often you order",
        "interests": "what you looked at",
    },
)

LANGUAGES: Final[Mapping[str, Texts]] = {"en": ENGLISH}


def texts_for(*locales: str | None) -> Texts:
    """The first language there is, in order of preference; English if none is. `en-GB` falls to `en`."""
    languages = (locale.replace("_", "-").partition("-")[0].lower() for locale in locales if locale)
    return next((LANGUAGES[language] for language in languages if language in LANGUAGES), ENGLISH)


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()
