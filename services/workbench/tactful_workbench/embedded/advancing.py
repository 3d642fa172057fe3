"""Moving the dev clock on: how far, and what happened on the way."""

from __future__ import annotations

import asyncio
import re
from datetime import date, time
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from tactful.clock import MINUTE
from tactful.decisions import Reason
from tactful.durations import milliseconds
from tactful.errors import InvalidInput
from tactful.localtime import local_time
from tactful.records import EVENTS, EventRecord, decode_events
from tactful_console.advance import AdvanceReport, HeldBack, decided
from tactful_console.app import customer_path
from tactful_console.moments import Moments
from tactful_dispatch.state.rows import Delivery
from tactful_workbench.embedded.devclock import LAST, DevClock, next_local
from tactful_workbench.embedded.product import Product
from tactful_workbench.inbox.ports import Step

FAR: Final = 400 * 86_400_000  # nobody waits longer than this for a message
_DAY: Final = re.compile(r"(tomorrow|today)?\s*((?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII)


class ClockHands:
    """Implements `tactful_workbench.inbox.ports.ClockFace` for the dev server."""

    def __init__(self, product: Product, clock: DevClock, inbox_url: str) -> None:
        self._product, self._clock, self._inbox_url = product, clock, inbox_url
        self._turn = asyncio.Lock()

    def now(self) -> int:
        return self._clock.now()

    async def next_timer(self) -> int | None:
        """When something happens next by itself. Everything is settled first, which nobody else may do meanwhile."""
        async with self._turn, self._product.running.floor():
            return await self._product.time.next_instant()

    async def advance(self, step: Step) -> AdvanceReport:
        product = self._product
        async with self._turn, product.running.floor():
            start, ends = self.now(), await self._ends()
            fired = product.trigger_worker.timers_fired
            await self._go(step)
            await self._clock.keep()
            return await self._report(start, ends, product.trigger_worker.timers_fired - fired)

    async def _go(self, step: Step) -> None:
        if step.by:
            await self._to(self.now() + milliseconds(step.by))
        elif step.to == "timer":
            await self._to_next()
        elif step.to == "message":
            await self._to_message()
        elif step.to == "idle":
            while await self._to_next():
                pass
        else:
            await self._to(moment_of(step.to, self.now(), self._product.settings.latest.shop.zone))

    async def _to(self, moment: int) -> None:
        if moment > LAST:
            raise InvalidInput("invalid_step", "the clock ends with the year 8999; nothing was moved")
        await self._product.time.advance(moment)

    async def _to_next(self) -> bool:
        moment = await self._product.time.next_instant()
        if moment is None or moment > min(self.now() + FAR, LAST):
            return False
        await self._product.time.advance(max(moment, self.now()))
        return True

    async def _to_message(self) -> None:
        latest, limit = await self._latest_letter(), self.now() + FAR
        await self._product.time.drain()
        while await self._latest_letter() == latest and self.now() < limit:
            if not await self._to_next():
                return
        while await self._is_due_this_minute() and await self._to_next():
            pass  # whoever reads 15:00 takes all of 15:00 for told

    async def _is_due_this_minute(self) -> bool:
        moment = await self._product.time.next_instant()
        return moment is not None and moment // MINUTE <= self.now() // MINUTE

    async def _latest_letter(self) -> int:
        letters = await self._product.shelf.letters(1)
        return letters[0].number if letters else 0

    async def _ends(self) -> dict[int, int]:
        log = self._product.log
        return {partition: await log.end(EVENTS, partition) for partition in range(log.partitions)}

    async def _report(self, start: int, ends: dict[int, int], fired: int) -> AdvanceReport:
        moments = Moments(self._product.settings.latest.shop.zone)
        letters = {letter.message_id: letter.number for letter in await self._product.shelf.letters(1000)}
        found = sorted(await self._decisions(ends), key=lambda pair: (pair[1]["decided_at"], pair[0].key))
        last = {data["run_id"]: data["message_id"] for _, data in found}  # of each run
        decisions = []
        for record, data in found:
            who, message, run = record.key, data["message_id"], data["run_id"]
            url = f"{self._inbox_url}/{letters[message]}" if message in letters else ""
            ended = await self._ending(who, run) if last[run] == message else ""
            decisions.append(decided(who, {**data, "url": url}, moments, explain=customer_path(who), ended=ended))
        return AdvanceReport(
            start=start,
            end=self.now(),
            timers_fired=fired,
            decisions=tuple(decisions),
            held=tuple(await self._held(start)),
            failing=await self._product.conductor.failing(),
            next_timer=await self._product.time.next_instant(),
        )

    async def _decisions(self, ends: dict[int, int]) -> list[tuple[EventRecord, dict[str, Any]]]:
        found = []
        for partition, end in ends.items():
            for stored in await self._product.log.read(EVENTS, partition, end, 100_000):
                record = decode_events(stored.value)
                if isinstance(record, EventRecord) and record.body.name == "Message Decided":
                    found.append((record, msgspec.json.decode(record.body.properties)))
        return found

    async def _ending(self, customer: str, run: str) -> str:
        lines = await self._product.trigger.history(customer, 50)
        endings = [line.data for line in lines if line.kind == "ended" and line.run == run]
        return str(msgspec.json.decode(endings[-1])["why"]) if endings else ""

    async def _held(self, start: int) -> list[HeldBack]:
        product, held = self._product, []
        for partition in range(product.log.partitions):
            waiting = await product.dispatch.held(partition)
            held += [_held_back(delivery) for delivery in waiting if is_told(delivery, start)]
        return sorted(held, key=lambda message: (message.at, message.message_id))


def is_told(delivery: Delivery, start: int) -> bool:
    """Whether a held message is worth a line after a step that began at `start`: if it was asked for since, or if it waits for a
    template that nobody has mended yet."""
    return delivery.message.requested_at >= start or delivery.held_for == Reason.TEMPLATE_ERROR


def _held_back(delivery: Delivery) -> HeldBack:
    message, last = delivery.message, delivery.gates[-1] if delivery.gates else None
    return HeldBack(
        message_id=message.message_id,
        customer=message.customer,
        rule=message.rule,
        channel=message.channel,
        reason=Reason(delivery.held_for),
        at=message.requested_at,
        until=delivery.held_until,
        expires=message.expires_at,
        facts=dict(last.facts) if last else {},
    )


def moment_of(text: str, now: int, zone: ZoneInfo) -> int:
    """`09:00`, `today 09:00` or `tomorrow 09:00` as an instant. Raises InvalidInput for what is no moment, or is over."""
    match = _DAY.fullmatch(text.strip())
    if match is None:
        raise InvalidInput(
            "invalid_step",
            f'"{text}" is no moment; say a length like 1h, or message, timer, idle, "tomorrow 09:00"',
        )
    wanted = time.fromisoformat(match[2])
    first = next_local(now, zone, wanted)
    is_today = _local_day(first, zone) == _local_day(now, zone)
    if match[1] == "today" and not is_today:
        raise InvalidInput("invalid_step", f'"{text}" is over, and the clock never goes back; nothing was moved')
    return next_local(first, zone, wanted) if match[1] == "tomorrow" and is_today else first


def _local_day(instant: int, zone: ZoneInfo) -> date:
    return local_time(instant, zone).date()
