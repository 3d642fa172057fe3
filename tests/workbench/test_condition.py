"""What doctor says of the servers of many machines."""

from __future__ import annotations

from typing import Any

import pytest

from tactful.clock import DAY
from tactful.durations import milliseconds
from tactful.log.kafka import Shape, TopicState
from tactful.settings import LogSettings
from tactful_workbench.cluster.condition import topic_findings

PROMISED = milliseconds(LogSettings().retention)
MADE = {name: int(value) for name, value in Shape().configuration.items() if name.endswith(".ms")}


def state(
    name: str = "tactful-events",
    replication: int = 3,
    in_sync: int = 2,
    retention: int = MADE["retention.ms"],
    segment: int = MADE["segment.ms"],
    **more: Any,
) -> TopicState:
    return TopicState(name, 12, replication, in_sync, retention, segment, **more)


def warned(brokers: int, *states: TopicState) -> list[str]:
    return [finding.text for finding in topic_findings(brokers, states, PROMISED) if finding.level == "warn"]


def test_topics_as_setup_makes_them_are_fine() -> None:
    assert [finding.level for finding in topic_findings(3, [state()] * 3, PROMISED)] == ["ok"]


@pytest.mark.parametrize(
    ("brokers", "other", "words"),
    [
        (3, state("tactful-dispatch", replication=1, in_sync=1), "topic tactful-dispatch is on one broker"),
        (3, state("tactful-dispatch", in_sync=1), "is lost with its disk. Set min.insync.replicas=2"),
        (3, state("tactful-dispatch", replication=2, in_sync=1), "its disk. RF 3 with min.insync.replicas=2 keeps it"),
        (1, state("tactful-dispatch", replication=1, in_sync=1), "one broker: what it has acknowledged"),
    ],
)
def test_a_topic_that_keeps_less_than_it_should_is_named(brokers: int, other: TopicState, words: str) -> None:
    (told,) = warned(brokers, state(), other)
    assert words in told


def test_a_topic_that_would_not_last_an_outage_is_named() -> None:
    assert warned(3, state(retention=3 * DAY)) == [
        "topic tactful-events keeps 3.0 d; an outage longer than that loses events. Set retention.ms=2505600000"
    ]


@pytest.mark.parametrize(
    ("other", "level", "words"),
    [
        (state(headless=(0, 7)), "fail", "no broker leads partition 0, 7: nothing is taken or read there"),
        (state(refusing=(3,)), "fail", "fewer brokers than min.insync.replicas=2 have all of partition 3"),
        (state(unclean=True), "warn", "Set unclean.leader.election.enable=false"),
        (state(room=1_000_000), "warn", "keeps at most 1,000,000 bytes of a partition"),
    ],
)
def test_a_topic_that_takes_nothing_now_or_may_lose_what_it_took_is_named(
    other: TopicState, level: str, words: str
) -> None:
    [finding] = [finding for finding in topic_findings(3, [other], PROMISED) if finding.level != "ok"]
    assert (finding.level, words in finding.text) == (level, True)


@pytest.mark.parametrize(
    ("retention", "segment", "kept"),
    [(30 * DAY, 7 * DAY, "for 37.0 d"), (60 * DAY, DAY, "for 61.0 d"), (-1, DAY, "records for ever")],
)
def test_a_topic_that_keeps_erased_customers_longer_than_they_are_told_is_named(
    retention: int, segment: int, kept: str
) -> None:
    (told,) = warned(3, state(retention=retention, segment=segment))
    assert f"{kept} " in told.replace(",", " ")
    assert "whoever is erased is told 30.0 d" in told
