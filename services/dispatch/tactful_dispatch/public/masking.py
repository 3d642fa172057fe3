"""Addresses as the page shows them: enough to recognise one's own, too little for whoever was sent the link. Pure."""

from __future__ import annotations

from typing import Final

_DOTS: Final = "•••"
_WRITTEN: Final = frozenset({"sms", "whatsapp", "viber", "call"})  # reached by a phone number


def masked(channel: str, address: str, device: str) -> str:
    """`u•••@example.test`, `+34 ••• 67`; whatever is not written by people (tokens, ids) is called `device`."""
    if not address:
        return ""
    if channel == "email":
        local, _, domain = address.rpartition("@")
        return f"{local[:1]}{_DOTS}@{domain}"
    if channel in _WRITTEN:
        return f"{address[:3]} {_DOTS} {address[-2:]}" if len(address) > 7 else _DOTS
    return device
