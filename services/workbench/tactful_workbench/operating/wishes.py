"""What an operator may ask for at `/admin`: the bodies of its requests."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

COMMAND_LINE: Final = "command-line"


class Wish(BaseModel):
    """A body that says nothing else than what it is asked for."""

    model_config = ConfigDict(extra="forbid")


class ConsentWish(Wish):
    """A word on consent, as an operator records it."""

    purpose: str
    channel: str = ""
    state: str
    via: str = COMMAND_LINE
    wording: str = ""


class ListedAddress(Wish):
    """An address on a list of another sender. `said_at` in ms; 0 where the list does not say."""

    channel: str = Field(min_length=1)
    address: str = Field(min_length=1, max_length=500)
    reason: Literal["unsubscribed", "bounced", "complained"]
    said_at: int = Field(0, ge=0, lt=2**53)


class SuppressionList(Wish):
    """A part of such a list."""

    source: str = Field(min_length=1, max_length=100)
    addresses: list[ListedAddress] = Field(max_length=1000)
    take_back: bool = False
    dry_run: bool = True


class Reopening(Wish):
    """Who says that an address works again, and how they know."""

    channel: str
    by: str = Field(min_length=1, max_length=100)
    why: str = Field(min_length=1, max_length=500)


class SendingWish(Wish):
    """Who may be written to."""

    mode: str
    allow: list[str] | None = None


class StopWish(Wish):
    """Who stops all sending, and why."""

    by: str = Field(min_length=1, max_length=100)
    why: str = Field("", max_length=500)


class ResumeWish(Wish):
    """Who lets sending go on, and the length of time over which what was kept leaves."""

    by: str = Field(min_length=1, max_length=100)
    over: str = "30m"


class RuleWish(Wish):
    """What an operator wants of a rule."""

    wish: Literal["pause", "drain", "resume", "cancel"]


class Rollout(Wish):
    """For what share of customers a rule is live; 0 is shadow."""

    share: float = Field(ge=0, le=1)


class Enrolment(Wish):
    """Which customers shall meet a rule: so many of those behind `after`. A dry run only counts them."""

    since: str = "90d"
    after: str = ""
    limit: int = Field(100, ge=1, le=10_000)
    dry_run: bool = True


class KeyWish(Wish):
    """A key to make."""

    name: str
    scope: str = "server"
    per_second: float | None = None


class RateWish(Wish):
    """How often a key may knock; None: as often as there is room."""

    per_second: float | None = None
