"""Budgets, gaps and rests, per customer and per address."""

from __future__ import annotations

from dispatchbench import LIVE, DispatchBench
from enginebench import drive

from tactful.clock import DAY, HOUR


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
    bench.asks("before", purpose="service.order")
    drive(bench.desk.receipt("before", "Message Clicked", {}))
    bench.asks("still", expires_at=bench.now + HOUR)
    bench.advance("2h")
    assert bench.words[-1] == "expired"
    drive(bench.desk.receipt("m4", "Message Clicked", {}))
    bench.asks("m6")
    assert bench.words[-1] == "sent"


def test_whoever_is_to_hear_nothing_hears_nothing_because_they_have_noticed_nothing() -> None:
    bench = DispatchBench()
    bench.consenting()
    bench.asks()
    bench.advance("30d")
    bench.settings(**LIVE, caps={"silent_after": 1, "weekly": {"new": 0}})
    bench.asks("m2", expires_at=bench.now + HOUR)
    bench.advance("2h")
    assert bench.words == ["sent", "expired"]


def test_whom_trigger_calls_away_hears_from_us_once_in_so_many_days() -> None:
    for told in ({"away": True}, {"at_most_days": 60}):  # or so a program before this one told
        bench = DispatchBench()
        bench.consenting(**told)
        bench.asks()
        bench.advance("30d")
        bench.asks("m2", expires_at=bench.now + HOUR)
        bench.advance("30d")
        bench.asks("m3")
        assert bench.words == ["sent", "expired", "sent"]


def test_how_seldom_somebody_who_stays_away_is_written_to_is_what_the_settings_say_now() -> None:
    bench = DispatchBench()
    bench.consenting(away=True)
    bench.asks()
    bench.advance("30d")
    bench.settings(**LIVE, caps={"away_days": 29})
    bench.asks("m2")
    assert bench.words == ["sent", "sent"]


def test_a_ladder_of_which_any_message_was_noticed_was_noticed() -> None:
    bench = DispatchBench(settings={**LIVE, "caps": {"silent_after": 1, "weekly": {"new": 9}, "email_gap": "0s"}})
    bench.consenting()
    bench.asks("m1", contact="ladder")
    bench.asks("m2", contact="ladder", channel="push")
    drive(bench.desk.receipt("m1", "Message Opened", {}))
    bench.asks("m3")
    assert bench.words == ["sent", "sent", "sent"]


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


def test_service_messages_use_up_no_budget(bench: DispatchBench) -> None:
    bench.asks("m1", purpose="service.order")
    bench.asks("m2")
    assert bench.words == ["sent", "sent"]
