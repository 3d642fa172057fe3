"""The local viewer that stands for every channel in `tactful dev`: letters go on a shelf, nothing leaves the machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Letter:
    """One message as the inbox shows it. `number` counts from 1 in order of arrival."""

    message_id: str
    customer: str
    channel: str
    address: str
    sender: str
    subject: str
    preheader: str
    html: str
    text: str
    at: int
    headers: dict[str, str] = field(default_factory=dict)
    number: int = 0


class Shelf(Protocol):
    """Keeps letters."""

    async def put(self, letter: Letter) -> int:
        """Keep it and return its number; the same message id again returns the first number and keeps the first letter."""
        ...

    async def letters(self, limit: int = 200) -> list[Letter]:
        """The latest first."""
        ...

    async def letter(self, number: int) -> Letter | None:
        """One letter."""
        ...
