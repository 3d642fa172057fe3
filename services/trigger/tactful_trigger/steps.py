"""Running the steps that rules asked for, after their slices have committed. At least once; the first answer wins."""

from __future__ import annotations

import asyncio
import importlib
import inspect
from typing import Any, Final

import msgspec

from tactful.clock import Clock
from tactful.identity import digest
from tactful.log import Log
from tactful.partitioning import partition_of
from tactful.records import EVENTS, EventBody, EventRecord, encode
from tactful_trigger.store import StepRequest, TriggerStore

ATTEMPTS: Final = 3


async def run_steps(log: Log, store: TriggerStore, partition: int, clock: Clock, limit: int = 100) -> int:
    """Run what waits, append the answers as `Step Finished`, forget the requests; how many."""
    requests = await store.steps(partition, limit)
    for request in requests:
        answer = await _attempt(request)
        record = _finished(request, answer, clock.now())
        await log.append(EVENTS, [(partition_of(record.key, log.partitions), encode(record))])
        await store.forget_steps(partition, [request])
    return len(requests)


async def _attempt(request: StepRequest) -> dict[str, Any]:
    for last in range(ATTEMPTS):
        try:
            value = msgspec.to_builtins(await _call(request))
            return {"run_id": request.run_id, "n": request.number, "value": value}
        except Exception as error:  # noqa: BLE001 - whatever a stranger's function raises is the answer
            if last == ATTEMPTS - 1:
                why = f"{type(error).__name__}: {error}"
                return {"run_id": request.run_id, "n": request.number, "error": why}
    raise AssertionError("unreachable")


async def _call(request: StepRequest) -> Any:
    module, _, name = request.function.partition(":")
    function: Any = importlib.import_module(module)
    for part in name.split("."):
        function = getattr(function, part)
    if inspect.iscoroutinefunction(function):
        return await function(*request.arguments)
    return await asyncio.to_thread(function, *request.arguments)


def _finished(request: StepRequest, answer: dict[str, Any], now: int) -> EventRecord:
    return EventRecord(
        id=digest("step", request.run_id, str(request.number)),
        key=request.customer,
        at=now,
        body=EventBody(
            name="Step Finished",
            source="trigger",
            scope="system",
            occurred_at=now,
            properties=msgspec.Raw(msgspec.json.encode(answer)),
        ),
    )
