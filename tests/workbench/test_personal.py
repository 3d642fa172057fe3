"""Everything about one person: a copy of it, its erasure, a restored file, and when the log itself is clean."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from enginebench import event_record
from killing import traces

from tactful.clock import DAY
from tactful.errors import InvalidInput
from tactful.events import Identify, ProductAdded
from tactful.log.partitioning import partition_of
from tactful.records import EVENTS, LinkBody, LinkRecord, MergeBody, MergeRecord, Record, encode
from tactful_workbench.embedded.product import Plan, Product, opened
from tactful_workbench.operating.readings import Readings
from tactful_workbench.process.housekeeping import prune

START = 1_795_438_800_000  # Mon 23 Nov 2026 14:00 in Madrid


@asynccontextmanager
async def shop(data: Path) -> AsyncIterator[Product]:
    """A dev server's insides, without its doors."""
    async with opened(Plan(data, dev=True, start=START)) as product:
        await product.trigger_worker.claim()
        await product.dispatch_worker.claim()
        await product.time.drain()
        yield product


async def tell(product: Product, record: Record) -> None:
    await product.log.append(EVENTS, [(partition_of(record.key, product.log.partitions), encode(record))])
    await product.time.drain()


async def somebody(product: Product, customer: str = "customer-1") -> None:
    """A visitor with a cart who logs in, consents, and is reminded an hour later."""
    now = product.clock.now()
    await tell(product, event_record("anon:a1", ProductAdded(product_id="p1", name="Kettle"), now, f"e1-{customer}"))
    await tell(product, LinkRecord(id=f"l-{customer}", key="anon:a1", at=now, body=LinkBody(customer)))
    await tell(
        product,
        event_record(customer, Identify(email="uma@example.test", first_name="Umaletta"), now, f"e2-{customer}"),
    )
    await product.desk.consent(customer, "marketing", "", "granted", via="checkout")
    await product.time.advance(now + 4_000_000)
    assert [letter.address for letter in await product.shelf.letters()] == ["uma@example.test"]


def put_back(data: Path) -> None:
    for end in ("", "-wal", "-shm"):
        (data / f"dev.db{end}").unlink(missing_ok=True)
    shutil.copy(data / "backup.db", data / "dev.db")


async def registered(product: Product, customer: str = "customer-1") -> None:
    """By the shop, with a consent, a while after whatever was before."""
    await product.time.advance(product.clock.now() + 1000)
    now = product.clock.now()
    await tell(product, event_record(customer, Identify(email="uma@example.test"), now, f"again-{now}"))
    await product.desk.consent(customer, "marketing", "", "granted", via="again")
    await product.time.drain()


def is_there(copy: bytes) -> bool:
    told = json.loads(copy)
    entries = told["messages"]["customer-1"]["consent"]
    return [entry["via"] for entry in entries] == ["again"] and b"uma@example.test" in copy


async def test_a_copy_holds_what_is_known_what_happened_and_what_was_said_and_sent(tmp_path: Path) -> None:
    async with shop(tmp_path) as product:
        await somebody(product)
        for name in ("customer-1", "anon:a1"):
            copy: dict[str, Any] = json.loads(await product.personal.export(name))
            assert (copy["customer"], copy["names"]) == ("customer-1", ["customer-1", "anon:a1"])
            assert copy["known"]["states"]["profile"]["email"] == "uma@example.test"
            assert copy["known"]["runs"][0]["rule"] == "abandoned_cart"
            assert {line["kind"] for line in copy["history"]["customer-1"]} >= {
                "absorbed",
                "adopted",
                "asked",
                "decided",
                "consent",
            }
            told = copy["messages"]["customer-1"]
            assert told["recipient"]["addresses"]["email"] == "uma@example.test"
            assert told["consent"][0]["via"] == "checkout"
            assert told["sent"][0]["subject"]


async def test_a_copy_holds_every_wish_and_no_wish_that_nobody_had(tmp_path: Path) -> None:
    async with shop(tmp_path) as product:
        await somebody(product)
        assert json.loads(await product.personal.export("customer-1"))["messages"]["customer-1"]["wishes"] == {}
        until = product.clock.now() + 30 * DAY
        await product.desk.mute("customer-1", "churn_risk", True)
        await product.desk.mute_topic("customer-1", "knives", True)
        await product.desk.pause("customer-1", until)
        for preference, value in (("hours", "17:00-21:00"), ("at_most_days", "30"), ("personalisation", "none")):
            await product.desk.prefer("customer-1", preference, value)
        assert json.loads(await product.personal.export("customer-1"))["messages"]["customer-1"]["wishes"] == {
            "muted_rules": ["churn_risk"],
            "muted_topics": ["knives"],
            "paused_until": until,
            "hours": "17:00-21:00",
            "at_most_days": 30,
            "personalisation": "none",
        }


async def test_a_copy_does_not_name_who_at_the_shop_has_read_it(tmp_path: Path) -> None:
    async with shop(tmp_path) as product:
        await somebody(product)
        await Readings(product.log, product.clock).note("customer-1", "anna")
        await product.time.drain()
        assert any(b"anna" in line.data for line in await product.trigger.history("customer-1", 99))
        copy = await product.personal.export("customer-1")
        assert (b"Story Read" in copy, b"anna" in copy, b"Kettle" in copy) == (False, False, True)


async def test_of_somebody_whom_nobody_knows_there_is_no_copy(tmp_path: Path) -> None:
    async with shop(tmp_path) as product:
        with pytest.raises(InvalidInput) as refused:
            await product.personal.export("nobody")
        assert refused.value.code == "unknown_customer"


async def test_after_an_erasure_no_table_but_the_log_holds_a_word_of_them(tmp_path: Path) -> None:
    async with shop(tmp_path) as product:
        await somebody(product)
        assert traces(tmp_path / "dev.db", "uma@example.test")
        farewell = await product.personal.erase("customer-1", "test")
        await product.time.drain()
        for words in ("uma@example.test", "Umaletta", "customer-1", "anon:a1", "Kettle"):
            assert traces(tmp_path / "dev.db", words) == []
        assert await product.shelf.letters() == []
        assert farewell.log_clean_at == farewell.at + 30 * DAY
        with pytest.raises(InvalidInput) as refused:
            await product.personal.export("customer-1")
        assert refused.value.code == "erased"


async def test_the_log_is_clean_when_it_was_said_to_be(tmp_path: Path) -> None:
    async with shop(tmp_path) as product:
        await somebody(product)
        farewell = await product.personal.erase("customer-1", "test")
        await product.time.drain()
        assert await prune(product) == 0
        assert b"uma@example.test" in await _log(product)
        await product.time.advance(farewell.log_clean_at + 1000)
        assert await prune(product) > 0
        log = await _log(product)
        assert not [words for words in (b"uma@example.test", b'"customer-1"', b"anon:a1") if words in log]


async def test_then_the_pages_of_the_file_that_are_free_hold_nothing_of_them_either(tmp_path: Path) -> None:
    async with shop(tmp_path) as product:
        seen = ProductAdded(product_id="p1", name="A kettle in detail. " * 500)  # more than goes on one page
        await tell(product, event_record("customer-1", seen, product.clock.now(), "e0"))
        farewell = await product.personal.erase("customer-1", "test")
        await product.time.advance(farewell.log_clean_at + 1000)
        await prune(product)
    file = (tmp_path / "dev.db").read_bytes()
    assert [words for words in (b"A kettle in detail", b'"customer-1"') if words in file] == []


async def test_what_nobody_has_read_yet_is_never_removed(tmp_path: Path) -> None:
    async with shop(tmp_path) as product:
        record = event_record("customer-1", ProductAdded(product_id="p1"), product.clock.now(), "unread")
        await product.log.append(EVENTS, [(partition_of("customer-1", 4), encode(record))])
        assert product.dev_clock is not None
        product.dev_clock.forward_to(START + 90 * DAY)
        await prune(product)
        assert b'"unread"' in await _log(product)


async def test_a_restored_file_erases_again_whom_it_brought_back_and_does_not_let_in_whom_it_never_knew(
    tmp_path: Path,
) -> None:
    async with shop(tmp_path) as product:
        await somebody(product)
    shutil.copy(tmp_path / "dev.db", tmp_path / "backup.db")
    async with shop(tmp_path) as product:
        for customer in ("customer-1", "customer-2"):
            await product.personal.erase(customer, "test")
        await product.time.drain()
    put_back(tmp_path)
    assert traces(tmp_path / "dev.db", "uma@example.test")
    async with shop(tmp_path) as product:
        assert traces(tmp_path / "dev.db", "uma@example.test") == []
        for customer in ("customer-1", "customer-2"):
            late = event_record(customer, ProductAdded(product_id="p1"), product.clock.now(), f"late-{customer}")
            await tell(product, late)
            assert await product.trigger.history(customer, 9) == []


@pytest.mark.parametrize("named", ["customer-1", "customer-2"])
async def test_a_restored_file_that_knows_of_no_merge_erases_both_accounts_again(tmp_path: Path, named: str) -> None:
    async with shop(tmp_path) as product:
        for customer in ("customer-1", "customer-2"):
            await registered(product, customer)
    shutil.copy(tmp_path / "dev.db", tmp_path / "backup.db")
    async with shop(tmp_path) as product:
        now = product.clock.now()
        await tell(product, MergeRecord(id="m1", key="customer-2", at=now, body=MergeBody("customer-1")))
        await product.personal.erase(named, "test")
        await product.time.drain()
    put_back(tmp_path)
    assert traces(tmp_path / "dev.db", "uma@example.test")
    async with shop(tmp_path) as product:
        assert traces(tmp_path / "dev.db", "uma@example.test") == []


@pytest.mark.parametrize("by", ["this program", "one that wrote down the erasure alone"])
async def test_whoever_came_back_after_their_erasure_is_not_erased_again_at_the_next_starts(
    tmp_path: Path, by: str
) -> None:
    async with shop(tmp_path) as product:
        await somebody(product)
        await product.personal.erase("customer-1", "test")
        await product.time.drain()
        await registered(product)
        if by != "this program":
            await product.database.write(lambda db: db.execute("DELETE FROM erasure_taken"))
    for _ in range(2):
        async with shop(tmp_path) as product:
            assert is_there(await product.personal.export("customer-1"))


async def test_a_back_up_from_before_an_erasure_erases_again_whoever_had_come_back_since(tmp_path: Path) -> None:
    async with shop(tmp_path) as product:
        await somebody(product)
    shutil.copy(tmp_path / "dev.db", tmp_path / "backup.db")
    async with shop(tmp_path) as product:
        await product.personal.erase("customer-1", "test")
        await product.time.drain()
        await registered(product)
    put_back(tmp_path)
    for _ in range(2):
        async with shop(tmp_path) as product:
            assert traces(tmp_path / "dev.db", "uma@example.test") == []
            with pytest.raises(InvalidInput, match="was erased"):
                await product.personal.export("customer-1")


async def backed_up_after_a_return(folder: Path) -> None:
    """Somebody was erased and has registered anew by the time of the copy."""
    async with shop(folder) as product:
        await somebody(product)
        await product.personal.erase("customer-1", "test")
        await product.time.drain()
        await registered(product)
    shutil.copy(folder / "dev.db", folder / "backup.db")


async def test_a_back_up_from_after_a_return_keeps_what_there_was_then(tmp_path: Path) -> None:
    await backed_up_after_a_return(tmp_path)
    put_back(tmp_path)
    async with shop(tmp_path) as product:
        assert is_there(await product.personal.export("customer-1"))


async def test_whoever_came_back_can_be_erased_once_more(tmp_path: Path) -> None:
    await backed_up_after_a_return(tmp_path)
    async with shop(tmp_path) as product:
        await product.time.advance(product.clock.now() + 1000)
        await product.personal.erase("customer-1", "test")
        await product.time.drain()
    put_back(tmp_path)
    async with shop(tmp_path) as product:
        with pytest.raises(InvalidInput, match="was erased"):
            await product.personal.export("customer-1")


async def test_whoever_is_gone_already_is_said_to_have_been_erased_before_until_they_come_back(tmp_path: Path) -> None:
    async with shop(tmp_path) as product:
        await somebody(product)
        assert await product.personal.gone_since("customer-1") is None
        farewell = await product.personal.erase("customer-1", "test")
        await product.time.drain()
        assert await product.personal.gone_since("customer-1") == farewell.at
        await registered(product)
        assert await product.personal.gone_since("customer-1") is None


async def test_a_visitor_alone_can_be_erased(tmp_path: Path) -> None:
    async with shop(tmp_path) as product:
        await tell(product, event_record("anon:a1", ProductAdded(product_id="p1"), product.clock.now(), "e1"))
        await product.personal.erase("anon:a1", "test")
        await product.time.drain()
        assert await product.trigger.everybody(partition_of("anon:a1", product.log.partitions), "", 99) == []


async def test_whoever_uses_the_device_later_is_neither_shown_to_the_first_nor_erased_with_them(
    tmp_path: Path,
) -> None:
    async with shop(tmp_path) as product:
        await somebody(product)
        now = product.clock.now()
        await tell(product, LinkRecord(id="l2", key="anon:a1", at=now, body=LinkBody("customer-2")))
        await tell(product, event_record("customer-2", Identify(email="ivo@example.test"), now, "e3"))
        await tell(product, event_record("anon:a1", ProductAdded(product_id="p2", name="Teapot"), now, "e4"))
        copy = await product.personal.export("anon:a1")
        assert (json.loads(copy)["customer"], b"ivo@" in copy, b"Teapot" in copy) == ("customer-1", False, False)
        assert b"Teapot" in await product.personal.export("customer-2")
        await product.personal.erase("anon:a1", "preference-page")
        await product.time.drain()
        assert b"ivo@example.test" in await product.personal.export("customer-2")
        with pytest.raises(InvalidInput):
            await product.personal.export("customer-1")


async def _log(product: Product) -> bytes:
    found = b""
    for topic in ("events", "dispatch"):
        for partition in range(product.log.partitions):
            for stored in await product.log.read(topic, partition, 0, 10_000):
                found += stored.value
    return found
