"""What a service tells Prometheus, on a port of its own; `docs/how-to/alarms.md` says what to do about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tactful.errors import SettingsError, Transient
from tactful.records import DISPATCH, EVENTS
from tactful_dispatch.worker import DispatchWorker
from tactful_trigger.worker import TriggerWorker
from tactful_workbench.cluster import Ground, Service

PATIENCE: Final = 2.0  # seconds that a scrape waits for servers; what they do not say is left out


@asynccontextmanager
async def metrics_served(name: str, host: str, port: int, here: Ground, service: Service) -> AsyncIterator[None]:
    """Serve while the service lives. Raises SettingsError if the port cannot be used."""
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    registry.register(ServiceCollector(name, here, service, asyncio.get_running_loop()))
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise SettingsError(
            f"port {port} of {host} cannot be used ({error.strerror}); choose with --metrics-port"
        ) from None
    try:
        yield
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        thread.join()


class ServiceCollector(Collector):
    """Asked in a thread of the scraper; looks in the loop where the service lives."""

    def __init__(self, name: str, here: Ground, service: Service, loop: asyncio.AbstractEventLoop) -> None:
        self._name, self._here, self._service, self._loop = name, here, service, loop

    def describe(self) -> Iterable[Metric]:
        """Nothing is looked at when it is registered."""
        return ()

    def collect(self) -> Iterator[Metric]:
        looking = asyncio.run_coroutine_threadsafe(self._look(), self._loop)
        yield from looking.result(PATIENCE * 2)

    async def _look(self) -> list[Metric]:
        log = self._here.log
        up = GaugeMetricFamily("tactful_up", "The service runs.", labels=["service"])
        up.add_metric([self._name], 1)
        found: list[Metric] = [
            up,
            _counts("tactful_records_appended", "Records that the log has acknowledged.", ["topic"], log.appended),
            _counts("tactful_records_read", "Records taken from the log.", ["topic"], log.read_from),
            _counts("tactful_answers", "Answers of the HTTP server.", ["status"], self._service.answers),
        ]
        for worker in self._service.workers:
            found += await self._of_worker(worker)
        return found

    async def _of_worker(self, worker: TriggerWorker | DispatchWorker) -> list[Metric]:
        owned = _gauge("tactful_partitions_owned", "Partitions whose lease this process holds.")
        owned.add_metric([self._name], len(worker.owned))
        stopped = _gauge("tactful_partitions_stopped", "Partitions that must not go on before somebody looks at them.")
        stopped.add_metric([self._name], len(worker.stopped))
        found: list[Metric] = [owned, stopped]
        with suppress(Transient, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                found += await self._waiting(worker)
        if isinstance(worker, TriggerWorker):
            found.append(CounterMetricFamily("tactful_timers_fired", "Timers fired.", worker.timers_fired))
            names = ["rule", "verdict", "reason"]
            found.append(_counts("tactful_decisions", "Final words that rules heard.", names, worker.decisions))
        else:
            names = ["channel", "outcome"]
            found.append(_counts("tactful_attempts", "What providers said to an attempt.", names, worker.outcomes))
        return found

    async def _waiting(self, worker: TriggerWorker | DispatchWorker) -> list[Metric]:
        topic = EVENTS if isinstance(worker, TriggerWorker) else DISPATCH
        lag = GaugeMetricFamily("tactful_lag_records", "Records nobody has read yet.", labels=["topic", "partition"])
        late = _gauge("tactful_overdue_seconds", "How long ago the earliest timer or hold should have come up.")
        now, overdue = self._here.clock.now(), 0
        for partition, offset in tuple(worker.offsets.items()):
            end = await self._here.log.end(topic, partition)
            if partition not in worker.owned:  # given up meanwhile
                continue
            lag.add_metric([topic, str(partition)], max(0, end - offset))
            due = await worker.earliest_due(partition)
            overdue = max(overdue, now - due if due is not None else 0)
        late.add_metric([self._name], overdue / 1000)
        return [lag, late, *await self._red_button(worker)]

    async def _red_button(self, worker: TriggerWorker | DispatchWorker) -> list[Metric]:
        if isinstance(worker, TriggerWorker):
            return []
        stopped = [bool((await self._here.dispatch.cursor(partition)).stopped) for partition in tuple(worker.owned)]
        return [GaugeMetricFamily("tactful_sending_stopped", "Somebody stopped all sending.", any(stopped))]


def _gauge(name: str, about: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, about, labels=["service"])


def _counts(name: str, about: str, labels: list[str], counts: Mapping[Any, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, about, labels=labels)
    for key, count in tuple(counts.items()):
        family.add_metric(list(key) if isinstance(key, tuple) else [str(key)], count)
    return family
