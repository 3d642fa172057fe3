"""What every adapter keeps: the local viewer, SMTP, SMS and webhooks. SMTP speaks to a real server (aiosmtpd), HTTP to a
server on the loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final

import pytest
from channelbench import ENVELOPE, NOW, Bench, inbox_bench, sms_bench, smtp_bench, starttls_bench, webhook_bench

from tactful.channels import CHANNELS, DESK
from tactful.clock import ManualClock
from tactful_dispatch.channels import Accepted, Rejected, Retry
from tactful_dispatch.channels.inbox import InboxAdapter, MemoryShelf

LETTERS: Final = (inbox_bench, smtp_bench, starttls_bench)


@pytest.fixture(params=[*LETTERS, sms_bench, webhook_bench])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    async with request.param() as made:
        yield made


@pytest.fixture(params=[*LETTERS, sms_bench])
async def personal(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """Channels whose address is the customer's; a webhook's is the shop's own setting."""
    async with request.param() as made:
        yield made


@pytest.fixture(params=LETTERS)
async def letters(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    async with request.param() as made:
        yield made


async def test_the_words_arrive_and_the_provider_says_by_which_id_it_knows_them(bench: Bench) -> None:
    outcome = await bench.adapter.send(bench.envelope)
    assert isinstance(outcome, Accepted)
    assert outcome.provider_id
    (message,) = await bench.arrived()
    assert message.text.strip() == "Чайник ждёт."


async def test_a_message_arrives_with_both_parts_and_its_headers(letters: Bench) -> None:
    bench = letters
    assert isinstance(await bench.adapter.send(ENVELOPE), Accepted)
    (message,) = await bench.arrived()
    assert message.text.strip() == "Чайник ждёт."
    assert message.html.strip() == "<p>Чайник ждёт.</p>"
    assert message.headers["Subject"] == "Ваш чайник ждёт"
    assert message.headers["From"] == "Лавка <hello@shop.example>"
    assert message.headers["To"] == "uma@example.test"
    assert message.headers["Reply-To"] == "people@shop.example"
    assert message.headers["Message-ID"] == "<m_1@shop.example>"


async def test_marketing_can_be_left_with_one_click_and_service_says_nothing_of_it(letters: Bench) -> None:
    bench = letters
    await bench.adapter.send(ENVELOPE)
    await bench.adapter.send(replace(ENVELOPE, message_id="m_2", one_click_url=""))
    marketing, service = await bench.arrived()
    assert marketing.headers["List-Unsubscribe"] == "<https://shop.example/u/token>"
    assert marketing.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "List-Unsubscribe" not in service.headers


@pytest.mark.parametrize("subject", ["Hi\r\nBcc: x@evil.example", "=?utf-8?q?Hi=0D=0ABcc:_x@evil.example?="])
async def test_a_subject_that_would_add_a_header_is_rejected_and_the_address_stays_usable(
    letters: Bench, subject: str
) -> None:
    bench = letters
    outcome = await bench.adapter.send(replace(ENVELOPE, rendered=replace(ENVELOPE.rendered, subject=subject)))
    assert isinstance(outcome, Rejected)
    assert (outcome.code, outcome.suppress) == ("unsafe_header", False)
    assert await bench.arrived() == []


async def test_an_address_that_cannot_be_one_is_rejected_and_not_used_again(personal: Bench) -> None:
    bench = personal
    outcome = await bench.adapter.send(replace(bench.envelope, address="uma at example"))
    assert isinstance(outcome, Rejected)
    assert (outcome.code, outcome.suppress) == ("bad_address", True)
    assert await bench.arrived() == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sender": "My shop"}, "sender is not an e-mail address"),
        ({"reply_to": "nobody"}, "reply_to is not an e-mail address"),
        ({"return_path": "nobody"}, "return_path is not an e-mail address"),
        ({"one_click_url": "https://привет.example/u"}, "one_click_url is not ASCII"),
        ({"channel": DESK, "address": "nobody"}, "address is not an e-mail address"),
    ],
)
async def test_what_the_shops_own_settings_spoil_waits_until_they_are_mended(
    letters: Bench, wrong: dict[str, Any], message: str
) -> None:
    outcome = await letters.adapter.send(replace(ENVELOPE, **wrong))
    assert isinstance(outcome, Retry)
    assert outcome.detail.startswith(message)
    assert outcome.detail.endswith("mend [shop] in settings.toml")


async def test_an_adapter_that_promises_it_takes_a_message_id_only_once(bench: Bench) -> None:
    first, again = await bench.adapter.send(bench.envelope), await bench.adapter.send(bench.envelope)
    assert first == again
    assert len(await bench.arrived()) == (1 if bench.adapter.capabilities.idempotent else 2)


async def test_many_messages_at_once_all_arrive(bench: Bench) -> None:
    envelopes = [replace(bench.envelope, message_id=f"m_{number}") for number in range(20)]
    outcomes = await asyncio.gather(*(bench.adapter.send(envelope) for envelope in envelopes))
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert {message.message_id for message in await bench.arrived()} == {f"m_{number}" for number in range(20)}


async def test_an_adapter_has_time_for_an_attempt(bench: Bench) -> None:
    assert bench.adapter.capabilities.deadline >= 5


def test_the_inbox_takes_every_channel_without_suspending() -> None:
    shelf = MemoryShelf()
    inbox = InboxAdapter(shelf, ManualClock(NOW))
    for channel in (*CHANNELS, DESK):
        outcome = inbox.send(replace(ENVELOPE, message_id=channel, channel=channel, sender="SHOP", address="x@y.z"))
        with pytest.raises(StopIteration):
            outcome.send(None)


async def test_a_push_is_kept_with_its_words_and_its_instant() -> None:
    shelf = MemoryShelf()
    push = replace(ENVELOPE, channel="push", address="device-1", sender="Shop", one_click_url="")
    assert await InboxAdapter(shelf, ManualClock(NOW)).send(push) == Accepted("1")
    letter = await shelf.letter(1)
    assert letter is not None
    assert (letter.channel, letter.address, letter.at, letter.headers) == ("push", "device-1", NOW, {})
