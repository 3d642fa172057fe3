"""From a run's wish to dispatch's final word, in virtual time."""

from __future__ import annotations

from typing import Any

import pytest
from dispatchbench import LIVE, TUESDAY_NOON, DispatchBench
from enginebench import drive

from tactful.clock import DAY, HOUR, MINUTE
from tactful.events import ConsentChanged, MessageClicked, PreferencesChanged
from tactful.partitioning import partition_of
from tactful_dispatch.channels import Rejected, Retry, Unknown
from tactful_dispatch.ledger import broken_at, erase


@pytest.fixture
def bench() -> DispatchBench:
    bench = DispatchBench()
    bench.consenting()
    bench.advance("1s")
    return bench


def test_a_message_with_consent_is_sent_and_its_decision_cites_the_entry(bench: DispatchBench) -> None:
    bench.asks()
    (decision,) = bench.decisions
    assert (decision.verdict, decision.reason, decision.scope) == ("sent", None, None)
    assert decision.consent_entry == 1
    assert decision.subject == "about {}"
    assert [gate.gate for gate in decision.gates][-1] == "provider"


def test_without_consent_nothing_is_sent_and_another_channel_may_do() -> None:
    bench = DispatchBench()
    bench.knows()
    bench.asks()
    assert [(d.reason, d.scope) for d in bench.decisions] == [("no_consent", "channel")]
    assert bench.sent == []


def test_a_customer_of_whom_nothing_is_known_has_no_address() -> None:
    bench = DispatchBench()
    bench.asks()
    assert bench.words == ["no_address"]


def test_a_message_shut_by_two_gates_names_the_first() -> None:
    bench = DispatchBench()
    bench.knows(complaint_open=True)
    bench.asks()
    assert bench.words == ["no_consent"]
    bench.grants()
    bench.asks("m2")
    assert bench.words == ["no_consent", "complaint_open"]


def test_a_grant_of_marketing_covers_its_parts_and_never_the_reverse() -> None:
    bench = DispatchBench()
    bench.knows()
    bench.grants(purpose="marketing.news", channel="email")
    bench.asks()
    bench.grants(purpose="marketing", channel="email")
    bench.asks("m2")
    assert bench.words == ["no_consent", "sent"]


def test_a_withdrawal_on_one_channel_silences_the_purpose_on_all_for_thirty_days(bench: DispatchBench) -> None:
    bench.grants(channel="sms", state="withdrawn")
    bench.asks()
    bench.advance("31d")
    bench.asks("m2")
    assert [(d.reason or d.verdict, d.scope) for d in bench.decisions] == [("withdrawn", "customer"), ("sent", None)]


def test_a_new_grant_ends_the_silence(bench: DispatchBench) -> None:
    bench.grants(channel="sms", state="withdrawn")
    bench.advance("1m")
    bench.grants(channel="email")
    bench.asks()
    assert bench.words == ["sent"]


def test_a_late_word_does_not_undo_a_later_one(bench: DispatchBench) -> None:
    bench.advance("1d")
    bench.grants(state="withdrawn")
    bench.grants(occurred_at=bench.now - HOUR)
    bench.asks()
    assert bench.words == ["withdrawn"]


def test_the_same_consent_record_is_taken_once() -> None:
    bench = DispatchBench()
    bench.knows()
    bench.grants(id="same")
    bench.grants(id="same")
    bench.settle()
    assert [e.entry for e in bench.trigger.events if isinstance(e, ConsentChanged)] == [1]


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
    assert bench.sent == []


def test_a_cancelled_hold_never_opens(bench: DispatchBench) -> None:
    bench.advance("10h")
    bench.asks()
    bench.cancels()
    bench.advance("1d")
    assert bench.words == ["cancelled"]
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


def test_service_messages_need_no_marketing_consent_and_keep_no_hours() -> None:
    bench = DispatchBench()
    bench.knows(complaint_open=True)
    bench.advance("10h")
    bench.asks(purpose="service.order")
    assert bench.words == ["sent"]
    bench.grants(purpose="service", state="withdrawn")
    bench.asks("m2", purpose="service.order")
    assert bench.words == ["sent", "withdrawn"]


def test_the_weekly_budget_counts_a_ladder_once(bench: DispatchBench) -> None:
    bench.asks("m1", contact="ladder")
    bench.asks("m2", contact="ladder", channel="push")
    assert bench.words == ["sent", "sent"]
    bench.asks("m3", channel="push", expires_at=bench.now + HOUR)
    bench.advance("2h")
    assert [(d.reason or d.verdict, d.facts.get("held_for")) for d in bench.decisions][-1] == ("expired", "budget")


def test_a_budget_that_frees_up_asks_and_lets_the_message_go(bench: DispatchBench) -> None:
    bench.asks("m1")
    bench.asks("m2", expires_at=bench.now + 30 * DAY)
    bench.advance("8d")
    assert bench.holds == ["m2 budget"]
    assert bench.words == ["sent", "sent"]


def test_loyal_customers_have_a_larger_budget() -> None:
    bench = DispatchBench()
    bench.consenting(segment="loyal")
    for number in range(4):
        bench.asks(f"m{number}", expires_at=bench.now + HOUR)
        bench.advance("1d")
    assert bench.words == ["sent", "sent", "sent", "expired"]


def test_five_contacts_without_a_reaction_leave_one_a_fortnight() -> None:
    bench = DispatchBench()
    bench.consenting(segment="loyal")
    for number in range(5):
        bench.asks(f"m{number}")
        bench.advance("4d")
    bench.asks("m5", expires_at=bench.now + HOUR)
    bench.advance("2h")
    assert bench.words[-1] == "expired"
    drive(bench.desk.receipt("m4", "Message Clicked", {}))
    bench.asks("m6")
    assert bench.words[-1] == "sent"


def test_gaps_have_a_minute_of_grace_so_that_daily_messages_do_not_refuse_each_other() -> None:
    bench = DispatchBench(settings={**LIVE, "caps": {"email_gap": "24h", "budget": False}})
    bench.consenting()
    bench.asks("m1")
    bench.advance("23h")
    bench.asks("m2")
    bench.advance("59m 30s")
    bench.asks("m3")
    assert [(d.reason or d.verdict, d.scope) for d in bench.decisions] == [
        ("sent", None),
        ("gap", "channel"),
        ("sent", None),
    ]


def test_caps_and_gaps_bind_the_address_whoever_uses_it() -> None:
    bench = DispatchBench()
    for customer in ("u1", "u2"):
        bench.consenting(
            customer, addresses={"email": "Family@example.test" if customer == "u1" else "family@example.test"}
        )
    bench.asks("m1", "u1")
    bench.asks("m2", "u2", expires_at=bench.now + HOUR)
    bench.advance("2h")
    assert bench.words == ["sent", "expired"]


def test_an_opt_out_binds_the_address_too() -> None:
    bench = DispatchBench(settings={**LIVE, "caps": {"budget": False}})
    for customer in ("u1", "u2"):
        bench.consenting(customer, addresses={"email": "family@example.test"})
    bench.advance("1h")
    drive(bench.desk.consent("u1", "marketing", "email", "withdrawn", via="one-click"))
    bench.asks("m2", "u2")
    assert bench.words == ["withdrawn"]


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


def test_holdout_and_shadow_stand_last_and_say_what_would_have_been_sent(bench: DispatchBench) -> None:
    bench.asks("m1", holdout=True)
    bench.settings(rules={"cart": {"mode": "shadow"}}, sending={"mode": "live"})
    bench.asks("m2")
    bench.settings(rules={"cart": {"mode": "live"}})
    bench.asks("m3")
    assert bench.words == ["holdout", "shadow", "not_allowed"]
    assert {d.subject for d in bench.decisions} == {"about {}"}
    assert bench.sent == []


def test_the_allow_list_takes_patterns() -> None:
    bench = DispatchBench(settings={**LIVE, "sending": {"mode": "allowlist", "allow": ["*@example.test"]}})
    bench.consenting()
    bench.asks()
    assert bench.words == ["sent"]


def test_rests_are_obeyed_until_they_end() -> None:
    bench = DispatchBench()
    bench.consenting(rests=((bench.now + HOUR, "order"),))
    bench.asks("m1")
    bench.advance("1h")
    bench.asks("m2")
    assert [(d.reason or d.verdict, d.facts.get("why")) for d in bench.decisions] == [
        ("resting", "order"),
        ("sent", None),
    ]


def test_somebody_who_is_in_touch_holds_it_back() -> None:
    bench = DispatchBench()
    bench.consenting(in_touch_until=bench.now + HOUR, in_touch_with="a manager")
    bench.asks()
    assert bench.delivery().held_for == "in_touch"
    bench.advance("1h")
    assert bench.words == ["sent"]


def test_do_not_contact_stops_even_service_messages() -> None:
    bench = DispatchBench()
    bench.consenting(do_not_contact="deceased")
    bench.asks(purpose="service.order")
    assert bench.words == ["do_not_contact"]


def test_not_this_kind_mutes_the_rule_and_no_other(bench: DispatchBench) -> None:
    drive(bench.desk.mute("u1", "cart", True))
    bench.asks()
    bench.settings(rules={"other": {"mode": "live"}}, sending={"mode": "live"})
    bench.asks("m2", rule="other")
    assert bench.words == ["muted_rule", "sent"]
    assert [e.change for e in bench.trigger.events if isinstance(e, PreferencesChanged)] == ["rule_muted"]


def test_a_pause_ends_by_itself(bench: DispatchBench) -> None:
    drive(bench.desk.pause("u1", bench.now + 30 * DAY))
    bench.asks()
    bench.advance("30d")
    bench.asks("m2")
    assert bench.words == ["paused", "sent"]


def test_stop_all_stops_all_marketing_until_a_new_grant(bench: DispatchBench) -> None:
    drive(bench.desk.stop_all("u1", "preference-page"))
    bench.asks()
    bench.asks("m2", purpose="service.order")
    bench.advance("40d")
    bench.asks("m3")
    bench.grants(occurred_at=bench.now - 41 * DAY)
    bench.asks("still")
    drive(bench.desk.consent("u1", "marketing", "email", "granted", via="preference-page"))
    bench.asks("m4")
    assert bench.words == ["withdrawn", "sent", "no_consent", "no_consent", "sent"]


def test_stopped_sending_holds_everything_and_lets_it_go_when_it_resumes(bench: DispatchBench) -> None:
    bench.broadcast("Sending Stopped", b'{"by":"ops"}')
    bench.asks()
    assert bench.delivery().held_for == "stopped"
    bench.broadcast("Sending Resumed", b"{}")
    bench.advance("1m")
    assert bench.words == ["sent"]


def test_a_template_that_cannot_be_rendered_holds_and_does_not_climb(bench: DispatchBench) -> None:
    bench.asks(data={"broken": 1})
    assert bench.delivery().held_for == "template_error"
    assert "cart/email.en.html:3" in str(bench.delivery().gates[-1].facts)
    bench.trigger.fresh = {"mended": 1}
    bench.advance("6m")
    assert bench.words == ["sent"]


def test_a_provider_that_asks_for_patience_gets_it_and_the_attempt_does_not_count(bench: DispatchBench) -> None:
    bench.adapter.outcomes = [Retry(10 * MINUTE, "421", "busy")]
    bench.asks()
    assert bench.delivery().held_for == "provider"
    assert bench.row().contacts == []
    bench.advance("10m")
    assert bench.holds == ["m1 provider"]
    assert bench.words == ["sent"]


def test_a_rejection_returns_its_contact_and_suppresses_the_address(bench: DispatchBench) -> None:
    bench.adapter.outcomes = [Rejected("5.1.1", "no such user", suppress=True)]
    bench.asks()
    bench.asks("m2")
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


def test_where_the_provider_honours_our_id_an_unknown_outcome_is_tried_again() -> None:
    bench = DispatchBench(idempotent=True)
    bench.consenting()
    bench.adapter.outcomes = [Unknown("reset")]
    bench.asks()
    bench.advance("2m")
    assert bench.words == ["sent"]
    assert bench.sent == ["m1", "m1"]


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


def test_bytes_that_do_not_leave_within_five_seconds_stay_here(bench: DispatchBench) -> None:
    bench.lags = [0.0, 6.0]
    bench.asks(expires_at=bench.now + HOUR)
    assert bench.delivery().attempts == 2
    assert bench.sent == ["m1"]
    assert len(bench.row().contacts) == 1


def test_the_same_message_asked_for_again_is_a_duplicate_and_is_answered(bench: DispatchBench) -> None:
    bench.asks("m1")
    bench.asks("m1")
    assert bench.words == ["sent", "duplicate"]
    assert bench.sent == ["m1"]


def test_nothing_is_sent_for_a_log_that_has_not_been_read_for_a_minute(bench: DispatchBench) -> None:
    bench.asks("m1", not_before=bench.now + HOUR)
    row = bench.row()
    assert row.deliveries["m1"].state == "held"

    def wake(space: Any) -> None:
        space.customer("u1").deliveries["m1"].state = "pending"

    bench.clock.forward_to(bench.now + 2 * HOUR)
    drive(bench.store.transact(0, ["u1"], wake))
    drive(bench.worker.attempt(0))
    assert bench.delivery().held_for == "log_not_read"
    assert bench.sent == []


def test_a_receipt_is_told_once_and_one_by_a_machine_does_not_hide_the_persons(bench: DispatchBench) -> None:
    bench.asks()
    for detail in ({"prefetched": True}, {"prefetched": True}, {}, {}):
        assert drive(bench.desk.receipt("m1", "Message Clicked", detail))
    assert not drive(bench.desk.receipt("unknown", "Message Clicked", {}))
    bench.settle()
    clicks = [e.prefetched for e in bench.trigger.events if isinstance(e, MessageClicked)]
    assert clicks == [True, False]


def test_a_click_leads_to_the_stored_url_only(bench: DispatchBench) -> None:
    bench.asks()
    assert drive(bench.desk.click_target("m1", 0)) == "https://shop.example/"
    assert drive(bench.desk.click_target("m1", 1)) is None
    assert drive(bench.desk.click_target("m1", -1)) is None


def test_the_card_tells_what_was_said_and_sent(bench: DispatchBench) -> None:
    bench.asks()
    card = drive(bench.desk.card("u1"))
    assert card.addresses["email"] == "u1@example.test"
    assert [c.state for c in card.consents] == ["granted"]
    assert [m.subject for m in card.messages] == ["about {}"]


def test_the_ledger_is_a_chain_that_erasing_does_not_break(bench: DispatchBench) -> None:
    for number in range(5):
        bench.grants(id=f"k-{number}", channel="email", state="granted" if number % 2 else "withdrawn")
    bench.settle()
    links = list(drive(bench.store.ledger(partition_of("u1", 1))))
    assert len(links) == 6
    assert broken_at(links) is None
    assert broken_at([erase(link) if link.number in (2, 5) else link for link in links]) is None
    assert broken_at([*links[:2], *links[3:]]) == 3


def test_an_old_owner_can_neither_apply_nor_send(bench: DispatchBench) -> None:
    old = bench.worker
    bench.advance("10h")
    bench.asks()
    bench.restart()
    bench.settle()
    drive(old.attempt(0))
    assert old.owned == {} or bench.sent == []
