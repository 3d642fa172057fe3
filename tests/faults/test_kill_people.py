"""kill -9 while somebody is recognised, is texted, says STOP, is erased: it all happens once, and nobody comes back."""

from __future__ import annotations

from pathlib import Path

import pytest
from killing import Ledgers, check, play_and_kill, play_to_the_end, traces
from kills import PEOPLE, Kill

PLAY = "people"
ERASED = ("joe", "kim")


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Ledgers:
    """What happens when nobody is killed."""
    return play_to_the_end(PLAY, tmp_path_factory.mktemp("calm"))


def test_a_calm_play_keeps_the_promises_itself(calm: Ledgers) -> None:
    check(calm, calm, in_the_dark=False)
    told = sorted((line["customer"], line["channel"]) for line in calm.provider)
    assert told == [("gil", "sms"), ("hal", "webhook"), ("ivy", "email"), ("kim", "email")]
    assert "receipt" in calm.effects("gil")
    assert calm.carts["ivy"] == [["kettle", 1]]
    assert "adopted" in calm.effects("ivy")


@pytest.mark.parametrize(
    "kill", [pytest.param(kill, marks=[pytest.mark.long] if kill.long else []) for kill in PEOPLE], ids=str
)
def test_nobody_is_lost_doubled_written_to_twice_or_brought_back(tmp_path: Path, calm: Ledgers, kill: Kill) -> None:
    play_and_kill(PLAY, tmp_path, kill.point, kill.nth, "--during", kill.act)
    after = play_to_the_end(PLAY, tmp_path)
    check(after, calm, in_the_dark=kill.unknown, repeated="webhook")
    for customer in ERASED:
        assert after.report["customers"][customer] == {"cart": [], "runs": 0, "history": []}
        assert traces(tmp_path / "data" / "dev.db", f"{customer}@example.test") == []
