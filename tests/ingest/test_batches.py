"""A batch goes on when one of its events is wrong."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from doorstep import BROWSER, MONDAY, Doorstep, context, properties

from tactful.clock import DAY


def call(id: str, **fields: Any) -> dict[str, Any]:
    return {"type": "track", "userId": "u1", "event": "Product Viewed", "messageId": id} | fields


async def test_events_of_a_batch_are_stored_in_its_order() -> None:
    door = Doorstep()
    await door.post("/v1/batch", {"batch": [call(f"m{number}") for number in range(100)]})
    assert [event.id for event in door.events] == [f"m{number}" for number in range(100)]
    assert len(door.diary.appends) == 1


async def test_that_a_feed_is_complete_is_appended_after_all_that_came_with_it() -> None:
    door = Doorstep()
    told = {"type": "track", "event": "Feed Complete", "properties": {"feed": "pos", "through": MONDAY}}
    order = {"type": "track", "event": "Order Completed", "userId": "u1", "anonymousId": "a1"}
    await door.post("/v1/batch", {"batch": [told, order, {**told, "userId": "pos"}, order]})
    assert [event.body.name for event in door.events] == ["Order Completed"] * 2 + ["Feed Complete"] * 2
    assert len(door.diary.appends) == 3


async def test_one_bad_event_is_quarantined_and_the_others_are_stored() -> None:
    door = Doorstep()
    answered = await door.post("/v1/batch", {"batch": [call("m1"), call("m2", userId="null"), call("m3")]})
    assert (answered.status_code, answered.json()) == (200, {"success": True, "rejected": 1})
    assert [event.id for event in door.events] == ["m1", "m3"]
    assert door.refusal == ("placeholder_id", "userId")


DEEP = b'{"userId":"u1","event":"x","properties":{"a":' + b"[" * 1_500 + b"]" * 1_500 + b"}}"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b'{"userId":"u1","event":"x","properties":{"a":NaN}}', "wrong_type"),
        (b'{"userId":"u1","event":"x","properties":{"a":-Infinity}}', "wrong_type"),
        (b'{"userId":"u1","event":"x","properties":{"a":1e999}}', "wrong_type"),
        (b'{"userId":"u1","event":"x","properties":{"a":NaN,"b":%s}}' % (b"9" * 5_000), "wrong_type"),
        (DEEP, "too_deep"),
        (b'{"userId":"u1","event":"x","context":' + b'{"]":' * 1_500 + b'"[\\"["' + b"}" * 1_500 + b"}", "too_deep"),
        (b"[" * 1_500 + b"]" * 1_500, "too_deep"),
        (b'{"userId":"u1","event":"x","properties":{"a":"\\ud800"}}', "hostile_text"),
        (b'{"userId":"u1","event":"x\\udc00y"}', "hostile_text"),
        (b'{"userId":"u1","event":"x","\\ud83d":1}', "hostile_text"),
        (b'{"userId":"u1","event":"x","properties":{"a":"\\u0000"}}', "hostile_text"),
        (b'{"userId":"u1","event":"x","properties":{"a":"\xff"}}', "hostile_text"),
        (b"5", "not_an_object"),
        (b"null", "not_an_object"),
        (b"[]", "not_an_object"),
        (b'{"type":"sing","userId":"u1"}', "unknown_call"),
        (b'{"type":["track"],"userId":"u1"}', "unknown_call"),
    ],
)
async def test_what_no_store_can_keep_spoils_its_own_event_only(bad: bytes, reason: str) -> None:
    door = Doorstep()
    good = b'{"type":"track","userId":"u1","event":"Product Viewed","messageId":"%s"}'
    answered = await door.post("/v1/batch", b'{"batch":[' + good % b"m1" + b"," + bad + b"," + good % b"m2" + b"]}")
    assert (answered.status_code, answered.json()) == (200, {"success": True, "rejected": 1})
    assert [event.id for event in door.events] == ["m1", "m2"]
    assert door.refusal[0] == reason


@pytest.mark.parametrize("depth", [*range(30, 40), *range(900, 1_100, 7), 20_000])
async def test_an_event_is_refused_by_itself_however_deep_it_is(depth: int) -> None:
    good, bad = b'{"userId":"u1","event":"x","messageId":"m1"}', b"[" * depth + b"]" * depth
    bad = b'{"userId":"u1","event":"x","properties":{"a":' + bad + b"}}"
    for path, body in (
        ("/v1/batch", b'{"batch":[' + good + b"," + bad + b"]}"),
        ("/events", b"[" + good + b"," + bad + b"]"),
    ):
        door = Doorstep()
        answered = await door.post(path, body)
        assert (answered.status_code, answered.json().get("rejected", 0)) == (200, int(depth > 30))
        assert door.events[0].id == "m1"
    assert (await Doorstep().post("/v1/track", bad)).json().get("rejected", 0) == int(depth > 30)


@pytest.mark.parametrize("told", [{"review": "Ж" * 15_000}, {"seen": [1] * 15_000}], ids=["letters", "numbers"])
@pytest.mark.parametrize("bad", [b"NaN", DEEP])
async def test_an_event_is_no_larger_beside_a_wrong_one(bad: bytes, told: dict[str, Any]) -> None:
    door = Doorstep()
    good = msgspec.json.encode(call("m1", properties=told))
    await door.post("/v1/batch", b'{"batch":[' + good + b"," + bad + b"]}")
    assert properties(door.event) == told


async def test_what_is_not_looked_at_does_not_cost_a_batch_its_events() -> None:
    door = Doorstep()
    await door.post(
        "/v1/batch", b'{"integrations":' + b"[" * 1_500 + b"]" * 1_500 + b',"batch":[{"userId":"u1","event":"x"}]}'
    )
    assert door.event.body.name == "x"


async def test_a_batch_s_context_is_merged_into_each_call_and_the_call_wins() -> None:
    door = Doorstep()
    body = {"context": {"ip": "::1", "app": "shop"}, "batch": [call("m1", context={"ip": "::2"}), call("m2")]}
    await door.post("/v1/batch", body | {"integrations": {"All": True}, "messageId": "batch-1"})
    assert [context(event) for event in door.events] == [{"ip": "::2", "app": "shop"}, {"ip": "::1", "app": "shop"}]


@pytest.mark.parametrize(
    "shared",
    [b'{"x":"\\u0000"}', b'{"x":"\\ud800"}', b'{"x":NaN}', b"5"]
    + [b'{"a":' * depth + b"1" + b"}" * depth for depth in (40, 1_500)],
)
async def test_a_batch_s_context_that_cannot_be_kept_puts_each_call_into_quarantine(shared: bytes) -> None:
    door = Doorstep()
    answered = await door.post("/v1/batch", b'{"context":' + shared + b',"batch":[{"userId":"u1","event":"x"}]}')
    assert answered.json() == {"success": True, "rejected": 1}
    assert (door.refusal[1] or "").startswith("context")


async def test_a_batch_s_context_is_a_part_of_each_of_its_events_and_counts_in_their_size() -> None:
    door = Doorstep()
    batch = [call("m1"), call("m2", properties={"x": "y" * 20_000})]
    answered = await door.post("/v1/batch", {"context": {"x": "y" * 20_000}, "batch": batch})
    assert answered.json() == {"success": True, "rejected": 1}
    assert [event.id for event in door.events] == ["m1"]
    assert door.refusal[0] == "too_large"


@pytest.mark.parametrize(("context_bytes", "calls"), [(1_000_000, 100), (32_000, 2_500)])
async def test_a_batch_s_context_does_not_make_a_small_request_a_large_one(context_bytes: int, calls: int) -> None:
    door = Doorstep()
    batch = [{"anonymousId": f"a{number}", "event": "x"} for number in range(calls)]
    body = msgspec.json.encode({"context": {"x": "y" * context_bytes}, "batch": batch})
    answered = await door.post("/v1/batch", body, BROWSER)
    assert answered.json() == {"success": True, "rejected": calls}
    assert {(record.body.reason, record.body.field) for record in door.quarantined} == {("too_large", "context")}
    assert sum(len(value) for _, values in door.diary.appends for value in values) < calls * 500


async def test_each_refused_event_of_a_batch_with_such_a_context_is_kept_as_it_was_posted() -> None:
    door = Doorstep()
    await door.post("/v1/batch", {"context": {"x": "y" * 40_000}, "batch": [call("m1"), call("m2")]})
    assert [msgspec.json.decode(record.body.raw) for record in door.quarantined] == [call("m1"), call("m2")]


async def test_a_batch_s_sent_time_judges_the_clock_of_its_calls() -> None:
    door = Doorstep()
    await door.post("/v1/batch", {"sentAt": MONDAY + DAY, "batch": [call("m1", timestamp=MONDAY + DAY - 1000)]})
    assert door.event.body.occurred_at == MONDAY - 1000


async def test_a_call_that_names_no_type_is_a_track() -> None:
    door = Doorstep()
    await door.post("/v1/batch", {"batch": [{"userId": "u1", "event": "Quiz Finished"}]})
    assert door.event.body.name == "Quiz Finished"


async def test_an_empty_batch_is_a_success() -> None:
    door = Doorstep()
    assert (await door.post("/v1/batch", {"batch": []})).json() == {"success": True}
    assert door.diary.appends == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b'{"batch":[', "invalid_json"),
        (b'{"batch":[{}]', "invalid_json"),
        (b"[]", "not_an_object"),
        (b'"x"', "not_an_object"),
        (b"{}", "no_batch"),
        (b'{"batch":{}}', "no_batch"),
        (b'{"batch":null}', "no_batch"),
        (b"[" * 100_000, "too_deep"),
        (b'{"batch":' + b"[" * 100_000, "too_deep"),
    ],
)
async def test_a_request_that_is_wrong_gets_400_with_a_code(body: bytes, code: str) -> None:
    answered = await Doorstep().post("/v1/batch", body)
    assert (answered.status_code, answered.json()["code"]) == (400, code)
    assert answered.json()["message"]


@pytest.mark.parametrize(
    ("body", "byte"),
    [
        pytest.param(b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b",x}", 40_006, id="deep"),
        (b'{"userId":', 10),
        (b'{"\xc3\xa9" 1}', 6),
        (b'{"a":\xff}', 5),
        (b'{"a" 1}', 5),
        (b"{} x", 3),
    ],
)
async def test_broken_json_is_told_with_the_byte_at_which_it_breaks(body: bytes, byte: int) -> None:
    answered = await Doorstep().post("/v1/track", body)
    assert answered.status_code == 400
    assert answered.json()["code"] == "invalid_json"
    assert answered.json()["message"].endswith(f"at byte {byte}")


async def test_2500_events_are_taken_and_one_more_is_not() -> None:
    door = Doorstep()
    calls = [call(f"m{number}") for number in range(2_501)]
    assert (await door.post("/v1/batch", {"batch": calls[:-1]})).json() == {"success": True}
    answered = await door.post("/v1/batch", {"batch": calls})
    assert (answered.status_code, answered.json()["code"]) == (400, "too_many_events")
    assert len(door.events) == 2_500


async def test_a_batch_goes_on_where_a_browser_key_reaches_too_far() -> None:
    door = Doorstep()
    batch = [call("m1"), call("m2", event="Consent Changed"), {"type": "alias", "userId": "u1", "previousId": "u0"}]
    answered = await door.post("/v1/batch", {"batch": batch}, BROWSER)
    assert answered.json() == {"success": True, "rejected": 2}
    assert [event.id for event in door.events] == ["m1"]
    assert {record.body.reason for record in door.quarantined} == {"key_scope"}


async def test_the_same_refused_event_has_the_same_quarantine_id() -> None:
    door = Doorstep()
    for _ in range(2):
        await door.post("/v1/batch", {"batch": [call("m1", userId="null")]})
    first, again = door.quarantined
    assert first.id == again.id
