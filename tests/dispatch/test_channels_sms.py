"""SMS: what leaves, what each answer means, and what a provider that misbehaves is taken for."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from providerserver import CUT, FLOOD, HANG, RESET, STUCK, Provider, provider_server

from tactful.errors import SettingsError
from tactful_dispatch.channels import Accepted, Envelope, Rejected, Retry, Unknown
from tactful_dispatch.channels.sms import SmsAdapter
from tactful_dispatch.channels.sms_answers import report
from tactful_dispatch.channels.smsgateway import sms_gateway
from tactful_dispatch.content import Rendered

MINUTE = 60_000


def letter(text: str = "Your cart waits", number: str = "+34600111222") -> Envelope:
    return Envelope("m_1", "u1", "sms", number, "Shop", "", Rendered("", text, ""))


def said(status: int, **fields: Any) -> tuple[int, dict[str, str], bytes]:
    return status, {}, json.dumps(fields).encode()


NINE, NINE_O_FIVE = "Tue, 24 Nov 2026 09:00:00 GMT", "Tue, 24 Nov 2026 09:05:00 GMT"


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with provider_server() as provider:
        provider.answers = [said(201, sid="SM1", num_segments="1", price=None)]
        yield provider


def adapter(provider: Provider, sender: str = "+34600000001", deadline: float = 5.0) -> SmsAdapter:
    url = f"twilio+plain://AC1:t0k%2Fen@127.0.0.1:{provider.port}?from={sender}"
    return SmsAdapter(sms_gateway(url), lambda: "https://hello.shop.example/", deadline=deadline)


async def test_a_text_leaves_as_a_form_with_our_id_in_its_callback(provider: Provider) -> None:
    assert await adapter(provider).send(letter()) == Accepted("SM1", "1 part GSM-7")
    [asked] = provider.asked
    assert asked.path == "/2010-04-01/Accounts/AC1/Messages.json"
    assert asked.form == {
        "To": "+34600111222",
        "From": "+34600000001",
        "Body": "Your cart waits",
        "StatusCallback": "https://hello.shop.example/sms/status/m_1",
    }
    assert asked.headers["authorization"] == "Basic QUMxOnQway9lbg=="
    assert asked.headers["accept-encoding"] == "identity"


async def test_a_messaging_service_is_named_as_one(provider: Provider) -> None:
    await adapter(provider, "MG0123").send(letter())
    assert provider.asked[0].form["MessagingServiceSid"] == "MG0123"
    assert "From" not in provider.asked[0].form


async def test_parts_and_price_are_told_as_far_as_they_are_known(provider: Provider) -> None:
    provider.answers = [
        said(201, sid="SM1", price=None),
        said(201, sid="SM2", num_segments="3", price="-0.0474", price_unit="USD"),
    ]
    first = await adapter(provider).send(
        letter("Ваш чайник ждёт уже целый час: придержим его для вас до завтрашнего вечера.")
    )
    second = await adapter(provider).send(letter())
    assert [outcome.detail for outcome in (first, second) if isinstance(outcome, Accepted)] == [
        "2 parts UCS-2",
        "3 parts GSM-7, 0.0474 USD",
    ]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (said(400, code=21211, message="Invalid 'To'"), Rejected("21211", "Invalid 'To'", suppress=True)),
        (said(400, code=21610, message="STOP"), Rejected("21610", "STOP", suppress=True, opted_out=True)),
        (said(400, code=21212, message="From"), Retry(5 * MINUTE, "21212", "From")),
        (said(400, code=21606, message="From"), Retry(5 * MINUTE, "21606", "From")),
        (said(400, code=21408, message="region"), Retry(5 * MINUTE, "21408", "region")),
        (said(400, code=21611, message="queue"), Retry(5 * MINUTE, "21611", "queue")),
        (said(400, code=21617, message="too long"), Rejected("21617", "too long")),
        (said(401, code=20003, message="Authenticate"), Retry(5 * MINUTE, "20003", "Authenticate")),
        (said(403, code=20003, message="No"), Retry(5 * MINUTE, "20003", "No")),
        (said(404, code=20404, message="account"), Retry(5 * MINUTE, "20404", "account")),
        ((429, {"retry-after": "7"}, b""), Retry(7000, "429", "HTTP 429")),
        ((429, {"retry-after": "soon"}, b"<html>"), Retry(5 * MINUTE, "429", "HTTP 429")),
        ((429, {"retry-after": "99999999999 Jan 2026 10:00:00 GMT"}, b""), Retry(5 * MINUTE, "429", "HTTP 429")),
        ((429, {"retry-after": "250000"}, b""), Retry(250_000_000, "429", "HTTP 429")),
        ((429, {"retry-after": NINE_O_FIVE, "date": NINE}, b""), Retry(300_000, "429", "HTTP 429")),
        ((429, {"retry-after": NINE, "date": NINE_O_FIVE}, b""), Retry(0, "429", "HTTP 429")),
        ((429, {"retry-after": NINE}, b""), Retry(5 * MINUTE, "429", "HTTP 429")),
        ((503, {"retry-after": "9"}, b"busy"), Retry(9000, "503", "HTTP 503")),
        ((408, {}, b""), Unknown("HTTP 408: HTTP 408")),
        (said(500, code=20500, message="Oops\r\nX: y"), Unknown("HTTP 500: Oops X: y")),
        ((503, {}, b"busy"), Unknown("HTTP 503: HTTP 503")),
        ((301, {"location": "http://127.0.0.1/"}, b""), Unknown("HTTP 301: HTTP 301")),
        ((201, {}, b"[]"), Unknown("accepted without an id")),
    ],
)
async def test_each_answer_has_one_meaning(
    provider: Provider, answer: tuple[int, dict[str, str], bytes], outcome: object
) -> None:
    provider.answers = [answer]
    assert await adapter(provider).send(letter()) == outcome
    assert len(provider.asked) == 1


@pytest.mark.parametrize("trouble", [HANG, RESET, CUT, STUCK])
async def test_when_the_answer_is_lost_nobody_knows_and_nothing_is_sent_again(provider: Provider, trouble: str) -> None:
    provider.answers = [trouble]
    outcome = await adapter(provider, deadline=0.3).send(letter())
    assert isinstance(outcome, Unknown)
    assert len(provider.asked) == 1


async def test_an_answer_without_an_end_is_read_as_far_as_an_answer_goes(provider: Provider) -> None:
    provider.answers = [FLOOD]
    assert isinstance(await adapter(provider).send(letter()), Unknown)


async def test_when_nobody_listens_nothing_was_sent() -> None:
    async with provider_server() as gone:
        pass
    outcome = await adapter(gone).send(letter())
    assert isinstance(outcome, Retry)
    assert outcome.code == "connection"


@pytest.mark.parametrize(
    "number", ["", "600111222", "+0600111222", "+34 600", "uma@example.test", "+346001112223334445"]
)
async def test_what_is_no_number_is_not_posted(provider: Provider, number: str) -> None:
    assert await adapter(provider).send(letter(number=number)) == Rejected(
        "bad_address", "not a number in E.164", suppress=True
    )
    assert provider.asked == []


@pytest.mark.parametrize("text", ["", "  \n", "x" * 1531])
async def test_what_is_no_text_is_not_posted_and_the_number_stays_usable(provider: Provider, text: str) -> None:
    outcome = await adapter(provider).send(letter(text))
    assert isinstance(outcome, Rejected)
    assert (outcome.code, outcome.suppress) == ("bad_text", False)
    assert provider.asked == []


@pytest.mark.parametrize(
    ("url", "messages"),
    [
        ("twilio://AC1:s@api.twilio.com?from=+1", "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json"),
        ("twilio+plain://AC1:s@gw:81/sms/?from=+1", "http://gw:81/sms/2010-04-01/Accounts/AC1/Messages.json"),
        ("twilio+plain://AC1:s@[::1]:81?from=+1", "http://[::1]:81/2010-04-01/Accounts/AC1/Messages.json"),
    ],
)
def test_messages_are_posted_where_the_url_says(url: str, messages: str) -> None:
    assert sms_gateway(url).messages == messages


@pytest.mark.parametrize(
    "url",
    [
        "",
        "twilio://AC1@api.twilio.com?from=+1",
        "twilio://AC1:secret@api.twilio.com",
        "http://AC1:secret@api.twilio.com?from=+1",
        "twilio://AC1:secret@?from=+1",
        "twilio://AC1:secret@host:port?from=+1",
        "twilio://AC1:secret/@api.twilio.com?from=+1",
    ],
)
def test_a_url_that_is_none_is_refused_without_its_secret(url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        sms_gateway(url)
    assert "secret" not in str(refused.value)


def test_the_token_shows_nowhere() -> None:
    assert "t0ken" not in repr(sms_gateway("twilio://AC1:t0ken@api.twilio.com?from=Shop"))


def test_the_signature_is_the_one_of_the_providers_documentation() -> None:
    """https://www.twilio.com/docs/usage/security#validating-signatures-from-twilio, its example."""
    form = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675310",
        "Digits": "1234",
        "From": "+14158675310",
        "To": "+18005551212",
    }
    gateway = sms_gateway("twilio://AC1:12345@api.twilio.com?from=Shop")
    assert (
        gateway.signature("https://mycompany.com/myapp.php?foo=1&bar=2", form.items()) == "GvWf1cFY/Q7PnoempGyD5oXAezc="
    )


@pytest.mark.parametrize(
    ("form", "receipt"),
    [
        ({"MessageStatus": "delivered"}, ("Message Delivered", {})),
        ({"SmsStatus": "delivered"}, ("Message Delivered", {})),
        (
            {"MessageStatus": "undelivered", "ErrorCode": "30003"},
            ("Message Bounced", {"hard": False, "detail": "undelivered 30003"}),
        ),
        (
            {"MessageStatus": "failed", "ErrorCode": "30006"},
            ("Message Bounced", {"hard": True, "detail": "failed 30006"}),
        ),
        (
            {"MessageStatus": "failed", "ErrorCode": "21610"},
            ("Message Bounced", {"hard": True, "opted_out": True, "detail": "failed 21610"}),
        ),
        ({"MessageStatus": "sent"}, None),
        ({}, None),
    ],
)
def test_a_status_is_a_receipt_or_a_station_on_the_way(form: dict[str, str], receipt: object) -> None:
    assert report(form) == receipt
