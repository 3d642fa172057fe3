"""What people call the moment to which they want the dev clock to go."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from tactful.clock import DAY, HOUR
from tactful.errors import InvalidInput
from tactful_workbench.advancing import moment_of

MADRID = ZoneInfo("Europe/Madrid")
THREE = 1_795_442_400_000  # Mon 23 Nov 2026 15:00 in Madrid


@pytest.mark.parametrize(
    ("text", "hours"),
    [("16:00", 1), ("today 16:00", 1), ("tomorrow 16:00", 25), ("09:00", 18), ("tomorrow 09:00", 18), ("15:00", 24)],
)
def test_a_moment_is_the_next_at_which_the_shop_s_clock_shows_it(text: str, hours: int) -> None:
    assert moment_of(text, THREE, MADRID) == THREE + hours * HOUR


@pytest.mark.parametrize("text", ["today 09:00", "today 15:00"])
def test_a_moment_of_today_that_is_over_is_no_moment_of_tomorrow(text: str) -> None:
    with pytest.raises(InvalidInput, match=f'"{text}" is over'):
        moment_of(text, THREE, MADRID)


@pytest.mark.parametrize("text", ["yesterday 09:00", "9:00", "25:00", "2026-11-24"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="is no moment"):
        moment_of(text, THREE, MADRID)


def test_tomorrow_is_the_next_day_whatever_the_hour() -> None:
    assert moment_of("tomorrow 15:00", THREE, MADRID) == THREE + DAY
