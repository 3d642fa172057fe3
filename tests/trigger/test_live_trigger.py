"""Time passes by the wall clock: what a live tick lets fire, and what it must not."""

from __future__ import annotations

from enginebench import GRAVES, MONDAY, event_record

from tactful import Run, rule
from tactful.clock import MINUTE, ManualClock
from tactful.events import Page
from tactful.log.memory import MemoryLog
from tactful.records import DISPATCH, EVENTS, MessageRecord, decode_dispatch, encode
from tactful_trigger.live import LiveTrigger
from tactful_trigger.projections import SHIPPED
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.store.memory import MemoryTriggerStore
from tactful_trigger.worker import TriggerWorker


@rule(on=Page, purpose="marketing.nap", version=1)
async def nap(run: Run, first: Page) -> None:
    await run.sleep("45m")
    await run.send("email", "nap")


async def messages(log: MemoryLog) -> list[str]:
    records = [decode_dispatch(stored.value) for stored in await log.read(DISPATCH, 0, 0, 100)]
    return [record.body.customer for record in records if isinstance(record, MessageRecord)]


async def test_a_live_tick_lets_only_what_is_strictly_earlier_fire_since_an_event_of_its_instant_may_still_come() -> (
    None
):
    clock, store = ManualClock(MONDAY), MemoryTriggerStore()
    log = MemoryLog(1, clock)
    worker = TriggerWorker(log, store, Rulebook([nap], SHIPPED), clock, "bench", graves=GRAVES)
    live = LiveTrigger(worker, log, store, clock)
    for customer in ("u1", "u2"):
        await log.append(EVENTS, [(0, encode(event_record(customer, Page(name="home"), clock.now(), customer)))])
        clock.forward_to(clock.now() + 1)

    async def at(instant: int) -> list[str]:
        clock.forward_to(instant)
        while await live.round():
            pass
        return await messages(log)

    due = MONDAY + 45 * MINUTE
    assert await at(due) == []
    assert await at(due + 1) == ["u1"]
    assert await at(due + 1000) == ["u1", "u2"]
