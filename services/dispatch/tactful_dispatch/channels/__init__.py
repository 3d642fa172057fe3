"""Port: a channel's adapter. One file speaks to one provider; one conformance suite runs against all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol, get_args

from tactful_dispatch.content import Rendered

# Seconds from the commit of `sending`: what has not begun to leave by then stays, an opt-out may have come.
FIRST_BYTE: Final = 5.0


@dataclass(frozen=True, slots=True)
class Envelope:
    """One rendered message, ready to leave, addressed."""

    message_id: str
    customer: str
    channel: str
    address: str
    sender: str  # `Name <address>` for e-mail, a sender id for SMS
    reply_to: str
    rendered: Rendered
    one_click_url: str = ""  # RFC 8058 POST target; "" for service messages
    unsubscribe_url: str = ""  # the page for people
    mail_name: str = ""  # e-mail: under which reports and replies name it; "" for the message's id
    return_path: str = ""  # e-mail: where reports of failed delivery go; "" for the sender


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took it."""

    provider_id: str
    detail: str = ""  # the provider's own words, e.g. its queue id


@dataclass(frozen=True, slots=True)
class Rejected:
    """The provider refused for good. `suppress`: this address must not be used again; `opted_out`: unless its owner, who
    told the provider so, takes it back."""

    code: str
    detail: str = ""
    suppress: bool = False
    opted_out: bool = False


@dataclass(frozen=True, slots=True)
class Retry:
    """Nothing was sent; the same message may be tried again after `after` ms. `doubtful`: it may have been sent, and the provider
    recognises a repeat by our id."""

    after: int
    code: str = ""
    detail: str = ""
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can know whether it left. It counts as sent and is never resent blindly."""

    detail: str


Outcome = Accepted | Rejected | Retry | Unknown
OUTCOMES: Final = tuple(outcome.__name__.lower() for outcome in get_args(Outcome))  # as metrics and traces have them


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a channel's provider can do."""

    idempotent: bool = False  # honours our message id as an idempotency key
    deadline: float = 5.0  # seconds for the whole attempt


class Adapter(Protocol):
    """Speaks to one provider."""

    name: str
    capabilities: Capabilities

    async def send(self, envelope: Envelope, opening: float = FIRST_BYTE) -> Outcome:
        """`opening`: seconds within which its first byte leaves, or none does. Never raises for what a provider does; what each broken
        connection means is the adapter's knowledge."""
        ...
