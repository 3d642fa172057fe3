"""What to do so that the next such message leaves. Only where that is right: nobody's "no" is offered for undoing."""

from __future__ import annotations

from tactful.decisions import Reason
from tactful.purposes import MARKETING, is_marketing
from tactful_console.terminal import quoted


def fix(reason: Reason, *, customer: str, rule: str, channel: str, purpose: str) -> str | None:
    """A command for a shell, or a setting to change; None if it would be wrong, or if waiting mends it."""
    match reason:
        case Reason.NO_CONSENT:
            wanted = MARKETING if is_marketing(purpose) else purpose
            return (
                f"tactful consent grant {quoted(customer)} {quoted(wanted)}"
                f" --channel {quoted(channel)} --source signup-form"
            )
        case Reason.STOPPED:
            return "tactful resume"
        case Reason.TEMPLATE_ERROR:
            return "tactful templates lint"
        case Reason.SHADOW:
            return f"tactful rules rollout {quoted(rule)} 100%"
        case Reason.NOT_ALLOWED:
            return "settings.toml, under [sending]: add the address to allow"
        case _:
            return None
