"""Port: content. What a message says, rendered at the sending step on the current version of the content set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from tactful.errors import TactfulError


@dataclass(frozen=True, slots=True)
class Rendering:
    """All that a template may see."""

    template: str  # folder under templates/, usually the rule's name
    channel: str
    variant: str | None
    locales: tuple[str, ...]  # in order of preference, e.g. ("ru-RU", "en"); the last is the shop's default
    data: dict[str, Any]  # what the run gave
    first_name: str | None
    shop: dict[str, str]  # as `tactful_dispatch.content.shown.shown_of`
    links: dict[str, str]  # by what templates call them: see `tactful_dispatch.content.shown.LINKS`
    because: str  # name of the event that started the run
    because_at: int
    zone: str  # the recipient's zone, for dates


@dataclass(frozen=True, slots=True)
class Rendered:
    """What leaves."""

    subject: str
    text: str
    html: str = ""
    preheader: str = ""
    language: str = "en"
    version: str = ""  # hash of the content set
    links: tuple[str, ...] = ()  # targets that were replaced by tracked links, in order


class TemplateError(TactfulError):
    """The template is missing, broken, too slow or lacks a value. Held and alarmed; the message names file, line, mend."""


class Content(Protocol):
    """Renders, and knows its version."""

    async def render(self, rendering: Rendering) -> Rendered:
        """Raises TemplateError."""
        ...

    @property
    def version(self) -> str:
        """Hash of the content set in use."""
        ...
