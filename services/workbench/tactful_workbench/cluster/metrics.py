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
from tactful.records import TOPICS
from tactful_workbench.cluster.ground import Ground
from tactful_workbench.cluster.looking import within
from tactful_workbench.cluster.service import Service, Work

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
        up = self._gauge("tactful_up", "The service runs.")
        up.add_metric([self._name], 1)
        appended = {(self._name, topic): log.appended.get(topic, 0) for topic in TOPICS}
        answers = {(self._name, str(status)): count for status, count in tuple(self._service.answers.items())}
        found: list[Metric] = [
            up,
            counts("tactful_records_appended", "Records that the log acknowledged.", ["service", "topic"], appended),
            counts("tactful_records_read", "Records taken from the log.", ["topic"], log.read_from),
            counts("tactful_answers", "Answers of the HTTP server.", ["service", "status"], answers),
        ]
        if self._service.work is not None:
            found += await self._of(self._service.work)
        return found

    async def _of(self, work: Work) -> list[Metric]:
        there = self._gauge("tactful_partitions", "Partitions that there are.")
        there.add_metric([self._name], self._here.log.partitions)
        owned = self._gauge("tactful_partitions_owned", "Partitions whose lease this process holds.")
        owned.add_metric([self._name], len(work.worker.owned))
        stopped = self._gauge(
            "tactful_partitions_stopped", "Partitions that must not go on before somebody looks at them."
        )
        stopped.add_metric([self._name], len(work.worker.stopped))
        failing = self._gauge(
            "tactful_failing_seconds", "For how long every round has failed, since a server is away or refuses."
        )
        failing.add_metric([self._name], self._service.trouble.lasts())
        found: list[Metric] = [there, owned, stopped, failing]
        with suppress(Transient, TimeoutError):
            found += await within(PATIENCE, self._looked_up(work))
        return found + work.counted()

    async def _looked_up(self, work: Work) -> list[Metric]:
        return await self._waiting(work) + (await work.looked_up() if work.looked_up is not None else [])

    async def _waiting(self, work: Work) -> list[Metric]:
        lag = GaugeMetricFamily("tactful_lag_records", "Records nobody has read yet.", labels=["topic", "partition"])
        late = self._gauge("tactful_overdue_seconds", "How long ago the earliest timer or hold should have come up.")
        now, overdue = self._here.clock.now(), 0
        for partition, offset in tuple(work.worker.offsets.items()):
            end = await self._here.log.end(work.topic, partition)
            if partition not in work.worker.owned:  # given up meanwhile
                continue
            lag.add_metric([work.topic, str(partition)], max(0, end - offset))
            due = await work.worker.earliest_due(partition)
            overdue = max(overdue, now - due if due is not None else 0)
        late.add_metric([self._name], overdue / 1000)
        return [lag, late]

    def _gauge(self, name: str, about: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(name, about, labels=["service"])


def counts(
    name: str, about: str, labels: list[str], counted: Mapping[Any, int], known: Iterable[Any] = ()
) -> CounterMetricFamily:
    """A counter family from a mapping by label, or by tuple of labels. What is `known` begins at 0: from nothing to one is no
    increase."""
    family = CounterMetricFamily(name, about, labels=labels)
    for key, count in {**dict.fromkeys(known, 0), **counted}.items():
        family.add_metric(list(key) if isinstance(key, tuple) else [str(key)], count)
    return family
