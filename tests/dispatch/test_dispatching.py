"""From a run's wish to dispatch's final word, in virtual time."""

from __future__ import annotations

from dispatchbench import LIVE, DispatchBench


def test_a_message_with_consent_is_sent_and_its_decision_cites_the_entry(bench: DispatchBench) -> None:
    bench.asks()
    (decision,) = bench.decisions
    assert (decision.verdict, decision.reason, decision.scope) == ("sent", None, None)
    assert decision.consent_entry == 1
    assert decision.subject == "about {}"
    assert [gate.gate for gate in decision.gates][-1] == "provider"


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


def test_the_allow_list_takes_patterns() -> None:
    bench = DispatchBench(settings={**LIVE, "sending": {"mode": "allowlist", "allow": ["*@example.test"]}})
    bench.consenting()
    bench.asks()
    assert bench.words == ["sent"]


def test_do_not_contact_stops_even_service_messages() -> None:
    bench = DispatchBench()
    bench.consenting(do_not_contact="deceased")
    bench.asks(purpose="service.order")
    assert bench.words == ["do_not_contact"]


def test_holdout_and_shadow_stand_last_and_say_what_would_have_been_sent(bench: DispatchBench) -> None:
    bench.asks("m1", holdout=True)
    bench.settings(rules={"cart": {"mode": "shadow"}}, sending={"mode": "live"})
    bench.asks("m2")
    bench.settings(rules={"cart": {"mode": "live"}})
    bench.asks("m3")
    assert bench.words == ["holdout", "shadow", "not_allowed"]
    assert {d.subject for d in bench.decisions} == {"about {}"}
    assert bench.sent == []
