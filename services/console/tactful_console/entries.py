"""The parts of a timeline. All are msgspec structs: `msgspec.json.encode` of a timeline is its JSON form."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from tactful.decisions import GateVerdict


class Tone(StrEnum):
    """How a chip looks; the word beside it says the same."""

    SENT = "sent"
    HELD = "held"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    NEUTRAL = "neutral"


class Chip(msgspec.Struct, frozen=True):
    """A verdict as a word."""

    word: str
    tone: Tone = Tone.NEUTRAL


class Gate(msgspec.Struct, frozen=True):
    """One gate of a decision. At most one of them decides."""

    name: str
    verdict: GateVerdict
    sentence: str
    facts: dict[str, Any] = {}
    decides: bool = False


class Fact(msgspec.Struct, frozen=True):
    """A line among the details."""

    name: str
    value: str


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing on the timeline. `at` in ms."""

    kind: str
    at: int
    title: str
    about: str = ""  # beside the title: what it is about; of a decision: its reason
    ref: str = ""  # how to find it elsewhere: event m2, entry #1
    chip: Chip | None = None
    sentences: tuple[str, ...] = ()
    gates: tuple[Gate, ...] = ()
    facts: tuple[Fact, ...] = ()
    fix: str | None = None
    rule: str = ""
    run: str = ""
    message_id: str = ""


class Upcoming(msgspec.Struct, frozen=True, kw_only=True):
    """What comes next by itself; `at` is None where nobody can say when."""

    at: int | None
    rule: str
    text: str
    chip: Chip
    run: str = ""
    message_id: str = ""
