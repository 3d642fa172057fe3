"""What a customer may answer to a message, as far as rules hear of it in `Survey Answered`."""

from __future__ import annotations

from typing import Final

IN_A_WEEK: Final = "in_a_week"
IN_A_MONTH: Final = "in_a_month"
ENOUGH: Final = "enough"  # for this time
NO_LONGER: Final = "no_longer"
UNSETTLED: Final = "unsettled"  # opens the complaint again
HURTS: Final = ("delivery", "product", "service")  # with words of their own, these are complaints
COMPLAINTS: Final = (UNSETTLED, *HURTS)
