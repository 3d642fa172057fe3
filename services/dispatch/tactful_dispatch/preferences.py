"""What a customer may choose beside consent, each with its values."""

from __future__ import annotations

from typing import Final

PREFERENCES: Final = {
    "hours": ("", "09:00-12:00", "12:00-17:00", "17:00-21:00"),
    "at_most_days": ("0", "7", "30"),
    "personalisation": ("full", "none"),
}
