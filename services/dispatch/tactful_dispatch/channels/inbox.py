"""The local viewer that stands for every channel in `tactful dev`: letters go on a shelf, nothing leaves the machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from tactful.channels import DESK
from tactful.clock import Clock
from tactful.errors import InvalidInput
from tactful_dispatch.channels import FIRST_BYTE, Accepted, Capabilities, Envelope, Outcome
from tactful_dispatch.channels.mail import compose, uncomposed

_MAIL: Final = ("email", DESK)


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

    async def erase(self, customers: Sequence[str]) -> None:
        """What went to these customers goes; its numbers are not given again."""
        ...


class MemoryShelf:
    """A shelf that is gone with its process. Never suspends."""

    def __init__(self) -> None:
        self._letters: dict[int, Letter] = {}
        self._numbers: dict[str, int] = {}

    async def put(self, letter: Letter) -> int:
        if letter.message_id not in self._numbers:
            number = self._numbers[letter.message_id] = len(self._numbers) + 1
            self._letters[number] = replace(letter, number=number)
        return self._numbers[letter.message_id]

    async def letters(self, limit: int = 200) -> list[Letter]:
        return list(self._letters.values())[: -limit - 1 : -1]

    async def letter(self, number: int) -> Letter | None:
        return self._letters.get(number)

    async def erase(self, customers: Sequence[str]) -> None:
        self._letters = {n: letter for n, letter in self._letters.items() if letter.customer not in customers}


class InboxAdapter:
    """Takes every message of every channel. E-mail is composed as for a mail server and refused for the same reasons."""

    name = "inbox"
    capabilities = Capabilities(idempotent=True)

    def __init__(self, shelf: Shelf, clock: Clock) -> None:
        self._shelf, self._clock = shelf, clock

    async def send(self, envelope: Envelope, opening: float = FIRST_BYTE) -> Outcome:
        """Put it on the shelf: Accepted with the letter's number, or what it means that no mail server could take it."""
        now = self._clock.now()
        try:
            headers = compose(envelope, now).headers() if envelope.channel in _MAIL else {}
        except InvalidInput as error:
            return uncomposed(envelope, error)
        number = await self._shelf.put(_letter(envelope, headers, now))
        return Accepted(str(number))


def _letter(envelope: Envelope, headers: dict[str, str], now: int) -> Letter:
    rendered = envelope.rendered
    return Letter(
        message_id=envelope.message_id,
        customer=envelope.customer,
        channel=envelope.channel,
        address=envelope.address,
        sender=envelope.sender,
        subject=rendered.subject,
        preheader=rendered.preheader,
        html=rendered.html,
        text=rendered.text,
        at=now,
        headers=headers,
    )
