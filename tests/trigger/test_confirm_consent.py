"""Double opt-in: an address that somebody entered is asked once."""

from __future__ import annotations

from typing import Any

from enginebench import MONDAY, EngineBench
from msgspec.structs import replace

from tactful.clock import DAY, MINUTE
from tactful.events import ConsentChanged, Identify
from tactful.records import DISPATCH, EVENTS
from tactful.settings import Settings
from tactful_trigger.rules.confirm_consent import confirm_consent
from tactful_workbench.virtual.simulation import Simulation, consent_record, event_record


def says(bench: EngineBench, state: str, **more: Any) -> None:
    fields = {"purpose": "marketing", "channel": "email", **more}
    bench.emits("u1", ConsentChanged(state=state, **fields), source="dispatch", scope="system")


def test_a_request_is_asked_about_with_what_was_requested() -> None:
    bench = EngineBench(confirm_consent)
    says(bench, "requested")
    [message] = bench.messages
    assert (message.channel, message.purpose) == ("email", "service.consent")
    assert message.data == {"confirm": {"purpose": "marketing", "channel": "email"}}


def test_a_request_that_comes_again_while_the_first_waits_is_the_same_one() -> None:
    bench = EngineBench(confirm_consent, decide=lambda message: None)
    says(bench, "requested")
    says(bench, "requested")
    assert len(bench.messages) == 1


def test_an_address_is_asked_once_and_a_corrected_one_too() -> None:
    settings = Settings.model_validate({"rules": {"confirm_consent": {"mode": "live"}}, "sending": {"mode": "live"}})
    simulation = Simulation((confirm_consent,), settings, MONDAY)
    request = ConsentChanged(purpose="marketing", channel="email", state="requested", via="form")
    for number, address in enumerate(("uma@gmial.test", "uma@gmial.test", "uma@gmail.test", "uma@gmail.test")):
        at = simulation.now + MINUTE
        who = event_record("uma", Identify(email=address), at, f"e{number}")
        asks = simulation.input(DISPATCH, consent_record("uma", request, at), at)
        simulation.advance(at, [simulation.input(EVENTS, who, at), asks])
    assert [letter.address for letter in simulation.letters()] == ["uma@gmail.test", "uma@gmial.test"]


def test_nobody_is_asked_about_a_request_of_another_year_that_is_imported() -> None:
    settings = Settings.model_validate({"rules": {"confirm_consent": {"mode": "live"}}, "sending": {"mode": "live"}})
    simulation = Simulation((confirm_consent,), settings, MONDAY)
    record = consent_record("uma", ConsentChanged(purpose="marketing", channel="email", state="requested"), MONDAY)
    imported = replace(record, body=replace(record.body, history=True, occurred_at=MONDAY - 300 * DAY))
    who = event_record("uma", Identify(email="uma@gmail.test"), MONDAY, "e1")
    inputs = [simulation.input(EVENTS, who, MONDAY), simulation.input(DISPATCH, imported, MONDAY)]
    simulation.advance(MONDAY + DAY, inputs)
    assert simulation.messages() == []


def test_two_requests_of_different_kinds_are_two_questions() -> None:
    bench = EngineBench(confirm_consent)
    says(bench, "requested")
    says(bench, "requested", purpose="marketing.stock")
    assert len(bench.messages) == 2


def test_what_was_granted_or_withdrawn_is_not_asked_about() -> None:
    bench = EngineBench(confirm_consent)
    for state in ("granted", "withdrawn"):
        says(bench, state)
    assert bench.messages == []


def test_silence_is_a_no() -> None:
    bench = EngineBench(confirm_consent)
    says(bench, "requested")
    bench.advance("30d")
    assert len(bench.messages) == 1
