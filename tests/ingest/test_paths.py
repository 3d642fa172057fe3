"""Every path that a client uses, and what browsers need before they send anything."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from doorstep import BROWSER, SERVER, Doorstep, basic
from fastapi import FastAPI
from starlette.routing import Route

from tactful_ingest.answers import answer
from tactful_ingest.app import routes

CALL: dict[str, Any] = {
    "userId": "u2",
    "anonymousId": "a2",
    "previousId": "u3",
    "groupId": "g1",
    "event": "Product Viewed",
    "messageId": "m1",
}
NAMES = {
    "track": "Product Viewed",
    "identify": "Identify",
    "page": "Page",
    "screen": "Screen",
    "group": "Group",
    "alias": "Alias",
}


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("prefix", ["/v1/", "/api/s/", "/api/s/s2s/"])
@pytest.mark.parametrize(("call", "name"), NAMES.items())
async def test_a_single_call_is_taken_at_every_path_with_and_without_a_slash(
    prefix: str, call: str, name: str, slash: str
) -> None:
    door = Doorstep()
    answered = await door.post(f"{prefix}{call}{slash}", CALL)
    assert (answered.status_code, answered.content) == (200, b'{"success":true}')
    assert door.event.body.name == name


@pytest.mark.parametrize(("call", "name"), NAMES.items())
async def test_a_single_call_is_taken_at_its_first_letter(call: str, name: str) -> None:
    door = Doorstep()
    assert (await door.post(f"/v1/{call[0]}", CALL)).status_code == 200
    assert door.event.body.name == name


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("path", ["/v1/batch", "/v1/import", "/v1/b", "/beacon/v1/batch", "/api/s/batch"])
async def test_a_batch_is_taken_at_every_path(path: str, slash: str) -> None:
    door = Doorstep()
    answered = await door.post(path + slash, {"batch": [CALL | {"type": "track"}, CALL | {"type": "identify"}]})
    assert (answered.status_code, answered.content) == (200, b'{"success":true}')
    assert [event.body.name for event in door.events] == ["Product Viewed", "Identify"]


async def test_what_a_client_measures_about_itself_is_taken_and_thrown_away() -> None:
    door = Doorstep()
    assert (await door.post("/v1/m", b"anything", key=None)).json() == {"success": True}
    assert door.diary.appends == []


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/nothing"), ("POST", "/v2/track"), ("GET", "/"), ("GET", "/openapi.json")]
)
async def test_an_unknown_path_is_told_as_json(method: str, path: str) -> None:
    answered = await Doorstep().client.request(method, path)
    assert (answered.status_code, answered.json()["code"]) == (404, "not_found")


async def test_a_get_where_posts_belong_is_told_as_json() -> None:
    answered = await Doorstep().client.get("/v1/track")
    assert (answered.status_code, answered.json()["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize("slash", ["", "/"])
async def test_the_segment_settings_hold_the_key_and_this_host(slash: str) -> None:
    answered = await Doorstep().client.get(f"/v1/projects/tk_web/settings{slash}")
    segment = answered.json()["integrations"]["Segment.io"]
    assert (segment["apiKey"], segment["apiHost"], segment["protocol"]) == ("tk_web", "door.example/v1", "http")
    assert {event: rule["__default"]["enabled"] for event, rule in answered.json()["plan"].items()} == dict.fromkeys(
        ("track", "identify", "group"), True
    )
    assert answered.json()["metrics"] == {"sampleRate": 0}


@pytest.mark.parametrize("slash", ["", "/"])
async def test_the_rudder_source_is_enabled_and_has_no_destinations(slash: str) -> None:
    answered = await Doorstep().client.get(f"/sourceConfig{slash}?writeKey=tk_web")
    source = answered.json()["source"]
    assert (source["writeKey"], source["enabled"], source["destinations"]) == ("tk_web", True, [])
    assert source["id"]
    assert source["config"] == {"statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}}}


@pytest.mark.parametrize("path", ["/v1/t", "/v1/batch", "/events", "/sourceConfig/", "/v1/projects/k/settings"])
async def test_a_preflight_allows_whatever_headers_are_asked_for_and_is_remembered_for_a_day(path: str) -> None:
    asked = {
        "origin": "https://shop.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,anonymousid,rsa-retry-attempt",
    }
    answered = await Doorstep().client.options(path, headers=asked)
    assert answered.status_code == 204
    assert answered.headers["access-control-allow-origin"] == "*"
    assert answered.headers["access-control-allow-headers"] == "authorization,anonymousid,rsa-retry-attempt"
    assert int(answered.headers["access-control-max-age"]) >= 86_400
    assert {"GET", "POST"} <= set(answered.headers["access-control-allow-methods"].split(", "))
    assert answered.headers["vary"] == "Access-Control-Request-Headers"


@pytest.mark.parametrize(
    ("path", "body", "key", "status"),
    [
        ("/v1/track", b'{"userId":"u1","event":"Product Viewed"}', SERVER, 200),
        ("/v1/track", b"{", SERVER, 400),
        ("/v1/track", b"{}", "wrong", 401),
        ("/v1/track", b'{"userId":"u1","event":"Consent Changed"}', BROWSER, 403),
        ("/nowhere", b"{}", SERVER, 404),
    ],
)
async def test_a_page_of_another_origin_can_read_every_answer(path: str, body: bytes, key: str, status: int) -> None:
    answered = await Doorstep().post(path, body, key, origin="https://shop.example")
    assert answered.status_code == status
    assert answered.headers["access-control-allow-origin"] == "*"
    assert "retry-after" in answered.headers["access-control-expose-headers"].lower()
    assert (answered.headers["content-type"], type(answered.json())) == ("application/json", dict)


async def test_the_door_stands_beside_other_routes_in_one_application() -> None:
    async def shelf(request: Any) -> Any:
        return answer({"shelf": True})

    door = Doorstep()
    app = FastAPI(routes=[Route("/shelf", shelf), *routes(door.door)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://dev.example") as client:
        assert (await client.get("/shelf")).json() == {"shelf": True}
        posted = await client.post("/v1/track", json=CALL, headers={"authorization": basic(SERVER)})
        assert posted.json() == {"success": True}
    assert door.event.id == "m1"


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_probes_answer_without_a_key(path: str) -> None:
    answered = await Doorstep().client.get(path)
    assert (answered.status_code, answered.json()["status"]) == (200, "ok")
