"""A thousand races of an opt-out against a sending, for each adapter, over SQLite and with a real far end.

Whatever the moment: nothing leaves unless `sending` was committed before the opt-out was, and every message gets one final
word that says what became of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar

import msgspec
import pytest
from channelbench import Bench, inbox_bench, sms_bench, smtp_bench, webhook_bench
from dispatchbench import TUESDAY_NOON, PlainContent
from enginebench import GRAVES

from tactful.clock import ManualClock
from tactful.log.memory import MemoryLog
from tactful.records import (
    DISPATCH,
    EVENTS,
    BroadcastBody,
    BroadcastRecord,
    ConsentBody,
    ConsentRecord,
    EventRecord,
    MessageBody,
    MessageRecord,
    RecipientBody,
    RecipientRecord,
    Record,
    decode_events,
    encode,
)
from tactful.settings import Settings
from tactful.sqlite import Database
from tactful_dispatch.desk.reception import Reception
from tactful_dispatch.links import Links
from tactful_dispatch.sending.attempt import Attempts
from tactful_dispatch.state.addresses import AddressBook
from tactful_dispatch.state.rows import SENDING, CustomerRow
from tactful_dispatch.store import Fence
from tactful_dispatch.store.sqlite import SqliteDispatchStore
from tactful_dispatch.store.sqlite_space import SqliteWorkspace
from tactful_dispatch.worker import DispatchWorker

T = TypeVar("T")

RACES: Final = 1000
AT_ONCE: Final = 20
STEPS: Final = 4  # looks at the customer that an attempt takes
LATE: Final = 20  # turns of the event loop
HOUR: Final = 3_600_000
SETTINGS: Final = Settings.model_validate(
    {
        "rules": {"cart": {"mode": "live"}},
        "sending": {"mode": "live"},
        "webhook": {"url": "https://hooks.shop.example/"},
    }
)


class Witness(SqliteDispatchStore):
    """Writes down in which order sendings and opt-outs were committed (transactions come one after the other), and how far
    each customer's attempt has come."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, 1, lambda: b"0" * 16)
        self.order: list[tuple[str, str]] = []
        self.shots: dict[str, tuple[int, asyncio.Event]] = {}  # after how many more looks at a customer

    async def customers(self, partition: int, customers: Collection[str]) -> dict[str, CustomerRow]:
        for customer in customers:
            left, shot = self.shots.get(customer, (0, asyncio.Event()))
            self.shots[customer] = left - 1, shot
            if left <= 1:
                shot.set()
        return await super().customers(partition, customers)

    async def transact(
        self,
        partition: int,
        customers: Collection[str],
        work: Callable[[SqliteWorkspace], T],
        *,
        fence: Fence | None = None,
        lease_until: int = 0,
    ) -> T:
        def watched(space: SqliteWorkspace) -> T:
            result = work(space)
            for customer in customers:
                row = space.customer(customer)
                self.order += [(customer, "sending") for each in row.deliveries.values() if each.state == SENDING]
                self.order += [(customer, "withdrawn") for word in row.words if word.state == "withdrawn"]
            return result

        return await super().transact(partition, customers, watched, fence=fence, lease_until=lease_until)


class Race:
    """Customers with a message each that may leave now, and a desk at which they opt out."""

    def __init__(self, store: Witness, bench: Bench, seed: str) -> None:
        self.store, self.bench, self.random = store, bench, Random(seed)
        self.clock, self.book = ManualClock(TUESDAY_NOON), AddressBook(b"races")
        self.log = MemoryLog(1, self.clock)
        self.desk = Reception(store, self.book, GRAVES, self.clock, self.log, lambda: None)
        links = Links("https://hello.shop.example", b"key")
        channel = bench.envelope.channel
        attempts = Attempts(
            store,
            {channel: bench.adapter},
            PlainContent(),
            links,
            self.book,
            self.clock,
            lambda: self.clock.now() / 1000,
        )
        self.worker = DispatchWorker(self.log, store, attempts, self.book, self.clock, "races", graves=GRAVES)

    async def prepare(self) -> None:
        """Everything is read, nothing was attempted."""
        told = msgspec.Raw(SETTINGS.model_dump_json().encode())
        await self._append(
            BroadcastRecord(id="settings", key="all", at=TUESDAY_NOON, body=BroadcastBody("Settings Changed", told))
        )
        for number in range(RACES):
            await self._append(*self._records(number))
        await self.worker.claim()
        while await self.worker.run_once(0):
            pass

    def _records(self, number: int) -> tuple[Record, ...]:
        name, channel, now = f"u{number}", self.bench.envelope.channel, TUESDAY_NOON
        address = f"+34600{number:06}" if channel == "sms" else f"{name}@example.test"
        recipient = RecipientBody(addresses={channel: address}, zone="Europe/Madrid")
        granted = ConsentBody(source="shop", purpose="marketing", channel="", state="granted", occurred_at=now)
        message = MessageBody(
            message_id=f"m{number}",
            run_id=f"r{number}",
            customer=name,
            subject=name,
            rule="cart",
            rule_version=1,
            channel=channel,
            template="cart",
            purpose="marketing.cart",
            requested_at=now,
            expires_at=now + 24 * HOUR,
            contact=f"r{number}.0",
        )
        return (
            RecipientRecord(id=f"k{number}", key=name, at=now, body=recipient),
            ConsentRecord(id=f"c{number}", key=name, at=now, body=granted),
            MessageRecord(id=f"m{number}", key=name, at=now, body=message),
        )

    async def _append(self, *records: Record) -> None:
        await self.log.append(DISPATCH, [(0, encode(record)) for record in records])

    async def run(self) -> None:
        for first in range(0, RACES, AT_ONCE):
            await asyncio.gather(*(self._one(number) for number in range(first, first + AT_ONCE)))

    async def _one(self, number: int) -> None:
        """The opt-out sets out once the attempt has come so far, and a few turns of the event loop later."""
        name = f"u{number}"
        step, turns = self.random.randint(1, STEPS), self.random.randint(0, LATE)
        shot = asyncio.Event()
        self.store.shots[name] = step, shot
        attempt = asyncio.create_task(self.worker.attempt_for(0, [name]))
        attempt.add_done_callback(lambda _: shot.set())
        await shot.wait()
        for _ in range(turns):
            await asyncio.sleep(0)
        await self._opt_out(number)
        await attempt

    async def words(self) -> dict[str, list[str]]:
        """Verdicts by message."""
        while await self.worker.relay(0):
            pass
        found: dict[str, list[str]] = {}
        for stored in await self.log.read(EVENTS, 0, 0, 10**9):
            record = decode_events(stored.value)
            if isinstance(record, EventRecord) and record.body.name == "Message Decided":
                said = msgspec.json.decode(record.body.properties)
                found.setdefault(said["message_id"], []).append(said["verdict"])
        return found

    def _opt_out(self, number: int) -> Awaitable[Any]:
        name, way = f"u{number}", number % 3
        if way == 0:
            return self.desk.stop_all(name, "preference-page")
        if way == 1:
            return self.desk.consent(name, "marketing", "", "withdrawn", via="one-click")
        return self.desk.consent(name, "marketing", self.bench.envelope.channel, "withdrawn", via="one-click")


@asynccontextmanager
async def racing(folder: Path, bench: Bench, seed: str) -> AsyncIterator[Race]:
    database = await Database.open(folder / "races.db")
    try:
        await SqliteDispatchStore.open(database, 1, lambda: b"0" * 16)
        yield Race(Witness(database), bench, seed)
    finally:
        await database.close()


@pytest.mark.parametrize("made", [inbox_bench, smtp_bench, sms_bench, webhook_bench])
async def test_whoever_opts_out_first_gets_nothing_and_every_message_gets_one_word(
    tmp_path: Path, made: Callable[[], Any], record_property: Callable[[str, object], None]
) -> None:
    async with made() as bench, racing(tmp_path, bench, made.__name__) as race:
        await race.prepare()
        await race.run()
        first = {step: place for place, step in reversed(list(enumerate(race.store.order)))}
        arrived = [message.message_id.partition("-")[0] for message in await bench.arrived()]  # mail adds a seal
        words = await race.words()
    assert len(arrived) == len(set(arrived))
    for message in arrived:
        customer = f"u{message[1:]}"
        assert first[customer, "sending"] < first[customer, "withdrawn"]
    assert words == {f"m{number}": ["sent" if f"m{number}" in arrived else "not_sent"] for number in range(RACES)}
    assert RACES / 20 < len(arrived) < RACES * 19 / 20, "one of the two always wins: that is no race"
    record_property(
        "counted", f"{RACES} races against {bench.adapter.name}: {len(arrived)} sent, none after its opt-out"
    )
