"""What a service tells Prometheus, on a port of its own; `docs/how-to/alarms.md` says what to do about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, TypeVar

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tactful.errors import SettingsError, Transient
from tactful.records import TOPICS
from tactful.together import all_done
from tactful_workbench.cluster.ground import Ground
from tactful_workbench.cluster.service import Service, Work
from tactful_workbench.process.looking import within

T = TypeVar("T")
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
        """Empty: prometheus_client would collect, when this is registered, to find out."""
        return ()

    def collect(self) -> Iterator[Metric]:
        looking = asyncio.run_coroutine_threadsafe(self._look(), self._loop)
        yield from looking.result(PATIENCE * 2)

    async def _look(self) -> list[Metric]:
        log = self._here.log
        appended = {(self._name, topic): log.appended.get(topic, 0) for topic in TOPICS}
        answers = {(self._name, str(status)): count for status, count in tuple(self._service.answers.items())}
        found: list[Metric] = [
            self._gauge("tactful_up", "The service runs.", 1),
            counts("tactful_records_appended", "Records that the log acknowledged.", ["service", "topic"], appended),
            counts("tactful_records_read", "Records taken from the log.", ["topic"], log.read_from),
            counts("tactful_answers", "Answers of the HTTP server.", ["service", "status"], answers),
        ]
        if self._service.work is not None:
            found += await self._of(self._service.work)
        return found

    async def _of(self, work: Work) -> list[Metric]:
        standing_still = "Partitions that must not go on before somebody looks at them."
        in_vain = "For how long every round has failed, since a server is away or refuses."
        found: list[Metric] = [
            self._gauge("tactful_partitions", "Partitions that there are.", self._here.log.partitions),
            self._gauge(
                "tactful_partitions_owned", "Partitions whose lease this process holds.", len(work.worker.owned)
            ),
            self._gauge("tactful_partitions_stopped", standing_still, len(work.worker.stopped)),
            self._gauge("tactful_failing_seconds", in_vain, self._service.trouble.lasts()),
        ]
        looks = [self._lag(work), self._overdue(work), *([] if work.looked_up is None else [_told(work.looked_up())])]
        for metrics in await all_done(looks):
            found += metrics or []
        return found + work.counted()

    async def _lag(self, work: Work) -> list[Metric]:
        """Records to read of each partition; without those whose end nobody tells in time, as where no broker leads one."""
        lag = GaugeMetricFamily("tactful_lag_records", "Records nobody has read yet.", labels=["topic", "partition"])
        offsets = dict(work.worker.offsets)
        ends = await all_done(_told(self._here.log.end(work.topic, partition)) for partition in offsets)
        for (partition, offset), end in zip(offsets.items(), ends, strict=True):
            if end is not None and partition in work.worker.owned:  # else given up meanwhile
                lag.add_metric([work.topic, str(partition)], max(0, end - offset))
        return [lag]

    async def _overdue(self, work: Work) -> list[Metric]:
        """The worst of those partitions of which a slow database tells in time; no metric if it tells of none."""
        overdue = list[int]()
        await _told(self._look_at_dues(work, overdue))
        if work.worker.owned and not overdue:
            return []
        about = "How long ago the earliest timer or hold should have come up."
        return [self._gauge("tactful_overdue_seconds", about, max(overdue, default=0) / 1000)]

    async def _look_at_dues(self, work: Work, overdue: list[int]) -> None:
        now = self._here.clock.now()
        for partition in tuple(work.worker.owned):
            due = await work.worker.earliest_due(partition)
            overdue.append(max(0, now - due) if due is not None else 0)

    def _gauge(self, name: str, about: str, value: float) -> GaugeMetricFamily:
        """A gauge with the service as its label."""
        gauge = GaugeMetricFamily(name, about, labels=["service"])
        gauge.add_metric([self._name], value)
        return gauge


async def _told(look: Coroutine[Any, Any, T]) -> T | None:
    """What a look gives; None if the server is away or takes too long."""
    with suppress(Transient, TimeoutError):
        return await within(PATIENCE, look)
    return None


def counts(
    name: str, about: str, labels: list[str], counted: Mapping[Any, int], known: Iterable[Any] = ()
) -> CounterMetricFamily:
    """A counter family from a mapping by label, or by tuple of labels. Those in `known` are there from the start, with 0: Prometheus
    sees no increase where a series begins with 1."""
    family = CounterMetricFamily(name, about, labels=labels)
    for key, count in {**dict.fromkeys(known, 0), **counted}.items():
        family.add_metric(list(key) if isinstance(key, tuple) else [str(key)], count)
    return family
