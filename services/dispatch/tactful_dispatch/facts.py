"""What the gates may look at: one frozen value, gathered in the transaction that moves a message on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from tactful.purposes import covers, touches
from tactful.records import MessageBody, RecipientBody
from tactful.settings import Settings

LISTED: Final = "list"


class Contacted(msgspec.Struct, frozen=True, array_like=True):
    """One attempt to write to somebody. Caps and gaps count from it."""

    at: int
    channel: str
    contact: str  # messages of one ladder share it
    rule: str
    priority: int
    message_id: str
    engaged: bool = False


class Word(msgspec.Struct, frozen=True, array_like=True):
    """One entry of the consent ledger, as far as it decides. Channel "" is every channel."""

    purpose: str
    channel: str
    state: str  # granted | withdrawn
    at: int
    entry: int
    basis: str = "consent"  # LISTED: another sender's list has said it
    wording: str = ""
    via: str = ""
    stranger: bool = False  # said before anybody knew who it was
    once: bool = False  # for one message

    @property
    def when(self) -> tuple[int, int]:
        """Of two words the later one has the larger."""
        return self.at, self.entry


def latest_word(words: Iterable[Word], purpose: str, channel: str | None) -> Word | None:
    """The latest word on a purpose (or one that covers it), on one channel, or with None on any."""
    said = (
        word for word in words if covers(word.purpose, purpose) and (channel is None or word.channel in ("", channel))
    )
    return max(said, key=lambda word: word.when, default=None)


def standing(words: Sequence[Word]) -> list[Word]:
    """The words that count: what a stranger granted never undoes what the customer withdrew, whenever either was said, on
    whichever channel (a withdrawal on one silences all)."""
    withdrawn = [word for word in words if word.state == "withdrawn" and not word.stranger]
    return [word for word in words if not (word.stranger and word.state == "granted" and _contradicts(withdrawn, word))]


def _contradicts(withdrawn: Sequence[Word], granted: Word) -> bool:
    return any(touches(word.purpose, granted.purpose) for word in withdrawn)


def with_word(words: Sequence[Word], said: Word) -> list[Word]:
    """The words with `said` among them. A later word takes the place of an earlier one on the same purpose and channel, but for three: a
    grant for one message does not replace a lasting word, which counts again once the grant is used up; a visitor's grant replaces
    neither the customer's words nor a visitor's withdrawal, since it may not count; and a list's word stands beside them, since it may be
    taken back."""
    if any(_displaces(word, said) for word in words):
        return list(words)
    return [*(word for word in words if not _displaces(said, word)), said]


def _displaces(later: Word, earlier: Word) -> bool:
    return (
        _slot(later) == _slot(earlier)
        and (earlier.once or not later.once or later.state != "granted")
        and earlier.when <= later.when
    )


def _slot(word: Word) -> tuple[str, ...]:
    by_list = word.via if word.basis == LISTED else ""  # every list has a name
    return (word.purpose, word.channel, f"stranger {word.state}" if word.stranger else "", by_list)


def used_up_by(message: MessageBody, words: Sequence[Word]) -> list[Word]:
    """The grants for one message that this message would use up."""
    once = (word for word in words if word.once and word.state == "granted")
    return [word for word in once if covers(word.purpose, message.purpose) and word.channel in ("", message.channel)]


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything a gate may see. None or False where a fact could not be read: the gate that needs it closes."""

    now: int
    read_through: int  # the latest append time read from the partition
    settings: Settings
    zones: Sequence[ZoneInfo]
    zone_from: str  # profile | country
    sending_stopped: str = ""  # who stopped it, or ""
    recipient: RecipientBody | None = None
    address: str | None = None
    has_adapter: bool = True
    erased: bool = False
    suppressed: str = ""  # why the address must not be used
    on_list_of: str = ""  # other senders who have it that it must not be
    left_at: int = 0  # when its owner withdrew, as these have it
    address_shared: bool = False  # others were written to there
    unanswered_since: int = 0  # its owner was asked the same and has not answered
    words: Sequence[Word] = ()
    address_withdrawn_at: int = 0  # an opt-out by anybody who shares the address
    muted_rules: Sequence[str] = ()
    muted_topics: Sequence[str] = ()
    own_hours: str = ""
    at_most_days: int = 0
    paused_until: int = 0
    stopped_all: bool = False
    personalisation: str = "full"  # full | none
    contacts: Sequence[Contacted] = ()  # of the customer
    address_contacts: Sequence[Contacted] = ()  # of everybody who shares the address
    cancelled: str = ""  # the reason that the run gave
    duplicate: bool = False
    held_for: str = ""  # the reason of the hold that lasted until now
    holds: int = 0  # how many holds have asked
    content_error: str | None = None
    provider_until: int = 0  # the provider asked to wait
    provider_detail: str = ""
