"""`POST /events`: CloudEvents in three modes and arrays, with a word on every event."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from doorstep import BROWSER, MONDAY, SERVER, Doorstep, basic, context, properties

from tactful.clock import HOUR

EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "e1",
    "source": "/orders",
    "type": "Order Completed",
    "subject": "u1",
    "time": "2026-11-23T13:00:00Z",
    "data": {"order_id": 7, "total": "39.90"},
}
HEADERS = {f"ce-{name}": value for name, value in EVENT.items() if name != "data"}


async def binary(door: Doorstep, headers: dict[str, Any], body: bytes) -> httpx.Response:
    raw = [(name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in headers.items()]
    return await door.client.post("/events", content=body, headers=[(b"authorization", basic(SERVER).encode()), *raw])


def taken(door: Doorstep) -> None:
    event = door.event
    assert (event.id, event.key, event.body.name) == ("e1", "u1", "Order Completed")
    assert (event.body.source, event.body.occurred_at) == ("shop|/orders", MONDAY - HOUR)
    assert properties(event) == {"order_id": "7", "total": [3990, "EUR"]}


@pytest.mark.parametrize(
    "content_type", ["application/cloudevents+json", "application/cloudevents+json; charset=utf-8", "application/json"]
)
async def test_a_structured_event_is_taken(content_type: str) -> None:
    door = Doorstep()
    answered = await door.post("/events", EVENT, content_type=content_type)
    assert (answered.status_code, answered.json()) == (
        200,
        {"success": True, "results": [{"id": "e1", "status": "accepted"}]},
    )
    taken(door)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON ; charset=utf-8", "text/json", "application/vnd.x+json", None],
)
async def test_a_binary_event_is_taken(content_type: str | None) -> None:
    door = Doorstep()
    typed = {} if content_type is None else {"content-type": content_type}
    answered = await binary(door, HEADERS | typed, msgspec.json.encode(EVENT["data"]))
    assert answered.status_code == 200
    taken(door)


async def test_a_batch_of_cloud_events_gets_an_answer_per_event() -> None:
    door = Doorstep()
    batch = [EVENT, EVENT | {"id": "e2", "subject": "null"}, EVENT | {"id": "e3", "data": {"total": "dear"}}]
    answered = await door.post("/events", batch, content_type="application/cloudevents-batch+json")
    assert answered.status_code == 200
    assert answered.json() == {
        "success": True,
        "rejected": 2,
        "results": [
            {"id": "e1", "status": "accepted"},
            {"id": "e2", "status": "quarantined", "code": "placeholder_id", "field": "subject"},
            {"id": "e3", "status": "quarantined", "code": "wrong_type", "field": "data.total"},
        ],
    }
    taken(door)


async def test_an_array_may_mix_cloud_events_and_calls() -> None:
    door = Doorstep()
    denied = {"consent": {"categoryPreferences": {"Analytics": False}}}
    calls = [
        {"type": "identify", "userId": "u1", "messageId": "m1"},
        {"event": "Product Viewed", "userId": "u1", "context": denied},
        {"event": "Product Viewed", "messageId": "m3"},
        5,
    ]
    answered = await door.post("/events", [EVENT, *calls])
    results = [(result["status"], result["id"], result.get("code")) for result in answered.json()["results"]]
    assert results == [
        ("accepted", "e1", None),
        ("accepted", "m1", None),
        ("not_stored", None, None),
        ("quarantined", "m3", "no_customer"),
        ("quarantined", None, "not_an_object"),
    ]
    assert [event.body.name for event in door.events] == ["Order Completed", "Identify"]


async def test_an_empty_array_is_a_success() -> None:
    answered = await Doorstep().post("/events", [])
    assert answered.json() == {"success": True, "results": []}


async def test_what_no_store_can_keep_spoils_its_own_element_only() -> None:
    door = Doorstep()
    text = (
        b'[{"userId":"u1","event":"x"},{"userId":"u1","event":"y","properties":{"a":NaN}},{"userId":"u1","event":"z"}]'
    )
    answered = await door.post("/events", text)
    assert [result["status"] for result in answered.json()["results"]] == ["accepted", "quarantined", "accepted"]


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"type": ""}, "missing_attribute", "type"),
        ({"type": None}, "missing_attribute", "type"),
        ({"id": ""}, "missing_attribute", "id"),
        ({"id": 5}, "missing_attribute", "id"),
        ({"source": None}, "missing_attribute", "source"),
        ({"source": "s" * 256}, "too_long", "source"),
        ({"specversion": "0.3"}, "unsupported_version", "specversion"),
        ({"time": "yesterday"}, "invalid_time", "time"),
        ({"time": ["2026"]}, "invalid_time", "time"),
        ({"subject": None}, "no_customer", "subject"),
        ({"subject": "guest"}, "placeholder_id", "subject"),
        ({"data": []}, "wrong_type", "data"),
        ({"data": {"total": {}}}, "wrong_type", "data.total"),
        ({"data": {"x": "\0"}}, "hostile_text", "data.x"),
        ({"type": "Message Decided"}, "reserved_event", "type"),
        ({"type": "Consent Changed", "data": {"purpose": "x"}}, "wrong_value", "data.purpose"),
        ({"data_base64": "***"}, "invalid_base64", "data_base64"),
        ({"data_base64": 5}, "invalid_base64", "data_base64"),
        ({"data_base64": "aGk=", "datacontenttype": "text/plain"}, "unsupported_data", "datacontenttype"),
    ],
)
async def test_a_single_event_that_is_wrong_gets_400_with_code_and_field(
    change: dict[str, Any], code: str, field: str
) -> None:
    door = Doorstep()
    answered = await door.post("/events", EVENT | change)
    assert answered.status_code == 400
    assert (answered.json()["code"], answered.json()["field"]) == (code, field)
    assert door.diary.appends == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_json"),
        (b'{"specversion":', 400, "invalid_json"),
        (b'[{"specversion":', 400, "invalid_json"),
        (b"5", 400, "not_an_object"),
        (b"[" * 100_000, 400, "too_deep"),
        (b"[" + b"{}," * 2_500 + b"{}]", 400, "too_many_events"),
        (msgspec.json.encode(EVENT | {"data": {"x": "y" * 33_000}}), 413, "too_large"),
    ],
)
async def test_a_request_that_is_wrong_gets_a_4xx(body: bytes, status: int, code: str) -> None:
    answered = await Doorstep().post("/events", body)
    assert (answered.status_code, answered.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (b'{"order_id":', "application/json", "invalid_json"),
        (b"<order/>", "application/xml", "unsupported_data"),
        (b"[1]", "application/json", "wrong_type"),
        (b"", "application/json", None),
    ],
)
async def test_binary_data_is_json_or_nothing(body: bytes, content_type: str, code: str | None) -> None:
    door = Doorstep()
    answered = await binary(door, HEADERS | {"content-type": content_type}, body)
    assert answered.json().get("code") == code
    assert answered.status_code == (200 if code is None else 400)


@pytest.mark.parametrize(
    ("spelled", "subject"),
    [
        (b"J%C3%BCrgen%20M", "J\u00fcrgen M"),
        ("J\u00fcrgen M".encode(), "J\u00fcrgen M"),
        (b"J\xc3\xbcrgen M", "J\u00fcrgen M"),
        (b"J\xfcrgen M", "J\u00fcrgen M"),
        (b'"quoted \\"id\\""', 'quoted "id"'),
        (b'"a\\\\b"', "a\\b"),
        (b"%F0%9F%98%80", "\U0001f600"),
        (b"100%", "100%"),
        (b'5"', '5"'),
        (b'"5', '"5'),
        (b'"', '"'),
    ],
)
async def test_headers_may_be_percent_encoded_raw_utf8_or_latin1_quoted_or_hold_spaces(
    spelled: bytes, subject: str
) -> None:
    door = Doorstep()
    answered = await binary(door, HEADERS | {"ce-subject": spelled}, b"{}")
    assert answered.status_code == 200, answered.text
    assert door.event.key == subject


@pytest.mark.parametrize("spelled", [b"u%00", b"J%FCrgen", b"%ED%A0%80"])
async def test_what_no_store_can_keep_in_a_header_is_refused_by_field(spelled: bytes) -> None:
    """Jürgen and Jörgen in Latin-1 would be one customer, J\ufffdrgen."""
    answered = await binary(Doorstep(), HEADERS | {"ce-subject": spelled}, b"{}")
    assert (answered.status_code, answered.json()["code"], answered.json()["field"]) == (400, "hostile_text", "subject")


async def test_the_source_of_an_event_has_255_characters_at_most() -> None:
    door = Doorstep()
    answers = [await door.post("/events", EVENT | {"source": "s" * size}) for size in (255, 256)]
    assert [answered.status_code for answered in answers] == [200, 400]


async def test_data_may_come_as_base64() -> None:
    door = Doorstep()
    event = {name: value for name, value in EVENT.items() if name != "data"}
    event["data_base64"] = base64.b64encode(msgspec.json.encode(EVENT["data"])).decode()
    assert (await door.post("/events", event)).status_code == 200
    taken(door)


async def test_data_that_does_not_come_as_base64_may_say_so() -> None:
    door = Doorstep()
    assert (await door.post("/events", EVENT | {"data_base64": None})).status_code == 200
    taken(door)


async def test_extensions_become_the_context_and_one_of_them_is_the_anonymous_id() -> None:
    door = Doorstep()
    await door.post("/events", EVENT | {"anonymousid": "a1", "history": True, "traceparent": "00-1"})
    assert context(door.event) == {"history": True, "traceparent": "00-1"}
    assert (door.event.body.anonymous_id, door.event.body.history) == ("a1", True)
    assert [link.key for link in door.links] == ["anon:a1"]


@pytest.mark.parametrize(("said", "history"), [("true", True), ("false", False)])
async def test_a_header_can_only_say_true_in_words(said: str, history: bool) -> None:
    door = Doorstep()
    await binary(door, HEADERS | {"ce-history": said}, b"{}")
    assert (door.event.body.history, context(door.event)) == (history, {"history": history})


async def test_an_identify_comes_as_a_cloud_event_with_traits_as_data() -> None:
    door = Doorstep()
    await door.post("/events", EVENT | {"type": "Identify", "data": {"firstName": "Ada", "plan": "gold"}})
    assert properties(door.event) == {"first_name": "Ada", "traits": {"plan": "gold"}}


async def test_a_browser_key_that_reaches_too_far_gets_403() -> None:
    answered = await Doorstep().post("/events", EVENT | {"type": "Consent Changed"}, BROWSER)
    assert (answered.status_code, answered.json()["code"]) == (403, "key_scope")


async def test_two_sources_of_one_key_never_share_an_id_and_no_key_speaks_for_another() -> None:
    door = Doorstep()
    for source in ("/a", "/a|b", "/a%7Cb"):
        await door.post("/events", EVENT | {"source": source})
    await door.track(messageId="e1")
    assert len({event.body.source for event in door.events}) == 4


async def test_the_key_of_a_single_call_may_stand_in_the_body_and_of_any_in_the_query() -> None:
    door = Doorstep()
    call = {"event": "Quiz Finished", "userId": "u1", "writeKey": SERVER}
    assert (await door.post("/events", call, key=None)).status_code == 200
    assert (await door.post(f"/events?writeKey={SERVER}", [EVENT], key=None)).status_code == 200
    assert (await door.post("/events", [EVENT], key=None)).status_code == 401


async def test_the_reference_can_be_posted_as_it_stands() -> None:
    door = Doorstep()
    page = (Path(__file__).parents[2] / "docs/reference/events.md").read_text()
    posts = re.findall(r"^POST (\S+) +([{\[].*[}\]])", page, re.MULTILINE)
    assert len(posts) == 5
    for path, body in posts:
        answered = await door.post(path, body.replace("{…}", "{}").encode(), content_type="application/json")
        assert (answered.status_code, answered.json().get("rejected")) == (200, None), body
    assert [event.key for event in door.events] == ["u1"] * 5
