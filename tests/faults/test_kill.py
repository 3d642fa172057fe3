"""kill -9 at every named point: nothing acknowledged is lost, nothing happens twice, nothing is sent twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from killing import Ledgers, check_carts, cursors, play_and_kill, play_to_the_end
from kills import PEOPLE, TWO_DAYS, WHILE_TIME_IS_MOVED_ON, Kill

from tactful.crashpoints import POINTS

PLAY = "two_days"


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Ledgers:
    """What happens when nobody is killed."""
    return play_to_the_end(PLAY, tmp_path_factory.mktemp("calm"))


def test_every_crash_point_is_struck_at_least_once() -> None:
    """Those of `tactful db move` in `test_moving`."""
    moving = {point for point in POINTS if point.startswith("move: ")}
    assert {kill.point for kill in (*TWO_DAYS, *PEOPLE)} == set(POINTS) - moving


def test_a_calm_run_keeps_the_promises_itself(calm: Ledgers) -> None:
    check_carts(calm, calm, in_the_dark=False)
    assert sorted(line["customer"] for line in calm.provider) == ["ann", "bob", "eve"]
    assert (len(calm.messages), calm.report["duplicates"]) == (5, 0)


@pytest.mark.parametrize("kill", TWO_DAYS, ids=str)
def test_a_server_that_is_killed_goes_on_as_if_nothing_had_happened(tmp_path: Path, calm: Ledgers, kill: Kill) -> None:
    play_and_kill(PLAY, tmp_path, kill.point, kill.nth)
    before = cursors(tmp_path)
    after = play_to_the_end(PLAY, tmp_path)
    check_carts(after, calm, in_the_dark=kill.unknown)
    _cursors_only_rise(before, cursors(tmp_path))


@pytest.mark.parametrize("kill", WHILE_TIME_IS_MOVED_ON, ids=str)
def test_a_dev_server_that_is_killed_while_its_clock_is_moved_on_goes_on_too(
    tmp_path: Path, calm: Ledgers, kill: Kill
) -> None:
    play_and_kill(PLAY, tmp_path, kill.point, kill.nth, "--virtual")
    before = cursors(tmp_path)
    after = play_to_the_end(PLAY, tmp_path, "--virtual")
    check_carts(after, calm, in_the_dark=kill.unknown)
    _cursors_only_rise(before, cursors(tmp_path))


def test_killed_again_and_again_it_still_comes_to_its_end(tmp_path: Path, calm: Ledgers) -> None:
    for point in (
        "store: migration",
        "ingest: appended",
        "trigger: before commit",
        "relay: appended",
        "dispatch: opt-out",
    ):
        play_and_kill(PLAY, tmp_path, point, 1)
    check_carts(play_to_the_end(PLAY, tmp_path), calm, in_the_dark=False)


def test_an_event_that_is_sent_again_after_a_lost_answer_is_recognised(tmp_path: Path) -> None:
    play_and_kill(PLAY, tmp_path, "ingest: appended", 15)
    after = play_to_the_end(PLAY, tmp_path)
    again = [event["id"] for event in after.report["events"]]
    assert len(again) == len(set(again)) + 1
    assert after.report["duplicates"] == 1


def _cursors_only_rise(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]]) -> None:
    for partition, (epoch, offset) in before.items():
        assert after[partition][0] > epoch
        assert after[partition][1] >= offset
