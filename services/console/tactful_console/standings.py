"""How one rule stands, for the console's first page."""

from __future__ import annotations

from typing import Final

import msgspec

from tactful.shares import percent
from tactful_console.entries import Chip, Tone

_TOO_FEW: Final = 50  # for a rate: one of one would read as a hundred per cent
_MODES = {"live": Chip("live", Tone.SENT), "shadow": Chip("shadow"), "off": Chip("off", Tone.REFUSED)}


def times(count: int) -> str:
    """`1 time`, `4,310 times`"""
    return f"{count:,} {'time' if count == 1 else 'times'}"


def share(part: int, whole: int) -> str:
    """`771 (17.9 %)`; of a handful the number alone."""
    return f"{part:,}" if whole < _TOO_FEW else f"{part:,} ({100 * part / whole:.1f} %)"


def foreseen(contacts: int, days: int) -> str:
    """`would have written 98 times in 7 days`; `days` is at least 1."""
    return f"would have written {times(contacts)} in {'a day' if days == 1 else f'{days} days'}"


class RuleStanding(msgspec.Struct, frozen=True, kw_only=True):
    """`standing`: paused, drained or nothing; `reached` is None for a rule without a goal that is measured."""

    name: str
    version: int
    mode: str  # live | shadow | off
    about: str = ""  # what its author says of it
    share: float = 1.0  # of customers, for whom a live rule is live
    standing: str = ""
    why: str = ""  # it is paused, if it was no operator
    parked: int = 0  # runs that could not go on, and were not tried again
    forecast: str = ""  # what it would have written to everybody, if that is known
    wrote: int = 0  # contacts, a ladder counting once
    reached: int | None = None
    opted_out: int = 0
    complained: int = 0

    @property
    def chips(self) -> tuple[Chip, ...]:
        """What it may do, and that it stands still."""
        still = (Chip(self.standing, Tone.UNKNOWN),) if self.standing else ()
        return (_MODES[self.mode], *still)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What came of it."""
        said = [self.why] if self.why else []
        if self.parked:
            runs = "1 run is" if self.parked == 1 else f"{self.parked:,} runs are"
            said.append(f"{runs} parked; once it is mended: tactful rules resume {self.name}")
        if self.mode == "live" and self.share < 1:
            said.append(f"for {percent(self.share)} of customers")
        if self.forecast and (self.mode == "shadow" or self.share < 1):
            said.append(f"to everybody it {self.forecast}")
        if not self.wrote:
            return (*said, "has written to nobody")
        said.append(f"wrote {times(self.wrote)}")
        if self.reached is not None:
            said.append(f"{share(self.reached, self.wrote)} reached the goal")
        return (
            *said,
            f"{share(self.opted_out, self.wrote)} opted out",
            f"{share(self.complained, self.wrote)} reported it as spam",
        )
