"""The demo: a year of a real shop posted through a real socket in virtual time, and what came of it."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import uvicorn
from rich.progress import Progress

from tactful.clock import DAY, MINUTE
from tactful.errors import SettingsError
from tactful_workbench.demo.diary import Call
from tactful_workbench.demo.promises import Line, broken
from tactful_workbench.demo.retail import shipped
from tactful_workbench.demo.shop import MadeUp, shop_year
from tactful_workbench.embedded.product import Plan, Product, opened
from tactful_workbench.embedded.web import web
from tactful_workbench.office import refuse_while_served
from tactful_workbench.process.listening import listen
from tactful_workbench.settings.file import DEV_MARK, text_of

WINDOW: Final = 30 * MINUTE  # calls of one window are posted as one batch
BATCH: Final = 100
NAME: Final = "The gift shop of the demo"
SETTINGS: Final = f"""\
{DEV_MARK} They are the demo's.
[shop]
name = "{NAME}"
timezone = "Europe/London"
country = "GB"
currency = "GBP"

[rules.abandoned_cart]
mode = "live"
holdout = 0.1

[rules.missed_order]
mode = "live"
holdout = 0.1

[rules.churn_risk]
mode = "live"
holdout = 0.1

[rules.complaint_followup]
mode = "live"

[sending]
mode = "live"          # every channel is the inbox: nothing leaves this machine
"""


async def show(data: Path, seed: int, quiet: bool) -> dict[str, Any]:
    """Run it into a fresh folder; the figures that are printed. Raises SettingsError for a folder of somebody else, and TactfulError
    while a server runs on it."""
    _refuse_what_is_not_ours(data)
    await refuse_while_served(data)
    calls, made_up = shop_year(shipped(), seed)
    if not quiet:
        print(made_up.text, flush=True)
    plan = Plan(data, dev=True, start=calls[0].at - MINUTE, disposable=True)
    _begin_anew(plan)
    async with opened(plan) as product:
        with listen("127.0.0.1", 0) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            server = uvicorn.Server(uvicorn.Config(web(product, "tactful"), log_level="warning", lifespan="off"))
            serving = asyncio.create_task(server.serve([listener]))
            began = time.perf_counter()
            await _post_all(product, url, calls, quiet)
            seconds = time.perf_counter() - began
            server.should_exit = True
            await serving
        return {
            **await _figures(product, made_up),
            "seconds": round(seconds, 1),
            "events_per_second": round(len(calls) / seconds),
        }


def _refuse_what_is_not_ours(data: Path) -> None:
    """The demo's settings write to everybody: a shop that is being served would read them at once."""
    Plan(data, dev=True).refuse_the_other()
    settings = data / "settings.toml"
    if settings.exists() and NAME not in text_of(settings):
        raise SettingsError(
            f"{settings} is not the demo's, which would write over it; choose another folder with --data"
        )


def _begin_anew(plan: Plan) -> None:
    plan.data.mkdir(parents=True, exist_ok=True)
    plan.delete()
    (plan.data / "settings.toml").write_text(SETTINGS)


async def _post_all(product: Product, url: str, calls: Sequence[Call], quiet: bool) -> None:
    async with httpx.AsyncClient(base_url=url, auth=("dev_server", ""), trust_env=False) as client:
        with Progress(disable=quiet) as progress:
            task = progress.add_task("a year of orders", total=len(calls))
            for window, part in groupby(calls, key=lambda call: call.at // WINDOW):
                lot = list(part)
                await product.time.advance((window + 1) * WINDOW)
                for batch in _batches([call.body for call in lot]):
                    answer = await client.post("/v1/batch", json={"batch": batch})
                    answer.raise_for_status()
                progress.advance(task, len(lot))
            await product.time.advance(product.clock.now() + 7 * DAY)
        if product.dev_clock is not None:
            await product.dev_clock.keep()


def _batches(calls: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(calls), BATCH):
        yield calls[start : start + BATCH]


async def _figures(product: Product, made_up: MadeUp) -> dict[str, Any]:
    lines = await product.database.read(_told)
    rules: defaultdict[str, Counter[str]] = defaultdict(Counter)
    people = defaultdict[str, list[int]](list)
    story: list[Line] = []
    for customer, at, kind, rule, data in lines:
        if kind in ("event", "consent", "decided"):
            body = msgspec.json.decode(data)["body"]
            story.append(Line(customer, at, body["name"], body["properties"]))
        if kind == "started":
            rules[rule]["entered"] += 1
        elif kind in ("ended", "not_started", "parked"):
            became = "did not enter" if kind == "not_started" else "ended"
            rules[rule][f"{became} {msgspec.json.decode(data)['why']}"] += 1
        elif kind == "decided":
            word = story[-1].told
            outcome = "sent" if word["verdict"] == "sent" else "not sent"
            rules[word["rule"]][f"{outcome} {word['channel']} {word['reason'] or ''}".strip()] += 1
            if word["verdict"] == "sent":
                people[customer].append(at)
    return {
        "calls": made_up.calls,
        "rules": {rule: dict(counts.most_common()) for rule, counts in sorted(rules.items())},
        "most_in_a_week": max((_most_within(sorted(times), 7 * DAY) for times in people.values()), default=0),
        "most_in_the_year": max(map(len, people.values()), default=0),
        "people_reached": len(people),
        "broken": broken(story),
    }


def _told(db: sqlite3.Connection) -> list[tuple[str, int, str, str, bytes]]:
    return db.execute(
        """SELECT customer, at, kind, rule, data FROM trigger_history
           WHERE kind IN ('started', 'ended', 'not_started', 'parked', 'decided', 'event', 'consent') ORDER BY id"""
    ).fetchall()


def _most_within(times: Sequence[int], span: int) -> int:
    return max((sum(at <= later < at + span for later in times) for at in times), default=0)


def in_words(figures: dict[str, Any], data: Path) -> str:
    """The figures as the demo prints them."""
    rows: list[tuple[str, int | None]] = []
    for rule, counts in figures["rules"].items():
        rows += [(rule, None), ("  entered", counts.get("entered", 0))]
        for outcome in ("did not enter", "ended", "sent", "not sent"):
            parts = [
                (name.removeprefix(outcome + " "), n) for name, n in counts.items() if name.startswith(outcome + " ")
            ]
            if outcome == "did not enter" and not parts:
                continue
            rows += [(f"  {outcome}", sum(n for _, n in parts)), *((f"    {name}", n) for name, n in parts)]
    rows += [("most to one person in 7 days", figures["most_in_a_week"])]
    rows += [("most to one person in the year", figures["most_in_the_year"])]
    rows += list(figures["broken"].items())
    lines = [name if number is None else f"{name:<38}{number:>8,}" for name, number in rows]
    lines += [
        f"{figures['calls']:,} calls in {figures['seconds']} s: {figures['events_per_second']:,} events/s, everything decided on the way",
        f"open the inbox:  tactful dev --data {data}   then http://127.0.0.1:8080/inbox",
    ]
    return "\n".join(lines)
