"""A provider that does not answer keeps nobody else's messages waiting, and its own are not lost one by one."""

from __future__ import annotations

import pytest
from dispatchbench import DispatchBench, ScriptedAdapter

from tactful.clock import MINUTE, SECOND
from tactful_dispatch.channels import Accepted, Outcome, Rejected, Retry, Unknown
from tactful_dispatch.sending.providers import IN_A_ROW, Providers

CUT = Unknown("the line was cut")


class Provider(ScriptedAdapter):
    """One with a name of its own."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


@pytest.fixture
def sms() -> Provider:
    return Provider("sms")


@pytest.fixture
def bench(sms: Provider) -> DispatchBench:
    """Ten who may be written to by both."""
    bench = DispatchBench(adapters={"email": Provider("mail"), "sms": sms})
    for number in range(10):
        addresses = {"email": f"u{number}@example.test", "sms": f"+3460000000{number}"}
        bench.consenting(f"u{number}", addresses=addresses)
    return bench


def texts(bench: DispatchBench, count: int) -> None:
    for number in range(count):
        bench.asks(f"text-{number}", f"u{number}", channel="sms")


def test_after_five_attempts_in_vain_the_others_of_that_provider_wait(bench: DispatchBench, sms: Provider) -> None:
    sms.outcomes = [CUT] * IN_A_ROW
    texts(bench, IN_A_ROW + 1)
    bench.asks("letter", "u9")
    assert bench.words == ["outcome_unknown"] * IN_A_ROW + ["sent"]
    waiting = bench.row("u5").deliveries["text-5"]
    assert (waiting.held_for, waiting.held_until) == ("provider", bench.now + 30 * SECOND)
    assert waiting.gates[-1].facts == {"detail": "the line was cut"}
    bench.advance("31s")
    assert bench.words[-1] == "sent"
    assert [envelope.message_id for envelope in sms.sent] == [f"text-{number}" for number in range(IN_A_ROW + 1)]


@pytest.mark.parametrize("answer", [Accepted("id"), Rejected("550"), Retry(MINUTE, "429")])
def test_an_answer_in_between_ends_the_silence(bench: DispatchBench, sms: Provider, answer: Outcome) -> None:
    sms.outcomes = [*[CUT] * (IN_A_ROW - 1), answer, CUT]
    texts(bench, IN_A_ROW + 2)
    assert bench.words.count("outcome_unknown") == IN_A_ROW
    assert bench.words[-1] == "sent"


def test_who_refuses_slowly_is_silent_too_and_who_does_so_quickly_is_not() -> None:
    providers = Providers()
    for seconds, rests in ((0.1, False), (4.0, True)):
        for _ in range(IN_A_ROW):
            providers.note("mail", Retry(MINUTE, detail="no connection"), seconds, 0)
        assert bool(providers.silence_of("mail").until) == rests


def test_rests_grow_longer_up_to_five_minutes() -> None:
    providers, now, rests = Providers(), 0, []
    for _ in range(IN_A_ROW - 1):
        providers.note("mail", CUT, 1.0, now)
    for _ in range(12):
        providers.note("mail", CUT, 1.0, now)
        providers.note("mail", CUT, 1.0, now)  # another that was under way
        rests.append(providers.silence_of("mail").until - now)
        now = providers.silence_of("mail").until
    assert rests == [30 * SECOND, MINUTE, 2 * MINUTE, 4 * MINUTE, *[5 * MINUTE] * 8]
    assert providers.silence_of("another").until == 0
