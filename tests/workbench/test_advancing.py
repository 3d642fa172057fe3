"""What people call the moment to which they want the dev clock to go, and who may move anything meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from enginebench import EngineBench

from tactful import Run, rule
from tactful.clock import DAY, HOUR
from tactful.decisions import Reason
from tactful.errors import InvalidInput, SettingsError
from tactful.events import ProductAdded
from tactful_dispatch.state.rows import Delivery
from tactful_workbench.embedded.advancing import is_told, moment_of
from tactful_workbench.embedded.devclock import parse_start
from tactful_workbench.embedded.product import Plan, opened
from tactful_workbench.embedded.web import web

MADRID = ZoneInfo("Europe/Madrid")
THREE = 1_795_442_400_000  # Mon 23 Nov 2026 15:00 in Madrid


@pytest.mark.parametrize(
    ("text", "hours"),
    [("16:00", 1), ("today 16:00", 1), ("tomorrow 16:00", 25), ("09:00", 18), ("tomorrow 09:00", 18), ("15:00", 24)],
)
def test_a_moment_is_the_next_at_which_the_shop_s_clock_shows_it(text: str, hours: int) -> None:
    assert moment_of(text, THREE, MADRID) == THREE + hours * HOUR


@pytest.mark.parametrize("text", ["today 09:00", "today 15:00"])
def test_a_moment_of_today_that_is_over_is_no_moment_of_tomorrow(text: str) -> None:
    with pytest.raises(InvalidInput, match=f'"{text}" is over'):
        moment_of(text, THREE, MADRID)


@pytest.mark.parametrize("text", ["yesterday 09:00", "9:00", "25:00", "2026-11-24"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="is no moment"):
        moment_of(text, THREE, MADRID)


@pytest.mark.parametrize("text", ["next-14:00+05:00", "next-25:00", "next-"])
def test_a_clock_that_begins_at_the_next_hour_of_the_shop_takes_no_other_zone(text: str) -> None:
    assert parse_start("next-14:00", MADRID, THREE) == THREE + 23 * HOUR
    with pytest.raises(SettingsError, match="is not a time"):
        parse_start(text, MADRID, THREE)


@rule(on=ProductAdded, purpose="marketing.test", version=1)
async def says_at_once(run: Run, first: ProductAdded) -> None:
    await run.send("email", "unwritten")


def test_a_message_whose_template_is_missing_is_told_also_if_it_was_asked_for_before() -> None:
    bench = EngineBench(says_at_once)
    bench.emits("u1", ProductAdded(product_id="p1"))
    [message] = bench.messages
    now = bench.now
    assert is_told(Delivery(message=message, held_for=Reason.QUIET_HOURS), now)
    assert not is_told(Delivery(message=message, held_for=Reason.QUIET_HOURS), now + 1)
    assert is_told(Delivery(message=message, held_for=Reason.TEMPLATE_ERROR), now + 1)


def test_tomorrow_is_the_next_day_whatever_the_hour() -> None:
    assert moment_of("tomorrow 15:00", THREE, MADRID) == THREE + DAY


async def test_who_looks_at_the_clock_moves_nothing_while_somebody_else_does(tmp_path: Path) -> None:
    async with opened(Plan(tmp_path, dev=True, disposable=True)) as product:
        transport = httpx.ASGITransport(web(product, "tactful"))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
            async with product.running.floor():  # as in each of their rounds
                looking = asyncio.create_task(client.get("/dev/clock"))
                await asyncio.wait([looking], timeout=0.1)
                assert not looking.done()
                assert not product.trigger_worker.owned
            assert (await looking).json()["next_timer"] is None
