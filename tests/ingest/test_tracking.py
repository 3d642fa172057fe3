"""What a call of the tracking API becomes."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import msgspec
import pytest
from doorstep import BROWSER, MONDAY, SERVER, Doorstep, context, properties

from tactful.clock import DAY, HOUR, MINUTE
from tactful.events.model import Meta, decode
from tactful.log.partitioning import partition_of
from tactful.records import EVENTS
from tactful_ingest.envelope import CALLS

EXAMPLES = Path(__file__).parents[3] / "shared" / "data" / "segment_spec_examples.ndjson.gz"


async def test_a_track_becomes_an_event_of_its_customer() -> None:
    door = Doorstep()
    await door.track(
        "Product Added", messageId="m1", anonymousId=None, properties={"product_id": 7, "price": "39.90", "x": [1]}
    )
    event = door.event
    assert (event.id, event.key, event.at) == ("m1", "u1", MONDAY)
    assert (event.body.name, event.body.source, event.body.scope) == ("Product Added", "shop", "server")
    assert (event.body.user_id, event.body.anonymous_id, event.body.history) == ("u1", None, False)
    assert properties(event) == {"product_id": "7", "price": [3990, "EUR"], "x": [1]}


async def test_events_lie_in_the_partition_of_their_key() -> None:
    door = Doorstep()
    for number in range(20):
        await door.track(userId=f"u{number}", messageId=f"m{number}")
    for partition in range(4):
        stored = await door.diary.read(EVENTS, partition, 0, 100)
        keys = [msgspec.json.decode(record.value)["key"] for record in stored]
        assert {partition_of(key, 4) for key in keys} <= {partition}


async def test_an_alias_of_a_name_is_stored_under_the_canonical_name() -> None:
    door = Doorstep()
    await door.track("Completed Order")
    await door.track(" Order Completed ")
    assert [event.body.name for event in door.events] == ["Order Completed"] * 2


async def test_an_amount_without_a_currency_is_in_the_shops() -> None:
    door = Doorstep(currency=lambda: "JPY")
    await door.track("Product Added", properties={"price": 500})
    assert properties(door.event)["price"] == [500, "JPY"]


async def test_an_event_nobody_has_heard_of_is_kept() -> None:
    door = Doorstep()
    await door.track("Quiz Finished", properties={"score": 3.5, "tags": ["a", {"b": None}]})
    assert properties(door.event) == {"score": 3.5, "tags": ["a", {"b": None}]}


async def test_a_browsers_key_marks_its_events() -> None:
    door = Doorstep()
    await door.track(key=BROWSER, messageId="m1")
    assert (door.event.body.scope, door.event.body.source) == ("browser", "web")


async def test_an_anonymous_event_is_keyed_by_its_anonymous_id() -> None:
    door = Doorstep()
    await door.track(userId="", anonymousId="a1")
    assert (door.event.key, door.event.body.user_id, door.event.body.anonymous_id) == ("anon:a1", None, "a1")


async def test_a_meaningless_anonymous_id_beside_a_known_customer_is_dropped() -> None:
    door = Doorstep()
    await door.track(anonymousId="undefined")
    assert (door.event.key, door.event.body.anonymous_id, door.links) == ("u1", None, [])


async def test_an_identify_becomes_flat_traits_whatever_their_spelling() -> None:
    door = Doorstep()
    traits = {
        "email": "u@example.test",
        "firstName": "Ada",
        "last_name": "B",
        "plan": "gold",
        "address": {"country": "ES", "city": "Vigo"},
    }
    await door.post(
        "/v1/identify", {"userId": "u1", "traits": traits, "context": {"locale": "es-ES", "timezone": "Europe/Madrid"}}
    )
    assert properties(door.event) == {
        "email": "u@example.test",
        "first_name": "Ada",
        "last_name": "B",
        "locale": "es-ES",
        "implied": ["locale"],
        "timezone": "Europe/Madrid",
        "country": "ES",
        "traits": {"plan": "gold", "address": {"country": "ES", "city": "Vigo"}},
    }


async def test_traits_may_stand_in_the_context_alone_and_traits_of_the_call_win() -> None:
    door = Doorstep()
    body = {"userId": "u1", "traits": {"phone": "+34600000000"}}
    body["context"] = {"traits": {"email": "u@example.test", "phone": "+34611111111"}}
    await door.post("/v1/identify", body)
    assert properties(door.event) == {"email": "u@example.test", "phone": "+34600000000"}


async def test_traits_tell_language_and_zone_before_the_context_does() -> None:
    door = Doorstep()
    body = {"userId": "u1", "traits": {"locale": "en", "timezone": "Asia/Tokyo"}}
    await door.post("/v1/identify", body | {"context": {"locale": "es-ES", "timezone": "Europe/Madrid"}})
    assert properties(door.event) == {"locale": "en", "timezone": "Asia/Tokyo"}


@pytest.mark.parametrize("spelling", ["country_code", "countryCode"])
async def test_an_address_that_tells_its_country_s_name_and_code_is_read_by_the_code(spelling: str) -> None:
    door = Doorstep()
    address = {"country": "United States", spelling: "US"}
    await door.post("/v1/identify", {"userId": "u1", "traits": {"address": address}})
    assert properties(door.event) == {"country": "US", "traits": {"address": address}}


@pytest.mark.parametrize("said", ["GMT+0100", "Etc/Unknown", 60])
async def test_what_is_no_zone_in_a_context_takes_the_place_of_none(said: Any) -> None:
    door = Doorstep()
    await door.post(
        "/v1/identify", {"userId": "u1", "traits": {"plan": "gold"}, "context": {"timezone": said}}, BROWSER
    )
    assert properties(door.event) == {"traits": {"plan": "gold"}}


async def test_a_browsers_identify_is_kept_and_marked_so_that_its_addresses_are_only_claimed() -> None:
    door = Doorstep()
    answered = await door.post("/v1/i", {"userId": "u1", "traits": {"email": "u@example.test"}}, BROWSER)
    assert answered.json() == {"success": True}
    assert (door.event.body.name, door.event.body.scope) == ("Identify", "browser")


async def test_a_trait_that_is_null_or_empty_is_taken_back() -> None:
    door = Doorstep()
    traits = {"email": None, "phone": "", "firstName": "Uma", "plan": None}
    await door.post("/v1/identify", {"userId": "u1", "traits": traits})
    assert properties(door.event) == {
        "first_name": "Uma",
        "traits": {"plan": None},
        "unset": ["email", "phone"],
    }


async def test_what_a_context_or_an_address_does_not_know_takes_nothing_back() -> None:
    door = Doorstep()
    body = {"userId": "u1", "traits": {"plan": "gold", "address": {"street": "1 Main", "country": None}}}
    await door.post("/v1/identify", body | {"context": {"timezone": None, "locale": ""}})
    assert "unset" not in properties(door.event)


@pytest.mark.parametrize("spaced", [" u2", "u2 "])
async def test_an_alias_names_ids_without_the_space_around_them(spaced: str) -> None:
    door = Doorstep()
    await door.post("/v1/alias", {"userId": "u1", "previousId": spaced})
    assert properties(door.event) == {"previous_id": "u2"}


@pytest.mark.parametrize(
    "event",
    ["Customer Flagged", "Complaint Closed", "Contact Made", "Feed Complete", "Product Back In Stock", "Canary Sent"],
)
async def test_what_only_the_shop_can_know_is_not_taken_from_a_browser(event: str) -> None:
    door = Doorstep()
    said = {"reason": "", "ticket_id": "t", "feed": "pos", "through": 1, "product_id": "p"}
    answered = await door.post("/v1/track", {"userId": "u1", "event": event, "properties": said}, BROWSER)
    assert (answered.status_code, answered.json()["code"]) == (403, "key_scope")


async def test_that_a_feed_is_complete_is_said_of_nobody() -> None:
    door = Doorstep()
    assert await door.track("Feed Complete", userId=None, properties={"feed": "pos", "through": MONDAY}) == {
        "success": True
    }
    assert (door.event.body.user_id, properties(door.event)) == (None, {"feed": "pos", "through": MONDAY})


@pytest.mark.parametrize("words", [["legal", "", "legal"], ["", "legal", ""]])
async def test_a_word_about_a_state_is_news_each_time_it_is_said_without_an_id(words: list[str]) -> None:
    door = Doorstep()
    calls = [
        {"type": "track", "userId": "u1", "event": "Customer Flagged", "properties": {"reason": word}} for word in words
    ]
    await door.post("/v1/batch", {"batch": calls})
    assert len({event.id for event in door.events}) == 3


async def test_who_spoke_to_a_customer_has_spoken_to_them_each_time_it_is_said_without_an_id() -> None:
    door = Doorstep()
    call = {"type": "track", "userId": "u1", "event": "Contact Made", "properties": {"channel": "call", "by": "Ana"}}
    await door.post("/v1/batch", {"batch": [call, call]})
    assert len({event.id for event in door.events}) == 2


async def test_what_somebody_did_is_the_same_when_it_is_said_again_without_an_id() -> None:
    door = Doorstep()
    call = {"type": "track", "userId": "u1", "event": "Product Viewed", "properties": {"product_id": "p"}}
    await door.post("/v1/batch", {"batch": [call, call]})
    assert len({event.id for event in door.events}) == 1


async def test_what_somebody_does_again_on_another_day_is_news_without_an_id_and_a_time() -> None:
    door = Doorstep()
    for day in (0, 1, 1):
        door.clock.forward_to(MONDAY + day * DAY)
        await door.track(messageId=None, event="Product Added", properties={"product_id": "p1"})
    first, next_day, again = (event.id for event in door.events)
    assert first != next_day == again


async def test_a_products_own_currency_is_that_of_its_price() -> None:
    door = Doorstep()
    products = [{"product_id": "p", "price": 1000, "currency": "JPY"}, {"product_id": "q", "price": 5}]
    await door.post("/v1/track", {"userId": "u1", "event": "Cart Updated", "properties": {"products": products}})
    assert [product["price"] for product in properties(door.event)["products"]] == [[1000, "JPY"], [500, "EUR"]]


async def test_pages_and_screens_carry_their_name_and_category() -> None:
    door = Doorstep()
    await door.post("/v1/page", {"userId": "u1", "name": "Home", "category": None, "properties": {"url": "https://x"}})
    await door.post("/v1/screen", {"userId": "u1", "name": "Cart", "category": "Shop"})
    assert [(event.body.name, properties(event)) for event in door.events] == [
        ("Page", {"name": "Home", "url": "https://x"}),
        ("Screen", {"name": "Cart", "category": "Shop"}),
    ]


@pytest.mark.parametrize("path", ["/v1/track", "/v1/page", "/v1/screen"])
async def test_properties_that_are_no_object_are_an_event_that_is_wrong(path: str) -> None:
    door = Doorstep()
    answered = await door.post(path, {"userId": "u1", "event": "Product Viewed", "properties": ["x"]})
    assert (answered.status_code, answered.json()) == (200, {"success": True, "rejected": 1})


async def test_a_group_and_an_alias_carry_whom_they_name() -> None:
    door = Doorstep()
    await door.post("/v1/group", {"userId": "u1", "groupId": 5, "traits": {"size": 3}})
    await door.post("/v1/alias", {"userId": "u1", "previousId": "u0"})
    assert [(event.body.name, properties(event)) for event in door.events] == [
        ("Group", {"group_id": "5", "traits": {"size": 3}}),
        ("Alias", {"previous_id": "u0"}),
    ]


async def test_the_context_is_kept_and_timestamp_wins_over_original_timestamp() -> None:
    door = Doorstep()
    times = {"timestamp": "2026-11-23T13:00:00Z", "originalTimestamp": "2026-11-23T12:00:00Z"}
    await door.track(**times, context={"ip": "203.0.113.9"}, messageId="m1")
    await door.track(originalTimestamp="2026-11-23T13:00:00.000+01:00", messageId="m2")
    assert [event.body.occurred_at for event in door.events] == [MONDAY - HOUR, MONDAY - 2 * HOUR]
    assert context(door.events[0]) == {"ip": "203.0.113.9"}


async def test_a_clock_that_runs_ahead_is_put_right() -> None:
    door = Doorstep()
    await door.track(timestamp=MONDAY + DAY - 10 * MINUTE, sentAt=MONDAY + DAY)
    assert door.event.body.occurred_at == MONDAY - 10 * MINUTE


async def test_a_time_that_nobody_can_read_gives_way_to_the_arrival_and_stays_in_the_context() -> None:
    door = Doorstep()
    assert await door.track(timestamp="yesterday", context={"ip": "::1"}) == {"success": True}
    assert door.event.body.occurred_at == MONDAY
    assert context(door.event) == {"ip": "::1", "unreadableTime": "yesterday"}


async def test_all_client_times_pass_the_door_s_own_measure_first() -> None:
    door = Doorstep(client_time=lambda at: at + 30 * DAY)
    wall = MONDAY - 30 * DAY
    await door.track(timestamp=wall - HOUR, sentAt=wall)
    assert door.event.body.occurred_at == MONDAY - HOUR


async def test_the_dates_of_an_import_stay_what_they_are() -> None:
    door, history = Doorstep(client_time=lambda at: at + 30 * DAY), {"history": True}
    await door.track(timestamp=MONDAY - 300 * DAY, context=history, messageId="m1")
    await door.track(timestamp=MONDAY - 300 * DAY, context=history, messageId="m2", key=BROWSER)
    assert [event.body.occurred_at for event in door.events] == [MONDAY - 300 * DAY, MONDAY - 270 * DAY]


async def test_history_is_believed_of_a_server_and_not_of_a_browser() -> None:
    door = Doorstep()
    for key in (SERVER, BROWSER):
        await door.track(key=key, context={"history": True}, messageId="m1", timestamp="2019-05-01T12:00:00Z")
    assert [event.body.history for event in door.events] == [True, False]


async def test_what_is_imported_with_a_day_that_is_to_come_is_refused_rather_than_dated_to_now() -> None:
    door, imported = Doorstep(), {"history": True}
    for when in (MONDAY + HOUR, MONDAY + 2 * DAY, "9999-12-31"):
        await door.track("Shipment Delivered", context=imported, timestamp=when)
        await door.track("Shipment Delivered", timestamp=when)
    await door.track("Customer Flagged", context=imported, timestamp="9999-12-31")
    told = [(event.body.name, event.body.history) for event in door.events]
    delivered = ("Shipment Delivered", False)
    assert told == [("Shipment Delivered", True), delivered, delivered, delivered, ("Customer Flagged", True)]
    assert [(each.body.reason, each.body.field) for each in door.quarantined] == [("wrong_value", "timestamp")] * 2


async def test_the_same_again_without_a_message_id_has_the_same_id() -> None:
    door = Doorstep()
    for attempt in range(2):
        await door.track(properties={"b": 1, "a": 2}, sentAt=MONDAY + attempt)
    await door.track(properties={"a": 2, "b": 1})
    await door.track(properties={"a": 2, "b": 2})
    await door.track(key=BROWSER, properties={"b": 1, "a": 2})
    first, again, reordered, other, foreign = (event.id for event in door.events)
    assert first == again == reordered
    assert len({first, other, foreign}) == 3


async def test_the_same_at_another_time_without_a_message_id_is_another_event() -> None:
    door = Doorstep()
    for time in ("2026-11-30T08:00:00Z", "2026-11-30T08:05:00Z", "2026-11-30T08:00:00Z"):
        await door.track(messageId=None, timestamp=time)
    first, second, again = (event.id for event in door.events)
    assert first == again != second


async def test_what_is_wrong_is_kept_once_however_often_it_is_sent_and_nothing_else_in_its_place() -> None:
    door = Doorstep()
    for event in ("", "  ", ""):
        await door.track(event=event)
    first, second, again = (kept.id for kept in door.quarantined)
    assert first == again != second


async def test_a_numeric_message_id_is_a_string_and_a_long_one_a_digest() -> None:
    door = Doorstep()
    await door.track(messageId=12)
    await door.track(messageId="m" * 300)
    assert door.events[0].id == "12"
    assert len(door.events[1].id) < 100


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"event": None}, ("missing_name", "event")),
        ({"event": " "}, ("missing_name", "event")),
        ({"event": 5}, ("missing_name", "event")),
        ({"event": "x" * 256}, ("name_too_long", "event")),
        ({"userId": None}, ("no_customer", "userId")),
        ({"userId": ""}, ("no_customer", "userId")),
        ({"userId": "null"}, ("placeholder_id", "userId")),
        ({"userId": "", "anonymousId": "undefined"}, ("placeholder_id", "anonymousId")),
        ({"userId": "u" * 256}, ("id_too_long", "userId")),
        ({"userId": {"id": 1}}, ("wrong_type", "userId")),
        ({"anonymousId": ["a"]}, ("wrong_type", "anonymousId")),
        ({"messageId": ["m"]}, ("wrong_type", "messageId")),
        ({"context": "x"}, ("wrong_type", "context")),
        ({"properties": []}, ("wrong_type", "properties")),
        ({"event": "Product Added", "properties": {"price": "cheap"}}, ("wrong_type", "properties.price")),
        ({"event": "Complaint Opened"}, ("missing", "properties.ticket_id")),
        ({"properties": {"a": {"b": "x\0"}}}, ("hostile_text", "properties.a.b")),
        ({"userId": "u\0"}, ("hostile_text", "userId")),
        ({"context": {"x": "\0"}}, ("hostile_text", "context.x")),
        ({"event": "Message Decided"}, ("reserved_event", "event")),
        ({"event": "Step Finished"}, ("reserved_event", "event")),
        ({"event": "Preferences Changed"}, ("reserved_event", "event")),
        ({"event": "Address Reopened"}, ("reserved_event", "event")),
        ({"properties": {"x": "y" * 33_000}}, ("too_large", None)),
    ],
)
async def test_an_event_that_is_wrong_is_quarantined_with_reason_field_source_and_text(
    fields: dict[str, Any], refusal: tuple[str, str | None]
) -> None:
    door = Doorstep()
    assert await door.track(**({"event": "Product Viewed"} | fields)) == {"success": True, "rejected": 1}
    assert door.refusal == refusal
    assert door.events == []
    [kept] = door.quarantined
    assert kept.body.source == "shop"
    assert kept.body.message
    assert kept.body.raw.startswith("{")
    assert len(kept.body.raw) <= 32 * 1024


async def test_a_wrong_trait_is_named_as_its_sender_wrote_it() -> None:
    door = Doorstep()
    await door.post("/v1/identify", {"userId": "u1", "traits": {"email": ["x"]}})
    assert door.refusal == ("wrong_type", "traits.email")
    assert door.quarantined[0].body.message == "traits.email must be text, not ['x']"


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"traits": "x"}, "traits"),
        ({"traits": {"traits": 5}}, "traits.traits"),
        ({"context": {"traits": ["x"]}}, "context.traits"),
    ],
)
async def test_traits_that_are_no_object_are_an_event_that_is_wrong(said: dict[str, Any], field: str) -> None:
    door = Doorstep()
    answered = await door.post("/v1/identify", {"userId": "u1"} | said)
    assert (answered.status_code, answered.json()) == (200, {"success": True, "rejected": 1})
    assert door.refusal == ("wrong_type", field)


async def test_an_event_s_name_of_255_characters_is_taken() -> None:
    door = Doorstep()
    await door.track("x" * 255)
    assert door.event.body.name == "x" * 255


@pytest.mark.parametrize("depth", [31, 32, 33, 500])
async def test_an_event_is_32_levels_deep_at_most(depth: int) -> None:
    deep = b'{"userId":"u1","event":"x","properties":' + b'{"a":' * (depth - 1) + b"1" + b"}" * depth
    door = Doorstep()
    assert (await door.post("/v1/track", deep)).status_code == 200
    assert (len(door.events), [q.body.reason for q in door.quarantined]) == (
        (1, []) if depth <= 32 else (0, ["too_deep"])
    )


async def test_brackets_inside_text_are_not_depth() -> None:
    door = Doorstep()
    await door.track(properties={"text": "[{" * 100})
    assert properties(door.event) == {"text": "[{" * 100}


async def test_of_duplicate_keys_the_last_one_counts() -> None:
    door = Doorstep()
    await door.post("/v1/track", b'{"userId":"u1","userId":"u2","event":"x","properties":{"a":1,"a":2}}')
    assert (door.event.key, properties(door.event)) == ("u2", {"a": 2})


async def test_a_customer_who_allows_no_storage_is_counted_and_not_stored() -> None:
    denied = {"consent": {"categoryPreferences": {"Analytics": False, "Advertising": False}}}
    door = Doorstep()
    assert await door.track(context=denied) == {"success": True, "not_stored": 1}
    assert await door.track(context=denied, userId="null") == {"success": True, "not_stored": 1}
    assert door.diary.appends == []


@pytest.mark.parametrize("preferences", [{}, {"Analytics": True, "Advertising": False}, {"Analytics": 0}, None, "no"])
async def test_a_context_that_does_not_deny_everything_denies_nothing(preferences: Any) -> None:
    door = Doorstep()
    assert await door.track(context={"consent": {"categoryPreferences": preferences}}) == {"success": True}
    assert len(door.events) == 1


async def test_every_example_of_the_specification_is_stored_or_refused_with_a_reason() -> None:
    if not EXAMPLES.exists():
        pytest.skip("the examples of the Segment specification are not on this machine")
    lines = [msgspec.json.decode(line) for line in gzip.decompress(EXAMPLES.read_bytes()).splitlines()]
    calls = [line["value"] for line in lines if isinstance(line["value"], dict) and line["value"].get("type") in CALLS]
    door = Doorstep()
    answered = await door.post("/v1/batch", {"batch": calls})
    assert answered.status_code == 200
    assert len(calls) >= 10
    assert len(door.events) + len(door.quarantined) == len(calls)
    assert {record.body.reason for record in door.quarantined} <= {"no_customer", "placeholder_id", "missing_name"}
    for event in door.events:
        decode(event.body.name, event.body.properties, Meta())
