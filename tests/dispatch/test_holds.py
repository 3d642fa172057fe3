"""What is held, asks before it opens, and may be cancelled meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from dispatchbench import TUESDAY_NOON, DispatchBench
from enginebench import drive

from tactful.clock import HOUR, SECOND
from tactful.decisions import GateVerdict


def test_quiet_hours_hold_ask_and_then_send_what_is_true_in_the_morning(bench: DispatchBench) -> None:
    bench.advance("10h")
    bench.asks(data={"items": 1})
    assert bench.words == []
    assert bench.delivery().held_for == "quiet_hours"
    bench.trigger.fresh = {"items": 2}
    bench.advance("12h")
    assert bench.holds == ["m1 quiet_hours"]
    (decision,) = bench.decisions
    assert decision.subject == "about {'items': 2}"
    assert decision.decided_at // HOUR * HOUR == TUESDAY_NOON + 21 * HOUR  # 09:00


def test_a_hold_that_nobody_confirms_expires_and_names_itself(bench: DispatchBench) -> None:
    bench.advance("10h")
    bench.asks()
    bench.trigger.fresh = None
    bench.advance("2d")
    (decision,) = bench.decisions
    assert (decision.reason, decision.facts["held_for"], decision.scope) == ("expired", "quiet_hours", "customer")
    assert decision.facts["asked_at"] == TUESDAY_NOON + 21 * HOUR, "09:00: the hours kept it no longer"
    assert GateVerdict.HELD not in [gate.verdict for gate in decision.gates]
    assert bench.sent == []


def test_a_hold_that_lasts_until_its_message_expires_is_why(bench: DispatchBench) -> None:
    bench.advance("10h")
    bench.asks(expires_at=bench.now + HOUR)
    bench.advance("2d")
    (decision,) = bench.decisions
    assert [gate.reason for gate in decision.gates if gate.verdict is not GateVerdict.OPEN] == [
        "quiet_hours",
        "expired",
    ]
    assert "asked_at" not in decision.facts


def test_a_cancelled_hold_never_opens(bench: DispatchBench) -> None:
    bench.advance("10h")
    bench.asks()
    bench.cancels()
    bench.advance("1d")
    assert bench.words == ["cancelled"]
    assert [gate.gate for gate in bench.decisions[0].gates] == ["cancelled"]
    assert bench.holds == []


def test_a_cancellation_that_comes_before_its_message_is_remembered(bench: DispatchBench) -> None:
    bench.cancels("m1", reason="nothing_to_say")
    bench.asks("m1")
    assert bench.words == ["nothing_to_say"]


def test_an_opt_out_overtakes_what_is_held(bench: DispatchBench) -> None:
    bench.advance("10h")
    bench.asks()
    drive(bench.desk.consent("u1", "marketing", "email", "withdrawn", via="one-click"))
    bench.settle()
    assert bench.words == ["withdrawn"]


def test_not_before_lets_the_other_gates_refuse_at_once_and_asks_when_its_time_comes(bench: DispatchBench) -> None:
    bench.asks("m1", not_before=bench.now + 4 * HOUR)
    bench.asks("m2", channel="sms", not_before=bench.now + 4 * HOUR)
    assert bench.words == ["no_address"]
    bench.advance("4h")
    assert bench.holds == ["m1 not_yet"]
    assert bench.words == ["no_address", "sent"]


def test_waiting_messages_are_decided_by_priority_and_the_displaced_say_so(bench: DispatchBench) -> None:
    bench.advance("10h")
    bench.asks("low", priority=1)
    bench.asks("high", priority=9)
    bench.advance("12h")
    assert bench.sent == ["high"]
    assert bench.delivery("low").held_for == "displaced"
    bench.advance("2d")
    assert [(d.message_id, d.reason or d.verdict, d.facts.get("held_for")) for d in bench.decisions] == [
        ("high", "sent", None),
        ("low", "expired", "displaced"),
    ]


def test_somebody_who_is_in_touch_holds_it_back() -> None:
    bench = DispatchBench()
    bench.consenting(in_touch_until=bench.now + HOUR, in_touch_with="a manager")
    bench.asks()
    assert bench.delivery().held_for == "in_touch"
    bench.advance("1h")
    assert bench.words == ["sent"]


def test_stopped_sending_holds_everything_and_lets_it_go_at_once_when_it_resumes(bench: DispatchBench) -> None:
    bench.broadcast("Sending Stopped", b'{"by":"ops"}')
    bench.asks()
    assert bench.delivery().held_for == "stopped"
    bench.advance("10m")
    bench.broadcast("Sending Resumed", b"{}")
    bench.advance("1s")
    assert bench.words == ["sent"]


def test_what_a_stop_keeps_is_written_anew_every_two_minutes_only(bench: DispatchBench) -> None:
    bench.broadcast("Sending Stopped", b'{"by":"ops"}')
    bench.asks()
    looked = set()
    for _ in range(60):
        bench.advance("10s")
        looked.add(bench.delivery().held_until)
    assert len(looked) <= 6


def test_what_waits_for_another_reason_goes_on_waiting_when_sending_resumes(bench: DispatchBench) -> None:
    bench.asks(not_before=bench.now + 20 * SECOND)
    bench.broadcast("Sending Stopped", b'{"by":"ops"}')
    bench.broadcast("Sending Resumed", b"{}")
    bench.advance("10s")
    assert (bench.delivery().held_for, bench.holds) == ("not_yet", [])


def test_what_a_stop_has_kept_leaves_one_after_the_other(bench: DispatchBench) -> None:
    bench.broadcast("Sending Stopped", b'{"by":"ops"}')
    for number in range(40):
        bench.consenting(f"c{number}")
        bench.asks(f"m{number}", f"c{number}")
    bench.broadcast("Sending Resumed", b'{"over":20000}')
    left = []
    for _ in range(20):
        bench.advance("1s")
        left.append(len(bench.sent))
    assert left == sorted(left)
    assert 0 < left[4] < left[9] < left[14] < 40
    bench.advance("2s")
    assert len(bench.sent) == 40


@pytest.mark.parametrize(
    ("news", "purpose", "words"),
    [
        ({"do_not_contact": "deceased"}, "marketing.cart", ["do_not_contact"]),
        ({"do_not_contact": "deceased"}, "service.order", ["do_not_contact"]),
        ({"complaint_open": True}, "marketing.cart", ["complaint_open"]),
        ({"complaint_open": True}, "service.order", []),
    ],
)
def test_what_waits_for_the_morning_is_taken_back_at_once_when_nobody_may_say_it_any_more(
    bench: DispatchBench, news: dict[str, Any], purpose: str, words: list[str]
) -> None:
    bench.asks(purpose=purpose, not_before=bench.now + HOUR)
    bench.knows(**news)
    assert bench.words == words
    assert bench.holds == []


def test_a_template_that_cannot_be_rendered_holds_and_does_not_climb(bench: DispatchBench) -> None:
    bench.asks(data={"broken": 1})
    assert bench.delivery().held_for == "template_error"
    assert "cart/email.en.html:3" in str(bench.delivery().gates[-1].facts)
    bench.trigger.fresh = {"mended": 1}
    bench.advance("6m")
    assert bench.words == ["sent"]


def test_a_message_that_fails_in_a_way_nobody_thought_of_waits_and_names_its_rule(
    bench: DispatchBench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.consenting("u2")
    bench.asks(data={"odd": 1})
    bench.asks("m2", "u2")
    assert bench.sent == ["m2"]
    assert bench.delivery().held_for == "template_error"
    assert bench.delivery().gates[-1].facts["error"].startswith("rule cart (TypeError): ")
    bench.trigger.fresh = {"odd": 1}
    bench.advance("1h")
    assert caplog.messages == ["messages wait, a template cannot be rendered: rule cart (TypeError)"]


def test_each_place_where_a_template_is_broken_is_named_once(
    bench: DispatchBench, caplog: pytest.LogCaptureFixture
) -> None:
    for number, data in enumerate(({"odd": 1}, {"broken": 1}, {"odd": 1}, {"broken": 1})):
        bench.consenting(f"u{number}")
        bench.asks(f"m{number}", f"u{number}", data=data)
    assert bench.worker.unwritten == {"cart": 4}
    assert len(caplog.messages) == 2


def test_so_does_one_whose_facts_a_gate_cannot_read_and_somebody_hears_of_it(
    bench: DispatchBench, caplog: pytest.LogCaptureFixture
) -> None:
    def scribble(space: Any) -> None:
        space.customer("u1").hours = "in the morning"

    drive(bench.store.transact(0, ["u1"], scribble))
    bench.asks()
    assert (bench.sent, bench.delivery().held_for) == ([], "template_error")
    assert bench.worker.unwritten == {"cart": 1}
    assert caplog.messages == ["messages wait, a template cannot be rendered: rule cart (ValueError)"]


def test_a_template_that_stays_broken_is_looked_at_less_and_less_often(bench: DispatchBench) -> None:
    bench.asks(data={"broken": 1})
    bench.trigger.fresh = {"broken": 1}
    asked = []
    for _ in range(4 * 60):
        asked.append(bench.delivery().hold)
        bench.advance("1m")
    assert bench.worker.unwritten == {"cart": 7}
    assert [asked.index(number) for number in range(1, 7)] == [5, 16, 36, 76, 136, 196]


def test_only_the_answer_to_the_hold_that_asked_lets_a_message_go(bench: DispatchBench) -> None:
    bench.advance("10h")
    bench.asks()
    bench.confirms("m1", 1)
    assert (bench.delivery().state, bench.sent) == ("held", [])
    bench.trigger.fresh = None
    bench.advance("12h")
    bench.confirms("m1", 2)
    assert (bench.delivery().state, bench.sent) == ("asked", [])
    bench.confirms("m1", 1)
    assert bench.words == ["sent"]


def test_an_answer_to_a_hold_that_comes_twice_does_not_let_leave_what_is_held_again(bench: DispatchBench) -> None:
    bench.asks(not_before=bench.now + HOUR)
    bench.knows(in_touch_until=bench.now + 2 * HOUR)
    bench.advance("1h")
    assert (bench.holds, bench.delivery().held_for) == (["m1 not_yet"], "in_touch")
    bench.knows()
    bench.confirms("m1", 1)
    assert bench.sent == []
    bench.advance("1h")
    assert (bench.holds, bench.words) == (["m1 not_yet", "m1 in_touch"], ["sent"])


def test_an_answer_for_a_message_that_is_decided_changes_nothing_and_is_no_poison(bench: DispatchBench) -> None:
    bench.asks(not_before=bench.now + HOUR)
    bench.cancels()
    bench.confirms("m1", 1)
    bench.cancels()
    assert (bench.words, bench.sent) == (["cancelled"], [])
    assert drive(bench.log.read("quarantine", 0, 0, 10)) == []


def test_a_cancellation_that_comes_while_it_is_being_sent_loses(bench: DispatchBench) -> None:
    def meanwhile() -> None:
        bench.append(bench.cancellation("m1"))
        drive(bench.worker.run_once(0))

    bench.adapter.meanwhile = meanwhile
    bench.asks()
    assert (bench.words, bench.sent) == (["sent"], ["m1"])


def test_a_wish_does_not_let_what_is_held_leave_unasked(bench: DispatchBench) -> None:
    bench.advance("10h")
    bench.asks()
    bench.trigger.fresh = None
    bench.advance("12h")  # it is day, the run was asked and has not answered
    drive(bench.desk.mute("u1", "another", True))
    bench.settle()
    assert (bench.delivery().state, bench.sent) == ("asked", [])
    drive(bench.desk.mute("u1", "cart", True))
    assert bench.words == ["muted_rule"]


def test_a_wish_leaves_a_hold_as_it_is(bench: DispatchBench) -> None:
    bench.advance("10h")
    bench.asks()
    due = bench.delivery().due
    drive(bench.desk.pause("u1", bench.now + HOUR))
    drive(bench.desk.pause("u1", 0))
    bench.settle()
    assert (bench.delivery().state, bench.delivery().due) == ("held", due)


def test_a_message_asked_for_again_while_it_is_held_has_one_decision(bench: DispatchBench) -> None:
    bench.advance("10h")
    bench.asks("m1")
    bench.asks("m1")
    bench.advance("1d")
    assert (bench.words, bench.sent) == (["sent"], ["m1"])


def test_while_sending_is_stopped_nobody_is_asked_again_and_again(bench: DispatchBench) -> None:
    bench.broadcast("Sending Stopped", b'{"by":"ops"}')
    bench.asks()
    bench.advance("3h")
    assert bench.holds == []
    bench.broadcast("Sending Resumed", b"{}")
    bench.advance("1m")
    assert (bench.holds, bench.words) == (["m1 stopped"], ["sent"])


def test_what_a_stop_kept_leaves_one_after_the_other(bench: DispatchBench) -> None:
    bench.broadcast("Sending Stopped", b'{"by":"ops","why":"wrong price"}')
    for number in range(40):
        bench.asks(f"m{number}", priority=9, purpose="service.orders")
    bench.advance("1h")
    assert bench.sent == []
    bench.broadcast("Sending Resumed", b'{"by":"ops","over":1800000}')
    counts = []
    for _ in range(4):
        bench.advance("10m")
        counts.append(len(bench.sent))
    assert 5 <= counts[0] < counts[1] < counts[2] == counts[3] == 40


def test_nothing_that_a_stop_kept_expires_while_it_waits_for_its_turn(bench: DispatchBench) -> None:
    bench.broadcast("Sending Stopped", b'{"by":"ops"}')
    for number in range(40):
        bench.asks(f"m{number}", purpose="service.orders", expires_at=bench.now + 2 * HOUR)
    bench.advance("110m")
    bench.broadcast("Sending Resumed", b'{"by":"ops","over":7200000}')
    bench.advance("2m")
    assert 0 < len(bench.sent) < 40  # one after the other all the same
    bench.advance("2h")
    assert bench.words == ["sent"] * 40


def test_a_second_stop_keeps_what_the_first_has_not_let_go_yet(bench: DispatchBench) -> None:
    bench.broadcast("Sending Stopped", b'{"by":"ops"}')
    for number in range(20):
        bench.asks(f"m{number}", purpose="service.orders")
    bench.broadcast("Sending Resumed", b'{"over":3600000}')
    bench.advance("30m")
    left = len(bench.sent)
    assert 0 < left < 20
    bench.broadcast("Sending Stopped", b'{"by":"night"}')
    bench.advance("2h")
    assert len(bench.sent) == left
    bench.broadcast("Sending Resumed", b"{}")
    bench.advance("1m")
    assert len(bench.sent) == 20


def test_what_expires_while_sending_is_stopped_is_counted_if_that_is_why(bench: DispatchBench) -> None:
    bench.asks("m0", not_before=bench.now + 3 * HOUR, expires_at=bench.now + HOUR)
    bench.broadcast("Sending Stopped", b'{"by":"ops"}')
    bench.asks("m1", expires_at=bench.now + HOUR)
    bench.asks("m2")
    bench.advance("2h")
    bench.broadcast("Sending Resumed", b"{}")
    bench.advance("1m")
    assert (bench.words, bench.sent) == (["expired", "expired", "sent"], ["m2"])
    assert drive(bench.store.cursor(0)).expired == 1


def test_the_more_urgent_of_two_holds_is_asked_first(bench: DispatchBench) -> None:
    bench.advance("10h")
    bench.asks("low", priority=1)
    bench.asks("high", priority=9)
    bench.advance("12h")
    assert bench.holds[:2] == ["high quiet_hours", "low quiet_hours"]
