"""Consent as it passes the door: a grant or withdrawal by a server key, and contexts that forbid to store anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tactful.channels import known_channel
from tactful.errors import InvalidInput
from tactful.events.reading import Unreadable, truth
from tactful.purposes import known_purpose
from tactful.records import ConsentBody

NAME: Final = "Consent Changed"
_STATES: Final = ("granted", "withdrawn", "requested")
_BASES: Final = ("consent", "soft_opt_in")


def consent_body(properties: Mapping[str, Any], source: str, occurred_at: int, *, history: bool = False) -> ConsentBody:
    """What the ledger is asked to note. No channel means every channel. What only a grant has (`basis`, `once`) refuses no
    withdrawal. Raises InvalidInput with the field.

    `source` among the properties is where the customer said so; the body's source is the key that posted it.
    """
    purpose = known_purpose(_text(properties, "purpose"), "properties.purpose")
    channel = known_channel(_text(properties, "channel"), "properties.channel")
    state = _one_of(properties, "state", _STATES, "")
    return ConsentBody(
        source=source,
        purpose=purpose,
        channel=channel,
        state=state,
        once=state == "granted" and _truth(properties, "once"),
        basis=_basis(properties, state),
        wording=_text(properties, "wording"),
        via=_text(properties, "via") or _text(properties, "source"),
        occurred_at=occurred_at,
        proof=_proof(properties.get("proof")),
        history=history,
    )


def denies_storage(context: Mapping[str, Any]) -> bool:
    """Whether every category of `context.consent.categoryPreferences` is refused.

    Shape: https://segment.com/docs/privacy/consent-management/ ; no categories say nothing.
    """
    consent = context.get("consent")
    categories = consent.get("categoryPreferences") if isinstance(consent, dict) else None
    return isinstance(categories, dict) and bool(categories) and all(value is False for value in categories.values())


def _one_of(properties: Mapping[str, Any], name: str, allowed: tuple[str, ...], default: str) -> str:
    value = _text(properties, name) or default
    if value not in allowed:
        raise InvalidInput("wrong_value", f"{name} is one of {', '.join(allowed)}", f"properties.{name}")
    return value


def _basis(properties: Mapping[str, Any], state: str) -> str:
    if state == "withdrawn" and properties.get("basis") not in _BASES:
        return "consent"
    return _one_of(properties, "basis", _BASES, "consent")


def _text(properties: Mapping[str, Any], name: str) -> str:
    value = properties.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidInput("wrong_type", f"{name} is a string", f"properties.{name}")
    return value or ""


def _truth(properties: Mapping[str, Any], name: str) -> bool:
    value = properties.get(name)
    try:
        return value is not None and truth(value, "")
    except Unreadable as unreadable:
        raise unreadable.under(f"properties.{name}").told() from None


def _proof(value: Any) -> dict[str, Any]:
    if value is not None and not isinstance(value, dict):
        raise InvalidInput("wrong_type", "proof is an object", "properties.proof")
    return value or {}
