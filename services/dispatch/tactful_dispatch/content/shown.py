"""What a template may see beside its data: the links that it can name, and the shop. Pure."""

from __future__ import annotations

from typing import Final

from tactful.settings import Shop
from tactful_dispatch.questions import ANSWERS

# What templates call a link: the action that it allows, and which answer it gives.
LINKS: Final[dict[str, tuple[str, int]]] = {
    "preferences": ("preferences", 0),
    "mute_rule": ("mute", 0),
    "pause": ("pause", 0),
    "unsubscribe": ("unsubscribe", 0),
    "cart": ("cart", 0),
    "about": ("about", 0),
    "confirm": ("confirm", 0),
    **{answer: ("answer", place) for place, answer in enumerate(ANSWERS)},
}


def shown_of(shop: Shop) -> dict[str, str]:
    """What templates may see of the shop's settings."""
    names = ("name", "sender", "reply_to", "postal_address", "currency", "url", "public_url")
    return {name: getattr(shop, name) for name in names}
