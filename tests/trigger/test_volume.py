"""How many people a rule writes to a day, what a roll-out may expect, and when a share on trial has become a flood."""

from __future__ import annotations

import pytest
from enginebench import Decide, EngineBench, drive, refused
from hypothesis import given
from hypothesis import strategies as st

from tactful import Run, rule
from tactful.clock import DAY
from tactful.events import ProductAdded
from tactful.settings import Guard as Limits
from tactful.settings import Settings
from tactful_trigger.guarding import Guard
from tactful_trigger.state.volume import WEEK, Forecast, Volume, added, flood, foresee

ADD = ProductAdded(cart_id="c1", product_id="p1")
NOON = DAY // 2


@rule(on=ProductAdded, purpose="marketing.test", version=1)
async def reminder(run: Run, first: ProductAdded) -> None:
    await run.send("email", "cart")


def week(*busy: int, first: int = 100) -> list[Volume]:
    """A day on which the rule began, and the days after it."""
    return [Volume(first), *(Volume(first + 1 + number, withheld=count) for number, count in enumerate(busy))]


# -- counting


@pytest.mark.parametrize(
    ("verdict", "counted"),
    [
        (refused("shadow"), (0, 1)),
        (refused("not_allowed"), (0, 1)),
        (refused("holdout"), (0, 0)),
        (refused("no_consent"), (0, 0)),
        (refused("budget"), (0, 0)),
    ],
)
def test_only_what_stood_in_shadow_was_withheld(verdict: Decide, counted: tuple[int, int]) -> None:
    bench = EngineBench(reminder, decide=verdict)
    bench.emits("u1", ADD)
    bench.advance("2d")
    volumes = bench.partition().cursor.volumes.get("reminder", [])
    assert (sum(v.wrote for v in volumes), sum(v.withheld for v in volumes)) == counted


def test_a_contact_counts_on_the_day_on_which_it_was_made() -> None:
    bench = EngineBench(reminder)
    bench.emits("u1", ADD)
    bench.advance("1d")
    bench.emits("u2", ADD)
    bench.emits("u3", ADD)
    today = bench.now // DAY
    assert bench.partition().cursor.volumes["reminder"] == [Volume(today - 1, wrote=1), Volume(today, wrote=2)]


@given(st.lists(st.integers(0, 40), max_size=60))
def test_little_is_kept_and_nothing_that_a_forecast_needs_is_lost(days: list[int]) -> None:
    kept: list[Volume] = []
    for day in sorted(days):
        kept = added(kept, Volume(day, withheld=1))
    assert len(kept) <= WEEK + 2
    everything = [Volume(day, withheld=days.count(day)) for day in sorted(set(days))]
    now = (max(days, default=0)) * DAY + NOON
    assert foresee([kept], now) == foresee([everything], now)


# -- what a roll-out may expect


def test_a_forecast_looks_back_on_complete_days() -> None:
    assert foresee([], 108 * DAY) is None
    assert foresee([week()], 100 * DAY + NOON) is None, "the day on which it began is no whole one"
    assert foresee([week()], 101 * DAY + NOON) is None, "nor is today"
    assert foresee([week(4, 1, 90)], 103 * DAY) == Forecast(2, 5, 4)
    assert foresee([week(9, 1, 1, 1, 1, 1, 1, 3, 90)], 109 * DAY + NOON) == Forecast(WEEK, 9, 3)
    assert foresee([week(4), week(0, 6, first=98)], 102 * DAY) == Forecast(3, 10, 6), "since any of them began"


def test_a_rule_that_seldom_has_something_to_say_is_known_by_its_silence() -> None:
    assert foresee([[Volume(3, wrote=1), Volume(104, withheld=7)]], 108 * DAY) == Forecast(WEEK, 7, 7)


# -- when it is too much


@pytest.mark.parametrize(
    ("today", "share", "more", "pauses"),
    [
        (Volume(108, wrote=151), 0.5, {}, True),
        (Volume(108, wrote=150), 0.5, {}, False),
        (Volume(108, wrote=151, withheld=900), 0.5, {}, True),
        (Volume(108, wrote=151), 1.0, {}, False),
        (Volume(108, wrote=151, enrolled=1), 0.5, {}, False),
        (Volume(108, wrote=49), 0.01, {}, False),
        (Volume(108, wrote=50), 0.01, {}, True),
        (Volume(108, wrote=900), 0.5, {"volume": 0}, False),
        (Volume(107, wrote=900), 0.5, {}, False),
    ],
)
def test_far_more_than_the_weeks_busiest_day_is_a_flood(
    today: Volume, share: float, more: dict[str, float], pauses: bool
) -> None:
    known = [volume for volume in week(90, 10, 100, 90, 80, 10, 90) if volume.day != today.day]
    why = flood([known, [today]], share, 108 * DAY + NOON, Limits.model_validate(more))
    assert bool(why) == pauses


def test_less_than_a_week_tells_nothing() -> None:
    assert flood([week(1, 1, 1, 1, 1, 1), [Volume(107, wrote=900)]], 0.5, 107 * DAY, Limits()) == ""


def seen_for_a_week(rollout: float) -> tuple[EngineBench, Guard]:
    """The rule has written to one person a day."""
    bench = EngineBench(reminder)
    settings = Settings.model_validate({"rules": {"reminder": {"mode": "live", "rollout": rollout}}})
    bench.broadcast("Settings Changed", **settings.model_dump(mode="json"))
    for number in range(9):
        bench.emits(f"early{number}", ADD)
        bench.advance("1d")
    return bench, Guard(bench.log, bench.store, bench.clock)


def flooded(bench: EngineBench, name: str) -> None:
    for number in range(60):
        bench.emits(f"{name}{number}", ADD)


def test_a_rule_on_trial_that_floods_people_takes_itself_back() -> None:
    bench, guard = seen_for_a_week(0.5)
    flooded(bench, "u")
    why = "wrote to 60 people today, where 1 a day were the most that was foreseen"
    assert drive(guard.look()) == {"reminder": why}
    bench.advance("1m")
    assert bench.partition().cursor.paused_why == {"reminder": why}
    bench.broadcast("Rule Resumed", rule="reminder")
    flooded(bench, "v")
    bench.advance("1m")
    assert drive(guard.look()) == {}, "an operator let it go on, and what had waited comes at once"
    bench.advance("2d")
    flooded(bench, "w")
    assert drive(guard.look()) == {}, "sixty a day have become usual"


def test_a_rule_that_is_live_for_everybody_is_trusted() -> None:
    bench, guard = seen_for_a_week(1.0)
    flooded(bench, "u")
    assert drive(guard.look()) == {}
