"""The adapters, each with its far end on the loopback: a shelf, a real SMTP server (aiosmtpd), an HTTP server."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as MAIL
from pathlib import Path
from typing import Any, Final

from aiosmtpd.smtp import SMTP, AuthResult
from providerserver import provider_server

from tactful.clock import ManualClock
from tactful_dispatch.channels import Adapter, Envelope
from tactful_dispatch.channels.http import Http
from tactful_dispatch.channels.inbox import InboxAdapter, MemoryShelf
from tactful_dispatch.channels.mailserver import MailServer, Security
from tactful_dispatch.channels.publichost import Target
from tactful_dispatch.channels.sms import SmsAdapter
from tactful_dispatch.channels.smsgateway import sms_gateway
from tactful_dispatch.channels.smtp import SmtpAdapter
from tactful_dispatch.channels.webhook import WebhookAdapter
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

    @property
    def message_id(self) -> str:
        """Ours, as the far end knows it."""
        return self.headers.get("id") or self.headers["Message-ID"].strip("<>").partition("@")[0]


@dataclass(frozen=True)
class Bench:
    """An adapter, and what has arrived at its far end."""

    adapter: Adapter
    arrived: Callable[[], Awaitable[list[Arrived]]]
    envelope: Envelope = ENVELOPE


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
        letters = reversed(await shelf.letters(10**9))
        return [Arrived(letter.headers, letter.text, letter.html) for letter in letters]

    yield Bench(InboxAdapter(shelf, ManualClock(NOW)), arrived)


@asynccontextmanager
async def sms_bench() -> AsyncIterator[Bench]:
    async with provider_server() as provider:
        provider.answers = [(201, {}, b'{"sid": "SM1", "status": "queued", "num_segments": "1", "price": null}')]

        async def arrived() -> list[Arrived]:
            return [
                Arrived({"id": each.form["StatusCallback"].rpartition("/")[2]}, each.form["Body"], "")
                for each in provider.asked
            ]

        gateway = sms_gateway(f"twilio+plain://AC1:t0ken@127.0.0.1:{provider.port}?from=+34600000001")
        letter = replace(ENVELOPE, channel="sms", address="+34600111222", sender="Shop")
        yield Bench(SmsAdapter(gateway, lambda: "https://hello.shop.example"), arrived, letter)


@asynccontextmanager
async def webhook_bench() -> AsyncIterator[Bench]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    async with provider_server(context) as provider:
        taken: dict[str, Arrived] = {}

        async def arrived() -> list[Arrived]:
            """A receiver that keeps the specification knows a repeat by its id."""
            for each in provider.asked:
                data = json.loads(each.body)["data"]
                taken[each.headers["webhook-id"]] = Arrived({"id": each.headers["webhook-id"]}, data["text"], "")
            return list(taken.values())

        async def here(url: str) -> Target:
            return Target(f"https://127.0.0.1:{provider.port}/hook", "localhost", "localhost")

        http = Http(10.0, ssl.create_default_context(cafile=str(CERTIFICATE)))
        adapter = WebhookAdapter(b"secret", ManualClock(NOW), judge=here, http=http)
        letter = replace(ENVELOPE, channel="webhook", address="https://hooks.shop.example/", sender="Shop")
        yield Bench(adapter, arrived, letter)
