"""What an operator may ask for at `/admin`: the bodies of its requests."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

COMMAND_LINE: Final = "command-line"


class ConsentWish(BaseModel):
    """A word on consent, as an operator records it."""

    model_config = ConfigDict(extra="forbid")
    purpose: str
    channel: str = ""
    state: str
    via: str = COMMAND_LINE
    wording: str = ""


class Reopening(BaseModel):
    """Who says that an address works again, and how they know."""

    model_config = ConfigDict(extra="forbid")
    channel: str
    by: str = Field(min_length=1, max_length=100)
    why: str = Field(min_length=1, max_length=500)


class SendingWish(BaseModel):
    """Who may be written to."""

    model_config = ConfigDict(extra="forbid")
    mode: str
    allow: list[str] | None = None


class StopWish(BaseModel):
    """Who stops all sending, and why."""

    model_config = ConfigDict(extra="forbid")
    by: str = Field(min_length=1, max_length=100)
    why: str = Field("", max_length=500)


class ResumeWish(BaseModel):
    """Who lets sending go on, and the length of time over which what was kept leaves."""

    model_config = ConfigDict(extra="forbid")
    by: str = Field(min_length=1, max_length=100)
    over: str = "30m"


class RuleWish(BaseModel):
    """What an operator wants of a rule."""

    model_config = ConfigDict(extra="forbid")
    wish: Literal["pause", "drain", "resume", "cancel"]


class Rollout(BaseModel):
    """For what share of customers a rule is live; 0 is shadow."""

    model_config = ConfigDict(extra="forbid")
    share: float = Field(ge=0, le=1)


class Enrolment(BaseModel):
    """Which customers shall meet a rule: so many of those behind `after`. A dry run only counts them."""

    model_config = ConfigDict(extra="forbid")
    since: str = "90d"
    after: str = ""
    limit: int = Field(100, ge=1, le=10_000)
    dry_run: bool = True


class KeyWish(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")
    name: str
    scope: str = "server"
    per_second: float | None = None


class RateWish(BaseModel):
    """How often a key may knock; None: as often as there is room."""

    model_config = ConfigDict(extra="forbid")
    per_second: float | None = None
