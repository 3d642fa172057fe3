"""`tactful dev`: the whole product in one process, one file and an inbox; and the hands of its clock."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from tactful.clock import WallClock
from tactful.errors import TactfulError
from tactful_workbench.commands.options import HERE, Data, Json, Port, Rules, Templates, show
from tactful_workbench.embedded.devclock import parse_start
from tactful_workbench.office import post, refuse_while_served
from tactful_workbench.process.collecting import loading
from tactful_workbench.shop.folders import RULES, TEMPLATES

app = typer.Typer(help="Everything on this machine: post events, move the clock, read the inbox.")


@app.callback(invoke_without_command=True)
def dev(
    context: typer.Context,
    data: Data = HERE,
    at: Annotated[
        str, typer.Option(help="Where the clock of a new file begins: 2026-11-23T14:00+01:00, or next-14:00.")
    ] = "",
    port: Port = 8080,
    rules: Rules = RULES,
    templates: Templates = TEMPLATES,
) -> None:
    """Start the product for development. Nothing leaves this machine."""
    if context.invoked_subcommand is not None:
        return
    with loading():
        from tactful_workbench.embedded.banner import dev_banner
        from tactful_workbench.embedded.product import Plan
        from tactful_workbench.embedded.serving import run_server

    start = parse_start(at, _zone(data), WallClock().now()) if at else None
    plan = Plan(data, dev=True, rules=rules, templates=templates, start=start, public_url=f"http://127.0.0.1:{port}")
    run_server(plan, "127.0.0.1", port, dev_banner)


@app.command()
def advance(
    by: Annotated[str, typer.Argument(help="How long: 10m, 1h, 3d.")] = "",
    to: Annotated[str, typer.Option(help='message, timer, idle, or a moment like "tomorrow 09:00".')] = "",
    data: Data = HERE,
    as_json: Json = False,
) -> None:
    """Move the clock on, timer by timer, and say what happened."""
    if bool(by) == bool(to):
        raise TactfulError(
            'say how long (`tactful dev advance 1h`) or where to (`--to message`, `--to "tomorrow 09:00"`)'
        )
    answer = post(data, "/dev/clock", {"advance": by, "to": to})
    text = answer.pop("text")
    show(answer, text, as_json)


@app.command()
def reset(data: Data = HERE) -> None:
    """Delete the development database, and who was erased in it; settings and secrets stay."""
    from tactful_workbench.embedded.product import Plan

    plan = Plan(data, dev=True)
    plan.refuse_the_other()
    asyncio.run(refuse_while_served(data))
    plan.delete()
    print(f"{plan.file} is gone; the next `tactful dev` begins anew")


def _zone(data: Path) -> ZoneInfo:
    from tactful_workbench.settings.file import SettingsFile  # `advance` does without

    file = SettingsFile(data, "")
    return file.read().shop.zone if file.path.exists() else ZoneInfo("Europe/Madrid")
