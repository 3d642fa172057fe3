"""`tactful serve trigger`."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from tactful.log.kafka import KafkaHints, broker
from tactful.plugins import Broken
from tactful.records import EVENTS
from tactful_trigger.guarding import Guard
from tactful_trigger.live import LiveTrigger
from tactful_trigger.state.cursor import Cursor
from tactful_trigger.state.tally import Tally, totals
from tactful_trigger.watch import SignalWatch
from tactful_trigger.worker import TriggerWorker
from tactful_workbench.cluster.forgetting import forget_history
from tactful_workbench.cluster.ground import Ground
from tactful_workbench.cluster.metrics import counts
from tactful_workbench.cluster.probes import probed
from tactful_workbench.cluster.service import Service, Work
from tactful_workbench.doctor.almost import slips

_logger = logging.getLogger(__name__)


def results(tallies: Iterable[Mapping[str, Tally]]) -> list[Metric]:
    """Since the beginning, of the partitions that are owned here: gauges, since partitions change hands."""
    arms = ["rule", "arm"]
    contacts = GaugeMetricFamily("tactful_contacts", "Contacts, a ladder counting once.", labels=arms)
    goals = GaugeMetricFamily("tactful_contacts_reached", "Contacts that the goal followed in time.", labels=arms)
    firsts = GaugeMetricFamily("tactful_first_contacts", "Each customer's first contact.", labels=arms)
    about = "First contacts that the goal followed in time."
    first_goals = GaugeMetricFamily("tactful_first_contacts_reached", about, labels=arms)
    objections = GaugeMetricFamily(
        "tactful_contacts_objected", "Contacts after which the customer objected.", labels=["rule", "how"]
    )
    for rule, tally in totals(tallies).items():
        objections.add_metric([rule, "opted_out"], tally.opted_out)
        objections.add_metric([rule, "spam_report"], tally.complained)
        for family, sent, held_out in (
            (contacts, tally.sent, tally.held_out),
            (goals, tally.sent_reached, tally.held_out_reached),
            (firsts, tally.first_sent, tally.first_held_out),
            (first_goals, tally.first_sent_reached, tally.first_held_out_reached),
        ):
            family.add_metric([rule, "sent"], sent)
            family.add_metric([rule, "held_out"], held_out)
    return [contacts, goals, firsts, first_goals, objections]


def pauses(cursors: Iterable[Cursor]) -> Metric:
    """Rules of which nothing moves in the partitions that are owned here."""
    paused = GaugeMetricFamily("tactful_rules_paused", "Rules that are paused.", labels=["rule"])
    for rule in sorted(set[str]().union(*(cursor.paused for cursor in cursors))):
        paused.add_metric([rule], 1)
    return paused


def told_broken(plugins: Sequence[Broken]) -> Metric:
    """What could not be loaded: nothing of it begins, and what had begun stands still. The log says why."""
    broken = GaugeMetricFamily("tactful_plugins_broken", "Rules and projections that were not loaded.", labels=["name"])
    for plugin in plugins:
        _logger.error("%s is not loaded: %s", plugin.name, plugin.message)
        broken.add_metric([plugin.name], 1)
    return broken


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
        lease_time=here.time,
        telemetry=here.telemetry,
    )
    stack.push_async_callback(worker.steps.stop)

    for text in slips(here.loaded):
        _logger.warning(text)
    rules, broken = [rule.name for rule in here.loaded.rules], told_broken(here.loaded.broken)

    def counted() -> list[Metric]:
        names = ["rule", "verdict", "reason"]
        return [
            CounterMetricFamily("tactful_timers_fired", "Timers fired.", worker.timers_fired),
            counts("tactful_decisions", "Final words that rules heard.", names, worker.decisions),
            counts("tactful_parked", "Runs that could not go on.", ["rule"], worker.parked, rules),
            *results(held.cursor.tallies for held in worker.owned.values()),
            pauses(held.cursor for held in worker.owned.values()),
            broken,
        ]

    guard = Guard(here.log, here.trigger, here.clock)
    marks = KafkaHints.open(broker(here.site.kafka), EVENTS, here.log.partitions, decisive=False)
    hints = await stack.enter_async_context(marks)
    live = LiveTrigger(worker, here.log, here.clock, guard, hints)
    work = Work(worker, live, EVENTS, counted)
    return Service(probed(None, here), work, {"history": lambda: forget_history(here)})
