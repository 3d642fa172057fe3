"""`tactful serve trigger`."""

from __future__ import annotations

from contextlib import AsyncExitStack

from prometheus_client.core import CounterMetricFamily, Metric

from tactful.postgres.leasing import DatabaseTime
from tactful.records import EVENTS
from tactful_trigger.live import LiveTrigger
from tactful_trigger.watch import SignalWatch
from tactful_trigger.worker import TriggerWorker
from tactful_workbench.cluster.ground import Ground
from tactful_workbench.cluster.metrics import counts
from tactful_workbench.cluster.service import Service, Work
from tactful_workbench.housekeeping import forget_history


async def service(here: Ground, stack: AsyncExitStack) -> Service:
    """Rules over customers' events and time."""
    watch = stack.enter_context(SignalWatch())
    worker = TriggerWorker(
        here.log,
        here.trigger,
        here.book,
        here.clock,
        here.owner,
        graves=here.graves,
        watch=watch,
        lease_time=DatabaseTime(here.database),
        telemetry=here.telemetry,
    )

    def counted() -> list[Metric]:
        names = ["rule", "verdict", "reason"]
        return [
            CounterMetricFamily("tactful_timers_fired", "Timers fired.", worker.timers_fired),
            counts("tactful_decisions", "Final words that rules heard.", names, worker.decisions),
        ]

    live = LiveTrigger(worker, here.log, here.clock)
    return Service(work=Work(worker, live, EVENTS, counted), chores={"history": lambda: forget_history(here)})
