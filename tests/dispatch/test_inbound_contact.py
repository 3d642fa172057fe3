"""`POST /contact-check`: with a server key, and a reason for whatever is wrong."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fakedesk import FakeDesk
from fastapi import FastAPI

from tactful.errors import StoreUnavailable
from tactful.keys import FixedKeys, Key, KeyRing
from tactful_dispatch.desk import CustomerCard
from tactful_dispatch.inbound import create_contact

KEYS = FixedKeys([("server", Key("shop", "server")), ("browser", Key("page", "browser"))])
CARD = CustomerCard("u1", {}, None, None, None, (), (), 0, False, ())


async def ask(
    content: bytes, key: str = "server", desk: FakeDesk | None = None, keys: KeyRing = KEYS
) -> httpx.Response:
    app = FastAPI()
    app.include_router(create_contact(desk or FakeDesk(CARD, 0), keys))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return await client.post("/contact-check", content=content, headers={"x-write-key": key})


async def test_an_answer_names_every_gate_that_was_asked() -> None:
    desk = FakeDesk(CARD, 0)
    answered = await ask(b'{"customer": "u1", "channel": "call", "purpose": "marketing.offers"}', desk=desk)
    assert answered.json() == {"may": True, "gates": [{"gate": "consent", "verdict": "open"}]}
    assert desk.calls == [("check", "u1", "call", "marketing.offers", "")]


async def test_one_may_also_ask_about_a_delivery() -> None:
    answered = await ask(b'{"customer": "u1", "channel": "sms", "purpose": "service.delivery"}')
    assert answered.status_code == 200


@pytest.mark.parametrize(("key", "status", "code"), [("browser", 403, "key_scope"), ("", 401, "invalid_key")])
async def test_only_a_server_key_may_ask(key: str, status: int, code: str) -> None:
    answered = await ask(b'{"customer": "u1", "channel": "call"}', key)
    assert (answered.status_code, answered.json()["code"]) == (status, code)


class KeysAway:
    async def find(self, secret: str) -> Key | None:
        raise StoreUnavailable("the table is away")


async def test_while_nobody_knows_whose_key_it_is_the_answer_is_later_and_not_no() -> None:
    answered = await ask(b'{"customer": "u1", "channel": "call"}', keys=KeysAway())
    assert (answered.status_code, answered.headers["retry-after"]) == (503, "30")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"customer": "u1"}',
        b'{"customer": "", "channel": "call"}',
        b'{"customer": "u1", "channel": ""}',
        b'{"customer": "u1", "channel": "call", "purpose": "gossip"}',
        b'{"customer": "u1", "channel": "call", "what": 1}',
    ],
)
async def test_what_is_no_question_is_400(body: bytes) -> None:
    answered = await ask(body)
    assert (answered.status_code, answered.json()["code"]) == (400, "bad_inquiry")


async def test_a_question_of_any_length_is_not_read_to_its_end() -> None:
    answered = await ask(b'{"customer": "' + b"x" * 10_000 + b'", "channel": "call"}')
    assert (answered.status_code, answered.json()["code"]) == (413, "too_large")


async def test_while_the_store_is_away_nobody_is_told_yes() -> None:
    desk = FakeDesk(CARD, 0)
    desk.closed = True
    answered: Any = await ask(b'{"customer": "u1", "channel": "call"}', desk=desk)
    assert (answered.status_code, answered.headers["retry-after"]) == (503, "30")
