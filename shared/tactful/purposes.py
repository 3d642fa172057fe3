"""What a message is for. The purpose carries its legal basis.

`service.*` rests on the contract: no marketing consent is needed and nothing promotional is allowed.
`marketing.*` needs consent or a soft opt-in. A grant of `marketing` covers `marketing.*`, never the reverse.
"""

from __future__ import annotations

from tactful.errors import InvalidInput

MARKETING = "marketing"
SERVICE = "service"
COMPLAINT = "service.complaint"
SPAM_REPORT = "spam-report"
"""The door (`via`) by which whoever reports a message as spam withdraws marketing."""
SMS_STOP = "sms-stop"
"""The door by which whoever texts STOP does; the proof's `address` names the number by its keyed hash."""


def is_marketing(purpose: str) -> bool:
    """Whether consent, caps, rests and hours apply."""
    return purpose.partition(".")[0] == MARKETING


def keeps_hours(purpose: str) -> bool:
    """Whether it waits for the recipient's day, and for the hours that they chose: of service messages nothing but the question
    after a complaint, which nobody is waiting for."""
    return is_marketing(purpose) or covers(COMPLAINT, purpose)


def covers(granted: str, wanted: str) -> bool:
    """Whether consent to one purpose is consent to another."""
    return wanted == granted or wanted.startswith(granted + ".")


def touches(purpose: str, other: str) -> bool:
    """Whether consent to one of them is consent to the other."""
    return covers(purpose, other) or covers(other, purpose)


def is_service(purpose: str) -> bool:
    """Whether the purpose rests on the contract."""
    return covers(SERVICE, purpose)


def known_purpose(purpose: str, field: str) -> str:
    """The purpose. Raises InvalidInput for what is none, so that nobody allows or withdraws nothing."""
    root, *rest = purpose.split(".")
    if root not in (MARKETING, SERVICE) or "" in rest:
        raise InvalidInput("wrong_value", 'a purpose is "marketing", "service" or one below them', field)
    return purpose
