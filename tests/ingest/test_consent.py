"""Consent at the door: to dispatch and nowhere else, first of all, and only by a server key."""

from __future__ import annotations

from typing import Any

import pytest
from doorstep import BROWSER, MONDAY, Doorstep

from tactful.clock import DAY, HOUR
from tactful.records import DISPATCH, EVENTS

GRANT: dict[str, Any] = {
    "purpose": "marketing",
    "channel": "email",
    "state": "granted",
    "basis": "consent",
    "wording": "signup-form-3",
    "source": "checkout",
    "proof": {"ip": "203.0.113.9"},
}


async def test_a_posted_consent_goes_to_dispatch_and_nothing_of_it_to_events() -> None:
    door = Doorstep()
    await door.track("Consent Changed", messageId="m3", timestamp=MONDAY - HOUR, properties=GRANT)
    [record] = door.consents
    body = record.body
    assert (record.id, record.key, record.at) == ("m3", "u1", MONDAY)
    assert (body.source, body.purpose, body.channel, body.state) == ("shop", "marketing", "email", "granted")
    assert (body.basis, body.wording, body.via, body.proof) == ("consent", "signup-form-3", "checkout", GRANT["proof"])
    assert body.occurred_at == MONDAY - HOUR
    assert [topic for topic, _ in door.diary.appends] == [DISPATCH]


@pytest.mark.parametrize("when", [{}, {"timestamp": "1970-01-01T00:00:00Z"}, {"timestamp": MONDAY + 2 * DAY}])
async def test_a_grant_from_the_past_that_tells_no_day_of_it_is_refused_rather_than_dated_to_now(
    when: dict[str, Any],
) -> None:
    door = Doorstep()
    past: dict[str, Any] = {"context": {"history": True}}
    assert (await door.track("Consent Changed", properties=GRANT, **past, **when))["rejected"] == 1
    await door.track("Consent Changed", properties=GRANT | {"state": "withdrawn"}, **past, **when)
    await door.track("Consent Changed", properties=GRANT, **past, timestamp=MONDAY + HOUR)
    assert [(said.body.state, said.body.occurred_at, said.body.history) for said in door.consents] == [
        ("withdrawn", MONDAY, True),
        ("granted", MONDAY, True),
    ]


async def test_where_the_customer_said_so_is_told_as_via_or_else_as_source() -> None:
    door = Doorstep()
    for place in ({"via": "till"}, {"source": "checkout"}, {"via": "till", "source": "checkout"}):
        await door.track("Consent Changed", properties={"purpose": "marketing", "state": "granted"} | place)
    assert [consent.body.via for consent in door.consents] == ["till", "checkout", "till"]


async def test_in_one_request_consent_is_acknowledged_before_any_event_is_appended() -> None:
    door = Doorstep()
    view = {"type": "track", "userId": "u1", "anonymousId": "a1", "event": "Product Viewed"}
    consent = {"type": "track", "userId": "u1", "event": "Consent Changed", "properties": GRANT}
    await door.post("/v1/batch", {"batch": [view, consent]})
    assert [topic for topic, _ in door.diary.appends] == [DISPATCH, EVENTS, EVENTS]


@pytest.mark.parametrize(("said", "once"), [(True, True), ("true", True), (1, True), ("false", False), (None, False)])
async def test_once_is_once_however_it_is_written(said: Any, once: bool) -> None:
    door = Doorstep()
    await door.track("Consent Changed", properties={**GRANT, "once": said})
    assert [record.body.once for record in door.consents] == [once]


async def test_once_that_is_neither_true_nor_false_is_refused_rather_than_taken_for_ever() -> None:
    door = Doorstep()
    await door.track("Consent Changed", properties={**GRANT, "once": "yes, please"})
    assert door.refusal == ("wrong_type", "properties.once")


@pytest.mark.parametrize("beside", [{"once": ""}, {"once": "no"}, {"basis": "legitimate_interest"}, {"basis": 5}])
async def test_no_withdrawal_is_refused_for_what_only_a_grant_has(beside: dict[str, Any]) -> None:
    door = Doorstep()
    await door.track("Consent Changed", properties={**GRANT, "state": "withdrawn", **beside})
    [body] = [consent.body for consent in door.consents]
    assert (body.state, body.once, body.basis) == ("withdrawn", False, "consent")


async def test_a_withdrawal_may_name_the_basis_that_it_ends() -> None:
    door = Doorstep()
    await door.track("Consent Changed", properties={**GRANT, "state": "withdrawn", "basis": "soft_opt_in"})
    assert [consent.body.basis for consent in door.consents] == ["soft_opt_in"]


async def test_a_withdrawal_without_an_id_is_news_after_a_grant() -> None:
    door = Doorstep()
    for state in ("withdrawn", "granted", "withdrawn"):
        await door.track("Consent Changed", properties={**GRANT, "state": state})
    assert len({record.id for record in door.consents}) == 3


@pytest.mark.parametrize("path", ["/v1/track", "/v1/t", "/api/s/track"])
async def test_a_browser_key_may_not_change_consent(path: str) -> None:
    door = Doorstep()
    answered = await door.post(path, {"userId": "u1", "event": "Consent Changed", "properties": GRANT}, BROWSER)
    assert answered.status_code == 403
    assert answered.json() == {
        "code": "key_scope",
        "message": "a browser key may not change consent; use a server key",
    }
    assert door.diary.appends == []


@pytest.mark.parametrize(("path", "event"), [("/v1/alias", None), ("/v1/a", None), ("/v1/track", "Alias")])
async def test_a_browser_key_may_not_merge_customers(path: str, event: str | None) -> None:
    door = Doorstep()
    answered = await door.post(path, {"userId": "u1", "previousId": "u0", "event": event}, BROWSER)
    assert (answered.status_code, answered.json()["code"]) == (403, "key_scope")
    assert door.diary.appends == []


async def test_a_stranger_may_consent_too() -> None:
    door = Doorstep()
    await door.track("Consent Changed", userId=None, anonymousId="a1", properties=GRANT)
    assert [consent.key for consent in door.consents] == ["anon:a1"]


async def test_no_channel_means_every_channel_and_the_basis_is_consent_unless_said() -> None:
    door = Doorstep()
    await door.track("Consent Changed", properties={"purpose": "marketing.cart", "state": "withdrawn"})
    body = door.consents[0].body
    assert (body.channel, body.state, body.basis, body.via) == ("", "withdrawn", "consent", "")


async def test_a_withdrawal_is_stored_though_its_context_denies_storage() -> None:
    """The wish not to be written to must reach the ledger; everything else of that customer stays outside."""
    door = Doorstep()
    denied = {"consent": {"categoryPreferences": {"Advertising": False}}}
    answer = await door.track("Consent Changed", context=denied, properties=GRANT | {"state": "withdrawn"})
    assert answer == {"success": True}
    assert door.consents[0].body.state == "withdrawn"


async def test_a_consent_of_one_instant_has_the_same_id_and_a_changed_one_another() -> None:
    door = Doorstep()
    for change in ({}, {}, {"state": "withdrawn"}):
        await door.track("Consent Changed", timestamp=MONDAY - HOUR, properties=GRANT | change)
    first, again, other = (record.id for record in door.consents)
    assert first == again != other


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"userId": None}, ("no_customer", "userId")),
        ({"userId": "guest"}, ("placeholder_id", "userId")),
        ({"properties": None}, ("wrong_value", "properties.purpose")),
        ({"properties": GRANT | {"purpose": "newsletter"}}, ("wrong_value", "properties.purpose")),
        ({"properties": GRANT | {"purpose": "marketing."}}, ("wrong_value", "properties.purpose")),
        ({"properties": GRANT | {"state": "yes"}}, ("wrong_value", "properties.state")),
        ({"properties": GRANT | {"state": None}}, ("wrong_value", "properties.state")),
        ({"properties": GRANT | {"channel": "e-mail"}}, ("wrong_value", "properties.channel")),
        ({"properties": GRANT | {"channel": ["email"]}}, ("wrong_type", "properties.channel")),
        ({"properties": GRANT | {"basis": "hope"}}, ("wrong_value", "properties.basis")),
        ({"properties": GRANT | {"proof": "screenshot"}}, ("wrong_type", "properties.proof")),
    ],
)
async def test_a_consent_that_says_nothing_certain_is_quarantined(
    fields: dict[str, Any], refusal: tuple[str, str]
) -> None:
    door = Doorstep()
    answer = await door.track(**({"event": "Consent Changed", "properties": GRANT} | fields))
    assert answer == {"success": True, "rejected": 1}
    assert door.refusal == refusal
    assert door.consents == []
