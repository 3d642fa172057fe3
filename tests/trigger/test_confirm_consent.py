"""Double opt-in: an address that somebody entered is asked once."""

from __future__ import annotations

from typing import Any

from enginebench import EngineBench

from tactful.events import ConsentChanged
from tactful_trigger.rules.confirm_consent import confirm_consent


def says(bench: EngineBench, state: str, **more: Any) -> None:
    fields = {"purpose": "marketing", "channel": "email", **more}
    bench.emits("u1", ConsentChanged(state=state, **fields), source="dispatch", scope="system")


def test_a_request_is_asked_about_once_with_what_was_requested() -> None:
    bench = EngineBench(confirm_consent)
    for _ in range(3):
        says(bench, "requested")
    [message] = bench.messages
    assert (message.channel, message.purpose) == ("email", "service.consent")
    assert message.data == {"confirm": {"purpose": "marketing", "channel": "email"}}


def test_a_request_of_another_day_is_asked_about_again() -> None:
    bench = EngineBench(confirm_consent)
    says(bench, "requested")
    bench.advance("25h")
    says(bench, "requested")
    assert len(bench.messages) == 2


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
