"""Random scripts of wishes, messages, time and trouble: whatever happens, some things never do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from dispatchbench import LIVE, DispatchBench
from enginebench import drive
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tactful import crashpoints
from tactful.clock import HOUR, MINUTE, SECOND
from tactful.events import MessageDecided
from tactful.identity import fraction
from tactful.records import Rest
from tactful_dispatch.channels import Accepted, Outcome, Rejected, Retry, Unknown
from tactful_dispatch.gates.standing import STILL_STOPPED
from tactful_dispatch.state.ledger import broken_at

CUSTOMERS = ["u1", "u2", "u3"]
OFTEN: dict[str, Any] = {**LIVE, "caps": {"weekly": {"new": 2}, "email_gap": "1h", "push_gap": "1h", "sms_gap": "1h"}}
SHOPS: dict[str, dict[str, Any]] = {
    "live": OFTEN,
    "shadow": {**OFTEN, "rules": {"cart": {"mode": "shadow"}}},
    "evening": {**OFTEN, "hours": {"marketing": "17:00-20:00"}},
}
customers = st.sampled_from(CUSTOMERS)
wishes = st.sampled_from(["withdraw", "post_withdrawal", "grant", "mute", "unmute", "pause", "resume", "stop_all"])
steps = st.one_of(
    st.tuples(
        st.just("ask"),
        customers,
        st.sampled_from(["email", "push", "sms"]),
        st.integers(0, 3),
        st.sampled_from([None, 1, 30]),
    ),
    st.tuples(wishes, customers),
    st.tuples(st.just("cancel"), st.integers(0, 12)),
    st.tuples(st.just("again"), st.integers(0, 12)),
    st.tuples(st.just("advance"), st.sampled_from([1, 20, 90, 60 * 7, 60 * 26])),
    st.tuples(st.sampled_from(["stop", "go", "deaf", "hears", "restart"])),
    st.tuples(
        st.just("turns"), customers, st.sampled_from(["plain", "upset", "busy", "resting", "flagged", "elsewhere"])
    ),
    st.tuples(st.just("hours"), customers, st.sampled_from(["", "17:00-21:00"])),
    st.tuples(st.just("seldom"), customers, st.sampled_from(["0", "7"])),
    st.tuples(st.just("shop"), st.sampled_from(["live", "shadow", "evening"])),
)
Step = tuple[Any, ...]
scripts = st.lists(steps, max_size=30)


seeds = st.integers(0, 99)


def outcome_of(seed: int, message_id: str, nth: int) -> Outcome:
    """What the provider says to the n-th attempt: the same in every run."""
    drawn = fraction("outcome", str(seed), message_id, str(nth))
    if drawn < 0.15:
        return Retry(7 * MINUTE, "busy")
    if drawn < 0.25:
        return Rejected("550", "no", suppress=drawn < 0.2)
    return Unknown("silence") if drawn < 0.55 else Accepted(message_id)


class Play:
    """Plays a script, and watches the provider's side of it."""

    def __init__(self, seed: int = 0, *, idempotent: bool = False, **more: Any) -> None:
        self.bench = DispatchBench(settings=SHOPS["live"], idempotent=idempotent, **more)
        self.seed = seed
        self.withdrawn: set[str] = set()
        self.unwanted: list[str] = []  # messages that left after a committed opt-out
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.attempts: Counter[str] = Counter()
        self.bench.adapter.meanwhile = self._on_its_way
        for customer in CUSTOMERS:
            self.bench.grants(customer)
            self._turns(customer, "plain")
        self.bench.advance("1s")

    def _on_its_way(self) -> None:
        envelope = self.bench.adapter.sent[-1]
        if envelope.customer in self.withdrawn:
            self.unwanted.append(envelope.message_id)
        self.attempts[envelope.message_id] += 1
        self.bench.adapter.outcomes = [self.outcomes(envelope.message_id)[-1]]

    def outcomes(self, message_id: str) -> list[Outcome]:
        """What the provider said to each attempt."""
        return [outcome_of(self.seed, message_id, nth) for nth in range(1, self.attempts[message_id] + 1)]

    def may_have_arrived(self) -> set[str]:
        """Messages of which an attempt was accepted, or may have been."""
        return {
            message_id
            for message_id in self.attempts
            if any(isinstance(outcome, Accepted | Unknown) for outcome in self.outcomes(message_id))
        }

    def through(self, script: list[Step]) -> list[MessageDecided]:
        for step in script:
            self.step(step)
        return self.end()

    def step(self, step: Step) -> None:
        name, *rest = step
        getattr(self, f"_{name}")(*rest)
        self.bench.settle()

    def end(self) -> list[MessageDecided]:
        """Everything that was asked for has expired by now."""
        self.bench.advance("9d")
        return self.bench.decisions

    def _ask(self, customer: str, channel: str, priority: int, hours: int | None) -> None:
        message_id, bench = f"m{len(self.asked)}", self.bench
        not_before = None if hours is None else bench.now + hours * HOUR
        more = {"channel": channel, "priority": priority, "not_before": not_before}
        self.asked.append((message_id, customer, more | {"expires_at": bench.now + 33 * HOUR}))
        bench.asks(message_id, customer, **self.asked[-1][2])

    def _again(self, number: int) -> None:
        if number < len(self.asked):
            message_id, customer, more = self.asked[number]
            self.bench.asks(message_id, customer, **more)

    def _cancel(self, number: int) -> None:
        if number < len(self.asked):
            self.bench.cancels(self.asked[number][0], self.asked[number][1])

    def _withdraw(self, customer: str) -> None:
        drive(self.bench.desk.consent(customer, "marketing", "email", "withdrawn", via="one-click"))
        self.withdrawn.add(customer)

    def _post_withdrawal(self, customer: str) -> None:
        self.bench.grants(customer, channel="push", state="withdrawn")
        self.withdrawn.add(customer)

    def _stop_all(self, customer: str) -> None:
        drive(self.bench.desk.stop_all(customer, "page"))
        self.withdrawn.add(customer)

    def _grant(self, customer: str) -> None:
        self.bench.advance("1s")
        self.withdrawn.discard(customer)
        self.bench.grants(customer)

    def _mute(self, customer: str, muted: bool = True) -> None:
        drive(self.bench.desk.mute(customer, "cart", muted))

    def _unmute(self, customer: str) -> None:
        self._mute(customer, False)

    def _pause(self, customer: str) -> None:
        drive(self.bench.desk.pause(customer, self.bench.now + 5 * HOUR))

    def _resume(self, customer: str) -> None:
        drive(self.bench.desk.pause(customer, 0))

    def _turns(self, customer: str, kind: str) -> None:
        """Trigger tells what has become of them."""
        at = "away" if kind == "elsewhere" else customer
        rest = Rest(self.bench.now + 5 * HOUR, "order")
        self.bench.knows(
            customer,
            addresses={channel: f"{channel}-{at}" for channel in ("email", "push", "sms")},
            zone="Asia/Tokyo" if kind == "elsewhere" else "Europe/Madrid",
            complaint_open=kind == "upset",
            in_touch_until=self.bench.now + 3 * HOUR if kind == "busy" else 0,
            rests=(rest,) if kind == "resting" else (),
            do_not_contact="staff" if kind == "flagged" else "",
        )

    def _hours(self, customer: str, hours: str) -> None:
        drive(self.bench.desk.prefer(customer, "hours", hours))

    def _seldom(self, customer: str, days: str) -> None:
        drive(self.bench.desk.prefer(customer, "at_most_days", days))

    def _shop(self, kind: str) -> None:
        self.bench.settings(**SHOPS[kind])

    def _restart(self) -> None:
        self.bench.restart()

    def _advance(self, minutes: int) -> None:
        self.bench.advance(f"{minutes}m")

    def _stop(self) -> None:
        self.bench.broadcast("Sending Stopped", b'{"by":"ops"}')

    def _go(self) -> None:
        self.bench.broadcast("Sending Resumed", b"{}")

    def _deaf(self) -> None:
        self.bench.trigger.fresh = None

    def _hears(self) -> None:
        self.bench.trigger.fresh = {"fresh": 1}


def words(decisions: list[MessageDecided], apart: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """What was decided when and on which facts, but for some gates, and then for when a hold was or would be looked at."""
    return sorted(
        (
            d.message_id,
            d.reason or "",
            0 if apart else d.decided_at,
            d.subject,
            d.detail,
            msgspec.json.encode(
                [replace(gate, until=0) if apart else gate for gate in d.gates if gate.gate not in apart]
            ),
        )
        for d in decisions
    )


def moments(decisions: list[MessageDecided]) -> list[tuple[str, str, int]]:
    """When each was decided."""
    return sorted((d.message_id, d.reason or "", d.decided_at) for d in decisions)


def check(play: Play) -> None:
    """What must hold after any script."""
    said: dict[str, list[str]] = {}
    for decision in play.bench.decisions:
        said.setdefault(decision.message_id, []).append(decision.reason or decision.verdict)
    assert said.keys() == {message_id for message_id, _, _ in play.asked}
    for first, *again in said.values():  # asked for once more, it is a repeat, or too late by then
        assert first != "duplicate"
        assert set(again) <= {"duplicate", "expired"}
    reached = {d.message_id for d in play.bench.decisions if d.verdict in ("sent", "unknown")}
    assert play.may_have_arrived() <= reached
    assert play.unwanted == []
    for partition in range(play.bench.log.partitions):
        assert broken_at(drive(play.bench.store.ledger(partition))) is None


def check_that_nothing_left_twice(play: Play) -> None:
    """Another attempt follows only if the provider said that nothing was sent."""
    for message_id in play.attempts:
        assert all(isinstance(outcome, Retry) for outcome in play.outcomes(message_id)[:-1])


@settings(max_examples=20)
@given(scripts, seeds)
def test_decisions_do_not_depend_on_slices_or_partitions(script: list[Step], seed: int) -> None:
    plays = [Play(seed, slice_limit=1), Play(seed, slice_limit=7), Play(seed), Play(seed, partitions=4)]
    one, seven, thousand, four = (play.through(script) for play in plays)
    assert words(one, ()) == words(seven, ()) == words(thousand, ())
    by_partition = ("log not read", "consent")  # each has a clock and a ledger of its own
    assert words(one, by_partition) == words(four, by_partition)
    # While something is held each partition looks by its own tick, so what a look finds may be found one look later.
    for (_, _, here), (_, _, there) in zip(moments(one), moments(four), strict=True):
        assert abs(here - there) <= STILL_STOPPED + SECOND
    for play in plays:
        check(play)
        check_that_nothing_left_twice(play)


@settings(max_examples=60)
@given(scripts, seeds)
def test_where_repeats_are_harmless_an_unknown_outcome_is_tried_again_and_never_forgotten(
    script: list[Step], seed: int
) -> None:
    play = Play(seed, idempotent=True)
    play.through(script)
    check(play)


class Killed(BaseException):
    """The process is gone."""


@contextmanager
def killed_at(point: str, nth: int) -> Iterator[None]:
    def strike() -> None:
        raise Killed

    crashpoints.arm(point, nth, strike)
    try:
        yield
    finally:
        crashpoints.disarm()


ELSEWHERE = {"dispatch: address closed", "dispatch: receipt"}  # no step here: tests/faults/test_kill_people.py
POINTS = [point for point in crashpoints.POINTS if point.startswith("dispatch: ") and point not in ELSEWHERE]


@settings(max_examples=60)
@given(scripts, seeds, st.sampled_from(POINTS), st.integers(1, 2))
def test_a_kill_at_any_point_sends_nothing_twice_and_leaves_nothing_undecided(
    script: list[Step], seed: int, point: str, nth: int
) -> None:
    play = Play(seed)
    for step in script:
        try:
            with killed_at(point, nth):
                play.step(step)
        except Killed:
            play.bench.restart()
            play.bench.settle()
    play.end()
    check(play)
    check_that_nothing_left_twice(play)


@pytest.mark.parametrize("point", POINTS)
def test_every_point_at_which_dispatch_may_be_killed_is_reached(point: str) -> None:
    play = Play()
    with killed_at(point, 1), pytest.raises(Killed):
        play.through([("ask", "u1", "email", 0, None), ("withdraw", "u1")])
