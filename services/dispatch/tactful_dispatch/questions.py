"""What our messages ask, and the answers there are. A link in a message carries the place of its answer: only append."""

from __future__ import annotations

from typing import Final

from tactful.answers import ENOUGH, HURTS, IN_A_MONTH, IN_A_WEEK, NO_LONGER, UNSETTLED

SETTLED: Final = "settled"
TOO_OFTEN: Final = "too_often"
NO_NEED: Final = "no_need"
REASONS: Final = ("too_expensive", *HURTS, "not_found", NO_NEED, TOO_OFTEN, "other")  # for staying away
ANSWERS: Final = (SETTLED, UNSETTLED, *REASONS, IN_A_WEEK, IN_A_MONTH, ENOUGH, NO_LONGER)
OWN_TICKET: Final = "survey-"  # begins the number of a complaint that an answer has opened, which nobody outside knows
MOST_WORDS: Final = 1000  # characters
