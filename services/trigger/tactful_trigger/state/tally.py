"""Whether a rule helps: how often its goal followed what it said, how often it came without a word, and how often people
objected. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import add, sub

import msgspec
from msgspec.structs import astuple


class Tally(msgspec.Struct, frozen=True, array_like=True):
    """Contacts of one rule since the beginning, a ladder counting once, and those that its goal followed in time. Who was
    held out is counted in the same way, from the instant at which the message would have left. Of those who were written to,
    so many opted out within a week, or reported a message as spam.

    `first_…`: of each customer the first contact alone. Only these can be compared: what is said, and what comes of it, decides
    when somebody is spoken to again, so that of those held out the ones who buy often are counted more often.
    """

    sent: int = 0
    sent_reached: int = 0
    held_out: int = 0
    held_out_reached: int = 0
    opted_out: int = 0
    complained: int = 0
    first_sent: int = 0
    first_sent_reached: int = 0
    first_held_out: int = 0
    first_held_out_reached: int = 0

    def __add__(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(*map(add, astuple(self), astuple(other)))

    def __sub__(self, other: Tally) -> Tally:
        """What has come since the other."""
        return Tally(*map(sub, astuple(self), astuple(other)))


def totals(partitions: Iterable[Mapping[str, Tally]]) -> dict[str, Tally]:
    """What several partitions have counted of each rule, together."""
    found: dict[str, Tally] = {}
    for tallies in partitions:
        for rule, tally in tallies.items():
            found[rule] = found.get(rule, Tally()) + tally
    return found
