"""When to be reminded again: what a customer may answer to a message, and a rule hears in `Survey Answered`."""

from __future__ import annotations

from typing import Final

IN_A_WEEK: Final = "in_a_week"
IN_A_MONTH: Final = "in_a_month"
ENOUGH: Final = "enough"  # for this time
