"""Running the steps that rules asked for, after their slices have committed. At least once; the first answer wins.

Each has a thread of its own, an `async def` a loop of its own in it: whatever it does there, nobody else waits for it, and
one that hangs does not keep the process from ending.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import logging
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from threading import Thread
from time import sleep
from typing import Any, Final, TypeAlias

import msgspec

from tactful.clock import Clock
from tactful.identity import digest
from tactful.log import Log
from tactful.log.partitioning import partition_of
from tactful.records import EVENTS, EventBody, EventRecord, encode
from tactful_trigger.runs.replay import JOURNAL_BYTES, words_of
from tactful_trigger.store import StepRequest, TriggerStore

PAUSES: Final = (1.0, 10.0)  # seconds between two tries: what was away for a moment is back by then
LIMIT: Final = 300.0  # seconds: minutes of work are what steps are for
AT_ONCE: Final = 8  # of a partition

Pause: TypeAlias = Callable[[float], None]

_logger = logging.getLogger(__name__)


class Steps:
    """The steps of one worker: beside its rounds, or waited for where time stands still meanwhile."""

    def __init__(self, log: Log, store: TriggerStore, clock: Clock, limit: float = LIMIT, pause: Pause = sleep) -> None:
        self._log, self._store, self._clock, self._limit, self._pause = log, store, clock, limit, pause
        self._under_way: dict[int, dict[tuple[str, int], asyncio.Task[None]]] = {}  # by partition; run and number

    async def begin(self, partition: int, ended: Callable[[], None]) -> int:
        """Start what waits, as far as there is room; how many. `ended` hears of each: then there is room again. Raises what
        kept an answer from the log; that step is run once more."""
        under_way = self._under_way.setdefault(partition, {})
        for key, task in tuple(under_way.items()):
            if task.done():
                del under_way[key]
                task.result()
        before = len(under_way)
        for request in await self._store.steps(partition, AT_ONCE):
            key = (request.run_id, request.number)
            if key not in under_way:
                under_way[key] = task = asyncio.create_task(self._run(partition, request, self._pause))
                task.add_done_callback(lambda _: ended())
        return len(under_way) - before

    async def run(self, partition: int) -> int:
        """Run what waits, one after the other and without a pause; how many."""
        requests = await self._store.steps(partition, AT_ONCE)
        for request in requests:
            await self._run(partition, request, lambda seconds: None)
        return len(requests)

    async def land(self, partition: int) -> int:
        """Wait for those that are under way; how many."""
        tasks = self._under_way.pop(partition, {}).values()
        for task in tasks:
            await task
        return len(tasks)

    async def stop(self) -> None:
        """Wait for nothing more: what has no answer yet is run again by whoever comes next."""
        tasks = [task for under_way in self._under_way.values() for task in under_way.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, partition: int, request: StepRequest, pause: Pause) -> None:
        """Append the answer as `Step Finished`, then forget the request."""
        record = _finished(request, await self._answer(request, pause), self._clock.now())
        await self._log.append(EVENTS, [(partition_of(record.key, self._log.partitions), encode(record))])
        await self._store.forget_steps(partition, [request])

    async def _answer(self, request: StepRequest, pause: Pause) -> bytes:
        answer: Future[bytes] = Future()
        answer.set_running_or_notify_cancel()
        called = partial(_called, request, pause)
        Thread(target=lambda: answer.set_result(called()), name=f"step {request.name}", daemon=True).start()
        try:
            return await _result(answer, self._limit)
        except TimeoutError:
            _logger.error("step %s (%s) did not come back and is left behind", request.name, request.function)
            return _encoded(request, error=f"did not come back within {self._limit:g} s")


async def _result(answer: Future[bytes], limit: float) -> bytes:
    """Raises TimeoutError."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:  # virtual time: nobody else has anything to do meanwhile
        return answer.result(limit)
    async with asyncio.timeout(limit):
        return await asyncio.wrap_future(answer)


def _called(request: StepRequest, pause: Pause) -> bytes:
    why = ""
    for seconds in (0.0, *PAUSES):
        if seconds:
            pause(seconds)
        try:
            value = _call(request)
        except BaseException as error:  # noqa: BLE001 - whatever a stranger's function raises is the answer
            why = f"{type(error).__name__}: {words_of(error)}"
        else:
            return _given(request, value)
    return _encoded(request, error=why)


def _given(request: StepRequest, value: Any) -> bytes:
    """What was done is not done again because of what it gave."""
    try:
        answer = _encoded(request, value=value)
    except Exception as error:  # noqa: BLE001 - whatever stands in a stranger's object
        return _encoded(request, error=f"gave a {type(value).__name__} that is no JSON: {words_of(error)}")
    if len(answer) <= JOURNAL_BYTES:
        return answer
    return _encoded(request, error=f"gave {len(answer):,} bytes, and a run remembers {JOURNAL_BYTES:,}")


def _call(request: StepRequest) -> Any:
    module, _, name = request.function.partition(":")
    function: Any = importlib.import_module(module)
    for part in name.split("."):
        function = getattr(function, part)
    given = function(*request.arguments)
    return asyncio.run(given) if inspect.iscoroutine(given) else given


def _encoded(request: StepRequest, **answer: Any) -> bytes:
    return msgspec.json.encode({"run_id": request.run_id, "n": request.number, **answer})


def _finished(request: StepRequest, answer: bytes, now: int) -> EventRecord:
    return EventRecord(
        id=digest("step", request.run_id, str(request.number)),
        key=request.customer,
        at=now,
        body=EventBody(
            name="Step Finished", source="trigger", scope="system", occurred_at=now, properties=msgspec.Raw(answer)
        ),
    )
