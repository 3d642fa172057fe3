"""What the inbox needs from the server around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from tactful_console.advance import AdvanceReport
from tactful_dispatch.channels.inbox import Letter


class Act(StrEnum):
    """What a customer may do with a message."""

    OPEN = "open"
    CLICK = "click"
    REPLY = "reply"
    BOUNCE = "bounce"
    SPAM = "spam"
    UNSUBSCRIBE = "unsubscribe"


_BY_TAP: Final = (Act.OPEN, Act.CLICK)
_BY_WORD: Final = (Act.CLICK, Act.REPLY, Act.BOUNCE, Act.UNSUBSCRIBE)
_ACTS: Final[Mapping[str, tuple[Act, ...]]] = {
    "email": tuple(Act),
    **dict.fromkeys(("push", "webpush", "onsite"), _BY_TAP),
    **dict.fromkeys(("sms", "whatsapp", "telegram", "viber"), _BY_WORD),
}


def acts_of(channel: str) -> tuple[Act, ...]:
    """What a message on this channel lets its reader do."""
    return _ACTS.get(channel, ())


class Play(Protocol):
    """Plays the customer."""

    async def play(self, letter: Letter, act: Act, text: str) -> str:
        """Do it as the customer's mail program or provider would, with `text` as the words of a reply; says what came of
        it in a sentence. Raises InvalidInput if this letter does not allow it."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """How far the clock goes on: `by` a length of time ("10m"), or `to` a moment ("message", "tomorrow 09:00")."""

    by: str = ""
    to: str = ""


class ClockFace(Protocol):
    """The dev clock."""

    def now(self) -> int:
        """Milliseconds since the epoch."""
        ...

    async def advance(self, step: Step) -> AdvanceReport:
        """Go on, let everything settle, and say what happened. Raises InvalidInput for a step nobody understands."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where this server runs, for the lines that an empty inbox offers to copy."""

    url: str  # http://127.0.0.1:8080
    command: str  # how the command line is called from where the developer stands
    key: str  # a server key
