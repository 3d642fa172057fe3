"""A list of another sender becomes records in the log."""

from __future__ import annotations

import pytest
from dispatchbench import DispatchBench
from enginebench import drive

from tactful.clock import DAY
from tactful.records import DISPATCH, decode_dispatch
from tactful_workbench.operating.suppressions import Suppressions
from tactful_workbench.operating.wishes import ListedAddress


@pytest.fixture
def bench() -> DispatchBench:
    return DispatchBench(partitions=4)


def told(bench: DispatchBench, said_at: int = 0, *, dry_run: bool = False) -> int:
    """Of how many it is news."""
    listed = ListedAddress(channel="email", address="u1@example.test", reason="unsubscribed", said_at=said_at)
    new: int = drive(Suppressions(bench.log, bench.store, bench.book, bench.clock).take("mailchimp", [listed], dry_run))
    bench.advance("1d")
    return new


def test_what_the_list_never_said_is_not_taken_back(bench: DispatchBench) -> None:
    listed = [ListedAddress(channel="email", address="u1@example.test", reason="unsubscribed")]
    lists = Suppressions(bench.log, bench.store, bench.book, bench.clock)
    told(bench)
    taken = [drive(lists.take_back(source, listed, dry)) for source, dry in [("klaviyo", False), ("mailchimp", True)]]
    assert taken == [0, 1]
    assert drive(lists.take_back("mailchimp", listed, False)) == 1
    [*_, last] = [
        stored
        for each in range(4)
        for stored in drive(bench.log.read(DISPATCH, each, 0, 99))
        if b"suppress" in stored.value
    ]
    assert decode_dispatch(last.value).v == 3, "programs before must not pass over it"
    bench.consenting()
    bench.asks()
    assert (bench.words, drive(lists.take_back("mailchimp", listed, False))) == (["sent"], 0)


@pytest.mark.parametrize("days", [None, -9, 400], ids=["undated", "of last week", "of a day that is to come"])
def test_the_same_list_again_is_no_news_and_undoes_no_yes(bench: DispatchBench, days: int | None) -> None:
    said_at = 0 if days is None else bench.now + days * DAY
    assert [told(bench, said_at, dry_run=True), told(bench, said_at)] == [1, 1]
    bench.consenting()
    bench.advance("1d")
    assert told(bench, said_at) == 0
    bench.asks()
    assert bench.words == ["sent"]
