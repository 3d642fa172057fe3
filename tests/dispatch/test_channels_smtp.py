"""What each broken conversation with a mail server means, against servers that follow a script."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import pytest
from channelbench import CERTIFICATE

from tactful.clock import ManualClock
from tactful.errors import SettingsError
from tactful_dispatch.channels import Accepted, Envelope, Outcome, Rejected, Retry, Unknown
from tactful_dispatch.channels.mailserver import MailServer, Security, mail_server
from tactful_dispatch.channels.smtp import SmtpAdapter
from tactful_dispatch.channels.smtp_replies import Phase, broken, refusal
from tactful_dispatch.content import Rendered

ENVELOPE: Final = Envelope(
    message_id="m_1",
    customer="u1",
    channel="email",
    address="uma@example.test",
    sender="Sample shop <hello@shop.example>",
    reply_to="",
    rendered=Rendered("Your kettle", "Dear Uma,\n.this line begins with a dot\n..and this with two\n"),
)
LARGE: Final = replace(ENVELOPE, rendered=Rendered("Your kettle", "0123456789 " * 1_000_000))
DROP: Final = "DROP"  # the server closes the connection
RESET: Final = "RESET"  # the server resets it
SILENCE: Final = "SILENCE"  # the server listens and says nothing more
STALL: Final = "STALL"  # the server does not even listen, until it is told to
WELCOME: Final = {
    "banner": "220 ready",
    "EHLO": "250 server.example",
    "HELO": "250 server.example",
    "MAIL": "250 ok",
    "RCPT": "250 ok",
    "DATA": "354 go on",
    "body": "",
    "dot": "250 2.0.0 queued as 4F1C",
    "QUIT": "221 bye",
}


class Script:
    """A mail server that answers by the book, except where the script says otherwise; remembers what it heard."""

    def __init__(self, changes: Mapping[str, str]) -> None:
        self._answers = {**WELCOME, **changes}
        self.heard: list[bytes] = []
        self.listen, self.over = asyncio.Event(), asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.over.set()
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        going = await self._answer("banner", reader, writer)
        while going and (line := await reader.readline()):
            self.heard.append(line)
            verb = line[:4].decode().upper()
            going = await self._answer(verb, reader, writer)
            if going and verb == "DATA" and self._answers["DATA"].startswith("354"):
                going = await self._message(reader, writer)

    async def _message(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if self._answers["body"]:
            await reader.read(1000)
            return await self._answer("body", reader, writer)
        self.heard.append(await reader.readuntil(b"\r\n.\r\n"))
        return await self._answer("dot", reader, writer)

    async def _answer(self, step: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        answer = self._answers[step]
        if answer == STALL:
            await self.listen.wait()
        if answer in (SILENCE, STALL):
            while chunk := await reader.read(1 << 16):
                self.heard.append(chunk)
        if answer == RESET:
            writer.transport.abort()
        if answer in (DROP, RESET, SILENCE, STALL):
            return False
        writer.write(answer.encode() + b"\r\n")
        await writer.drain()
        return True


@asynccontextmanager
async def server(changes: Mapping[str, str], tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[Script, int]]:
    script = Script(changes)
    listening = await asyncio.start_server(script.serve, "127.0.0.1", 0, ssl=tls)
    async with listening:
        yield script, listening.sockets[0].getsockname()[1]


def adapter(port: int, security: Security = "none", closing: float = 10.0) -> SmtpAdapter:
    return SmtpAdapter(MailServer("127.0.0.1", port, security), ManualClock(), tls=trusting(), closing=closing)


def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(CERTIFICATE))


def own_certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


async def outcome_of(changes: Mapping[str, str], envelope: Envelope = ENVELOPE) -> Outcome:
    patience = 0.2 if SILENCE in changes.values() else 10
    async with server(changes) as (_, port):
        return await adapter(port, closing=patience).send(envelope, patience)


async def test_a_message_that_is_taken_is_accepted_with_the_servers_words() -> None:
    assert await outcome_of({}) == Accepted("<m_1@shop.example>", "2.0.0 queued as 4F1C")


async def test_the_conversation_is_said_in_order_and_ends_with_a_goodbye() -> None:
    async with server({}) as (script, port):
        await adapter(port).send(ENVELOPE)
    said = [line.strip() for line in script.heard if not line.startswith(b"From:")]
    assert said == [
        b"EHLO shop.example",
        b"MAIL FROM:<hello@shop.example>",
        b"RCPT TO:<uma@example.test>",
        b"DATA",
        b"QUIT",
    ]


async def test_lines_that_begin_with_a_dot_are_stuffed() -> None:
    async with server({}) as (script, port):
        await adapter(port).send(ENVELOPE)
    message = next(line for line in script.heard if line.startswith(b"From:"))
    assert b"\r\n..this line begins with a dot\r\n...and this with two\r\n" in message


@pytest.mark.parametrize("step", ["banner", "EHLO", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("end", [DROP, RESET, SILENCE])
async def test_a_connection_that_breaks_before_the_message_has_sent_nothing(step: str, end: str) -> None:
    outcome = await outcome_of({step: end})
    assert isinstance(outcome, Retry)
    assert outcome.code == "connection"
    assert outcome.after > 0


@pytest.mark.parametrize("end", [DROP, RESET])
async def test_a_connection_that_breaks_within_the_message_has_sent_nothing(end: str) -> None:
    assert isinstance(await outcome_of({"body": end}, LARGE), Retry)


async def test_what_a_stalled_server_did_not_take_in_time_never_reaches_it() -> None:
    async with server({"body": STALL}) as (script, port):
        outcome = await adapter(port, closing=0.2).send(LARGE)
        script.listen.set()
        await script.over.wait()
    assert isinstance(outcome, Retry)
    assert sum(map(len, script.heard)) < len(LARGE.rendered.text)


@pytest.mark.parametrize("end", [DROP, RESET, SILENCE])
async def test_a_connection_that_breaks_after_the_final_dot_is_unknown(end: str) -> None:
    assert isinstance(await outcome_of({"dot": end}), Unknown)


async def test_after_a_broken_conversation_not_another_byte_is_said() -> None:
    async with server({"dot": SILENCE}) as (script, port):
        await adapter(port, closing=0.2).send(ENVELOPE)
        await script.over.wait()
    assert script.heard[-1].endswith(b"\r\n.\r\n")


@pytest.mark.parametrize("step", ["banner", "MAIL", "RCPT", "DATA", "dot"])
@pytest.mark.parametrize("reply", ["421 4.3.2 going down", "451 4.7.1 grey-listed, come back later", "452 full"])
async def test_a_temporary_refusal_is_tried_again_wherever_it_comes(step: str, reply: str) -> None:
    outcome = await outcome_of({step: reply})
    assert isinstance(outcome, Retry)
    assert outcome.code == reply[:3]


async def test_several_lines_of_a_reply_are_read_as_one() -> None:
    assert await outcome_of({"RCPT": "550-5.1.1 No such user here.\r\n550 5.1.1 Check the spelling."}) == Rejected(
        "550", "550 5.1.1 No such user here. 5.1.1 Check the spelling.", suppress=True
    )


async def test_a_message_too_large_is_rejected_and_the_address_stays_usable() -> None:
    assert await outcome_of({"dot": "552 5.3.4 too big"}) == Rejected("552", "552 5.3.4 too big")


@pytest.mark.parametrize("reply", ["554 5.7.1 go away", "550 5.1.1 nobody here"])
async def test_a_server_that_takes_no_mail_at_all_is_not_the_messages_fault(reply: str) -> None:
    assert isinstance(await outcome_of({"banner": reply}), Retry)


async def test_a_wrong_password_burns_no_message() -> None:
    greeting = {"EHLO": "250-server.example\r\n250 AUTH PLAIN", "AUTH": "535 5.7.8 wrong password"}
    async with server(greeting) as (_, port):
        known = MailServer("127.0.0.1", port, "none", "shop", "secret")
        outcome = await SmtpAdapter(known, ManualClock()).send(ENVELOPE)
    assert isinstance(outcome, Retry)
    assert outcome.code == "535"


async def test_a_server_without_starttls_gets_no_message() -> None:
    async with server({}) as (script, port):
        outcome = await adapter(port, "starttls").send(ENVELOPE)
    assert isinstance(outcome, Retry)
    assert "STARTTLS" in outcome.detail
    assert not any(line.startswith(b"MAIL") for line in script.heard)


async def test_a_server_that_refuses_starttls_gets_no_message() -> None:
    greeting = {"EHLO": "250-server.example\r\n250 STARTTLS", "STAR": "454 4.7.0 TLS not available"}
    async with server(greeting) as (script, port):
        outcome = await adapter(port, "starttls").send(ENVELOPE)
    assert isinstance(outcome, Retry)
    assert outcome.code == "454"
    assert not any(line.startswith(b"MAIL") for line in script.heard)


async def test_a_message_goes_over_tls_from_the_first_byte() -> None:
    async with server({}, tls=own_certificate()) as (_, port):
        assert isinstance(await adapter(port, "implicit").send(ENVELOPE), Accepted)


async def test_a_certificate_that_nobody_vouches_for_gets_no_message() -> None:
    async with server({}, tls=own_certificate()) as (script, port):
        stranger = SmtpAdapter(MailServer("127.0.0.1", port, "implicit"), ManualClock())
        outcome = await stranger.send(ENVELOPE)
    assert isinstance(outcome, Retry)
    assert "CERTIFICATE_VERIFY_FAILED" in outcome.detail
    assert script.heard == []


async def test_a_port_where_nobody_listens_is_tried_again() -> None:
    async with server({}) as (_, port):
        pass
    assert isinstance(await adapter(port).send(ENVELOPE), Retry)


async def test_a_reply_that_is_not_smtp_is_a_broken_connection() -> None:
    assert isinstance(await outcome_of({"banner": "HTTP/1.1 200 OK"}), Retry)
    assert isinstance(await outcome_of({"dot": "\x00\xff nonsense"}), Unknown)


async def test_a_caller_that_stops_waiting_leaves_no_connection_behind() -> None:
    async with server({"dot": SILENCE}) as (script, port):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await adapter(port, closing=60).send(ENVELOPE)
        await script.over.wait()
    assert not any(line.startswith(b"QUIT") for line in script.heard)


@pytest.mark.parametrize(
    ("phase", "code", "text", "suppress"),
    [
        (Phase.RECIPIENT, 550, "5.1.1 no such user", True),
        (Phase.RECIPIENT, 550, "5.1.10 domain takes no mail", True),
        (Phase.RECIPIENT, 550, "5.2.1 mailbox closed", True),
        (Phase.RECIPIENT, 550, "no such user", True),
        (Phase.RECIPIENT, 550, "5.0.0 no such user", True),
        (Phase.RECIPIENT, 550, "<u@x.test>: Recipient address rejected: User unknown in relay recipient table", True),
        (Phase.RECIPIENT, 550, "Requested action not taken: account disabled", True),
        (Phase.RECIPIENT, 550, "<sender@relay.example>: no such user", True),
        (Phase.RECIPIENT, 550, "5.7.1 No such user!", True),
        (Phase.RECIPIENT, 550, "#5.1.0 Address rejected.", True),
        (Phase.RECIPIENT, 550, "5.2.0 unknown user", True),
        (Phase.RECIPIENT, 550, "Recipient address rejected: access denied", False),
        (Phase.RECIPIENT, 550, "rejected by policy", False),
        (Phase.RECIPIENT, 553, "mailbox name not allowed", True),
        (Phase.RECIPIENT, 550, "5.1.1 no such user, says the relay that we send by", True),
        (Phase.DATA, 550, "5.1.1 no such user", False),
        (Phase.DATA, 550, "no such user", False),
        (Phase.DOT, 550, "5.1.1 no such user", True),
        (Phase.DOT, 550, "no such user", False),
        (Phase.DOT, 550, "looks like spam", False),
        (Phase.RECIPIENT, 550, "5.7.1 blocked by policy", False),
        (Phase.DOT, 550, "5.7.515 sender fails authentication", False),
        (Phase.RECIPIENT, 552, "5.2.2 mailbox full", False),
        (Phase.RECIPIENT, 554, "no", False),
        (Phase.DATA, 554, "no valid recipients", False),
    ],
)
def test_only_a_server_that_says_so_makes_an_address_unusable(
    phase: Phase, code: int, text: str, suppress: bool
) -> None:
    assert refusal(phase, code, text) == Rejected(str(code), f"{code} {text}", suppress)


@pytest.mark.parametrize(
    ("phase", "code", "text"),
    [
        (Phase.SENDER, 550, "5.1.1 who are you"),
        (Phase.SENDER, 553, "5.7.1 <hello@shop.example>: sender address rejected: not owned by user shop"),
        (Phase.RECIPIENT, 550, "relay not permitted"),
        (Phase.RECIPIENT, 554, "5.7.1 <uma@example.test>: Relay access denied"),
        (Phase.RECIPIENT, 550, "SPF check failed"),
        (Phase.RECIPIENT, 550, "Blocked by blacklist"),
        (Phase.RECIPIENT, 550, "Sender verify failed: user unknown"),
        (Phase.RECIPIENT, 550, "no PTR: the name of your IP address was not found"),
        (Phase.RECIPIENT, 550, "Your account has been disabled, write to support"),
        (Phase.RECIPIENT, 550, 'Outgoing mail from "hello@shop.example" has been suspended.'),
        (Phase.RECIPIENT, 550, "5.1.8 bad sender"),
        (Phase.RECIPIENT, 550, "5.1.0 MailFrom domain is listed in Spamhaus"),
        (Phase.RECIPIENT, 550, "5.4.5 Daily user sending limit exceeded"),
        (Phase.DOT, 550, "5.4.5 Daily user sending limit exceeded"),
    ],
)
def test_what_is_wrong_with_the_sender_burns_no_message_and_no_address(phase: Phase, code: int, text: str) -> None:
    assert isinstance(refusal(phase, code, text), Retry)


@pytest.mark.parametrize("phase", list(Phase))
def test_an_account_that_is_refused_is_never_the_messages_fault(phase: Phase) -> None:
    for code in (530, 535):
        assert isinstance(refusal(phase, code, "5.7.0 sign in first"), Retry)


@pytest.mark.parametrize("phase", list(Phase))
def test_only_silence_after_the_dot_is_unknown(phase: Phase) -> None:
    kind: type[Unknown | Retry] = Unknown if phase is Phase.DOT else Retry
    assert isinstance(broken(phase, "gone"), kind)
    assert isinstance(refusal(phase, 250, "fine"), kind)


def test_a_servers_words_are_kept_short_and_printable() -> None:
    outcome = refusal(Phase.DOT, 550, "no\r\nway\x1b[31m\udcff" + "x" * 9999)
    assert isinstance(outcome, Rejected)
    assert outcome.detail.startswith("550 no way [31m ")
    assert len(outcome.detail) == 300


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("smtp://mail.example", MailServer("mail.example", 587, "starttls")),
        ("smtps://shop:p%40ss%2F@mail.example", MailServer("mail.example", 465, "implicit", "shop", "p@ss/")),
        ("smtp+plain://127.0.0.1:1025", MailServer("127.0.0.1", 1025, "none")),
        ("smtps://[::1]", MailServer("::1", 465, "implicit")),
        ("smtps://mail.straße.example", MailServer("mail.xn--strae-oqa.example", 465, "implicit")),
        ("smtp://[::1]:25/", MailServer("::1", 25, "starttls")),
    ],
)
def test_a_url_names_the_server(url: str, wanted: MailServer) -> None:
    assert mail_server(url) == wanted


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.example:25",
        "http://mail.example",
        "smtp://",
        "smtp://shop:hunter2@mail.example:seven",
        "smtp://shop:hun/ter2@mail.example",
        "smtp://shop:[hunter2]@mail.example",
        "smtp://shop:hunter2@mail.example?tls=no",
        "smtp+plain://shop:hunter2@127.0.0.1",
        "smtp://[::1",
        "smtp://shop:hunter2@mail..example",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_repeating_its_password(url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        mail_server(url)
    assert not any(part in str(refused.value) for part in ("hunter2", "hun", "ter2"))


def test_a_password_never_shows_in_a_repr() -> None:
    assert "hunter2" not in repr(mail_server("smtp://shop:hunter2@mail.example"))
