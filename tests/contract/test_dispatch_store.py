"""What every store of dispatch keeps: a transaction happens whole or not at all, and only for the partition's owner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Final

import pytest
from servers import DATABASE, fresh_database

from tactful.erasure import Erased
from tactful.errors import Fenced
from tactful.log.partitioning import partition_of
from tactful.postgres import Postgres
from tactful.records import EVENTS, EventBody, EventRecord, MessageBody, RecipientBody, decode_events
from tactful.sqlite import Database
from tactful_dispatch.state.ledger import ConsentEntry, broken_at
from tactful_dispatch.state.rows import (
    ACCEPTED,
    ASKED,
    HELD,
    PENDING,
    REFUSED,
    SENDING,
    UNKNOWN,
    AddressKey,
    Cursor,
    CustomerRow,
    Delivery,
)
from tactful_dispatch.store import DispatchStore, Fence, Workspace
from tactful_dispatch.store.memory import MemoryDispatchStore
from tactful_dispatch.store.postgres import PostgresDispatchStore
from tactful_dispatch.store.sqlite import SqliteDispatchStore

NOW: Final = 1_795_518_000_000
LEASE: Final = 10_000
UNTIL: Final = NOW + LEASE
PARTITIONS: Final = 4
ADDRESS: Final = AddressKey("email", "5f")


def salts() -> Callable[[], bytes]:
    numbers = count(1)
    return lambda: next(numbers).to_bytes(16)


@asynccontextmanager
async def memory(folder: Path) -> AsyncIterator[DispatchStore]:
    yield MemoryDispatchStore(PARTITIONS, salts())


@asynccontextmanager
async def sqlite(folder: Path) -> AsyncIterator[DispatchStore]:
    database = await Database.open(folder / "dispatch.db")
    try:
        yield await SqliteDispatchStore.open(database, PARTITIONS, salts())
    finally:
        await database.close()


@pytest.fixture(params=[memory, sqlite, pytest.param("postgres", marks=DATABASE)])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[DispatchStore]:
    if request.param != "postgres":
        async with request.param(tmp_path) as made:
            yield made
        return
    url = await fresh_database(request.getfixturevalue("postgres"))
    async with Postgres.open(url) as database:
        yield PostgresDispatchStore(database, PARTITIONS, salts())


async def claimed(store: DispatchStore, partition: int = 0, owner: str = "one", now: int = NOW) -> Cursor:
    cursor = await store.claim(partition, owner, now, now + LEASE)
    assert cursor is not None
    return cursor


def delivery(message_id: str, state: str = PENDING, due: int | None = None, customer: str = "u1") -> Delivery:
    message = MessageBody(
        message_id=message_id,
        run_id="r_1",
        customer=customer,
        subject=customer,
        rule="cart",
        rule_version=1,
        channel="email",
        template="cart",
        purpose="marketing.cart",
        requested_at=NOW,
        expires_at=NOW + 1,
    )
    return Delivery(message=message, state=state, due=due)


async def holds(store: DispatchStore, customer: str, *deliveries: Delivery, partition: int = 0) -> None:
    def work(space: Workspace) -> None:
        space.customer(customer).deliveries = {d.message.message_id: d for d in deliveries}

    await store.transact(partition, [customer], work)


def entry(customer: str = "u1", state: str = "granted") -> ConsentEntry:
    return ConsentEntry(
        customer=customer,
        purpose="marketing",
        channel="email",
        state=state,
        basis="consent",
        wording="form-3",
        via="checkout",
        source="shop",
        record_id="c1",
        occurred_at=NOW,
        committed_at=NOW,
        proof={"ip": "203.0.113.9"},
    )


def told(name: str, customer: str = "u1") -> EventRecord:
    body = EventBody(name=name, source="dispatch", scope="system", occurred_at=NOW)
    return EventRecord(id=name, key=customer, at=NOW, body=body)


async def move_to(store: DispatchStore, offset: int, fence: Fence | None = None, until: int = 0) -> None:
    def work(space: Workspace) -> None:
        space.cursor.offset = offset

    await store.transact(0, [], work, fence=fence, lease_until=until)


async def test_a_new_partition_begins_at_the_beginning(store: DispatchStore) -> None:
    cursor = await claimed(store, 3)
    assert (cursor.partition, cursor.offset, cursor.epoch) == (3, 0, 1)
    assert (await store.cursor(2)).offset == 0


async def test_a_partition_whose_lease_runs_is_nobody_elses(store: DispatchStore) -> None:
    await claimed(store, owner="one")
    assert await store.claim(0, "two", UNTIL - 1, UNTIL) is None
    assert (await claimed(store, owner="two", now=UNTIL)).epoch == 2


async def test_its_own_owner_may_claim_again_at_once_with_a_higher_epoch(store: DispatchStore) -> None:
    assert [(await claimed(store)).epoch for _ in range(3)] == [1, 2, 3]
    assert (await store.cursor(0)).epoch == 3


async def test_a_released_partition_may_be_claimed_at_once_but_only_its_owner_releases_it(store: DispatchStore) -> None:
    first = await claimed(store, owner="one")
    await store.release(0, first.epoch + 1)
    assert await store.claim(0, "two", NOW, UNTIL) is None
    await store.release(0, first.epoch)
    assert (await claimed(store, owner="two")).epoch == 2


async def test_a_transaction_renews_the_lease_and_never_shortens_it(store: DispatchStore) -> None:
    await claimed(store, owner="one")
    await move_to(store, 1, until=UNTIL + LEASE)
    await move_to(store, 2, until=NOW)
    assert await store.claim(0, "two", UNTIL + LEASE - 1, UNTIL) is None


async def test_a_transaction_of_an_earlier_epoch_is_fenced_and_its_work_not_done(store: DispatchStore) -> None:
    await claimed(store, owner="one")
    await claimed(store, owner="two", now=UNTIL)
    with pytest.raises(Fenced):
        await move_to(store, 5, Fence(1))
    assert (await store.cursor(0)).offset == 0


async def test_a_slice_that_was_committed_already_is_fenced(store: DispatchStore) -> None:
    epoch = (await claimed(store)).epoch
    await move_to(store, 5, Fence(epoch, 0))
    with pytest.raises(Fenced):
        await move_to(store, 5, Fence(epoch, 0))
    await move_to(store, 6, Fence(epoch, 5))


async def test_an_attempt_is_bound_to_the_epoch_and_to_no_offset(store: DispatchStore) -> None:
    epoch = (await claimed(store)).epoch
    await move_to(store, 5)
    await move_to(store, 6, Fence(epoch))
    assert (await store.cursor(0)).offset == 6


async def test_the_desk_needs_no_lease(store: DispatchStore) -> None:
    def work(space: Workspace) -> str:
        space.customer("u1").paused_until = NOW
        return "done"

    assert await store.transact(0, ["u1"], work) == "done"
    assert (await store.customer(0, "u1")).paused_until == NOW


async def test_rows_are_what_the_last_transaction_left(store: DispatchStore) -> None:
    def first(space: Workspace) -> None:
        space.customer("u1").recipient = RecipientBody(addresses={"email": "uma@example.test"}, zone="Europe/Madrid")
        space.address(ADDRESS).suppressed = "bounced"

    await store.transact(0, ["u1"], first)

    def second(space: Workspace) -> tuple[RecipientBody | None, str]:
        return space.customer("u1").recipient, space.address(ADDRESS).suppressed

    recipient, suppressed = await store.transact(0, ["u1"], second)
    assert recipient == RecipientBody(addresses={"email": "uma@example.test"}, zone="Europe/Madrid")
    assert suppressed == "bounced"


async def test_within_a_transaction_a_row_is_one_object(store: DispatchStore) -> None:
    def work(space: Workspace) -> bool:
        return space.customer("u1") is space.customer("u1") and space.address(ADDRESS) is space.address(ADDRESS)

    assert await store.transact(0, ["u1"], work)


async def test_a_row_that_was_read_is_a_copy(store: DispatchStore) -> None:
    await holds(store, "u1", delivery("m1"))
    (await store.customer(0, "u1")).deliveries.clear()
    assert list((await store.customer(0, "u1")).deliveries) == ["m1"]


async def test_an_address_binds_customers_of_all_partitions(store: DispatchStore) -> None:
    def suppress(space: Workspace) -> None:
        space.address(ADDRESS).suppressed = "complained"

    await store.transact(0, [], suppress)
    assert await store.transact(3, [], lambda space: space.address(ADDRESS).suppressed) == "complained"


async def test_an_address_can_be_looked_at_and_knows_its_latest_sixteen_customers(store: DispatchStore) -> None:
    def used(space: Workspace) -> None:
        for number in (*range(20), 7):
            space.address(ADDRESS).used_by(f"u{number}")

    assert (await store.address(ADDRESS)).customers == []
    await store.transact(0, [], used)
    known = await store.address(ADDRESS)
    assert known.customers == [f"u{number}" for number in (4, 5, 6, *range(8, 20), 7)]
    known.suppressed = "changed in a copy"
    assert (await store.address(ADDRESS)).suppressed == ""


async def test_work_that_raises_undoes_everything(store: DispatchStore) -> None:
    await claimed(store)

    def work(space: Workspace) -> None:
        space.cursor.offset = 9
        space.customer("u1").deliveries["m1"] = delivery("m1", due=NOW)
        space.address(ADDRESS).suppressed = "bounced"
        space.record_consent(entry())
        space.put(EVENTS, told("Consent Changed"))
        raise ValueError("poison")

    with pytest.raises(ValueError, match="poison"):
        await store.transact(0, ["u1"], work)
    row = await store.customer(0, "u1")
    assert (row.deliveries, (await store.cursor(0)).offset) == ({}, 0)
    assert await store.transact(0, [], lambda space: space.address(ADDRESS).suppressed) == ""
    assert (list(await store.ledger(0)), await store.unsent(0, 9), await store.pending(0, "", 9)) == ([], [], [])
    assert (await store.delivery("m1"), await store.earliest_due(0)) == (None, None)


async def test_after_work_that_raised_numbers_go_on_without_a_gap(store: DispatchStore) -> None:
    def good(space: Workspace) -> int:
        space.put(EVENTS, told("good"))
        return space.record_consent(entry())

    def bad(space: Workspace) -> int:
        good(space)
        raise ValueError("poison")

    first = await store.transact(0, ["u1"], good)
    with pytest.raises(ValueError, match="poison"):
        await store.transact(0, ["u1"], bad)
    assert (first, await store.transact(0, ["u1"], good)) == (1, 2)
    assert [row.seq for row in await store.unsent(0, 9)] == [1, 2]


async def test_customers_with_something_that_may_leave_are_pending_in_order_of_id(store: DispatchStore) -> None:
    await holds(store, "c", delivery("m1", PENDING))
    await holds(store, "a", delivery("m2", SENDING))
    await holds(store, "b", delivery("m3", HELD, NOW))
    await holds(store, "d", delivery("m4", ACCEPTED))
    await holds(store, "e", delivery("m5", PENDING), partition=1)
    assert (await store.pending(0, "", 9), await store.pending(1, "", 9)) == (["a", "c"], ["e"])
    assert [await store.pending(0, after, 1) for after in ("", "a", "b", "c")] == [["a"], ["c"], ["c"], []]
    await holds(store, "c", delivery("m1", ACCEPTED))
    assert await store.pending(0, "", 9) == ["a"]


async def test_what_is_due_comes_by_instant_and_then_by_customer(store: DispatchStore) -> None:
    await holds(store, "b", delivery("m1", HELD, 20), delivery("m2", HELD, 40))
    await holds(store, "a", delivery("m3", HELD, 20))
    await holds(store, "c", delivery("m4", HELD, 10))
    await holds(store, "d", delivery("m5"))
    assert await store.due(0, 20, 9) == [(10, "c")]
    assert await store.due(0, 21, 9) == [(10, "c"), (20, "a"), (20, "b")]
    assert await store.earliest_due(0) == 10
    assert await store.earliest_due(1) is None


async def test_of_what_is_due_the_first_come(store: DispatchStore) -> None:
    for customer, due in (("d", 10), ("c", 20), ("b", 20), ("a", 20), ("e", 30)):
        await holds(store, customer, delivery(customer, HELD, due))
    ordered = [(10, "d"), (20, "a"), (20, "b"), (20, "c"), (30, "e")]
    assert [await store.due(0, 99, most) for most in range(1, 7)] == [ordered[:most] for most in range(1, 7)]
    assert await store.due(0, 20, 5) == [(10, "d")]


async def test_what_waits_is_told_whole(store: DispatchStore) -> None:
    await holds(store, "a", delivery("m1", HELD, 20), delivery("m2"))
    await holds(store, "b", delivery("m3", ASKED, 30), delivery("m4", SENDING, 40))
    assert sorted(each.name for each in await store.held(0)) == ["m1", "m3"]
    assert await store.held(1) == []


async def test_what_is_no_longer_due_is_not_told(store: DispatchStore) -> None:
    await holds(store, "a", delivery("m1", HELD, 20))
    await holds(store, "a", delivery("m1", ACCEPTED))
    assert (await store.due(0, 100, 9), await store.earliest_due(0)) == ([], None)


async def test_a_decided_message_leaves_the_row_and_stays_known(store: DispatchStore) -> None:
    await holds(store, "u1", delivery("m1"), delivery("m2", ACCEPTED))
    await holds(store, "u1", delivery("m1", REFUSED), delivery("m3"))
    assert list((await store.customer(0, "u1")).deliveries) == ["m3"]
    found = [await store.delivery(message) for message in ("m1", "m2", "m3", "never")]
    assert [each and each.state for each in found] == [REFUSED, ACCEPTED, PENDING, None]

    def known(space: Workspace) -> list[bool]:
        return [space.knows(message) for message in ("m1", "m2", "m3", "never")]

    assert await store.transact(0, ["u1"], known) == [True, True, True, False]


def decided(message_id: str, at: int) -> Delivery:
    made = delivery(message_id, ACCEPTED)
    made.decided_at = at
    return made


async def test_messages_that_were_decided_long_ago_are_let_go_of_a_lot_at_a_time(store: DispatchStore) -> None:
    await claimed(store)
    await holds(store, "u1", *(decided(f"m{number}", NOW + number) for number in range(5)), delivery("open"))
    assert await store.forget_decided(NOW + 3, 2) == 2
    assert await store.forget_decided(NOW + 3, 2) == 1
    assert await store.forget_decided(NOW + 3, 2) == 0
    kept = [name for name in ("m0", "m1", "m2", "m3", "m4", "open") if await store.delivery(name) is not None]
    assert kept == ["m3", "m4", "open"]
    assert [each.name for each in await store.sent("u1", 10)] == ["m4", "m3"]


async def test_what_comes_back_on_a_decided_message_is_kept_with_it(store: DispatchStore) -> None:
    await holds(store, "u1", delivery("m1", ACCEPTED), delivery("m2"))

    def click(space: Workspace) -> None:
        decided = space.decided("m1")
        assert decided is not None
        decided.receipts["Message Clicked"] = NOW
        assert space.decided("m1") is decided
        assert (space.decided("m2"), space.decided("never")) == (None, None)

    await store.transact(0, ["u1"], click)
    kept = await store.delivery("m1")
    assert kept is not None
    assert kept.receipts == {"Message Clicked": NOW}


async def test_what_reached_a_customer_is_listed_with_the_latest_first(store: DispatchStore) -> None:
    for number, state in enumerate((ACCEPTED, REFUSED, UNKNOWN, ACCEPTED)):
        sent = delivery(f"m{number}", state)
        sent.decided_at = NOW + number
        await holds(store, "u1", sent)
    await holds(store, "u2", delivery("other", ACCEPTED, customer="u2"))
    assert [each.name for each in await store.sent("u1", 9)] == ["m3", "m2", "m0"]
    assert [each.name for each in await store.sent("u1", 1)] == ["m3"]


async def test_a_row_that_was_not_asked_for_is_not_given(store: DispatchStore) -> None:
    with pytest.raises(KeyError):
        await store.transact(0, ["u1"], lambda space: space.customer("u2"))


async def test_the_ledger_counts_from_one_in_each_partition_and_its_chain_is_whole(store: DispatchStore) -> None:
    def both(space: Workspace) -> list[int]:
        return [space.record_consent(entry()), space.record_consent(entry(state="withdrawn"))]

    assert await store.transact(0, ["u1"], both) == [1, 2]
    assert await store.transact(0, ["u1"], both) == [3, 4]
    assert await store.transact(1, ["u2"], both) == [1, 2]
    assert [link.number for link in await store.ledger(0)] == [1, 2, 3, 4]
    assert (broken_at(await store.ledger(0)), broken_at(await store.ledger(1))) == (None, None)


async def test_what_the_ledger_says_of_one_customer_is_told_apart(store: DispatchStore) -> None:
    names = ("u1", 'u"2', "u1", "u1 ", "u1\0", "u1,\n☕")
    await store.transact(0, [], lambda space: [space.record_consent(entry(name)) for name in names])
    links = await store.ledger(0)
    for name in names:
        told = [link for link, of in zip(links, names, strict=True) if of == name]
        assert await store.ledger_of(0, name) == told
    assert (await store.ledger_of(1, "u1"), await store.ledger_of(0, "u")) == ([], [])


async def test_what_is_told_is_numbered_per_target_and_kept_in_order(store: DispatchStore) -> None:
    customers = ["u1", "u2", "u1"]

    def work(space: Workspace) -> None:
        for customer in customers:
            space.put(EVENTS, told(customer, customer))

    await store.transact(0, customers, work)
    await store.transact(0, customers, work)
    rows = await store.unsent(0, 100)
    assert [decode_events(row.value).key for row in rows] == customers * 2
    targets = [partition_of(customer, PARTITIONS) for customer in customers * 2]
    assert [row.partition for row in rows] == targets
    for target in set(targets):
        numbers = [row.seq for row in rows if row.partition == target]
        assert numbers == list(range(1, len(numbers) + 1))
    await store.forget(rows[:2])
    assert await store.unsent(0, 3) == rows[2:5]


async def test_everything_committed_outlives_the_process(tmp_path: Path) -> None:
    def work(space: Workspace) -> None:
        space.customer("u1").deliveries["m1"] = delivery("m1", SENDING, NOW)
        space.address(ADDRESS).suppressed = "bounced"
        space.record_consent(entry())
        space.put(EVENTS, told("Consent Changed"))

    async with sqlite(tmp_path) as store:
        await claimed(store, owner="one")
        await store.transact(0, ["u1"], work)
    async with sqlite(tmp_path) as store:
        assert await store.claim(0, "two", UNTIL - 1, UNTIL) is None
        assert (await claimed(store, owner="two", now=UNTIL)).epoch == 2
        assert (await store.pending(0, "", 9), await store.due(0, NOW + 1, 9)) == (["u1"], [(NOW, "u1")])
        assert [row.seq for row in await store.unsent(0, 9)] == [1]
        assert (await store.delivery("m1")) == delivery("m1", SENDING, NOW)
        assert await store.transact(0, [], lambda space: space.address(ADDRESS).suppressed) == "bounced"
        assert await store.transact(0, ["u1"], lambda space: space.record_consent(entry())) == 2


async def test_transactions_asked_for_at_once_happen_one_after_the_other(store: DispatchStore) -> None:
    def work(space: Workspace) -> int:
        space.customer("u1").arrived += 1
        return space.customer("u1").arrived

    seen = await asyncio.gather(*(store.transact(0, ["u1"], work) for _ in range(50)))
    assert sorted(seen) == list(range(1, 51))
    assert (await store.customer(0, "u1")).arrived == 50


async def test_an_erasure_takes_everything_of_one_customer_and_the_chain_stays_whole(store: DispatchStore) -> None:
    sent, held = delivery("m1", ACCEPTED), delivery("m2", HELD, NOW)
    sent.address = ADDRESS
    other = delivery("m3", ACCEPTED, customer="u2")
    await holds(store, "u1", sent, held)
    await holds(store, "u2", other)

    def consent(space: Workspace) -> None:
        for customer in ("u1", "u2", "u1"):
            space.record_consent(entry(customer))

    await store.transact(0, [], consent)

    def erase(space: Workspace) -> set[AddressKey]:
        assert space.grave("5f") == 0
        keys = space.erase("u1", Erased("5f", NOW))
        assert space.grave("5f") == NOW
        assert (space.knows("m1"), space.knows("m2"), space.decided("m1")) == (False, False, None)
        return keys

    assert await store.transact(0, ["u1"], erase) == {ADDRESS}
    assert await store.customer(0, "u1") == CustomerRow()
    assert [await store.delivery(name) for name in ("m1", "m2")] == [None, None]
    assert await store.sent("u1", 9) == []
    assert [d.message.message_id for d in await store.sent("u2", 9)] == ["m3"]
    assert (await store.due(0, NOW + 9, 9), await store.pending(0, "", 9)) == ([], [])
    links = await store.ledger(0)
    assert broken_at(links) is None
    assert (await store.ledger_of(0, "u1"), await store.ledger_of(0, "u2")) == ([], [links[1]])
    assert [(link.entry is None, link.salt is None) for link in links] == [(True, True), (False, False), (True, True)]
    assert await store.everybody(0, "", 99) == ["u2"]
    assert (await store.graves(0), await store.graves(1)) == ({"5f": NOW}, {})


async def test_everybody_is_told_of_one_partition_after_the_other_a_page_at_a_time(store: DispatchStore) -> None:
    for partition, people in ((0, ["u3", "u1", "u2"]), (1, ["u4"])):

        def come(space: Workspace, people: Sequence[str] = people) -> None:
            for customer in people:
                space.customer(customer).paused_until = NOW

        await store.transact(partition, people, come)
    assert await store.everybody(0, "", 2) == ["u1", "u2"]
    assert await store.everybody(0, "u2", 2) == ["u3"]
    assert await store.everybody(1, "", 2) == ["u4"]


async def test_what_binds_an_address_and_is_nobody_s_word_outlasts_everybody(store: DispatchStore) -> None:
    def list_it(space: Workspace) -> int:
        space.lock_addresses([ADDRESS])
        space.address(ADDRESS).note_listed("unsubscribed", "mailchimp", NOW)
        return space.record_consent(entry("", "withdrawn"))

    assert await store.transact(0, [], list_it) == 1

    def erase(space: Workspace) -> None:
        space.record_consent(entry("u1"))
        space.erase("u1", Erased("5f", NOW))

    await store.transact(0, ["u1"], erase)
    address = await store.address(ADDRESS)
    assert (address.lists, address.is_listed("unsubscribed", "mailchimp", 0)) == ("mailchimp", True)
    links = await store.ledger(0)
    assert (broken_at(links), [link.entry is None for link in links]) == (None, [False, True])


async def test_what_happens_to_a_customer_after_their_erasure_in_one_transaction_is_kept(store: DispatchStore) -> None:
    await holds(store, "u1", delivery("m1", HELD, NOW))

    def erase(space: Workspace) -> None:
        space.erase("u1", Erased("5f", NOW))
        space.revive("5f")
        space.customer("u1").recipient = RecipientBody(locale="ru")

    await store.transact(0, ["u1"], erase)
    row = await store.customer(0, "u1")
    assert (row.recipient, row.deliveries) == (RecipientBody(locale="ru"), {})
    assert await store.graves(0) == {}


async def test_an_erasure_that_does_not_commit_erases_nothing(store: DispatchStore) -> None:
    await holds(store, "u1", delivery("m1", ACCEPTED))

    def erase(space: Workspace) -> None:
        space.record_consent(entry())
        space.erase("u1", Erased("5f", NOW))
        raise ValueError("trouble")

    with pytest.raises(ValueError, match="trouble"):
        await store.transact(0, ["u1"], erase)
    assert await store.delivery("m1") is not None
    assert await store.graves(0) == {}


async def test_a_grave_may_be_made_without_a_customer(store: DispatchStore) -> None:
    await store.transact(2, [], lambda space: space.bury(Erased("6a", NOW)))
    assert await store.graves(2) == {"6a": NOW}
