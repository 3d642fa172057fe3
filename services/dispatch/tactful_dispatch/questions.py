"""What our messages ask, and the answers there are. A link in a message carries the place of its answer: only append."""

from __future__ import annotations

from typing import Final

SETTLED: Final = "settled"
UNSETTLED: Final = "unsettled"
TOO_OFTEN: Final = "too_often"
HURTS: Final = ("delivery", "product", "service")  # with words of their own, these are complaints
REASONS: Final = ("too_expensive", *HURTS, "not_found", "no_need", TOO_OFTEN, "other")  # for staying away
ANSWERS: Final = (SETTLED, UNSETTLED, *REASONS)
MOST_WORDS: Final = 1000  # characters
