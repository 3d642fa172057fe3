"""A full disk: the door says "later" and means it. Nothing is half-written, and everything works once there is room."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tactful.errors import SettingsError, StoreUnavailable
from tactful.records import DISPATCH, EVENTS, ConsentRecord, EventRecord, decode_any
from tactful_ingest.app import create_app
from tactful_workbench.embedded.product import Plan, Product, opened
from tactful_workbench.shop.secrets import LINK_KEY, secret, shared_secret

EVENTS_POSTED: Final = 200
BODY: Final = {
    "batch": [
        {
            "type": "track",
            "userId": f"u{n}",
            "messageId": f"m{n}",
            "event": "Product Added",
            "properties": {"product_id": "p1", "text": "x" * 2000},
        }
        for n in range(EVENTS_POSTED)
    ]
}
ROOM: Final = 32 * 1024  # bytes that are left

Exhaust = Callable[[Product], Awaitable[None]]


@pytest.fixture
async def product(tmp_path: Path) -> AsyncIterator[Product]:
    async with opened(Plan(tmp_path, dev=True)) as made:
        yield made


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """Writes beyond a size fail as on a full disk: by the kernel, in the middle of whatever is being written."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def post(product: Product, path: str, body: dict[str, Any]) -> httpx.Response:
    transport = httpx.ASGITransport(create_app(product.door))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.example", auth=("dev_server", "")) as http:
        return await http.post(path, json=body)


async def posted(product: Product, topic: str = EVENTS) -> int:
    """How many posted events or consents a topic holds; the log's own account must agree with what can be read."""
    log, found = product.log, 0
    for partition in range(log.partitions):
        records = await log.read(topic, partition, 0, 10_000)
        assert len(records) == await log.end(topic, partition)
        found += sum(isinstance(decode_any(r.value), EventRecord | ConsentRecord) for r in records)
    return found


def wal(product: Product) -> int:
    return product.plan.file.with_name("dev.db-wal").stat().st_size


async def leave_pages(product: Product, pages: int) -> None:
    """Let the database grow by so many pages at most."""

    def limit(db: sqlite3.Connection) -> None:
        (count,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count = {count + pages}")

    await product.database.write(limit)


async def test_when_the_database_may_not_grow_the_door_says_later_and_keeps_nothing(product: Product) -> None:
    await leave_pages(product, 8)
    answer = await post(product, "/v1/batch", BODY)
    assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (503, True)
    assert answer.json()["code"] == "log_unavailable"
    assert await posted(product) == 0
    await leave_pages(product, 100_000)
    assert (await post(product, "/v1/batch", BODY)).status_code == 200
    assert await posted(product) == EVENTS_POSTED


async def test_when_the_disk_fails_in_the_middle_of_a_write_nothing_is_half_written(tmp_path: Path) -> None:
    async with opened(Plan(tmp_path, dev=True)) as product:
        with no_file_beyond(wal(product) + ROOM):
            assert (await post(product, "/v1/batch", BODY)).status_code == 503
            assert await posted(product) == 0
        assert (await post(product, "/v1/batch", BODY)).status_code == 200
    async with opened(Plan(tmp_path, dev=True)) as product:
        assert await posted(product) == EVENTS_POSTED


async def test_what_was_acknowledged_before_the_disk_was_full_is_still_there(tmp_path: Path) -> None:
    async with opened(Plan(tmp_path, dev=True)) as product:
        assert (await post(product, "/v1/batch", BODY)).status_code == 200
        with no_file_beyond(wal(product)):
            assert (await post(product, "/v1/batch", BODY)).status_code == 503
    async with opened(Plan(tmp_path, dev=True)) as product:
        assert await posted(product) == EVENTS_POSTED


async def test_consent_that_cannot_be_stored_is_not_acknowledged(product: Product) -> None:
    said = {
        "purpose": "marketing",
        "channel": "email",
        "state": "granted",
        "basis": "consent",
        "proof": {"text": "x" * 20_000},
    }
    call = {"userId": "u1", "messageId": "c1", "event": "Consent Changed", "properties": said}
    await leave_pages(product, 1)
    assert (await post(product, "/v1/track", call)).status_code == 503
    assert await posted(product, DISPATCH) == 0
    await leave_pages(product, 100_000)
    assert (await post(product, "/v1/track", call)).status_code == 200
    assert await posted(product, DISPATCH) == 1


async def test_an_opt_out_that_cannot_be_stored_is_not_confirmed(product: Product) -> None:
    with no_file_beyond(wal(product)), pytest.raises(StoreUnavailable, match="disk"):
        await product.desk.stop_all("u1", "preference-page")
    assert not (await product.desk.card("u1")).stopped
    await product.desk.stop_all("u1", "preference-page")
    assert (await product.desk.card("u1")).stopped


async def test_an_erasure_that_cannot_be_noted_is_not_confirmed_and_the_next_one_stands(product: Product) -> None:
    noted = product.plan.data / "erasures"
    with no_file_beyond(0), pytest.raises(StoreUnavailable, match=r"erasures cannot be written: .*; make room"):
        await product.personal.erase("u1", "preference-page")
    noted.write_text("0123456789")  # as a disk that becomes full within a line leaves it
    erased = await product.personal.erase("u1", "preference-page")
    assert noted.read_text().splitlines()[-1].split()[1:] == [str(erased.at)]


async def test_the_services_wait_for_room_and_then_catch_up(product: Product) -> None:
    assert (await post(product, "/v1/batch", BODY)).status_code == 200
    with no_file_beyond(wal(product)), pytest.raises(StoreUnavailable):
        await product.time.drain()
    await product.time.drain()
    for partition in range(product.log.partitions):
        cursor = await product.trigger.cursor(partition)
        assert cursor is not None
        assert cursor.offset == await product.log.end(EVENTS, partition)
    assert [line.kind for line in await product.trigger.history("u7", 10)].count("event") == 1


def test_a_secret_for_which_there_is_no_room_is_made_once_there_is(tmp_path: Path) -> None:
    with (
        no_file_beyond(0),
        pytest.raises(SettingsError, match=r"secrets/link-key cannot be made or read \(File too large"),
    ):
        secret(tmp_path, LINK_KEY)
    assert list((tmp_path / "secrets").iterdir()) == []
    assert secret(tmp_path, LINK_KEY) == shared_secret(tmp_path, LINK_KEY)
