"""An erased customer is gone under every name, and does not come back by what is late."""

from __future__ import annotations

from typing import Any, Final

import pytest
from enginebench import GRAVES, EngineBench, drive, event_record
from msgspec.structs import replace

from tactful import Run, rule
from tactful.clock import HOUR, MINUTE
from tactful.events import ConsentChanged, Identify, OrderCompleted, ProductAdded
from tactful.log.partitioning import partition_of
from tactful.records import (
    EVENTS,
    CommandBody,
    CommandRecord,
    EraseBody,
    EraseRecord,
    LinkBody,
    LinkRecord,
    Origin,
    Record,
    encode,
)
from tactful_trigger.state.cursor import encode as encode_cursor

STRANGER = "anon:a1"
ADD = ProductAdded(product_id="p1")


@rule(on=ProductAdded, goal=OrderCompleted, purpose="marketing.test", uses=("cart",), version=1)
async def an_hour_later(run: Run, first: ProductAdded) -> None:
    await run.sleep("1h")
    await run.send("email", "hello")


def erase(bench: EngineBench, customer: str = "u1", at: int | None = None) -> None:
    body = EraseBody(bench.now if at is None else at)
    bench.append(EVENTS, EraseRecord(id=f"x-{customer}-{body.at}", key=customer, at=bench.now, body=body))


def append(bench: EngineBench, *records: Record) -> None:
    """All of them stand in the log before anybody reads one."""
    count = bench.log.partitions
    drive(bench.log.append(EVENTS, [(partition_of(record.key, count), encode(record)) for record in records]))
    bench.advance("1m")


def passed_on(bench: EngineBench) -> list[str]:
    return [record.key for record in bench.dispatch.records if isinstance(record, EraseRecord)]


@pytest.fixture(params=[1, 4])
def bench(request: pytest.FixtureRequest) -> EngineBench:
    bench = EngineBench(an_hour_later, partitions=request.param)
    bench.emits("u1", Identify(email="u1@example.test"), ADD)
    bench.advance("1m")
    return bench


def test_row_history_runs_and_timers_go(bench: EngineBench) -> None:
    erase(bench)
    bench.advance("2h")
    assert bench.row("u1") is None
    assert bench.history("u1") == []
    assert bench.messages == []
    assert passed_on(bench) == ["u1"]


def fetched(customer: str) -> str:
    return customer


@rule(on=ProductAdded, purpose="marketing.test", version=1)
async def looks_up(run: Run, first: ProductAdded) -> None:
    await run.step("look up", fetched, "u1")


def test_what_was_to_be_done_for_somebody_who_is_erased_in_the_same_slice_is_not() -> None:
    bench = EngineBench(looks_up)
    entries = [event_record(name, ADD, bench.now, name) for name in ("u1", "u2")]
    gone = EraseRecord(id="x", key="u1", at=bench.now, body=EraseBody(bench.now))
    drive(bench.log.append(EVENTS, [(0, encode(record)) for record in (*entries, gone)]))
    drive(bench.worker.run_once(0))
    assert [step.customer for step in drive(bench.store.steps(0, 8))] == ["u2"]


@rule(on=ProductAdded, purpose="marketing.test", uses=("profile",), version=1)
async def cannot_go_on(run: Run, first: ProductAdded) -> None:
    raise ValueError((await run.get("profile")).email)


def test_the_words_with_which_a_rule_failed_over_them_go_and_that_it_failed_stays() -> None:
    bench = EngineBench(cannot_go_on)
    bench.emits("u1", Identify(email="u1@example.test"), ADD)
    cursor = drive(bench.store.cursor(0))
    assert (cursor.failing["cannot_go_on"].times, "u1@" in cursor.failing["cannot_go_on"].why) == (1, True)
    erase(bench)
    cursor = drive(bench.store.cursor(0))
    assert (cursor.failing["cannot_go_on"].times, b"u1@" in encode_cursor(cursor)) == (1, False)


def test_others_of_the_same_partition_are_left_alone() -> None:
    bench = EngineBench(an_hour_later)
    bench.emits("u1", ADD)
    bench.emits("u2", ADD)
    erase(bench)
    bench.advance("2h")
    assert [message.customer for message in bench.messages] == ["u2"]


def test_every_name_of_the_person_goes_whichever_is_named() -> None:
    for named in ("u1", "u2", STRANGER):
        bench = EngineBench(an_hour_later, partitions=4)
        for customer in ("u1", "u2", STRANGER):
            bench.emits(customer, ADD)
        bench.link(STRANGER, "u2")
        bench.merge("u2", "u1")
        bench.advance("1m")
        erase(bench, named)
        assert [bench.row(customer) for customer in ("u1", "u2", STRANGER)] == [None, None, None]
        assert sorted(passed_on(bench)) == [STRANGER, "u1", "u2"]
        bench.advance("2h")
        assert bench.messages == []


@pytest.mark.parametrize("partitions", [1, 4])
@pytest.mark.parametrize("earlier", [STRANGER, "u2"])
def test_a_name_of_theirs_that_is_heard_of_after_the_erasure_goes_as_well(partitions: int, earlier: str) -> None:
    bench = EngineBench(an_hour_later, partitions=partitions)
    bench.emits(earlier, ADD)
    bench.emits("u1", ADD)
    bench.advance("1m")
    link = LinkRecord(id="l1", key=earlier, at=bench.now, body=LinkBody("u1"))
    gone = EraseRecord(id="x", key="u1", at=bench.now, body=EraseBody(bench.now + 1))
    append(bench, link, gone)
    bench.advance("2h")
    assert [bench.row(customer) for customer in ("u1", earlier)] == [None, None]
    assert (bench.history(earlier), set(passed_on(bench))) == ([], {earlier, "u1"})


@pytest.mark.parametrize("partitions", [1, 4])
def test_who_comes_back_before_their_earlier_names_have_heard_of_the_erasure_stays(partitions: int) -> None:
    bench = EngineBench(an_hour_later, partitions=partitions)
    bench.emits(STRANGER, ADD)
    bench.link(STRANGER, "u1")
    bench.advance("1m")
    gone = EraseRecord(id="x", key="u1", at=bench.now, body=EraseBody(bench.now - 1))
    append(bench, gone, back(bench.now, bench.now))
    bench.advance("1m")
    row = bench.row("u1")
    assert row is not None
    assert row.state("profile").email == "new@example.test"
    assert (bench.row(STRANGER), sorted(passed_on(bench))) == (None, [STRANGER, "u1"])


@pytest.mark.parametrize(
    "late",
    [
        {"event": ADD},
        {"event": OrderCompleted(order_id="o1")},
        {"event": Identify(email="u1@example.test"), "scope": "browser"},
        {"event": Identify(email="u1@example.test"), "ago": "5m"},
        {"event": Identify(email="u1@example.test"), "history": True},
        {"event": ConsentChanged(purpose="marketing", state="withdrawn"), "source": "dispatch"},
    ],
)
def test_a_late_event_brings_nobody_back(bench: EngineBench, late: dict[str, Any]) -> None:
    erase(bench)
    bench.advance("1m")
    more = {name: value for name, value in late.items() if name != "event"}
    bench.emits("u1", late["event"], **more)
    bench.advance("2h")
    assert bench.row("u1") is None
    assert bench.history("u1") == []
    assert bench.messages == []


@pytest.mark.parametrize(
    "news",
    [
        {"event": Identify(email="new@example.test")},
        {"event": ConsentChanged(purpose="marketing", state="granted"), "source": "dispatch", "scope": "system"},
        {  # imported, and said since
            "event": ConsentChanged(purpose="marketing", state="granted"),
            "source": "dispatch",
            "scope": "system",
            "history": True,
        },
    ],
)
def test_a_registration_by_the_shop_or_a_new_consent_begins_anew_with_nothing_of_before(
    bench: EngineBench, news: dict[str, Any]
) -> None:
    erase(bench)
    bench.advance("1m")
    more = {name: value for name, value in news.items() if name != "event"}
    bench.emits("u1", news["event"], **more)
    bench.emits("u1", ADD)
    bench.advance("2h")
    row = bench.row("u1")
    assert row is not None
    assert len(row.state("cart").items) == 1
    assert len(bench.messages) == 1


def test_a_link_brings_nobody_back(bench: EngineBench) -> None:
    erase(bench)
    bench.advance("1m")
    bench.emits(STRANGER, ADD)
    bench.link(STRANGER, "u1")
    bench.advance("2h")
    assert bench.row("u1") is None
    assert bench.messages == []


def merges_after_an_erasure(bench: EngineBench, pair: tuple[str, str]) -> None:
    bench.emits("u2", ADD)
    erase(bench)
    bench.advance("1m")
    bench.merge(*pair)


BOTH_WAYS: Final = pytest.mark.parametrize("pair", [("u1", "u2"), ("u2", "u1")])


@BOTH_WAYS
def test_a_merge_brings_nobody_back_and_ends_nobody_in_a_grave(bench: EngineBench, pair: tuple[str, str]) -> None:
    merges_after_an_erasure(bench, pair)
    bench.advance("2h")
    row = bench.row("u2")
    assert row is not None
    assert (row.linked_to, bench.row("u1"), passed_on(bench)) == ("", None, ["u1"])
    assert [message.customer for message in bench.messages] == ["u2"]


@BOTH_WAYS
def test_who_registers_anew_may_be_merged_again(bench: EngineBench, pair: tuple[str, str]) -> None:
    merges_after_an_erasure(bench, pair)
    bench.emits("u1", Identify(email="new@example.test"))
    bench.merge(*pair)
    bench.advance("2h")
    assert [message.customer for message in bench.messages] == ["u1"]


def test_who_is_erased_between_a_merge_and_its_end_is_erased_under_both_names(bench: EngineBench) -> None:
    bench.emits("u1", ADD)
    bench.emits("u2", ADD)
    erase(bench)
    append(bench, LinkRecord(id="agreed", key="u2", at=bench.now, body=LinkBody("u1")))  # before it was erased
    bench.advance("2h")
    assert (bench.row("u1"), bench.row("u2"), passed_on(bench)) == (None, None, ["u1", "u2"])
    assert bench.messages == []


@BOTH_WAYS
def test_a_merge_brings_no_larger_id_back_either_whichever_is_named_first(
    bench: EngineBench, pair: tuple[str, str]
) -> None:
    bench.emits("u2", Identify(email="u2@example.test"))
    erase(bench, "u2")
    bench.advance("3h")
    bench.merge(*pair)
    asked = len(bench.messages)
    bench.emits("u2", ADD)
    bench.advance("2h")
    assert bench.row("u2") is None
    assert len(bench.messages) == asked


def test_of_a_visitor_who_says_that_they_are_somebody_erased_nothing_is_kept(bench: EngineBench) -> None:
    """They have no name by which whoever registers anew could have it erased."""
    erase(bench)
    bench.advance("1m")
    bench.emits(STRANGER, ADD)
    bench.link(STRANGER, "u1")
    bench.advance("1m")
    assert (bench.row(STRANGER), bench.history(STRANGER), passed_on(bench)) == (None, [], ["u1", STRANGER])
    bench.emits("u1", Identify(email="new@example.test"))
    bench.link(STRANGER, "u1")
    bench.emits(STRANGER, ADD)
    bench.advance("2h")
    assert [message.customer for message in bench.messages] == ["u1"]


def test_a_device_that_was_erased_with_its_owner_belongs_to_who_logs_in_next() -> None:
    bench = EngineBench(an_hour_later, partitions=4)
    bench.emits(STRANGER, ADD)
    bench.link(STRANGER, "u1")
    erase(bench)
    bench.advance("1m")
    bench.link(STRANGER, "u7")
    bench.emits(STRANGER, ADD)
    bench.advance("2h")
    assert [message.customer for message in bench.messages] == ["u7"]


def test_who_had_logged_in_before_a_device_was_erased_is_not_heard_of_late() -> None:
    bench = EngineBench(an_hour_later, partitions=4)
    bench.emits(STRANGER, ADD)
    bench.link(STRANGER, "u1")
    bench.advance("1h")
    erase(bench)
    append(bench, LinkRecord(id="late", key=STRANGER, at=bench.now - HOUR // 2, body=LinkBody("u7")))
    bench.emits(STRANGER, ADD)
    bench.advance("2h")
    assert [message.customer for message in bench.messages] == ["u1"]


def test_what_is_kept_of_the_name_is_a_keyed_hash(bench: EngineBench) -> None:
    erase(bench)
    graves = {grave for number in range(bench.log.partitions) for grave in bench.partition(number).graves}
    assert graves == {GRAVES.of("u1")}
    assert "u1" not in "".join(graves)


def test_an_erasure_is_remembered_by_the_next_owner(bench: EngineBench) -> None:
    erase(bench)
    bench.deploy(an_hour_later)
    bench.advance("1m")
    bench.emits("u1", ADD)
    bench.advance("2h")
    assert bench.messages == []


def test_an_erasure_that_is_told_twice_is_carried_out_once(bench: EngineBench) -> None:
    erase(bench, at=bench.now)
    erase(bench, at=bench.now)
    assert passed_on(bench) == ["u1"]


def erased_at(at: int) -> EraseRecord:
    return EraseRecord(id=f"x-{at}", key="u1", at=at, body=EraseBody(at))


def back(now: int, occurred: int) -> Record:
    return event_record("u1", Identify(email="new@example.test"), now, f"i{occurred}", occurred)


@pytest.mark.parametrize("again", [False, True], ids=["and stays", "and is erased once more"])
def test_who_is_erased_and_comes_back_in_one_slice_is_as_the_last_word_says(again: bool) -> None:
    bench = EngineBench(an_hour_later)
    bench.emits("u1", ADD)
    now = bench.now
    told = [erased_at(now - 9), back(now, now - 5), *([erased_at(now - 1)] if again else [])]
    drive(bench.log.append(EVENTS, [(0, encode(record)) for record in told]))
    bench.advance("1m")
    bench.deploy(an_hour_later)  # the next owner knows what was stored
    bench.emits("u1", ADD)
    bench.advance("2h")
    row = bench.row("u1")
    assert (row and row.state("profile").email) == (None if again else "new@example.test")
    assert len(bench.messages) == (0 if again else 1)


def test_nobody_is_enrolled_for_what_they_did_before_they_were_erased() -> None:
    bench = EngineBench(an_hour_later)
    bench.broadcast("Rule Drained", rule="an_hour_later")
    bench.emits("u1", ADD)
    bench.broadcast("Rule Resumed", rule="an_hour_later")
    bench.advance("1m")
    now, body = bench.now, CommandBody("enrol", "an_hour_later")
    told = [erased_at(now - 9), back(now, now - 5), CommandRecord(id="c", key="u1", at=now, body=body)]
    drive(bench.log.append(EVENTS, [(0, encode(record)) for record in told]))
    bench.advance("2h")
    assert (bench.messages, bench.endings("u1")) == ([], ["nothing to begin with"])


def test_who_is_erased_again_later_is_brought_back_by_nothing_from_before_that() -> None:
    bench = EngineBench(an_hour_later)
    bench.emits("u1", ADD)
    erase(bench)
    bench.advance("2h")
    erase(bench)
    bench.emits("u1", Identify(email="u1@example.test"), ago="1h")
    assert bench.row("u1") is None


def test_what_was_appended_before_and_forwarded_later_brings_nobody_back_though_its_door_s_clock_was_ahead() -> None:
    bench = EngineBench(an_hour_later)
    bench.emits("u1", ADD)
    appended, ahead = bench.now, bench.now + 10 * MINUTE
    bench.advance("1m")
    erase(bench)
    late = event_record("u1", Identify(email="u1@example.test"), appended, "late", ahead, scope="server")
    append(bench, replace(late, origin=Origin(EVENTS, 3, 1)))
    assert bench.row("u1") is None


@rule(on=ProductAdded, purpose="marketing.test", after=("pos",), version=1)
async def once_the_tills_have_told(run: Run, first: ProductAdded) -> None:
    await run.sleep("1h")


def test_that_somebody_waited_for_a_source_is_forgotten_with_their_name() -> None:
    bench = EngineBench(once_the_tills_have_told)
    bench.emits("u1", ADD)
    bench.emits(STRANGER, ADD)
    bench.advance("2h")
    assert bench.partition().cursor.late == {"u1", STRANGER}
    erase(bench)
    bench.link(STRANGER, "u2")
    assert bench.partition().cursor.late == {"u2"}


def test_a_grave_that_was_lost_with_a_store_is_told_to_all_partitions(bench: EngineBench) -> None:
    bench.broadcast("Customer Erased", grave=GRAVES.of("u9"), at=bench.now)
    bench.advance("1m")
    bench.deploy(an_hour_later)  # the next owner knows it too
    bench.emits("u9", ADD)
    bench.advance("2h")
    assert bench.row("u9") is None


def test_what_is_told_of_an_erasure_before_the_latest_one_is_no_news() -> None:
    bench = EngineBench(an_hour_later)
    bench.emits("u1", Identify(email="u1@example.test"))
    bench.advance("2h")
    erase(bench)
    bench.broadcast("Customer Erased", grave=GRAVES.of("u1"), at=bench.now - HOUR)
    bench.emits("u1", Identify(email="u1@example.test"), ago="30m")
    assert bench.row("u1") is None
