"""The key, in its four places and in their order."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest
from doorstep import BROWSER, SERVER, Doorstep, basic

from tactful.errors import StoreUnavailable
from tactful.keys import OPERATOR, FixedKeys, Key

CALL: dict[str, Any] = {"userId": "u1", "event": "Product Viewed"}


async def post(
    door: Doorstep, path: str = "/v1/track", headers: dict[str, str] | None = None, **fields: Any
) -> httpx.Response:
    return await door.client.post(path, json=CALL | fields, headers=headers)


async def source_of(headers: dict[str, str] | None = None, query: str = "", **fields: Any) -> str:
    door = Doorstep()
    answered = await post(door, "/v1/track" + query, headers, **fields)
    assert answered.status_code == 200, answered.text
    return door.event.body.source


async def test_the_key_may_be_the_basic_user_name() -> None:
    assert await source_of({"authorization": basic(SERVER)}) == "shop"
    assert await source_of({"authorization": "BASIC " + basic(SERVER).split()[1]}) == "shop"


async def test_the_key_may_stand_in_a_header_where_jitsu_appends_a_secret() -> None:
    assert await source_of({"x-write-key": SERVER}) == "shop"
    assert await source_of({"x-write-key": f"{SERVER}:secret"}, writeKey="tk_live:***") == "shop"


async def test_the_key_may_stand_in_the_body_alone() -> None:
    assert await source_of(writeKey=SERVER) == "shop"


async def test_the_key_may_stand_in_the_query_alone() -> None:
    assert await source_of(query=f"?writeKey={SERVER}") == "shop"


async def test_the_key_of_a_batch_may_stand_in_its_body() -> None:
    door = Doorstep()
    answered = await door.client.post("/v1/batch", json={"writeKey": SERVER, "batch": [CALL]})
    assert answered.status_code == 200
    assert door.event.body.source == "shop"


async def test_basic_comes_before_the_header_the_header_before_the_body_the_body_before_the_query() -> None:
    query = f"?writeKey={SERVER}"
    assert await source_of({"authorization": basic(BROWSER), "x-write-key": SERVER}, query, writeKey=SERVER) == "web"
    assert await source_of({"x-write-key": BROWSER}, query, writeKey=SERVER) == "web"
    assert await source_of(None, query, writeKey=BROWSER) == "web"


async def test_a_basic_user_name_that_is_empty_or_not_base64_does_not_hide_the_key_behind_it() -> None:
    for authorization in (basic(""), "Basic ***", "Basic /w==", "Basic", "Bearer abc"):
        assert await source_of({"authorization": authorization}, writeKey=SERVER) == "shop"


@pytest.mark.parametrize(
    "key", ["", "tk_live_other", SERVER + "x", SERVER[:-1], "\u20ac", 5, None, ["x"], "x" * 100_000]
)
async def test_an_unknown_key_gets_401_and_nothing_is_stored(key: Any) -> None:
    door = Doorstep()
    answered = await post(door, writeKey=key)
    assert (answered.status_code, answered.json()["code"]) == (401, "invalid_key")
    assert door.diary.appends == []


async def test_an_operator_s_key_posts_nothing() -> None:
    door = Doorstep(keys=FixedKeys([("tk_operator", Key("anna", OPERATOR))]))
    for path, body in (("/v1/track", CALL), ("/v1/batch", {"batch": [CALL]}), ("/events", [CALL])):
        answered = await door.post(path, body, "tk_operator")
        assert (answered.status_code, answered.json()["code"]) == (403, "key_scope")
    assert door.diary.appends == []


async def test_the_body_is_read_before_the_key_is_judged() -> None:
    """Otherwise a client whose key stands in the body could never be told what is wrong with it."""
    answered = await Doorstep().post("/v1/track", b'{"userId":', key="wrong")
    assert (answered.status_code, answered.json()["code"]) == (400, "invalid_json")


class NobodyKnows:
    """A key ring whose table is away."""

    async def find(self, secret: str) -> Key | None:
        raise StoreUnavailable("away")


async def test_while_nobody_knows_whose_key_it_is_the_answer_is_later_and_not_no() -> None:
    door = Doorstep(keys=NobodyKnows())
    answered = await post(door, headers={"x-write-key": SERVER})
    assert (answered.status_code, answered.json()["code"]) == (503, "keys_unavailable")
    assert int(answered.headers["retry-after"]) > 0
    assert door.events == []


@pytest.mark.parametrize(
    "written",
    [
        b'"writeKey":"%s"',
        b'"writeKey" \n\t: "%s"',
        b'"writeKey":"%s:secret"',
        b'"x":{"writeKey":"%s"}',
        b'"a":NaN,"writeKey":"%s","b":"\xff"',
        b'"pad":"' + b"x" * 32_700 + b'","writeKey":"%s"',
        b'"a":' + b"[" * 1_500 + b"]" * 1_500 + b',"writeKey":"%s"',
    ],
    ids=["plain", "spaced", "with a secret", "inside", "broken", "where the text is cut", "deep"],
)
@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch", "/events"])
async def test_a_key_is_not_kept_with_what_is_refused(written: bytes, path: str) -> None:
    bad = b'{"userId":"null","event":"x",' + written.replace(b"%s", SERVER.encode()) + b"}"
    body = {"/v1/track": bad, "/v1/batch": b'{"batch":[' + bad + b"]}", "/events": b"[" + bad + b"]"}[path]
    door = Doorstep()
    assert (await door.post(path, body)).json()["rejected"] == 1
    [refused] = door.quarantined
    assert SERVER not in refused.body.raw
    assert SERVER[:12] not in refused.body.raw
    assert "userId" in refused.body.raw


async def test_what_is_kept_of_a_refused_call_is_what_was_posted_but_for_its_key() -> None:
    door = Doorstep()
    await post(door, userId="null", writeKey=SERVER)
    [refused] = door.quarantined
    assert msgspec.json.decode(refused.body.raw) == CALL | {"userId": "null", "writeKey": "***"}
