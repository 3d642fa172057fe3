"""What is missing before a reader: by offset and by the numbers of each outbox."""

from __future__ import annotations

from tactful.clock import MINUTE, ManualClock
from tactful.log.memory import MemoryLog
from tactful.partitions.gap import Gap, gap_ahead
from tactful.records import EVENTS, EventBody, EventRecord, Origin, encode


async def ahead(taken: dict[str, int], *numbers: tuple[str, int], beginning: int = 0) -> Gap:
    """The gap ahead of a reader who stands at offset 0 of a log with these numbers of these outboxes."""
    log = LateLog(1, ManualClock(0))
    log.first = beginning
    for outbox, seq in numbers:
        topic, _, partition = outbox.partition("/")
        origin = Origin(topic, int(partition), seq) if seq else None
        body = EventBody(name="Page", source="s", occurred_at=0)
        await log.append(EVENTS, [(0, encode(EventRecord(id="e", key="u", at=0, origin=origin, body=body)))])
    return await gap_ahead(log, EVENTS, 0, 0, 0, taken)


class LateLog(MemoryLog):
    """Its first records are gone."""

    first = 0

    async def beginning(self, topic: str, partition: int) -> int:
        return self.first


async def test_what_each_outbox_has_said_and_nobody_can_read_is_told_by_its_numbers() -> None:
    begun = (("dispatch/2", 1), ("dispatch/2", 2))
    gap = await ahead({"dispatch/0": 3}, ("dispatch/0", 6), ("dispatch/0", 7), ("dispatch/1", 3), *begun)
    assert gap == Gap(0, 0, {"dispatch/0": (4, 5), "dispatch/1": (1, 2)})
    assert gap
    assert gap.behind({"dispatch/0": 3, "dispatch/3": 9}) == {"dispatch/0": 5, "dispatch/1": 2, "dispatch/3": 9}


async def test_repeats_of_what_was_taken_hide_no_loss_and_are_none() -> None:
    repeated = [("dispatch/0", 2), ("dispatch/0", 3)]
    assert not await ahead({"dispatch/0": 3}, *repeated, ("dispatch/0", 4))
    assert (await ahead({"dispatch/0": 3}, *repeated, ("dispatch/0", 6))).missing == {"dispatch/0": (4, 5)}


async def test_records_that_are_gone_are_a_gap_though_no_outbox_has_said_them() -> None:
    gap = await ahead({}, ("", 0), ("", 0), ("dispatch/0", 1), beginning=2)
    assert gap == Gap(0, 2, {})
    assert gap


async def test_a_log_that_ends_before_its_reader_goes_on_with_what_was_appended_since() -> None:
    clock = ManualClock(0)
    log = MemoryLog(1, clock)
    for now in (10 * MINUTE, 11 * MINUTE, 20 * MINUTE):
        clock.forward_to(now)
        await log.append(EVENTS, [(0, b"{}")])
    anew, cut_off, empty = [await gap_ahead(log, EVENTS, 0, 7, read, {}) for read in (0, 15 * MINUTE, 60 * MINUTE)]
    assert (anew, cut_off, empty) == (Gap(7, 0, {}), Gap(7, 2, {}), Gap(7, 3, {}))
    assert empty


async def test_a_log_made_anew_that_has_outgrown_its_reader_goes_on_with_what_was_appended_since() -> None:
    clock = ManualClock(0)
    log = MemoryLog(1, clock)
    for now in (10 * MINUTE, 11 * MINUTE, 20 * MINUTE, 21 * MINUTE):
        clock.forward_to(now)
        await log.append(EVENTS, [(0, b"{}")])
    anew, cut_off, same = [await gap_ahead(log, EVENTS, 0, 3, read * MINUTE, {}) for read in (5, 15, 20)]
    assert (anew, cut_off, same) == (Gap(3, 0, {}), Gap(3, 2, {}), Gap(3, 3, {}))


async def test_what_a_broker_has_stamped_whose_clock_is_behind_is_not_taken_for_read() -> None:
    log = MemoryLog(1, ManualClock(10 * MINUTE))
    await log.append(EVENTS, [(0, b"{}")])
    assert await gap_ahead(log, EVENTS, 0, 7, 11 * MINUTE, {}) == Gap(7, 0, {})
