"""Bodies: any content type, bounded before and after decompression."""

from __future__ import annotations

import asyncio
import gzip
import random
import time
import zlib
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import msgspec
import pytest
from doorstep import SERVER, Doorstep, basic
from hypothesis import given
from hypothesis import strategies as st

from tactful_ingest.answers import Refusal
from tactful_ingest.body import gunzip
from tactful_ingest.limits import Limits

CALL = msgspec.json.encode({"userId": "u1", "event": "Product Viewed", "messageId": "m1"})
MEGABYTE = 1024 * 1024


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "text/plain",
        "text/plain;charset=UTF-8",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "nonsense",
        "",
    ],
)
async def test_json_is_read_under_any_content_type(content_type: str) -> None:
    door = Doorstep()
    answer = await door.post("/v1/track", CALL, content_type=content_type)
    assert (answer.status_code, answer.content) == (200, b'{"success":true}')
    assert door.event.id == "m1"


async def test_a_body_may_come_in_chunks_without_a_length() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for index in range(len(CALL)):
            yield CALL[index : index + 1]

    door = Doorstep()
    answer = await door.client.post("/v1/track", content=chunks(), headers={"authorization": basic(SERVER)})
    assert answer.status_code == 200
    assert door.event.id == "m1"


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", " gzip"])
async def test_a_body_may_be_gzipped(encoding: str) -> None:
    door = Doorstep()
    answer = await door.post("/v1/track", gzip.compress(CALL), content_encoding=encoding)
    assert answer.status_code == 200
    assert door.event.id == "m1"


NOT_GZIP = {
    "plain": CALL,
    "empty": b"",
    "cut short": gzip.compress(CALL)[:-1],
    "zlib": zlib.compress(CALL),
    "more behind it": gzip.compress(CALL) + b"x",
}


@pytest.mark.parametrize("body", NOT_GZIP.values(), ids=NOT_GZIP)  # gzip writes the time: no name for a test
async def test_what_is_announced_as_gzip_and_is_not_gets_400(body: bytes) -> None:
    door = Doorstep()
    answer = await door.post("/v1/track", body, content_encoding="gzip")
    assert answer.status_code == 400
    assert answer.json()["code"] in {"invalid_gzip", "invalid_json"}
    assert door.diary.appends == []


async def test_an_encoding_that_is_not_understood_gets_415() -> None:
    answer = await Doorstep().post("/v1/track", CALL, content_encoding="br")
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_encoding")


async def test_a_body_beyond_four_megabytes_gets_413_with_and_without_a_length() -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b" " * MEGABYTE

    door = Doorstep()
    announced = await door.post("/v1/batch", b" " * (4 * MEGABYTE + 1))
    chunked = await door.client.post("/v1/batch", content=endless(), headers={"authorization": basic(SERVER)})
    for answer in (announced, chunked):
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("announced", [str(4 * MEGABYTE + 1), "9" * 5_000], ids=["one byte", "beyond reason"])
async def test_a_body_that_is_announced_as_too_large_is_refused_before_any_of_it_is_read(announced: str) -> None:
    read: list[int] = []

    async def body() -> AsyncIterator[bytes]:
        read.append(1)
        yield CALL

    headers = {"authorization": basic(SERVER), "content-length": announced}
    answer = await Doorstep().client.post("/v1/batch", content=body(), headers=headers)
    assert (answer.status_code, answer.json()["code"], read) == (413, "too_large", [])


async def test_a_client_who_goes_away_in_the_middle_of_a_body_has_posted_nothing() -> None:
    door = Doorstep()
    heard: list[MutableMapping[str, Any]] = [
        {"type": "http.disconnect"},
        {"type": "http.request", "body": CALL, "more_body": True},
    ]
    said: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return heard.pop()

    async def send(message: MutableMapping[str, Any]) -> None:
        said.append(message)

    post = {"type": "http", "method": "POST", "path": "/v1/track", "query_string": b"", "headers": []}
    await door.app(post, receive, send)
    assert (said[0]["status"], door.diary.appends) == (400, [])


async def test_a_gzip_bomb_gets_413() -> None:
    bomb = gzip.compress(b"[" * (64 * MEGABYTE))
    assert len(bomb) < MEGABYTE
    answer = await Doorstep().post("/v1/batch", bomb, content_encoding="gzip")
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_exactly_four_megabytes_are_read() -> None:
    body = CALL + b" " * (4 * MEGABYTE - len(CALL))
    for sent, encoding in ((body, "identity"), (gzip.compress(body), "gzip")):
        door = Doorstep(limits=Limits(event_bytes=5 * MEGABYTE))
        answer = await door.post("/v1/track", sent, content_encoding=encoding)
        assert answer.json() == {"success": True}


async def test_a_body_that_never_ends_gets_408() -> None:
    async def half() -> AsyncIterator[bytes]:
        yield CALL[:10]
        await asyncio.Event().wait()

    door = Doorstep(limits=Limits(body_seconds=0.01))
    answer = await door.client.post("/v1/track", content=half(), headers={"authorization": basic(SERVER)})
    assert (answer.status_code, answer.json()["code"]) == (408, "slow_body")


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=4))
def test_gzip_members_one_after_another_are_one_body(parts: list[bytes]) -> None:
    assert gunzip(b"".join(gzip.compress(part) for part in parts), 1_000) == b"".join(parts)


@given(st.lists(st.integers(0, 9_000), min_size=1, max_size=3))
def test_a_member_may_end_anywhere(sizes: list[int]) -> None:
    parts = [random.Random(size).randbytes(size) for size in sizes]
    assert gunzip(b"".join(gzip.compress(part) for part in parts), 30_000) == b"".join(parts)


def test_a_body_of_very_many_members_keeps_nobody_else_waiting() -> None:
    """A body as large as is let in had kept the door busy for eleven seconds; this one for more than two."""
    began = time.process_time()
    assert gunzip(gzip.compress(b"") * 100_000, MEGABYTE) == b""
    assert time.process_time() - began < 1


@given(st.binary(max_size=300), st.integers(0, 300))
def test_nothing_is_decompressed_beyond_the_limit(plain: bytes, limit: int) -> None:
    if len(plain) <= limit:
        assert gunzip(gzip.compress(plain), limit) == plain
    else:
        with pytest.raises(Refusal, match="may hold"):
            gunzip(gzip.compress(plain), limit)
