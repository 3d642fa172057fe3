"""Who has read a customer's story stands in it, once a day for each reader."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from enginebench import EngineBench, drive

from tactful import Run, rule
from tactful.clock import DAY, ManualClock
from tactful.errors import LogUnavailable
from tactful.events import ProductAdded
from tactful.log import Position
from tactful.log.memory import MemoryLog
from tactful.records import EVENTS, EventRecord, decode_events
from tactful_workbench.operating.readings import Readings

NOON = 1_795_438_800_000


def told(log: MemoryLog) -> list[tuple[str, bytes]]:
    records = [
        decode_events(stored.value) for p in range(log.partitions) for stored in drive(log.read(EVENTS, p, 0, 100))
    ]
    return [(r.key, bytes(r.body.properties)) for r in records if isinstance(r, EventRecord)]


def test_each_reader_is_noted_once_a_day() -> None:
    clock = ManualClock(NOON)
    log = MemoryLog(2, clock)
    readings = Readings(log, clock)
    for by in ("anna", "anna", "olga"):
        drive(readings.note("u1", by))
    drive(Readings(log, clock).note("u1", "anna"))  # after a restart: the same record, told once
    assert sorted(set(told(log))) == [("u1", b'{"by":"anna"}'), ("u1", b'{"by":"olga"}')]
    clock.forward_to(NOON + DAY)
    drive(readings.note("u1", "anna"))
    assert len(told(log)) == 4


class Away(MemoryLog):
    """A log that takes nothing."""

    async def append(self, topic: str, entries: Sequence[tuple[int, bytes]]) -> list[Position]:
        raise LogUnavailable("no broker answers")


def test_whoever_asks_at_night_is_answered_also_while_nothing_can_be_noted(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock(NOON)
    drive(Readings(Away(1, clock), clock).note("u1", "anna"))
    assert "anna has read a customer's story, and it could not be noted" in caplog.text
    assert "u1" not in caplog.text


@rule(on=ProductAdded, purpose="marketing.test", version=1)
async def patient(run: Run, first: ProductAdded) -> None:
    await run.quiet("1h")
    await run.send("email", "cart")


def test_reading_a_story_is_nothing_that_the_customer_did() -> None:
    bench = EngineBench(patient)
    bench.emits("u1", ProductAdded(product_id="p1"))
    bench.advance("50m")
    for _ in range(2):
        drive(Readings(bench.log, bench.clock).note("u1", "anna"))
    bench.advance("10m")
    assert [message.customer for message in bench.messages] == ["u1"]
    assert sum(b"Story Read" in line.data for line in bench.history("u1")) == 1
