"""The anonymous side hears of the customer before the event that told us is in the log."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from doorstep import MONDAY, Doorstep, Fragile
from hypothesis import given
from hypothesis import strategies as st

from tactful.clock import MINUTE, SECOND
from tactful.records import EventRecord, LinkRecord, MergeRecord
from tactful.records import decode_any as decode
from tactful_ingest.limits import Limits


def call(user: str | None, anonymous: str | None, event: str = "Product Viewed") -> dict[str, Any]:
    return {"type": "track", "userId": user, "anonymousId": anonymous, "event": event}


def appended(door: Doorstep) -> list[list[str]]:
    """Each append as what it held: `a>u` for a link, the key for an event."""
    return [[_short(value) for value in values] for _, values in door.diary.appends]


def _short(value: bytes) -> str:
    record = decode(value)
    if isinstance(record, MergeRecord):
        return f"{record.key}+{record.body.customer}"
    return f"{record.key}>{record.body.customer}" if isinstance(record, LinkRecord) else record.key


async def test_a_link_is_acknowledged_before_the_event_that_told_of_it_is_appended() -> None:
    door = Doorstep()
    await door.track(anonymousId="a1")
    assert appended(door) == [["anon:a1>u1"], ["u1"]]
    [link] = door.links
    assert (link.key, link.at) == ("anon:a1", MONDAY)
    assert (door.event.body.user_id, door.event.body.anonymous_id) == ("u1", "a1")


async def test_a_pair_is_linked_once() -> None:
    door = Doorstep()
    for _ in range(3):
        await door.track(anonymousId="a1")
    assert len(door.links) == 1


async def test_the_same_pair_has_the_same_link_id_in_every_process() -> None:
    one, other = Doorstep(), Doorstep()
    for door in (one, other):
        await door.track(anonymousId="a1")
    assert one.links[0].id == other.links[0].id


async def test_another_customer_on_the_same_device_is_linked_again_and_so_is_the_first_on_return() -> None:
    door = Doorstep()
    for user in ("u1", "u2", "u1"):
        await door.track(userId=user, anonymousId="a1")
    assert [link.body.customer for link in door.links] == ["u1", "u2", "u1"]


async def test_who_uses_the_device_after_an_alias_of_the_same_batch_is_linked_again() -> None:
    door = Doorstep()
    await door.track(userId="u2", anonymousId="a1")
    alias = {"type": "alias", "userId": "u1", "previousId": "a1"}
    await door.post("/v1/batch", {"batch": [alias, call("u2", "a1"), call(None, "a1")]})
    assert [link.body.customer for link in door.links] == ["u2", "u1", "u2"]


async def test_the_first_customer_who_comes_back_is_linked_again_though_the_second_went_through_another_process() -> (
    None
):
    """Neither knows what the other told."""
    one, other = Doorstep(), Doorstep()
    await one.track(userId="u1", anonymousId="a1")
    await other.track(userId="u2", anonymousId="a1")
    one.clock.forward_to(MONDAY + MINUTE)
    await one.track(userId="u1", anonymousId="a1")
    assert [link.body.customer for link in one.links] == ["u1", "u1"]


async def test_a_clock_that_is_set_back_keeps_no_link_from_being_told_again() -> None:
    one, other = Doorstep(), Doorstep()
    one.clock.forward_to(MONDAY + 60 * MINUTE)
    await one.track(userId="u1", anonymousId="a1")
    one.clock._now = MONDAY
    await other.track(userId="u2", anonymousId="a1")
    one.clock.forward_to(MONDAY + MINUTE)
    await one.track(userId="u1", anonymousId="a1")
    assert [link.body.customer for link in one.links] == ["u1", "u1"]


async def test_a_link_is_told_once_a_minute_however_much_is_posted() -> None:
    door = Doorstep()
    for second in range(0, 120, 7):
        door.clock.forward_to(MONDAY + second * SECOND)
        await door.track(anonymousId="a1")
    assert [link.at - MONDAY for link in door.links] == [0, 63 * SECOND]


async def test_within_a_batch_the_anonymous_side_keeps_its_order_and_comes_first() -> None:
    door = Doorstep()
    batch = [call(None, "a1"), call("u2", None), call("u1", "a1"), call(None, "a1"), call("u1", "a1")]
    await door.post("/v1/batch", {"batch": batch})
    assert appended(door) == [["anon:a1", "anon:a1>u1", "anon:a1"], ["u2", "u1", "u1"]]


async def test_an_id_that_is_both_known_and_anonymous_stands_for_two_until_they_are_linked() -> None:
    door = Doorstep()
    await door.track(userId="u1", anonymousId="u1")
    assert appended(door) == [["anon:u1>u1"], ["u1"]]


async def test_no_known_customer_may_have_the_name_of_a_stranger() -> None:
    door = Doorstep()
    await door.track(userId="anon:a1")
    assert door.refusal == ("reserved_id", "userId")


async def test_an_alias_links_the_stranger_and_asks_for_a_merge_of_the_known_ones_before_it_is_told() -> None:
    door = Doorstep()
    await door.post("/v1/alias", {"userId": "u1", "previousId": "u9"})
    assert appended(door) == [["anon:u9>u1", "u9+u1"], ["u1"]]


@pytest.mark.parametrize(
    "ids", [{"userId": "u1"}, {"previousId": "u1", "anonymousId": "a1"}, {"userId": "u1", "previousId": "u1"}]
)
async def test_an_alias_that_does_not_name_two_ids_is_refused_by_field(ids: dict[str, str]) -> None:
    door = Doorstep()
    await door.post("/v1/alias", ids)
    assert door.refusal[0] == "no_customer"


async def test_a_link_whose_events_were_not_acknowledged_is_told_again() -> None:
    door = Doorstep(partial(Fragile, after=1))
    assert (await door.post("/v1/track", call("u1", "a1"))).status_code == 503
    assert (await door.post("/v1/track", call("u1", "a1"))).status_code == 200
    assert appended(door) == [["anon:a1>u1"], ["anon:a1>u1"], ["u1"]]


async def test_memory_of_links_is_bounded_and_a_forgotten_pair_is_linked_again() -> None:
    door = Doorstep(limits=Limits(links_remembered=2))
    for anonymous in ("a1", "a2", "a3", "a1"):
        await door.track(anonymousId=anonymous)
    assert [link.key for link in door.links] == ["anon:a1", "anon:a2", "anon:a3", "anon:a1"]


@given(st.lists(st.tuples(st.sampled_from([None, "u1", "u2"]), st.sampled_from([None, "a1", "a2"])), max_size=12))
async def test_every_event_is_stored_once_in_its_customers_order_and_after_its_link(
    pairs: list[tuple[str | None, str | None]],
) -> None:
    door = Doorstep()
    calls = [call(user, anonymous) | {"messageId": str(n)} for n, (user, anonymous) in enumerate(pairs)]
    await door.post("/v1/batch", {"batch": calls})
    expected = [str(n) for n, pair in enumerate(pairs) if any(pair)]
    assert sorted((event.id for event in door.events), key=int) == expected
    for key in {event.key for event in door.events}:
        ids = [int(event.id) for event in door.events if event.key == key]
        assert ids == sorted(ids)
    linked: set[tuple[str | None, str | None]] = set()
    for _, values in door.diary.appends:
        records = [decode(value) for value in values]
        for record in records:
            if isinstance(record, EventRecord) and record.body.user_id and record.body.anonymous_id:
                assert (f"anon:{record.body.anonymous_id}", record.body.user_id) in linked
        linked |= {(r.key, r.body.customer) for r in records if isinstance(r, LinkRecord)}
