"""Every word of the public pages in one language. Another language is another module in `languages`.

Placeholders in braces are filled by `str.format`; what fills them is escaped with the rest of the sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import unescape

from babel.lists import format_list

from tactful.answers import HURTS


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
    topics_title: str
    topics_lead: str
    unmute_topic: str
    preference_titles: Mapping[str, str]  # by preference
    choices: Mapping[str, Mapping[str, str]]  # by preference and value
    hours_guessed: str
    stop_title: str
    stop_lead: str
    stop: str
    stopped: str
    known_title: str
    known_name: str
    known_language: str
    known_zone: str
    known_nothing: str
    own_title: str
    own_lead: str
    download: str
    erase: str
    ask_erase: str
    ask_erase_lead: str
    erase_now: str
    did_erase: str
    did_erase_lead: str
    nothing_kept: str
    nothing_kept_lead: str
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
    ask_topic: str
    ask_topic_lead: str
    ask_confirm: str
    ask_confirm_lead: str
    confirm: str
    more: str
    answer_leads: Mapping[str, tuple[str, str]]  # by answer: the question, and what will be sent
    send_answer: str
    answer_thanks: Mapping[str, tuple[str, str]]  # by answer: title and lead once it has been sent
    answered_before: tuple[str, str]  # otherwise: title and lead
    ask_reason: str
    reason_lead: str
    reasons: Mapping[str, str]
    own_words: str
    complaint_thanks: tuple[str, str]  # for who was hurt and said how
    turned_on: str
    unreachable: str
    unaddressed: str
    turned_off: str
    silent_elsewhere: str
    did_mute: str
    did_unmute: str
    did_mute_topic: str
    did_unmute_topic: str
    did_prefer: str
    did_pause: str
    did_resume: str
    did_stop: str
    still_service: str
    still_by: str
    complaint_first: str
    former_title: str
    former: str
    bad_link_title: str
    bad_link: str
    trouble_title: str
    trouble: str
    trouble_posted: str
    refused_title: str
    refused: str
    written_by: str
    contact: str
    device: str
    channels: Mapping[str, str]
    by_channel: Mapping[str, str]
    by_all: str  # how they come that may come in every way
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

    def allowed(self, channel: str) -> str:
        """How messages may come; "" is every channel, where `through` means none."""
        return self.through(channel) if channel else self.by_all

    def topic(self, purpose: str) -> str:
        """What a purpose is called; one that is not in the list is named after its last part."""
        return self.topics.get(purpose, _words(purpose.rpartition(".")[2]))

    def category(self, name: str) -> str:
        """What a category is called: shops post names as their pages hold them, `Tea &amp; coffee`."""
        return unescape(name)

    def rule(self, name: str) -> str:
        """What the messages of a rule are called."""
        return self.rules.get(name, _words(name))

    def used(self, projections: Iterable[str]) -> str:
        """What projections mean to the person they are about, as a list in a sentence."""
        return self.listed(self.data.get(name, name.replace("_", " ")) for name in projections)

    def listed(self, things: Iterable[str]) -> str:
        """`a, b and c`, as the language does it."""
        return format_list(list(things), locale=self.language)


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()
