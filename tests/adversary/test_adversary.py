"""Frozen owners, skewed clocks, late outboxes, repeated relays, killed commits: every promise holds all the same.

One seed alone: `TACTFUL_ADVERSARY_SEED=17 pytest tests/adversary`. Many: `tests/support/adversary_promises.py 0 100000`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable

import pytest
from adversary import Play
from adversary_promises import played
from adversary_world import Trouble

from tactful.records import EVENTS

SEEDS, TOGETHER = 400, 40
ONE = os.environ.get("TACTFUL_ADVERSARY_SEED")
EVERY_TIME = 240  # seeds; `make long` plays the rest
CHAPTERS = [range(int(ONE), int(ONE) + 1)] if ONE else [range(n, n + TOGETHER) for n in range(0, SEEDS, TOGETHER)]


@pytest.mark.parametrize(
    "seeds",
    [pytest.param(seeds, marks=[pytest.mark.long] if seeds[0] >= EVERY_TIME and not ONE else []) for seeds in CHAPTERS],
    ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}",
)
async def test_whatever_the_adversary_does_every_promise_is_kept(
    seeds: range, record_property: Callable[[str, object], None]
) -> None:
    happened: Counter[str] = Counter()
    for seed in seeds:
        play = await played(seed)
        happened += play.happened
        happened["sent"] += len(play.provider.answers)
        happened["sending"] += len(play.dispatch.as_of)
    told = ", ".join(f"{times} x {what}" for what, times in sorted(happened.items()))
    record_property("counted", f"adversary, seeds {seeds[0]} to {seeds[-1]}: {told}")
    if len(seeds) > 1:
        for trouble in (Trouble.LOST, Trouble.REPLY_LOST):
            assert happened[trouble.value] > 10
        assert min(happened["frozen"], happened["fenced"], happened["sent"]) > 10
        assert happened["sending"] >= happened["sent"]  # or trouble does not find the attempts


async def test_a_seed_plays_the_same_again() -> None:
    plays = [Play(7), Play(7)]
    for play in plays:
        await play.run()
    first, second = [[await play.log.read(EVENTS, partition, 0, 10**9) for partition in (0, 1)] for play in plays]
    assert first == second
