"""What doctor says of the servers of many machines."""

from __future__ import annotations

import pytest

from tactful.clock import DAY
from tactful.log.kafka import TopicState
from tactful_workbench.cluster.condition import topic_findings


def state(name: str = "tactful-events", replication: int = 3, in_sync: int = 2, days: int = 30) -> TopicState:
    return TopicState(name, 12, replication, in_sync, days * DAY)


def test_topics_as_they_are_made_are_fine() -> None:
    assert [finding.level for finding in topic_findings(3, [state()] * 3)] == ["ok"]


@pytest.mark.parametrize(
    ("brokers", "other", "words"),
    [
        (3, state("tactful-dispatch", replication=1, in_sync=1), "topic tactful-dispatch is on one broker"),
        (3, state("tactful-dispatch", in_sync=1), "topic tactful-dispatch: one broker alone acknowledges"),
        (3, state("tactful-dispatch", days=1), "topic tactful-dispatch keeps 1.0 d"),
        (1, state("tactful-dispatch", replication=1, in_sync=1), "one broker: what it has acknowledged"),
    ],
)
def test_a_topic_that_keeps_less_than_it_should_is_named(brokers: int, other: TopicState, words: str) -> None:
    warned = [finding for finding in topic_findings(brokers, [state(), other]) if finding.level == "warn"]
    assert [finding.text.startswith(words) for finding in warned] == [True]
