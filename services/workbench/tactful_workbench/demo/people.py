"""The made-up part: who the customers are, and what they agreed to. Nobody here exists.

Addresses end in `.test`, which no mail reaches (RFC 2606); phone numbers are from the range that Ofcom keeps for drama.
"""

from __future__ import annotations

from random import Random
from typing import Any, Final, NamedTuple

EMAIL_SHARE: Final = 0.75
PUSH_SHARE: Final = 0.30
SMS_SHARE: Final = 0.10
WITHDRAWN_SHARE: Final = 0.08  # of those who agreed to e-mail

_NAMES: Final = (
    *("Ada", "Amir", "Bea", "Carlos", "Daisy", "Elif", "Femi", "Grace", "Hugo", "Iris", "Jonas", "Kofi"),
    *("Lena", "Mona", "Nils", "Oona", "Pia", "Rafi", "Sara", "Theo", "Uma", "Vera", "Will", "Yara"),
)
_PLACES: Final = {
    "United Kingdom": ("GB", "Europe/London", "en-GB"),
    "Portugal": ("PT", "Europe/Lisbon", "pt-PT"),
    "Germany": ("DE", "Europe/Berlin", "de-DE"),
    "Sweden": ("SE", "Europe/Stockholm", "sv-SE"),
    "Belgium": ("BE", "Europe/Brussels", "nl-BE"),
    "Austria": ("AT", "Europe/Vienna", "de-AT"),
    "Japan": ("JP", "Asia/Tokyo", "ja-JP"),
}
_FIRST_NUMBER: Final = 447_700_900_000  # Ofcom, "Telephone numbers for use in TV and radio drama": a thousand from here


class Person(NamedTuple):
    """One customer: what identify says, and the channels on which they agreed to marketing."""

    id: str
    traits: dict[str, Any]
    granted: tuple[str, ...]
    withdraws: bool  # from e-mail, some day


def person(customer: str, country: str, number: int, random: Random) -> Person:
    """Somebody for a customer number. `number` counts the customers, so that no two share a phone."""
    granted = tuple(
        channel
        for channel, share in (("email", EMAIL_SHARE), ("push", PUSH_SHARE), ("sms", SMS_SHARE))
        if random.random() < share
    )
    traits = {"email": f"customer-{customer}@example.test", "firstName": random.choice(_NAMES)}
    if "push" in granted:
        traits["push_token"] = f"demo-{customer}"
    if "sms" in granted:
        traits["phone"] = f"+{_FIRST_NUMBER + number % 1000}"
    if country in _PLACES:
        traits["country"], traits["timezone"], traits["locale"] = _PLACES[country]
    return Person(customer, traits, granted, "email" in granted and random.random() < WITHDRAWN_SHARE)
