"""Bad input never gives a 5xx, and whatever is stored can be read again by everybody who will.

JSONTestSuite as whole bodies and inside every part of an event; naughty strings through every path and every field.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import msgspec
import pytest
from corpora import json_texts, naughty_strings
from doorstep import SERVER, Doorstep, basic
from hypothesis import given
from hypothesis import strategies as st

from tactful.events import Meta
from tactful.events.model import decode
from tactful.records import EventRecord, decode_any
from tactful_ingest.envelope import CALLS

SINGLES = tuple(f"/v1/{call}" for call in CALLS)
PATHS = (*SINGLES, "/v1/t", "/v1/batch", "/v1/import/", "/v1/m", "/beacon/v1/batch", "/api/s/track", "/events")

Wrap = Callable[[bytes], bytes]
Count = Callable[[str, object], None]
INSIDE: dict[str, Wrap] = {
    "an event of a batch": lambda text: b'{"batch":[{"userId":"u","event":"x","messageId":"good"},' + text + b"]}",
    "the properties of an unknown event": lambda text: _batch(b'"event":"Quiz Finished","properties":' + text),
    "a property of an unknown event": lambda text: _batch(b'"event":"Quiz Finished","properties":{"x":' + text + b"}"),
    "the properties of an order": lambda text: _batch(b'"event":"Order Completed","properties":' + text),
    "the products of an order": lambda text: _batch(
        b'"event":"Order Completed","properties":{"products":' + text + b"}"
    ),
    "an amount": lambda text: _batch(b'"event":"Order Completed","properties":{"total":' + text + b"}"),
    "the fields that an event keeps for itself": lambda text: _batch(
        b'"event":"Product Added","properties":{"$meta":' + text + b"}"
    ),
    "traits": lambda text: _batch(b'"type":"identify","traits":' + text),
    "the context": lambda text: _batch(b'"event":"x","context":' + text),
    "the context of the batch": lambda text: b'{"context":' + text + b',"batch":[{"userId":"u","event":"x"}]}',
    "the name": lambda text: _batch(b'"event":' + text),
    "the userId": lambda text: b'{"batch":[{"event":"x","userId":' + text + b"}]}",
    "the anonymousId": lambda text: b'{"batch":[{"event":"x","anonymousId":' + text + b"}]}",
    "the messageId": lambda text: _batch(b'"event":"x","messageId":' + text),
    "the timestamp": lambda text: _batch(b'"event":"x","timestamp":' + text),
    "the sent time": lambda text: _batch(b'"event":"x","sentAt":' + text),
    "the type": lambda text: _batch(b'"event":"x","type":' + text),
    "the batch": lambda text: b'{"batch":' + text + b"}",
    "the key": lambda text: b'{"writeKey":' + text + b',"batch":[{"userId":"u","event":"x"}]}',
    "a field that nobody knows": lambda text: _batch(b'"event":"x","whatever":' + text),
}
CLOUD = {
    "id": b'"e1"', "source": b'"/s"', "type": b'"x"', "subject": b'"u1"', "time": b'"2026-11-23T13:00:00Z"',
    "data": b"{}", "extension": b'"x"', "datacontenttype": b'"application/json"',
}  # fmt: skip


def _batch(fields: bytes) -> bytes:
    return b'{"batch":[{"userId":"u",' + fields + b"}]}"


def all_can_be_read_again(door: Doorstep) -> int:
    """How many records were stored; every one decodes strictly, events down to their typed form."""
    count = 0
    for _, values in door.diary.appends:
        for value in values:
            record = decode_any(value)
            value.decode()
            if isinstance(record, EventRecord):
                decode(record.body.name, record.body.properties, Meta())
                assert isinstance(msgspec.json.decode(record.body.context), dict)
            count += 1
    return count


def answered_well(answer: httpx.Response) -> bool:
    """200 or a 4xx, and JSON with a code and a message for people."""
    body = answer.json()
    if answer.status_code == 200:
        return body["success"] is True
    return 400 <= answer.status_code < 500 and bool(body["code"]) and bool(body["message"])


def test_both_collections_are_complete() -> None:
    assert len(json_texts()) == 318
    assert len(naughty_strings()) >= 515


@pytest.mark.parametrize("path", PATHS)
async def test_every_json_text_as_a_body_gets_200_or_a_4xx(path: str, record_property: Count) -> None:
    door = Doorstep()
    for name, text in json_texts().items():
        answer = await door.post(path, text)
        assert answered_well(answer), (name, answer.text)
        if name.startswith("n_") and path != "/v1/m":
            assert answer.status_code == 400 or b"accepted" not in answer.content, (name, answer.text)
    all_can_be_read_again(door)
    record_property("counted", f"{len(json_texts())} JSON texts as bodies of {path}: no 5xx")


@pytest.mark.parametrize("place", INSIDE)
async def test_every_json_text_inside_an_event_is_stored_or_refused(place: str, record_property: Count) -> None:
    door = Doorstep()
    accepted = 0
    for name, text in json_texts().items():
        answer = await door.post("/v1/batch", INSIDE[place](text))
        assert answered_well(answer), (name, answer.text)
        accepted += answer.status_code == 200
        if name.startswith("y_") and place not in ("the batch",):
            assert answer.status_code == 200, (name, answer.text)
    stored = all_can_be_read_again(door)
    told = f"{len(json_texts())} JSON texts as {place}: no 5xx, {accepted} answered 200, {stored} records stored"
    record_property("counted", told)


@pytest.mark.parametrize("attribute", CLOUD)
async def test_every_json_text_as_an_attribute_of_a_cloud_event_gets_200_or_a_4xx(attribute: str) -> None:
    door = Doorstep()
    for name, text in json_texts().items():
        fields = {"specversion": b'"1.0"'} | CLOUD | {attribute: text}
        event = b"{" + b",".join(b'"%s":%s' % (field.encode(), value) for field, value in fields.items()) + b"}"
        for body in (event, b"[" + event + b"]"):
            answer = await door.post("/events", body)
            assert answered_well(answer), (name, answer.text)
    all_can_be_read_again(door)


async def test_every_json_text_as_the_data_of_a_binary_event_gets_200_or_a_4xx() -> None:
    door = Doorstep()
    event = {b"id": b"e1", b"source": b"/s", b"type": b"x", b"subject": b"u1", b"specversion": b"1.0"}
    headers = [(b"ce-" + name, value) for name, value in event.items()]
    for name, text in json_texts().items():
        answer = await door.send("/events", text, [(b"authorization", basic(SERVER).encode()), *headers])
        assert answered_well(answer), (name, answer.text)
    all_can_be_read_again(door)


def _calls_with(text: str) -> Iterator[dict[str, Any]]:
    """One call for each field that takes a string."""
    call = {"type": "track", "userId": "u1", "event": "Product Added"}
    for field in ("userId", "anonymousId", "event", "messageId", "timestamp", "sentAt", "type", "name", "category"):
        yield call | {field: text}
    for kind in ("identify", "group", "page", "alias"):
        yield {"type": kind, "userId": "u1", "previousId": text, "groupId": text, "name": text}
    for name in ("product_id", "price", "quantity", "currency", "name", text):
        yield call | {"properties": {name: text}}
    yield call | {"properties": {"products": [{"product_id": text, "price": text}]}, "event": "Order Completed"}
    for trait in ("email", "phone", "firstName", "locale", "timezone", "birthday", text):
        yield {"type": "identify", "userId": "u1", "traits": {trait: text}}
    for field in ("purpose", "channel", "state", "basis", "wording", "source"):
        consent = {"purpose": "marketing", "state": "granted"} | {field: text}
        yield {"type": "track", "userId": "u1", "event": "Consent Changed", "properties": consent}
    yield call | {"context": {text: text, "traits": {text: text}}}


async def test_every_naughty_string_in_every_field_is_stored_or_refused(record_property: Count) -> None:
    door, posted = Doorstep(), 0
    for text in naughty_strings():
        calls = list(_calls_with(text))
        answer = await door.post("/v1/batch", {"batch": calls, "writeKey": text, "context": {"x": text}})
        assert answer.status_code == 200, (text, answer.text)
        posted += len(calls)
    stored = len(door.events) + len(door.consents) + len(door.quarantined)
    all_can_be_read_again(door)
    record_property(
        "counted",
        f"{len(naughty_strings())} naughty strings in {posted} calls: no 5xx, {len(door.events)} events, "
        f"{len(door.quarantined)} refused",
    )
    assert stored == posted


@pytest.mark.parametrize("path", PATHS)
async def test_every_naughty_string_through_every_path_and_header_gets_200_or_a_4xx(
    path: str, record_property: Count
) -> None:
    door = Doorstep()
    for text in naughty_strings():
        call = {"userId": text, "event": text, "properties": {text: text}, "traits": {text: text}, "previousId": text}
        for body in (call | {"batch": [call]}, [call]):
            assert answered_well(await door.post(path, body)), text
        answer = await door.send(path, text.encode(), [(b"x-write-key", text.encode())])
        assert answered_well(answer), text
    all_can_be_read_again(door)
    record_property("counted", f"{len(naughty_strings())} naughty strings through {path}: no 5xx")


async def test_every_naughty_string_as_a_cloud_event_in_each_mode_gets_200_or_a_4xx() -> None:
    door = Doorstep()
    authorization = (b"authorization", basic(SERVER).encode())
    for text in naughty_strings():
        for field in CLOUD:
            event = {"specversion": "1.0", "id": "e", "source": "/s", "type": "x", "subject": "u1"} | {field: text}
            assert answered_well(await door.post("/events", event)), (field, text)
            headers = [(b"ce-" + name.encode(), value.encode()) for name, value in event.items() if name != "data"]
            answer = await door.send("/events", b"{}", [authorization, *headers])
            assert answered_well(answer), (field, text)
    all_can_be_read_again(door)


async def test_every_naughty_string_in_the_address_gets_200_or_a_4xx() -> None:
    door = Doorstep()
    for text in naughty_strings():
        for url in (
            httpx.URL("/v1/track", params={"writeKey": text}),
            httpx.URL("/sourceConfig/", params={"writeKey": text}),
        ):
            answer = await door.client.request("POST" if "track" in url.path else "GET", url, content=b"{}")
            assert answer.status_code in {200, 400, 401}, text


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["\0", "\ud800", math.inf]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["type", "event", "userId", "anonymousId", "messageId", "timestamp", "properties",
                                        "traits", "context", "name", "groupId", "previousId", "batch", "sentAt"]), values))  # fmt: skip
async def test_any_json_in_any_field_gets_200_or_a_4xx(fields: dict[str, Any]) -> None:
    door = Doorstep()
    text = json.dumps(fields).encode()
    for path in (*SINGLES, "/v1/batch", "/events"):
        assert answered_well(await door.post(path, text))
    assert answered_well(await door.post("/v1/batch", b'{"batch":[' + text + b"]}"))
    all_can_be_read_again(door)


@given(st.binary(max_size=400), st.sampled_from(PATHS), st.sampled_from(["", "gzip", "identity"]))
async def test_any_bytes_get_200_or_a_4xx(body: bytes, path: str, encoding: str) -> None:
    assert answered_well(await Doorstep().post(path, body, content_encoding=encoding))
