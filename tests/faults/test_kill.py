"""kill -9 at every named point: nothing acknowledged is lost, nothing happens twice, nothing is sent twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from killing import Ledgers, check, cursors, play_and_kill, play_to_the_end

from tactful.crashpoints import POINTS

KILLS = (
    ("ingest: appended", 1),
    ("ingest: appended", 15),
    ("trigger: mid-slice", 20),
    ("trigger: before commit", 1),
    ("trigger: before commit", 21),
    ("trigger: after commit", 22),
    ("relay: appended", 1),
    ("relay: appended", 12),
    ("dispatch: sending", 1),
    ("dispatch: sending", 3),
    ("dispatch: answered", 2),
    ("dispatch: before decision", 1),
    ("dispatch: opt-out", 1),
    ("dispatch: opt-out", 2),
    ("store: migration", 7),
    ("store: migration", 16),
)
WHILE_TIME_IS_MOVED_ON = (
    ("trigger: before commit", 26),
    ("trigger: after commit", 27),
    ("dispatch: sending", 2),
    ("dispatch: before decision", 2),
)
IN_THE_DARK = ("dispatch: sending", "dispatch: answered", "dispatch: before decision")


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Ledgers:
    """What happens when nobody is killed."""
    return play_to_the_end(tmp_path_factory.mktemp("calm"))


def test_every_crash_point_is_struck_at_least_once() -> None:
    assert {point for point, _ in KILLS} == set(POINTS)


def test_a_calm_run_keeps_the_promises_itself(calm: Ledgers) -> None:
    check(calm, calm, in_the_dark=False)
    assert sorted(line["customer"] for line in calm.provider) == ["ann", "bob", "eve"]
    assert (len(calm.messages), calm.report["duplicates"]) == (5, 0)


@pytest.mark.parametrize(("point", "nth"), KILLS)
def test_a_server_that_is_killed_goes_on_as_if_nothing_had_happened(
    tmp_path: Path, calm: Ledgers, point: str, nth: int
) -> None:
    play_and_kill(tmp_path, point, nth)
    before = cursors(tmp_path)
    after = play_to_the_end(tmp_path)
    check(after, calm, in_the_dark=point in IN_THE_DARK)
    _cursors_only_rise(before, cursors(tmp_path))


@pytest.mark.parametrize(("point", "nth"), WHILE_TIME_IS_MOVED_ON)
def test_a_dev_server_that_is_killed_while_its_clock_is_moved_on_goes_on_too(
    tmp_path: Path, calm: Ledgers, point: str, nth: int
) -> None:
    play_and_kill(tmp_path, point, nth, "--virtual")
    before = cursors(tmp_path)
    after = play_to_the_end(tmp_path, "--virtual")
    check(after, calm, in_the_dark=point in IN_THE_DARK)
    _cursors_only_rise(before, cursors(tmp_path))


def test_killed_again_and_again_it_still_comes_to_its_end(tmp_path: Path, calm: Ledgers) -> None:
    for point in (
        "store: migration",
        "ingest: appended",
        "trigger: before commit",
        "relay: appended",
        "dispatch: opt-out",
    ):
        play_and_kill(tmp_path, point, 1)
    check(play_to_the_end(tmp_path), calm, in_the_dark=False)


def test_an_event_that_is_sent_again_after_a_lost_answer_is_recognised(tmp_path: Path) -> None:
    play_and_kill(tmp_path, "ingest: appended", 15)
    after = play_to_the_end(tmp_path)
    again = [event["id"] for event in after.report["events"]]
    assert len(again) == len(set(again)) + 1
    assert after.report["duplicates"] == 1


def _cursors_only_rise(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]]) -> None:
    for partition, (epoch, offset) in before.items():
        assert after[partition][0] > epoch
        assert after[partition][1] >= offset
