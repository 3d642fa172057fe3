"""`tactful serve dispatch`."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from itertools import product

from fastapi import FastAPI
from prometheus_client.core import GaugeMetricFamily, Metric

from tactful.log.kafka import KafkaHints, broker
from tactful.records import DISPATCH
from tactful.telemetry import UNTOLD
from tactful_dispatch.channels import OUTCOMES
from tactful_dispatch.channels.smsgateway import sms_gateway
from tactful_dispatch.desk.correspondence import Correspondence
from tactful_dispatch.inbound import create_contact, create_inbound, create_sms
from tactful_dispatch.links import Links
from tactful_dispatch.live import LiveDispatch
from tactful_dispatch.public import create_public
from tactful_dispatch.sending.attempt import Attempts
from tactful_dispatch.worker import DispatchWorker
from tactful_workbench.answering import answer_by_name
from tactful_workbench.cluster.forgetting import forget_messages
from tactful_workbench.cluster.ground import Ground
from tactful_workbench.cluster.metrics import counts
from tactful_workbench.cluster.people import desk, personal
from tactful_workbench.cluster.probes import probed
from tactful_workbench.cluster.service import Service, Work
from tactful_workbench.shop.adapters import shop_adapters
from tactful_workbench.shop.content_root import open_content
from tactful_workbench.shop.secrets import LINK_KEY, WEBHOOK_KEY


async def service(here: Ground, stack: AsyncExitStack) -> Service:
    """Consent, tact, channels; the pages of customers, and what providers call back."""
    content = await open_content(here.site.templates, stack)
    adapters = shop_adapters(here.site.smtp, here.site.sms, here.secret(WEBHOOK_KEY), here.clock, here.public_url)
    links = Links(here.public_url, here.secret(LINK_KEY))
    attempts = Attempts(
        here.dispatch, adapters, content, links, here.addresses, here.clock, time.monotonic, here.telemetry
    )
    hints = await stack.enter_async_context(KafkaHints.open(broker(here.site.kafka), DISPATCH, here.log.partitions))
    worker = DispatchWorker(
        here.log,
        here.dispatch,
        attempts,
        here.addresses,
        here.clock,
        here.owner,
        graves=here.graves,
        hints=hints,
        lease_time=here.time,
        telemetry=here.telemetry,
    )
    live = LiveDispatch(worker, here.log, here.clock)

    def counted() -> list[Metric]:
        said, about = "What providers said to an attempt.", "Looks at a template that does not render."
        return [
            counts("tactful_attempts", said, ["channel", "outcome"], worker.outcomes, product(adapters, OUTCOMES)),
            counts("tactful_unwritten", about, ["template"], worker.unwritten, content.templates),
        ]

    async def looked_up() -> list[Metric]:
        stopped = [bool((await here.dispatch.cursor(partition)).stopped) for partition in tuple(worker.owned)]
        return [GaugeMetricFamily("tactful_sending_stopped", "Somebody stopped all sending.", any(stopped))]

    chores = {"messages": lambda: forget_messages(here)}
    work = Work(worker, live, DISPATCH, counted, looked_up)
    pages = probed(_pages(here, live, links), here, ("postgres",))  # who opts out needs no log
    return Service(pages, work, chores)


def _pages(here: Ground, live: LiveDispatch, links: Links) -> FastAPI:
    app = FastAPI(openapi_url=None, redirect_slashes=False, telemetry=UNTOLD)
    answer_by_name(app)
    reception = desk(here, live.nudge)
    app.include_router(create_public(reception, personal(here), links, here.time, here.shop))
    app.include_router(create_inbound(reception, here.keys, links))
    app.include_router(create_contact(reception, here.keys))
    if here.site.sms:
        correspondence = Correspondence(here.dispatch, here.addresses, reception, here.time)
        gateway = sms_gateway(here.site.sms)
        app.include_router(create_sms(reception, correspondence, gateway, here.public_url, here.shop))
    return app
