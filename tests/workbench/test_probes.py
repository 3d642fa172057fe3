"""What a service says of itself ends in time, whatever its servers do."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from tactful.clock import ManualClock
from tactful.errors import LogUnavailable, StoreUnavailable
from tactful.records import EVENTS
from tactful_workbench.cluster import metrics, probes
from tactful_workbench.cluster.metrics import ServiceCollector, counts
from tactful_workbench.cluster.service import Service, Work
from tactful_workbench.cluster.serving import counting
from tactful_workbench.process.looking import within


class Frozen:
    """A server that stands still, and whose connections do not let go either."""

    def __init__(self) -> None:
        self.thaws = asyncio.Event()

    async def end(self, *asked: object) -> int:
        try:
            await self.thaws.wait()
        except asyncio.CancelledError:
            await self.thaws.wait()
        return 0

    ask = look = earliest_due = end
    partitions = 2


@pytest.fixture
async def frozen(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Frozen]:
    for module in (probes, metrics):
        monkeypatch.setattr(module, "PATIENCE", 0.01)
    made = Frozen()
    yield made
    made.thaws.set()


class Quick:
    """One that answers, or refuses."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    async def end(self, *asked: object) -> int:
        if self._error is not None:
            raise self._error
        return 0

    ask = look = end
    partitions = 2


def here(log: Any, database: Any) -> Any:
    return SimpleNamespace(log=log, databases=[database], clock=ManualClock(0), time=database)


async def asked(app: Any, path: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as http:
        return await http.get(path)


async def test_who_looks_waits_for_nobody_who_does_not_let_go(frozen: Frozen) -> None:
    with pytest.raises(TimeoutError):
        await within(0.01, frozen.end())


async def test_a_probe_names_what_stands_still_and_what_refuses(frozen: Frozen) -> None:
    refusing = Quick(StoreUnavailable("grant the right"))
    for log, database, missing in (
        (Quick(), Quick(), []),
        (frozen, Quick(), ["kafka"]),
        (Quick(), frozen, ["postgres"]),
        (frozen, refusing, ["kafka", "postgres"]),
    ):
        answer = await asked(probes.probed(None, here(log, database)), "/readyz")
        assert (answer.status_code, answer.json()["missing"]) == (503 if missing else 200, missing)


async def test_whose_pages_can_do_without_a_server_is_ready_while_it_is_away_and_names_it() -> None:
    away = Quick(LogUnavailable("away"))
    for needs, status in ((probes.SERVERS, 503), (("postgres",), 200)):
        answer = await asked(probes.probed(None, here(away, Quick()), needs), "/readyz")
        assert (answer.status_code, answer.json()["missing"]) == (status, ["kafka"])


async def test_a_partition_that_no_broker_leads_shuts_the_door_for_no_other(frozen: Frozen) -> None:
    for stuck in (0, 1):

        async def end(topic: str, partition: int, stuck: int = stuck) -> int:
            return await frozen.end() if partition == stuck else 7

        answer = await asked(probes.probed(None, here(SimpleNamespace(end=end, partitions=2), Quick())), "/readyz")
        assert (answer.status_code, answer.json()["missing"]) == (200, [])


async def test_metrics_leave_out_what_a_frozen_server_does_not_say(frozen: Frozen) -> None:
    log = SimpleNamespace(appended={}, read_from=Counter(), end=Quick().end, partitions=24)
    told = await measured(log, frozen.earliest_due)
    assert (told["tactful_partitions"], told["tactful_partitions_owned"], told["tactful_parked"]) == ([24], [2], [0])
    assert ("tactful_overdue_seconds" in told, told["tactful_lag_records"]) == (False, [0, 0])
    assert told["tactful_failing_seconds"] == [0]


async def test_metrics_say_what_is_late_also_where_the_end_of_a_partition_cannot_be_told(frozen: Frozen) -> None:
    async def end(topic: str, partition: int) -> int:
        return await frozen.end() if partition == 0 else 7

    async def due(partition: int) -> int:
        return -5_000

    log = SimpleNamespace(appended={}, read_from=Counter(), end=end, partitions=24)
    told = await measured(log, due)
    assert (told["tactful_overdue_seconds"], told["tactful_lag_records"]) == ([5], [7])


async def measured(log: Any, earliest_due: Any) -> dict[str, list[float]]:
    """By metric, what a process says that owns two partitions."""
    worker = SimpleNamespace(owned={0: 1, 1: 1}, stopped={}, offsets={0: 0, 1: 0}, earliest_due=earliest_due)
    work = Work(worker, SimpleNamespace(), EVENTS, lambda: [counts("tactful_parked", "", ["rule"], {}, ["cart"])])
    collector = ServiceCollector("trigger", here(log, None), Service(Starlette(), work), asyncio.get_running_loop())
    return {metric.name: [sample.value for sample in metric.samples] for metric in await collector._look()}


async def test_metrics_tell_what_a_slow_server_has_said_by_then(frozen: Frozen) -> None:
    async def earliest_due(partition: int) -> int | None:
        return -90_000 if partition == 0 else await frozen.earliest_due()

    log = SimpleNamespace(appended={}, read_from=Counter(), end=Quick().end, partitions=24)
    told = await measured(log, earliest_due)
    assert (told["tactful_overdue_seconds"], told["tactful_lag_records"]) == ([90], [0, 0])


async def test_answers_to_probes_are_not_counted() -> None:
    answers = Counter[int]()
    app = counting(probes.probed(None, here(Quick(), Quick(StoreUnavailable("away")))), answers)
    for path in ("/livez", "/readyz", "/nowhere"):
        await asked(app, path)
    assert answers == {404: 1}
