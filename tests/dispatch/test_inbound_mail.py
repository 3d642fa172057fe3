"""What comes back by e-mail: who may hand it over, what it means, and that nothing in it breaks anything."""

from __future__ import annotations

from base64 import encodebytes
from email.message import EmailMessage
from typing import Any, Final

import httpx
import pytest
from fakedesk import FakeDesk
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from tactful.keys import FixedKeys, Key
from tactful.records import MessageBody
from tactful.settings import Settings, Shop
from tactful_dispatch.channels.mail import compose
from tactful_dispatch.content import Rendered
from tactful_dispatch.desk import CustomerCard
from tactful_dispatch.inbound import create_inbound
from tactful_dispatch.inbound.mail import LARGEST
from tactful_dispatch.inbound.reading import LOOKED_AT, read
from tactful_dispatch.links import Links
from tactful_dispatch.sending.writing import envelope

LINKS: Final = Links("http://x", b"0" * 16)
OURS: Final = "m_0123456789abcdef01234567"
SEALED: Final = LINKS.sealed(OURS)
BOUNCE: Final = f"""\
From: MAILER-DAEMON@mx.example
To: bounces+{SEALED}@shop.example
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

Sorry.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; uma@example.test
Action: failed
Status: 5.1.1

--b--
"""
ABUSE: Final = f"""\
From: abuse@provider.example
Subject: complaint
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Loop/1

--b
Content-Type: text/rfc822-headers

Message-ID: <{SEALED}@shop.example>
From: shop@shop.example

--b--
"""


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk(CustomerCard("u1", {}, None, None, None, (), (), 0, False, ()), 1)


@pytest.fixture
def client(desk: FakeDesk) -> httpx.AsyncClient:
    app = FastAPI()
    keys = FixedKeys([("server-key", Key("mail", "server")), ("browser-key", Key("page", "browser"))])
    app.include_router(create_inbound(desk, keys, LINKS))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop.test", auth=("server-key", ""))


async def posted(client: httpx.AsyncClient, raw: str | bytes) -> dict[str, Any]:
    answer = await client.post("/mail/inbound", content=raw)
    assert answer.status_code == 200
    told: dict[str, Any] = answer.json()
    return told


def reply(**headers: str) -> bytes:
    message = EmailMessage()
    message["From"] = "uma@example.test"
    message["In-Reply-To"] = f"<{SEALED}@shop.example>"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content("Thank you!")
    return message.as_bytes()


# what it means


@pytest.mark.parametrize(
    ("action", "status", "receipt"),
    [
        ("failed", "5.1.1", ("Message Bounced", {"hard": True, "detail": "failed 5.1.1"})),
        ("failed", "5.7.1", ("Message Bounced", {"hard": False, "detail": "failed 5.7.1"})),
        ("failed", "5.2.2", ("Message Bounced", {"hard": False, "detail": "failed 5.2.2"})),
        ("failed", "5.0.0", ("Message Bounced", {"hard": False, "detail": "failed 5.0.0"})),
        ("failed", "4.2.2", ("Message Bounced", {"hard": False, "detail": "failed 4.2.2"})),
        ("delivered", "2.0.0", ("Message Delivered", {})),
        ("relayed", "5.9.9", ("Message Delivered", {})),
    ],
)
async def test_a_delivery_report_says_what_became_of_the_message(
    desk: FakeDesk, client: httpx.AsyncClient, action: str, status: str, receipt: tuple[str, dict[str, Any]]
) -> None:
    told = await posted(client, BOUNCE.replace("failed", action).replace("5.1.1", status))
    assert desk.calls == [("receipt", OURS, *receipt)]
    assert told == {"success": True, "message_id": OURS, "noted": [receipt[0]]}


@pytest.mark.parametrize(
    ("status", "words", "hard"),
    [
        ("5.0.0", "smtp; 550 No such user here", True),
        ("5.0.0", "smtp; 550 blocked by blacklist", False),
        (
            "5.0.0",
            "smtp; 550 5.1.1 <uma@example.test>: мы такого не знаем",
            True,
        ),  # Exim's reports have no other status
        ("5.0.0", "smtp; 552-5.2.2 The account that you tried to reach is over quota\n 552 5.2.2 and disabled", False),
        ("5.0.0", "smtp; 550 #5.1.0 Address rejected.", True),
        ("5.0.0", "smtp; 5.1.0 - Unknown address error 550-'5.7.1 <uma@example.test>... Access denied'", False),
        ("5.0.0", "smtp; 554 delivery error: dd This user doesn't have a yahoo.com account", True),
        ("5.1.0", "smtp; 550-5.1.0 MXIN506 MailFrom domain is listed in Spamhaus.", False),
        ("5.1.0", "smtp; 550 5.1.0 Address rejected", True),
        ("5.1.1", "smtp; 550 5.7.1 IP address blacklisted by recipient", False),
        ("5.1.1", "smtp; 550 5.0.0 rejected", True),
        ("5.2.0", "smtp; 550 Unknown user", True),
        ("5.5.0", "smtp; 550 5.5.0 Adresse destinataire invalide. Invalid recipient.", True),
        ("5.7.1", "smtp; 550 5.7.1 No such user!", True),  # Yandex
        ("5.7.1", "smtp; 550 5.7.1 Sender verify failed: no such user", False),
        ("5.1.351", "smtp;550 5.1.351 Remote server returned unknown recipient -> 550 : User unknown", True),
        ("5.1.351", "smtp;550 5.1.351 Remote server returned unknown recipient -> 550 Rejected", False),
    ],
)
async def test_where_the_status_says_nothing_the_words_of_the_server_that_refused_do(
    desk: FakeDesk, client: httpx.AsyncClient, status: str, words: str, hard: bool
) -> None:
    await posted(client, BOUNCE.replace("Status: 5.1.1", f"Status: {status}\nDiagnostic-Code: {words}"))
    assert desk.calls == [("receipt", OURS, "Message Bounced", {"hard": hard, "detail": f"failed {status}"})]


async def test_of_many_recipients_each_receipt_is_noted_once(desk: FakeDesk, client: httpx.AsyncClient) -> None:
    """Whoever got a letter may send a report with thousands, and each would be a transaction."""
    one = BOUNCE.partition("Final-Recipient")[2].partition("\n\n--b--")[0]
    many = "\n\n".join(
        f"Final-Recipient{one.replace('5.1.1', status)}" for status in ("5.1.1", "5.2.2", "5.1.1", "5.7.1") * 9
    )
    told = await posted(client, f"{BOUNCE.partition('Final-Recipient')[0]}{many}\n\n--b--\n")
    bounced = ("receipt", OURS, "Message Bounced")
    assert desk.calls == [
        (*bounced, {"hard": True, "detail": "failed 5.1.1"}),
        (*bounced, {"hard": False, "detail": "failed 5.2.2"}),
    ]
    assert told["noted"] == ["Message Bounced", "Message Bounced"]


@pytest.mark.parametrize("encoded", [False, True])
async def test_a_report_in_any_script_is_read(desk: FakeDesk, client: httpx.AsyncClient, encoded: bool) -> None:
    """RFC 6533."""
    blocks = "Reporting-MTA: dns; mx.example\n\nFinal-Recipient: utf-8; ума@пример.рф\nAction: failed\nStatus: 5.1.1\n"
    kind = "message/global-delivery-status"
    body = f"Content-Transfer-Encoding: base64\n\n{encodebytes(blocks.encode()).decode()}" if encoded else f"\n{blocks}"
    head = BOUNCE.partition("Content-Type: message/delivery-status")[0]
    await posted(client, f"{head}Content-Type: {kind}\n{body}\n--b--\n")
    assert desk.calls == [("receipt", OURS, "Message Bounced", {"hard": True, "detail": "failed 5.1.1"})]


async def test_a_report_that_a_server_still_tries_is_no_bounce(desk: FakeDesk, client: httpx.AsyncClient) -> None:
    told = await posted(client, BOUNCE.replace("failed", "delayed").replace("5.1.1", "4.4.1"))
    assert (told["noted"], desk.calls) == ([], [])


async def test_a_report_of_spam_is_a_complaint(desk: FakeDesk, client: httpx.AsyncClient) -> None:
    await posted(client, ABUSE)
    assert desk.calls == [("receipt", OURS, "Message Complained", {})]


async def test_a_report_that_it_is_no_spam_is_no_complaint(desk: FakeDesk, client: httpx.AsyncClient) -> None:
    await posted(client, ABUSE.replace("Type: abuse", "Type: not-spam"))
    assert desk.calls == []


async def test_a_person_s_answer_is_a_reply_and_what_it_says_is_not_kept(
    desk: FakeDesk, client: httpx.AsyncClient
) -> None:
    await posted(client, reply())
    assert desk.calls == [("receipt", OURS, "Message Replied", {})]


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Precedence": "auto_reply"},
        {"Precedence": "bulk"},
        {"Precedence": "Junk"},
        {"Precedence": "list"},
        {"X_Precedence": "bulk"},
        {"Preference": "auto_reply"},
        {"X_Apple_Action": "VACATION"},
        {"X_Mail_Autoreply": "uma.example.test"},
        {"X_FC_MachineGenerated": "true"},
        {"Return_Path": "<>"},
        {"Return_Path": "<MAILER-DAEMON>"},
        {"X_Autoreply": "yes"},
        {"X_Autorespond": "I am away"},
        {"X_Autogenerated": "Reply"},
        {"X_Auto_Response_Suppress": "All"},
    ],
    ids=lambda headers: " ".join(*headers.items()),
)
async def test_a_machine_s_answer_is_no_reply(
    desk: FakeDesk, client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    await posted(client, reply(**headers))
    assert desk.calls == []


@pytest.mark.parametrize("report", [BOUNCE, ABUSE], ids=["dsn", "arf"])
async def test_what_somebody_encloses_in_an_answer_is_not_about_the_message_that_they_answer(
    desk: FakeDesk, client: httpx.AsyncClient, report: str
) -> None:
    head = f"From: uma@example.test\nIn-Reply-To: <{SEALED}@shop.example>\nContent-Type: multipart/mixed; boundary=c\n"
    words = "--c\n\nI could not write to your returns address, see below.\n"
    enclosed = report.replace(SEALED, LINKS.sealed("m_" + "9" * 24))
    await posted(client, f"{head}\n{words}\n--c\nContent-Type: message/rfc822\n\n{enclosed}\n--c--\n")
    assert desk.calls == [("receipt", OURS, "Message Replied", {})]


async def test_the_note_that_a_letter_was_displayed_is_no_reply(desk: FakeDesk, client: httpx.AsyncClient) -> None:
    """RFC 8098, as a mail program sends it."""
    receipt = BOUNCE.replace("delivery-status", "disposition-notification").replace("MAILER-DAEMON@mx", "uma@")
    await posted(client, f"In-Reply-To: <{SEALED}@shop.example>\n{receipt}")
    assert desk.calls == []


FEEDBACK: Final = f"Feedback-Type: abuse\nUser-Agent: Loop/1\nOriginal-Mail-From: <bounces+{SEALED}@shop.example>\n"


@pytest.mark.parametrize(
    ("shown", "instead"),
    [
        (f"Message-ID: <{SEALED}@shop.example>", f"Return-Path: <bounces+{SEALED}@shop.example>"),
        (
            "Content-Type: text/rfc822-headers",
            f"Content-Type: message/rfc822\n\nReturn-Path: <bounces+{SEALED}@x.test>",
        ),
        ("Feedback-Type: abuse\nUser-Agent: Loop/1\n", FEEDBACK),
        (
            "feedback-report\n\nFeedback-Type: abuse\nUser-Agent: Loop/1\n",
            f"feedback-report\nContent-Transfer-Encoding: base64\n\n{encodebytes(FEEDBACK.encode()).decode()}",
        ),
    ],
    ids=["return path", "return path of the whole message", "sender in the report", "report in base64"],
)
async def test_a_report_of_spam_names_the_message_by_any_address_of_ours(
    desk: FakeDesk, client: httpx.AsyncClient, shown: str, instead: str
) -> None:
    assert shown in ABUSE
    await posted(client, ABUSE.replace(shown, instead).replace(f"Message-ID: <{SEALED}@shop.example>\n", ""))
    assert desk.calls == [("receipt", OURS, "Message Complained", {})]


ANSWER: Final = f"Message-ID: <staff@shop.example>\nReferences: <{SEALED}@shop.example> <uma@example.test>\n"
LETTER: Final = f"Message-ID: <{SEALED}@shop.example>\n"
ENCODED: Final = f"Content-Transfer-Encoding: base64\n\n{encodebytes(LETTER.encode()).decode()}"


@pytest.mark.parametrize(
    ("returned", "message_id"),
    [
        (f"text/rfc822-headers\n\n{LETTER}", OURS),
        (f"text/rfc822-headers\n{ENCODED}", OURS),
        (f"message/rfc822\n\n{LETTER}", OURS),
        (f"message/global-headers\n\n{LETTER}", OURS),
        (f"text/rfc822-headers\n\n{ANSWER}", ""),
        (f"message/rfc822\n\n{ANSWER}", ""),
        (f"message/rfc822\n\n{ANSWER}Content-Type: message/rfc822\n\n{LETTER}", ""),
    ],
    ids=["headers", "in base64", "whole", "international", "a thread", "whole in a thread", "forwarded"],
)
def test_what_is_returned_is_what_a_report_is_about_and_not_what_it_answers_or_encloses(
    returned: str, message_id: str
) -> None:
    """People at the shop write to a courier about what a customer has answered: their letter's end is not the customer's."""
    raw = BOUNCE.replace(f"bounces+{SEALED}", "help").replace("--b--", f"--b\nContent-Type: {returned}\n\n--b--")
    thread = f"References: <{SEALED}@shop.example> <uma@example.test> <staff@shop.example>\n"  # as Exim writes it
    assert read(f"{thread}{raw}".encode(), LINKS.sealed_in).message_id == message_id


# what names no message of ours


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (BOUNCE.replace(SEALED, "x"), "no_message_named"),
        (BOUNCE.replace(SEALED, OURS), "no_message_named"),
        (BOUNCE.replace(SEALED, Links("http://x", b"1" * 16).sealed(OURS)), "no_message_named"),
        (reply().replace(SEALED.encode(), OURS.encode()), "nothing_reported"),
        ("Subject: hello\n\nhello", "nothing_reported"),
        ("", "nothing_reported"),
    ],
    ids=["a report of somebody else's", "no seal", "another's seal", "a reply without a seal", "a letter", "nothing"],
)
async def test_what_is_not_about_our_messages_is_taken_and_named(
    desk: FakeDesk, client: httpx.AsyncClient, raw: str | bytes, code: str
) -> None:
    """Whoever posted the event that began a run can work out the ids of its messages, but not their seals."""
    assert (await posted(client, raw))["code"] == code
    assert desk.calls == []


async def test_a_name_without_a_seal_hides_none_that_has_one(desk: FakeDesk, client: httpx.AsyncClient) -> None:
    await posted(client, BOUNCE.replace("To: ", f"To: bounces+m_{'0' * 24}-{'0' * 10}@shop.example, "))
    assert [call[:3] for call in desk.calls] == [("receipt", OURS, "Message Bounced")]


async def test_a_report_on_a_message_that_nobody_knows_is_named(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    desk.knows_messages = False
    assert (await posted(client, BOUNCE))["code"] == "unknown_message"


# who may hand it over


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [("", 401, "invalid_key"), ("wrong", 401, "invalid_key"), ("browser-key", 403, "key_scope")],
)
async def test_only_a_server_key_may(
    client: httpx.AsyncClient, desk: FakeDesk, key: str, status: int, code: str
) -> None:
    answer = await client.post("/mail/inbound", content=BOUNCE, auth=(key, ""))
    assert (answer.status_code, answer.json()["code"], desk.calls) == (status, code, [])


async def test_a_message_without_end_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/mail/inbound", content=b"x" * (LARGEST + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_a_store_that_is_away_asks_for_patience(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    desk.closed = True
    answer = await client.post("/mail/inbound", content=BOUNCE)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")


# that nothing breaks


@given(st.binary(max_size=400))
def test_any_bytes_are_read(raw: bytes) -> None:
    read(raw, LINKS.sealed_in)


@given(st.integers(0, len(BOUNCE) - 1), st.binary(max_size=6), st.integers(0, 40))
def test_a_report_that_was_damaged_anywhere_is_read(place: int, noise: bytes, cut: int) -> None:
    raw = BOUNCE.encode()
    read(raw[:place] + noise + raw[place + cut :], LINKS.sealed_in)


@pytest.mark.parametrize(
    "raw",
    [
        b"To: " + b"(" * 5000 + b"\n\n",
        b"To: " + b"uma@example.test," * 100_000 + f"\nIn-Reply-To: <{SEALED}@shop.example>\n\n".encode(),
        b"".join(b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (n, n) for n in range(1000)),
        b"Content-Type: message/rfc822\n\n" * 1000,
        b"Content-Type: multipart/mixed; boundary*0=1; boundary*=2; boundary*9=3\n\n--1\n",
    ],
    ids=["parentheses", "addresses", "multipart", "rfc822", "parameters"],
)
async def test_mail_that_is_nested_or_addressed_beyond_all_reason_reports_nothing(
    client: httpx.AsyncClient, raw: bytes
) -> None:
    assert (await posted(client, raw))["code"] == "nothing_reported"


def test_a_report_is_read_before_whatever_it_returns() -> None:
    returned = b"--b\nContent-Type: message/rfc822\n\nSubject: x\n\n" + b"JVBERi0xLjQ=\n" * 100_000
    whole = BOUNCE.encode().replace(b"--b--\n", returned + b"--b--\n")
    assert read(whole, LINKS.sealed_in) == read(BOUNCE.encode(), LINKS.sealed_in)


def test_of_a_mail_without_end_only_its_beginning_is_looked_at() -> None:
    """The parser takes a minute of its thread, and a gigabyte, for ten megabytes of empty parts."""
    assert not read(BOUNCE.replace("Sorry.", "Sorry.\n" * LOOKED_AT).encode(), LINKS.sealed_in).reports


# the address that reports come back to


def letter(bounce_address: str) -> str:
    settings = Settings(shop=Shop(bounce_address=bounce_address))
    message = MessageBody(
        message_id=OURS,
        run_id="r",
        customer="u1",
        subject="u1",
        rule="cart",
        rule_version=1,
        channel="email",
        template="cart",
        purpose="marketing.cart",
        requested_at=0,
        expires_at=1,
    )
    sent = envelope(message, "uma@example.test", Rendered(subject="s", text="t"), settings, LINKS)
    return compose(sent, 0).sender


def test_each_message_has_a_return_path_of_its_own_that_names_it() -> None:
    sender = letter("bounces@shop.example")
    assert sender == f"bounces+{SEALED}@shop.example"
    assert read(f"To: {sender}\n\n".encode(), LINKS.sealed_in).message_id == OURS


def test_without_an_address_for_them_reports_go_to_the_sender() -> None:
    assert letter("") == "hello@shop.example"
