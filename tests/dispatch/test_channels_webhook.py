"""Webhooks: signed as the standard says, sent again only under the same id, never to our own network."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator, Iterator

import pytest
from channelbench import CERTIFICATE
from providerserver import CUT, FLOOD, HANG, RESET, STUCK, Provider, provider_server

from tactful.clock import ManualClock
from tactful_dispatch.channels import Accepted, Envelope, Outcome, Rejected, Retry, Unknown
from tactful_dispatch.channels.http import Http
from tactful_dispatch.channels.publichost import Target
from tactful_dispatch.channels.webhook import WebhookAdapter, sign
from tactful_dispatch.content import Rendered

NOW = 1_614_265_330_000
MINUTE = 60_000
LETTER = Envelope("m_1", "u1", "webhook", "https://hooks.shop.example/x", "Shop", "", Rendered("A cart", "Words", ""))


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    async with provider_server(context) as provider:
        yield provider


async def send(provider: Provider, deadline: float = 5.0, host: str = "localhost") -> Outcome:
    async def here(url: str) -> Target:
        return Target(f"https://127.0.0.1:{provider.port}/x", "hooks.shop.example", host)

    http = Http(deadline, ssl.create_default_context(cafile=str(CERTIFICATE)))
    return await WebhookAdapter(b"key", ManualClock(NOW), judge=here, http=http).send(LETTER)


async def test_a_message_is_posted_with_id_time_and_signature(provider: Provider) -> None:
    assert await send(provider) == Accepted("m_1", "HTTP 200")
    [asked] = provider.asked
    assert asked.headers["host"] == "hooks.shop.example"
    assert (asked.headers["webhook-id"], asked.headers["webhook-timestamp"]) == ("m_1", "1614265330")
    assert asked.headers["webhook-signature"] == sign(b"key", "m_1", 1614265330, asked.body)
    assert json.loads(asked.body) == {
        "type": "message",
        "timestamp": "2021-02-25T15:02:10.000Z",
        "data": {
            "message_id": "m_1",
            "customer": "u1",
            "subject": "A cart",
            "text": "Words",
            "language": "en",
            "unsubscribe_url": "",
        },
    }


def test_the_signature_is_the_one_of_the_standards_own_library() -> None:
    """The vector of the reference libraries (standard-webhooks, libraries/python/tests)."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    said = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert said == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (204, Accepted("m_1", "HTTP 204")),
        (302, Rejected("302", "HTTP 302")),
        (400, Rejected("400", "HTTP 400")),
        (410, Rejected("410", "HTTP 410")),
        (429, Retry(5 * MINUTE, "429", "HTTP 429")),
        (503, Retry(5 * MINUTE, "503", "HTTP 503")),
        (408, Retry(5 * MINUTE, "408", "HTTP 408", doubtful=True)),
        (502, Retry(5 * MINUTE, "502", "HTTP 502", doubtful=True)),
        (504, Retry(5 * MINUTE, "504", "HTTP 504", doubtful=True)),
        (500, Unknown("HTTP 500")),
    ],
)
async def test_each_answer_has_one_meaning(provider: Provider, status: int, outcome: Outcome) -> None:
    provider.answers = [(status, {"location": "https://127.0.0.1:1/"}, b"")]
    assert await send(provider) == outcome
    assert len(provider.asked) == 1


async def test_a_receiver_that_asks_for_time_gets_it(provider: Provider) -> None:
    provider.answers = [(429, {"retry-after": "120"}, b"")]
    assert await send(provider) == Retry(120_000, "429", "HTTP 429")


async def test_an_answer_that_takes_longer_than_a_first_byte_may_is_waited_for(provider: Provider) -> None:
    provider.may_answer.clear()
    http = Http(5.0, ssl.create_default_context(cafile=str(CERTIFICATE)))
    asking = asyncio.create_task(http.post(f"https://localhost:{provider.port}/x", b"", {}, 0.5))
    await asyncio.wait([asking], timeout=0.55)
    provider.may_answer.set()
    assert (await asking).status == 200


@pytest.mark.parametrize(("answer", "status"), [(FLOOD, 200), (CUT, 201), (STUCK, 201)])
async def test_an_answer_without_an_end_has_said_enough(provider: Provider, answer: str, status: int) -> None:
    provider.answers = [answer]
    assert await send(provider, deadline=0.5) == Accepted("m_1", f"HTTP {status}")


@pytest.mark.parametrize("trouble", [HANG, RESET])
async def test_a_lost_answer_is_unknown_and_may_be_repeated_since_the_receiver_knows_the_id(
    provider: Provider, trouble: str
) -> None:
    provider.answers = [trouble]
    assert isinstance(await send(provider, deadline=0.3), Unknown)


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port at which a connection is neither taken nor refused: its queue is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, contextlib.ExitStack() as queue:
        for _ in range(4):
            waiting = queue.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield server.getsockname()[1]


@pytest.mark.parametrize("slow", ["name", "connection"])
async def test_what_has_not_begun_to_leave_in_time_does_not_leave(deaf: int, slow: str) -> None:
    async def judge(url: str) -> Target:
        if slow == "name":
            await asyncio.Event().wait()
        return Target(f"https://127.0.0.1:{deaf}/x", "hooks.shop.example", "localhost")

    async with asyncio.timeout(2):
        outcome = await WebhookAdapter(b"key", ManualClock(NOW), judge=judge).send(LETTER, 0.05)
    assert isinstance(outcome, Retry)


async def test_a_certificate_of_somebody_else_gets_nothing(provider: Provider) -> None:
    outcome = await send(provider, host="hooks.shop.example")
    assert isinstance(outcome, Retry)
    assert provider.asked == []


async def test_an_address_in_our_own_network_is_not_asked_and_the_message_waits(provider: Provider) -> None:
    letter = Envelope("m_1", "u1", "webhook", f"https://127.0.0.1:8443/{provider.port}", "", "", Rendered("", "x", ""))
    outcome = await WebhookAdapter(b"key", ManualClock(NOW)).send(letter)
    assert isinstance(outcome, Retry)
    assert outcome.code == "unsafe_url"
    assert provider.asked == []
