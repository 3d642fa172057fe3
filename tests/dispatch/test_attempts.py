"""Attempts: what the provider says, and what nobody can know."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeVar

import pytest
from dispatchbench import LIVE, DispatchBench
from enginebench import drive

from tactful.clock import HOUR, MINUTE, SECOND
from tactful.errors import StoreUnavailable
from tactful.log.broadcasting import broadcast
from tactful.records import DISPATCH, MessageRecord, SuppressBody, SuppressRecord, TickBody, TickRecord
from tactful_dispatch.channels import Accepted, Outcome, Rejected, Retry, Unknown
from tactful_dispatch.sending.attempt import MARGIN
from tactful_dispatch.state.rows import CustomerRow
from tactful_dispatch.store import Fence
from tactful_dispatch.store.memory import MemoryDispatchStore, MemoryWorkspace

T = TypeVar("T")


def test_a_provider_that_asks_for_patience_gets_it_and_the_attempt_does_not_count(bench: DispatchBench) -> None:
    bench.adapter.outcomes = [Retry(10 * MINUTE, "421", "busy")]
    bench.asks()
    assert bench.delivery().held_for == "provider"
    assert bench.row().contacts == []
    bench.advance("10m")
    assert bench.holds == ["m1 provider"]
    assert bench.words == ["sent"]


@pytest.mark.parametrize(
    ("channel", "address", "said", "kept"),
    [
        ("email", "uma@example.test", "2.0.0 принято \udccf\udcf0\r\n\x1b[31m id=1", "2.0.0 принято [31m id=1"),
        ("email", "uma@example.test", "ok <Uma@Example.test>: alias of (u.m@home.test)", "ok <…>: alias of (…)"),
        ("sms", "+34600111222", "The 'To' number +34600111222, or 34600111222", "The 'To' number …, or …"),
        ("push", "token-u1", "gone: TOKEN-U1", "gone: …"),
        ("email", "uma@example.test", "x" * 9999, "x" * 300),
    ],
)
@pytest.mark.parametrize(
    "outcome", [Accepted("p1"), Rejected("550"), Unknown("")], ids=lambda each: type(each).__name__
)
def test_what_a_provider_says_is_kept_in_letters_that_can_be_stored_and_without_the_address(
    bench: DispatchBench, outcome: Accepted | Rejected | Unknown, channel: str, address: str, said: str, kept: str
) -> None:
    bench.knows(addresses={channel: address})
    bench.adapter.outcomes = [replace(outcome, detail=said)]
    bench.asks(channel=channel)
    told = bench.decisions[0]
    assert bench.delivery().provider_detail.removeprefix("550 ") == kept
    assert address.lower() not in str(told).lower()


def test_nobody_reads_in_their_story_to_whom_a_silent_provider_was_to_deliver(bench: DispatchBench) -> None:
    bench.lags = [0.0, 0.0, 4.0] * 20
    bench.adapter.outcomes = [Retry(MINUTE, "450", "450 <uma@example.test>: come back later")] * 5
    for number in range(6):
        bench.consenting(f"c{number}")
        bench.asks(f"m{number}", f"c{number}")
    assert bench.delivery("m5").held_for == "provider"
    assert "uma@" not in str(bench.delivery("m5").gates)


@pytest.mark.parametrize(
    ("asked", "waits"),
    [(MINUTE, [1, 2, 4, 8, 15, 15]), (20 * MINUTE, [20, 20]), (5 * HOUR, [60])],
)
def test_a_provider_that_stays_busy_is_asked_more_and_more_seldom(
    bench: DispatchBench, asked: int, waits: list[int]
) -> None:
    tried: list[int] = []
    bench.adapter.meanwhile = lambda: tried.append(bench.now)
    bench.adapter.outcomes = [Retry(asked, "421", "busy") for _ in waits]
    bench.asks()
    bench.advance("3h")
    assert [round((later - earlier) / MINUTE) for earlier, later in pairwise(tried)] == waits
    assert bench.words == ["sent"]


def test_a_provider_that_is_busy_and_wants_to_be_asked_at_once_has_a_second_and_more(bench: DispatchBench) -> None:
    tried: list[int] = []
    bench.adapter.meanwhile = lambda: tried.append(bench.now)
    bench.adapter.outcomes = [Retry(0, "429", "busy") for _ in range(4)]
    bench.asks()
    bench.advance("1m")
    assert [round((later - earlier) / SECOND) for earlier, later in pairwise(tried)] == [1, 2, 4, 8]


def test_a_rejection_returns_its_contact_and_suppresses_the_address(bench: DispatchBench) -> None:
    bench.adapter.outcomes = [Rejected("5.1.1", "no such user", suppress=True)]
    bench.asks()
    bench.asks("m2")
    assert bench.decisions[0].detail == "5.1.1 no such user"
    assert [(d.reason, d.scope) for d in bench.decisions] == [
        ("rejected", "channel"),
        ("suppressed_address", "channel"),
    ]
    assert bench.row().contacts == []


def test_an_unknown_outcome_is_told_as_such_and_never_sent_again(bench: DispatchBench) -> None:
    bench.adapter.outcomes = [Unknown("silence after the final dot")]
    bench.asks()
    bench.advance("3d")
    (decision,) = bench.decisions
    assert (decision.verdict, decision.reason) == ("unknown", "outcome_unknown")
    assert bench.sent == ["m1"]


@pytest.mark.parametrize("more", [{}, {"repeats_allowed": True}])
def test_what_the_provider_reports_as_delivered_before_its_answer_is_lost_was_sent(
    bench: DispatchBench, more: dict[str, Any]
) -> None:
    bench.adapter.outcomes = [Unknown("reset")]
    bench.adapter.meanwhile = lambda: drive(bench.desk.receipt("m1", "Message Delivered", {}))
    bench.asks(**more)
    bench.advance("10m")
    assert (bench.words, bench.delivery().state, bench.sent) == (["sent"], "accepted", ["m1"])


@pytest.mark.parametrize(("name", "sent"), [("Message Delivered", ["m1"]), ("Message Bounced", ["m1", "m1"])])
def test_what_is_reported_as_delivered_while_it_waits_to_be_repeated_is_not_repeated(
    bench: DispatchBench, name: str, sent: list[str]
) -> None:
    bench.adapter.outcomes = [Unknown("reset")]
    bench.asks(repeats_allowed=True)
    drive(bench.desk.receipt("m1", name, {"hard": False}))
    bench.advance("10m")
    assert (bench.words, bench.sent) == (["sent"], sent)


def test_nor_if_that_is_reported_while_it_is_being_written_out_again() -> None:
    bench, store = written_out()
    bench.consenting()
    bench.adapter.outcomes = [Unknown("reset")]
    bench.asks(repeats_allowed=True)
    store.meanwhile = lambda: drive(bench.desk.receipt("m1", "Message Delivered", {}))
    bench.advance("10m")
    assert (bench.words, bench.sent) == (["sent"], ["m1"])


@pytest.mark.parametrize("outcome", [Retry(SECOND, "421", "busy"), Rejected("550", "no")])
def test_nor_if_that_is_reported_while_it_leaves_again_and_does_not_get_through(
    bench: DispatchBench, outcome: Outcome
) -> None:
    bench.adapter.outcomes = [Unknown("reset"), outcome]
    bench.asks(repeats_allowed=True)
    bench.adapter.meanwhile = lambda: drive(bench.desk.receipt("m1", "Message Delivered", {}))
    bench.advance("10m")
    assert (bench.words, bench.sent) == (["sent"], ["m1", "m1"])


def test_a_grant_that_comes_while_the_gates_are_being_asked_counts() -> None:
    bench, store = written_out()
    bench.knows()
    store.meanwhile = lambda: drive(bench.desk.consent("u1", "marketing", "email", "granted", via="page"))
    bench.asks()
    assert (bench.words, bench.sent) == (["sent"], ["m1"])


def test_where_the_provider_honours_our_id_an_unknown_outcome_is_tried_again() -> None:
    bench = DispatchBench(idempotent=True)
    bench.consenting()
    bench.adapter.outcomes = [Unknown("reset")]
    bench.asks()
    bench.advance("2m")
    assert bench.words == ["sent"]
    assert bench.sent == ["m1", "m1"]
    assert len(bench.row().contacts) == 1


def test_an_outcome_that_stays_unknown_is_tried_eight_times() -> None:
    bench = DispatchBench(idempotent=True)
    bench.consenting()
    bench.adapter.outcomes = [Unknown("reset")] * 20
    bench.asks()
    bench.advance("6h")
    assert (bench.words, bench.sent) == (["outcome_unknown"], ["m1"] * 8)


def test_what_is_on_its_way_has_as_long_as_its_provider_may_take(bench: DispatchBench) -> None:
    due: list[int | None] = []
    bench.adapter.meanwhile = lambda: due.append(bench.row().due)
    bench.asks()
    assert due == [bench.now + round(bench.adapter.capabilities.deadline * SECOND) + MARGIN]


def test_a_message_found_in_sending_after_a_restart_is_unknown(bench: DispatchBench) -> None:
    def leave(space: Any) -> None:
        delivery = space.customer("u1").deliveries["m1"]
        delivery.state, delivery.due = "sending", bench.now + MINUTE

    bench.advance("10h")
    bench.asks()
    drive(bench.store.transact(0, ["u1"], leave))
    bench.restart()
    bench.settle()
    assert bench.words == ["outcome_unknown"]
    assert bench.sent == []


def test_a_message_that_stands_in_sending_beyond_its_deadline_is_unknown_though_nobody_was_restarted(
    bench: DispatchBench,
) -> None:
    def leave(space: Any) -> None:
        delivery = space.customer("u1").deliveries["m1"]
        delivery.state, delivery.due = "sending", bench.now + MINUTE

    bench.asks(not_before=bench.now + HOUR)
    drive(bench.store.transact(0, ["u1"], leave))
    deadline = bench.now + MINUTE
    bench.clock.forward_to(bench.now + 2 * MINUTE)
    bench.append(TickRecord(id="t", key="", at=bench.now, body=TickBody()))
    drive(bench.worker.run_once(0))
    (decision,) = bench.decisions
    assert (decision.reason, decision.decided_at, bench.sent) == ("outcome_unknown", deadline, [])


def test_bytes_that_do_not_leave_within_five_seconds_stay_here(bench: DispatchBench) -> None:
    bench.lags = [0.0, 6.0]
    bench.asks(expires_at=bench.now + HOUR)
    assert bench.delivery().attempts == 2
    assert bench.sent == ["m1"]
    assert len(bench.row().contacts) == 1


def test_a_slow_start_takes_its_seconds_from_those_of_the_first_byte(bench: DispatchBench) -> None:
    bench.lags = [0.0, 3.0]
    bench.asks()
    assert (bench.sent, bench.adapter.openings) == (["m1"], [2.0])


def test_an_old_owner_can_neither_apply_nor_send(bench: DispatchBench) -> None:
    old = bench.worker
    bench.consenting("u2")
    bench.settle()
    bench.restart()
    drive(bench.worker.claim())
    for name, customer in (("m1", "u1"), ("m2", "u2")):
        bench.append(MessageRecord(id=name, key=customer, at=bench.now, body=bench.wish(name, customer)))
    drive(old.run_once(0))
    assert (old.owned, bench.row().deliveries) == ({}, {})
    drive(bench.worker.run_once(0))
    old.owned[0] = 1
    drive(old.attempt(0))
    assert (old.owned, bench.sent, bench.delivery().state) == ({}, [], "pending")


def test_an_opt_out_before_the_first_byte_of_a_slow_start_is_obeyed(bench: DispatchBench) -> None:
    """`sending` was committed, the process stood still, the opt-out committed: the gates run again."""

    def stand_still() -> float:
        drive(bench.desk.consent("u1", "marketing", "email", "withdrawn", via="one-click"))
        return 6.0

    bench.lags = [0.0, stand_still]
    bench.asks()
    assert (bench.words, bench.sent, bench.row().contacts) == (["withdrawn"], [], [])


def test_an_attempt_that_may_have_arrived_is_never_called_unsent() -> None:
    bench = DispatchBench(idempotent=True)
    bench.consenting()
    bench.adapter.outcomes = [Unknown("reset")]
    bench.asks()
    bench.cancels()
    (decision,) = bench.decisions
    assert (decision.verdict, decision.reason, decision.scope) == ("unknown", "outcome_unknown", None)
    assert len(bench.row().contacts) == 1


def test_what_may_have_arrived_when_its_provider_asked_for_patience_counts_and_is_never_called_unsent() -> None:
    bench = DispatchBench(idempotent=True)
    bench.consenting()
    bench.adapter.outcomes = [Retry(10 * MINUTE, "504", "HTTP 504", doubtful=True)]
    bench.asks()
    assert len(bench.row().contacts) == 1
    bench.grants(state="withdrawn")
    assert [(decision.verdict, decision.reason) for decision in bench.decisions] == [("unknown", "outcome_unknown")]


def test_what_was_granted_for_one_message_allows_no_other_while_that_one_may_have_arrived() -> None:
    bench = DispatchBench(idempotent=True, settings={**LIVE, "caps": {"budget": False}})
    bench.knows()
    bench.grants(once=True)
    bench.adapter.outcomes = [Unknown("reset")]
    bench.asks()
    bench.asks("m2", channel="push")
    bench.advance("2m")
    assert (bench.words, bench.sent) == (["no_consent", "sent"], ["m1", "m1"])


def test_an_adapter_that_raises_leaves_an_unknown_outcome(bench: DispatchBench) -> None:
    bench.adapter.outcomes = [ZeroDivisionError("division by zero")]
    bench.asks()
    (decision,) = bench.decisions
    assert (decision.verdict, decision.detail) == ("unknown", "scripted failed: ZeroDivisionError: division by zero")


def test_an_opt_out_that_comes_while_it_is_being_sent_ends_the_next_one(bench: DispatchBench) -> None:
    def meanwhile() -> None:
        drive(bench.desk.consent("u1", "marketing", "email", "withdrawn", via="one-click"))

    bench.adapter.meanwhile = meanwhile
    bench.asks()
    bench.asks("m2", channel="push")
    assert (bench.words, bench.sent) == (["sent", "withdrawn"], ["m1"])


def test_a_stop_that_comes_while_one_is_being_sent_keeps_the_next_one_of_the_same_customer(
    bench: DispatchBench,
) -> None:
    def meanwhile() -> None:
        drive(broadcast(bench.log, [DISPATCH], "stop", "Sending Stopped", b'{"by":"ops"}', bench.now))

    bench.adapter.meanwhile = meanwhile
    wishes = [bench.wish(name, purpose="service.order") for name in ("m1", "m2")]
    bench.append(*(MessageRecord(id=wish.message_id, key="u1", at=bench.now, body=wish) for wish in wishes))
    bench.settle()
    assert (bench.sent, bench.delivery("m2").held_for) == (["m1"], "stopped")


def test_an_answer_whose_recording_failed_is_not_forgotten_while_the_process_lives() -> None:
    store, bench = forgetful()
    bench.adapter.outcomes = [Rejected("550", "nobody here", suppress=True)]
    store.failing = 3  # the gates go well, what came of it does not
    with pytest.raises(StoreUnavailable):
        bench.asks()
    bench.settle()
    assert bench.words == ["rejected"]
    bench.asks("m2")
    assert bench.words[1:] == ["suppressed_address"]


def test_an_answer_that_is_known_counts_though_its_recording_failed_until_its_time_was_over() -> None:
    """The database is away for minutes, and the log goes on."""
    store, bench = forgetful()
    bench.adapter.outcomes = [Retry(MINUTE, "421", "busy")]
    store.failing = 3
    with pytest.raises(StoreUnavailable):
        bench.asks()
    bench.clock.forward_to(bench.now + 3 * MINUTE)
    bench.append(TickRecord(id="t", key="", at=bench.now, body=TickBody()))
    bench.advance("2m")
    assert (bench.words, bench.sent) == (["sent"], ["m1", "m1"])


def test_neither_a_tick_nor_a_listed_address_becomes_a_customer_while_an_answer_waits_to_be_recorded() -> None:
    store, bench = forgetful()
    store.failing = 3
    with pytest.raises(StoreUnavailable):
        bench.asks()
    listed = SuppressBody(channel="email", reason="bounced", source="mailchimp")
    bench.append(
        SuppressRecord(id="s", key="5f", at=bench.now, body=listed),
        TickRecord(id="t", key="", at=bench.now, body=TickBody()),
    )
    bench.settle()
    assert (bench.words, drive(store.everybody(0, "", 99))) == (["sent"], ["u1"])


def test_what_never_set_out_since_nobody_heard_that_it_might_is_no_unknown_outcome() -> None:
    store, bench = forgetful()
    store.deaf = 2
    with pytest.raises(StoreUnavailable):
        bench.asks()
    assert (bench.delivery().state, bench.sent) == ("sending", [])
    bench.settle()
    assert (bench.words, bench.sent) == (["sent"], ["m1"])
    assert len(bench.row().contacts) == 1


def test_it_does_not_set_out_once_it_was_cancelled() -> None:
    store, bench = forgetful()
    store.deaf = 2
    with pytest.raises(StoreUnavailable):
        bench.asks()
    bench.cancels()
    assert (bench.words, bench.sent) == (["cancelled"], [])


def test_what_another_owner_may_have_sent_meanwhile_stays_unknown() -> None:
    store, bench = forgetful()
    store.failing = 2  # this owner's gates
    with pytest.raises(StoreUnavailable):
        bench.asks()
    first = bench.worker
    drive(store.release(0, first.owned[0]))
    bench.restart(owner="another")
    store.failing = 2  # sent, and its answer is lost with its process
    with pytest.raises(StoreUnavailable):
        bench.settle()
    drive(store.release(0, bench.worker.owned[0]))
    for _ in range(2):
        drive(first.settle())
    assert [decision.verdict for decision in bench.decisions] == ["unknown"]
    assert bench.sent == ["m1"]


def test_nor_is_what_came_too_late_for_its_first_byte_and_could_not_be_taken_back() -> None:
    store, bench = forgetful()
    bench.lags, store.failing = [0.0, 6.0], 3
    with pytest.raises(StoreUnavailable):
        bench.asks()
    bench.settle()
    assert (bench.words, bench.sent) == (["sent"], ["m1"])


def test_an_answer_that_a_process_took_along_is_unknown() -> None:
    store, bench = forgetful()
    store.failing = 3
    with pytest.raises(StoreUnavailable):
        bench.asks()
    bench.restart()
    bench.settle()
    assert [decision.verdict for decision in bench.decisions] == ["unknown"]


def test_an_answer_to_an_earlier_attempt_says_nothing_of_a_later_one() -> None:
    """The first attempt's answer was recorded, and its process never heard that; another process then died while sending."""
    store, bench = forgetful()
    bench.adapter.outcomes = [Retry(10 * MINUTE, "421", "busy")]
    store.deaf = 3
    with pytest.raises(StoreUnavailable):
        bench.asks()
    first = bench.worker
    bench.settle()
    bench.restart()
    bench.adapter.meanwhile = lambda: setattr(store, "failing", 1)  # its answer is never recorded
    with pytest.raises(StoreUnavailable):
        bench.advance("20m")
    bench.adapter.meanwhile = lambda: None
    for _ in range(
        2
    ):  # notices that it has lost the partition, then claims it again and finds the message in `sending`
        drive(first.settle())
    assert [decision.verdict for decision in bench.decisions] == ["unknown"]
    assert bench.sent == ["m1", "m1"]


class ForgetfulStore(MemoryDispatchStore):
    """Fails at the n-th fenced transaction from now on, or loses the reply to it."""

    failing = deaf = 0

    async def transact(
        self,
        partition: int,
        customers: Collection[str],
        work: Callable[[MemoryWorkspace], T],
        *,
        fence: Fence | None = None,
        lease_until: int = 0,
    ) -> T:
        if fence is not None:
            self.failing, self.deaf = self.failing - 1, self.deaf - 1
            if self.failing == 0:
                raise StoreUnavailable("away")
        result = await super().transact(partition, customers, work, fence=fence, lease_until=lease_until)
        if fence is not None and self.deaf == 0:
            raise StoreUnavailable("nobody heard")
        return result


def forgetful() -> tuple[ForgetfulStore, DispatchBench]:
    """With a customer who consents."""
    store = ForgetfulStore(1, lambda: b"0" * 16)
    bench = DispatchBench(store=store)
    bench.consenting()
    return store, bench


def written_out() -> tuple[DispatchBench, WatchedStore]:
    store = WatchedStore(1, lambda: b"0" * 16)
    return DispatchBench(store=store), store


class WatchedStore(MemoryDispatchStore):
    """Something happens between the look at what may leave and the transaction in which it leaves."""

    meanwhile: Callable[[], None] | None = None

    async def customers(self, partition: int, customers: Collection[str]) -> dict[str, CustomerRow]:
        rows = await super().customers(partition, customers)
        if self.meanwhile is not None and any(row.waiting() for row in rows.values()):
            happens, self.meanwhile = self.meanwhile, None
            happens()
        return rows
