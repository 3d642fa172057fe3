"""A sign-up that its owner has to confirm (double opt-in)."""

from __future__ import annotations

from tactful import Customer, Run, rule
from tactful.events import ConsentChanged, Event


def _what(event: Event) -> str:
    return f"{event.purpose}/{event.channel}" if isinstance(event, ConsentChanged) else ""


def _is_request(customer: Customer, event: Event) -> bool:
    return isinstance(event, ConsentChanged) and event.state == "requested"


def _same(first: Event, event: Event) -> bool:
    return _what(first) == _what(event)


@rule(on=ConsentChanged, key=_what, match=_same, when=_is_request, purpose="service.consent", priority=90, version=1)
async def confirm_consent(run: Run, first: ConsentChanged) -> str:
    """Somebody entered an address: ask it once whether its owner wants what was asked for. Silence is a no.

    Whether that address was asked already, dispatch knows: a corrected one was not."""
    asked = {"purpose": first.purpose, "channel": first.channel}
    message = await run.send("email", "confirm_consent", confirm=asked, expires=run.param("expires", "1d"))
    return "asked" if message else message.reason or "refused"
