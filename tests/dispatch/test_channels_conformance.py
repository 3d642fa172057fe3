"""What every adapter keeps, the local viewer and SMTP alike. SMTP speaks to a real server (aiosmtpd)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as MAIL
from pathlib import Path
from typing import Any, Final

import pytest
from aiosmtpd.smtp import SMTP, AuthResult

from tactful.clock import ManualClock
from tactful_dispatch.channels import Accepted, Adapter, Envelope, Rejected
from tactful_dispatch.channels.inbox import CHANNELS, InboxAdapter, MemoryShelf
from tactful_dispatch.channels.mailserver import MailServer, Security
from tactful_dispatch.channels.smtp import SmtpAdapter
from tactful_dispatch.content import Rendered

CERTIFICATE: Final = Path(__file__).with_name("loopback.pem")
NOW: Final = 1_795_000_000_000
ENVELOPE: Final = Envelope(
    message_id="m_1",
    customer="u1",
    channel="email",
    address="uma@example.test",
    sender="Лавка <hello@shop.example>",
    reply_to="people@shop.example",
    rendered=Rendered("Ваш чайник ждёт", "Чайник ждёт.\n", "<p>Чайник ждёт.</p>"),
    one_click_url="https://shop.example/u/token",
)


@dataclass(frozen=True)
class Arrived:
    """One message as its reader has it."""

    headers: dict[str, str]
    text: str
    html: str


@dataclass(frozen=True)
class Bench:
    """An adapter, and what has arrived at its far end."""

    adapter: Adapter
    arrived: Callable[[], Awaitable[list[Arrived]]]


class Mailbox:
    """aiosmtpd's handler: keeps what it is handed."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:
        self.messages.append(envelope.content)
        return "250 OK"


@asynccontextmanager
async def smtp_bench(security: Security = "none", **options: Any) -> AsyncIterator[Bench]:
    mailbox = Mailbox()
    loop = asyncio.get_running_loop()

    def conversation() -> SMTP:
        return SMTP(mailbox, loop=loop, hostname="server.example", **options)

    async def arrived() -> list[Arrived]:
        return [read(raw) for raw in mailbox.messages]

    async with await loop.create_server(conversation, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        user, password = ("", "") if security == "none" else ("shop", "p@ss")
        relay = MailServer("127.0.0.1", port, security, user, password)
        trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
        yield Bench(SmtpAdapter(relay, ManualClock(NOW), tls=trusting), arrived)


def starttls_bench() -> AbstractAsyncContextManager[Bench]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return smtp_bench(
        "starttls", tls_context=context, require_starttls=True, auth_required=True, authenticator=let_the_shop_in
    )


def let_the_shop_in(server: object, session: object, envelope: object, mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (b"shop", b"p@ss"))


def read(raw: bytes) -> Arrived:
    message = message_from_bytes(raw, policy=MAIL)
    assert isinstance(message, EmailMessage)
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    return Arrived(
        dict(message.items()),
        text.get_content() if text else "",
        html.get_content() if html else "",
    )


@asynccontextmanager
async def inbox_bench() -> AsyncIterator[Bench]:
    shelf = MemoryShelf()

    async def arrived() -> list[Arrived]:
        letters = reversed(await shelf.letters())
        return [Arrived(letter.headers, letter.text, letter.html) for letter in letters]

    yield Bench(InboxAdapter(shelf, ManualClock(NOW)), arrived)


@pytest.fixture(params=[inbox_bench, smtp_bench, starttls_bench])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    async with request.param() as made:
        yield made


async def test_a_message_arrives_with_both_parts_and_its_headers(bench: Bench) -> None:
    assert isinstance(await bench.adapter.send(ENVELOPE), Accepted)
    (message,) = await bench.arrived()
    assert message.text.strip() == "Чайник ждёт."
    assert message.html.strip() == "<p>Чайник ждёт.</p>"
    assert message.headers["Subject"] == "Ваш чайник ждёт"
    assert message.headers["From"] == "Лавка <hello@shop.example>"
    assert message.headers["To"] == "uma@example.test"
    assert message.headers["Reply-To"] == "people@shop.example"
    assert message.headers["Message-ID"] == "<m_1@shop.example>"


async def test_marketing_can_be_left_with_one_click_and_service_says_nothing_of_it(bench: Bench) -> None:
    await bench.adapter.send(ENVELOPE)
    await bench.adapter.send(replace(ENVELOPE, message_id="m_2", one_click_url=""))
    marketing, service = await bench.arrived()
    assert marketing.headers["List-Unsubscribe"] == "<https://shop.example/u/token>"
    assert marketing.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "List-Unsubscribe" not in service.headers


@pytest.mark.parametrize("subject", ["Hi\r\nBcc: x@evil.example", "=?utf-8?q?Hi=0D=0ABcc:_x@evil.example?="])
async def test_a_subject_that_would_add_a_header_is_rejected_and_the_address_stays_usable(
    bench: Bench, subject: str
) -> None:
    outcome = await bench.adapter.send(replace(ENVELOPE, rendered=replace(ENVELOPE.rendered, subject=subject)))
    assert isinstance(outcome, Rejected)
    assert (outcome.code, outcome.suppress) == ("unsafe_header", False)
    assert await bench.arrived() == []


async def test_an_address_that_cannot_be_one_is_rejected_and_not_used_again(bench: Bench) -> None:
    outcome = await bench.adapter.send(replace(ENVELOPE, address="uma at example"))
    assert isinstance(outcome, Rejected)
    assert (outcome.code, outcome.suppress) == ("bad_address", True)


async def test_a_sender_that_cannot_be_one_is_rejected_and_the_address_stays_usable(bench: Bench) -> None:
    outcome = await bench.adapter.send(replace(ENVELOPE, sender="shop"))
    assert isinstance(outcome, Rejected)
    assert (outcome.code, outcome.suppress) == ("bad_address", False)


async def test_an_adapter_that_promises_it_takes_a_message_id_only_once(bench: Bench) -> None:
    first, again = await bench.adapter.send(ENVELOPE), await bench.adapter.send(ENVELOPE)
    assert first == again
    assert len(await bench.arrived()) == (1 if bench.adapter.capabilities.idempotent else 2)


async def test_many_messages_at_once_all_arrive(bench: Bench) -> None:
    envelopes = [replace(ENVELOPE, message_id=f"m_{number}") for number in range(20)]
    outcomes = await asyncio.gather(*(bench.adapter.send(envelope) for envelope in envelopes))
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert len({message.headers["Message-ID"] for message in await bench.arrived()}) == 20


async def test_an_adapter_serves_the_channels_it_names(bench: Bench) -> None:
    assert "email" in bench.adapter.capabilities.channels
    assert bench.adapter.capabilities.channels <= CHANNELS
    assert bench.adapter.capabilities.deadline >= 5


def test_the_inbox_takes_every_channel_without_suspending() -> None:
    shelf = MemoryShelf()
    inbox = InboxAdapter(shelf, ManualClock(NOW))
    for channel in sorted(CHANNELS):
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
