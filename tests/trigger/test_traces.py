"""An event can be followed: from the span in which it was appended to the slice that read it, and to the message that it asked for."""

from __future__ import annotations

from enginebench import GRAVES, event_record
from kafkaserver import KafkaServer
from servers import SERVERS, fresh_topics

from tactful import Run, rule
from tactful.clock import WallClock
from tactful.events import Page
from tactful.log.kafka import KafkaLog
from tactful.log.partitioning import partition_of
from tactful.records import DISPATCH, EVENTS, encode
from tactful.telemetry.memory import MemoryTelemetry
from tactful_trigger.live import LiveTrigger
from tactful_trigger.projections import SHIPPED
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.store.memory import MemoryTriggerStore
from tactful_trigger.worker import TriggerWorker

pytestmark = list(SERVERS)


@rule(on=Page, purpose="marketing.news", version=1)
async def at_once(run: Run, first: Page) -> None:
    await run.send("email", "news")


async def test_a_message_carries_the_span_of_its_slice_which_is_linked_to_that_of_its_event(kafka: KafkaServer) -> None:
    telemetry, clock, store = MemoryTelemetry(), WallClock(), MemoryTriggerStore()
    async with KafkaLog.open(await fresh_topics(kafka, 2), telemetry=telemetry) as log:
        worker = TriggerWorker(
            log, store, Rulebook([at_once], SHIPPED), clock, "bench", graves=GRAVES, telemetry=telemetry
        )
        live, partition = LiveTrigger(worker, log, clock), partition_of("u1", 2)
        with telemetry.span("POST", "server"):
            posted = telemetry.current()
            await log.append(EVENTS, [(partition, encode(event_record("u1", Page(name="home"), clock.now(), "e1")))])
        await log.append(EVENTS, [(partition, encode(event_record("u2", Page(name="home"), clock.now(), "e2")))])
        assert [stored.trace for stored in await log.read(EVENTS, partition, 0, 10)] == [posted, ""]
        while await log.end(DISPATCH, partition) == 0:
            await live.round()
        asked = await log.read(DISPATCH, partition, 0, 10)
    slices = {span.trace: span for span in telemetry.ended if span.name == "trigger slice"}
    assert {stored.trace for stored in asked} <= slices.keys()
    assert posted in [link for stored in asked for link in slices[stored.trace].links]
