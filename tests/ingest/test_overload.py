"""When there is no room, no log, or no patience: the client is told to come back, and when."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

import msgspec
import pytest
from doorstep import BROWSER, MONDAY, SERVER, Diary, Doorstep, Fragile, basic

from tactful import crashpoints
from tactful.clock import HOUR, SECOND
from tactful.errors import LogUnavailable, RecordTooLarge
from tactful.keys import FixedKeys, Key
from tactful.log import Position
from tactful_ingest.limits import Limits

CALL: dict[str, Any] = {"userId": "u1", "event": "Product Viewed", "messageId": "m1"}


class Stuck(Diary):
    """A log that answers nothing until it is let go."""

    let_go: asyncio.Event
    asked: asyncio.Event

    async def append(self, topic: str, entries: Sequence[tuple[int, bytes]]) -> list[Position]:
        self.asked.set()
        await self.let_go.wait()
        return await super().append(topic, entries)

    async def end(self, topic: str, partition: int) -> int:
        await self.let_go.wait()
        return await super().end(topic, partition)


class Away(Diary):
    """A log that cannot be reached."""

    async def end(self, topic: str, partition: int) -> int:
        raise LogUnavailable("the log is away")


class Narrow(Diary):
    """A log that takes no record of any size."""

    async def append(self, topic: str, entries: Sequence[tuple[int, bytes]]) -> list[Position]:
        raise RecordTooLarge("a record of 2,000,000 bytes is too large; a batch takes 900,000")


def seldom(per_second: float) -> FixedKeys:
    """A shop's key that may knock so often, and a page's that may as often as there is room."""
    return FixedKeys([(SERVER, Key("shop", "server", per_second)), (BROWSER, Key("web", "browser"))])


def stuck(**limits: Any) -> tuple[Doorstep, Stuck]:
    door = Doorstep(Stuck, limits=Limits(**limits))
    diary = door.diary
    assert isinstance(diary, Stuck)
    diary.let_go, diary.asked = asyncio.Event(), asyncio.Event()
    return door, diary


@pytest.mark.parametrize("path", ["/v1/track", "/events"])
async def test_a_log_that_is_away_gets_503_with_retry_after_and_the_resend_is_stored(path: str) -> None:
    door = Doorstep(Fragile)
    answered = await door.post(path, CALL)
    assert (answered.status_code, answered.json()["code"]) == (503, "log_unavailable")
    assert 20 <= int(answered.headers["retry-after"]) <= 60
    assert (await door.post(path, CALL)).status_code == 200
    assert door.event.id == "m1"


async def test_success_is_never_said_when_any_part_of_a_request_was_not_stored() -> None:
    batch = [
        CALL | {"anonymousId": "a1"},
        CALL | {"event": "Consent Changed", "properties": {"purpose": "marketing", "state": "granted"}},
        CALL | {"userId": "null"},
    ]
    whole = Doorstep()
    await whole.post("/v1/batch", {"batch": batch})
    steps = len(whole.diary.appends)
    assert steps == 4  # consent, link, event, quarantine
    for step in range(steps):
        door = Doorstep(partial(Fragile, after=step))
        assert (await door.post("/v1/batch", {"batch": batch})).status_code == 503
        assert (await door.post("/v1/batch", {"batch": batch})).json() == {"success": True, "rejected": 1}


@pytest.mark.parametrize(("drawn", "seconds"), [(0.0, "20"), (0.5, "40"), (0.999, "60")])
async def test_retry_after_spreads_clients_over_20_to_60_seconds(drawn: float, seconds: str) -> None:
    door = Doorstep(Fragile, jitter=lambda: drawn)
    assert (await door.post("/v1/track", CALL)).headers["retry-after"] == seconds


async def test_a_log_that_does_not_answer_in_time_gets_503() -> None:
    door, _ = stuck(append_seconds=0.01)
    answered = await door.post("/v1/track", CALL)
    assert (answered.status_code, answered.json()["code"]) == (503, "log_unavailable")
    assert "retry-after" in answered.headers


@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch", "/events"])
async def test_what_the_log_will_never_take_is_refused_and_not_to_be_posted_again(path: str) -> None:
    answered = await Doorstep(Narrow).post(path, CALL | {"batch": [CALL]})
    assert (answered.status_code, answered.json()["code"]) == (413, "too_large")
    assert "retry-after" not in answered.headers


async def test_the_answer_waits_for_the_logs_word() -> None:
    door, diary = stuck()
    posting = asyncio.create_task(door.post("/v1/track", CALL))
    await diary.asked.wait()
    assert not posting.done()
    diary.let_go.set()
    assert (await posting).status_code == 200


@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch", "/v1/m", "/events"])
async def test_whoever_is_still_posting_when_the_server_stops_is_told_to_come_back(path: str) -> None:
    """uvicorn cancels what is not answered within its grace."""
    begun = asyncio.Event()

    async def half() -> AsyncIterator[bytes]:
        yield b'{"userId":'
        begun.set()
        await asyncio.Event().wait()

    door = Doorstep()
    posting = asyncio.create_task(door.client.post(path, content=half(), headers={"authorization": basic(SERVER)}))
    await begun.wait()
    posting.cancel()
    answered = await posting
    assert (answered.status_code, answered.json()["code"]) == (503, "stopping")
    assert "retry-after" in answered.headers
    assert answered.headers["access-control-allow-origin"] == "*"
    assert door.door.flight.requests == 0


async def test_what_was_on_its_way_into_the_log_when_the_server_stops_is_not_said_to_be_stored() -> None:
    door, diary = stuck()
    posting = asyncio.create_task(door.post("/v1/track", CALL))
    await diary.asked.wait()
    posting.cancel()
    answered = await posting
    assert (answered.status_code, answered.json()["code"]) == (503, "stopping")


async def test_more_requests_than_there_is_room_for_get_503_until_one_leaves() -> None:
    door, diary = stuck(requests_in_flight=1)
    first = asyncio.create_task(door.post("/v1/track", CALL))
    await diary.asked.wait()
    refused = await door.post("/v1/track", CALL)
    assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
    assert "retry-after" in refused.headers
    diary.let_go.set()
    assert (await first).status_code == 200
    assert (await door.post("/v1/track", CALL)).status_code == 200


async def test_more_bytes_than_there_is_room_for_get_503_until_they_leave() -> None:
    door, diary = stuck(bytes_in_flight=150)
    first = asyncio.create_task(door.post("/v1/track", CALL | {"properties": {"x": "y" * 40}}))
    await diary.asked.wait()
    assert (await door.post("/v1/track", CALL)).status_code == 503
    diary.let_go.set()
    assert (await first).status_code == 200
    assert (await door.post("/v1/track", CALL)).status_code == 200


async def test_a_gzipped_body_takes_up_the_room_of_what_it_holds() -> None:
    body = gzip.compress(msgspec.json.encode(CALL | {"properties": {"x": "y" * 400}}))
    assert len(body) < 150
    small, large = (Doorstep(limits=Limits(bytes_in_flight=room)) for room in (550, 1_000))
    assert (await small.post("/v1/track", body, content_encoding="gzip")).status_code == 503
    assert (await large.post("/v1/track", body, content_encoding="gzip")).status_code == 200


async def test_requests_that_end_badly_leave_their_room_too() -> None:
    door = Doorstep(limits=Limits(requests_in_flight=1, bytes_in_flight=200))
    for body in (b"{", b"x" * 150, b"{}"):
        await door.post("/v1/batch", body)
    assert (await door.post("/v1/track", CALL)).status_code == 200


async def test_a_key_that_posts_too_often_gets_429_and_is_welcome_again_later() -> None:
    door = Doorstep(keys=seldom(2))
    answers = [await door.post("/v1/track", CALL) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1].json()["code"] == "rate_limited"
    assert 20 <= int(answers[-1].headers["retry-after"]) <= 60
    assert (await door.post("/v1/track", CALL, BROWSER)).status_code == 200
    door.clock.forward_to(MONDAY + SECOND // 2)
    assert [(await door.post("/v1/track", CALL, SERVER)).status_code for _ in range(2)] == [200, 429]


async def test_however_long_a_key_was_silent_it_posts_no_more_at_once_than_fits_into_a_second() -> None:
    door = Doorstep(keys=seldom(2))
    await door.post("/v1/track", CALL)
    door.clock.forward_to(MONDAY + HOUR)
    assert [(await door.post("/v1/track", CALL)).status_code for _ in range(3)] == [200, 200, 429]


async def test_a_clock_that_is_set_back_keeps_no_key_out() -> None:
    door = Doorstep(keys=seldom(2))
    door.clock.forward_to(MONDAY + HOUR)
    for _ in range(2):
        await door.post("/v1/track", CALL)
    door.clock._now = MONDAY
    assert (await door.post("/v1/track", CALL)).status_code == 429
    door.clock.forward_to(MONDAY + SECOND)
    assert [(await door.post("/v1/track", CALL)).status_code for _ in range(3)] == [200, 200, 429]


async def test_a_rate_below_one_a_second_lets_the_first_request_in() -> None:
    door = Doorstep(keys=seldom(0.1))
    assert [(await door.post("/v1/track", CALL)).status_code for _ in range(2)] == [200, 429]


async def test_a_limit_that_is_lifted_counts_from_the_next_request_on() -> None:
    ring = seldom(1)
    door = Doorstep(keys=ring)
    assert [(await door.post("/v1/track", CALL)).status_code for _ in range(2)] == [200, 429]
    ring._keys.update(seldom(100)._keys)
    door.clock.forward_to(MONDAY + SECOND)
    assert [(await door.post("/v1/track", CALL)).status_code for _ in range(50)] == [200] * 50


async def test_settings_answers_and_livez_need_no_log_and_readyz_does() -> None:
    door = Doorstep(Away)
    for path in ("/v1/projects/k/settings", "/sourceConfig/?writeKey=k", "/livez"):
        assert (await door.client.get(path)).status_code == 200
    answered = await door.client.get("/readyz")
    assert (answered.status_code, answered.json()["code"]) == (503, "log_unavailable")


async def test_readyz_does_not_wait_as_long_as_an_event_does() -> None:
    door, _ = stuck(probe_seconds=0.01)
    assert (await door.client.get("/readyz")).status_code == 503


async def test_the_crash_point_stands_between_the_logs_word_and_the_answer() -> None:
    door = Doorstep()
    seen: list[int] = []
    crashpoints.arm("ingest: appended", strike=lambda: seen.append(len(door.events)))
    try:
        assert (await door.post("/v1/track", CALL)).status_code == 200
    finally:
        crashpoints.disarm()
    assert seen == [1]
