"""`tactful rules`: what is loaded, and what is broken."""

from __future__ import annotations

import typer

from tactful_workbench.commands.options import HERE, Data, Json, show
from tactful_workbench.office import get

app = typer.Typer(no_args_is_help=True, help="The rules that run here.")


@app.callback()
def rules() -> None:
    """The rules that run here."""


@app.command("list")
def list_rules(data: Data = HERE, as_json: Json = False) -> None:
    """Every rule with its version, mode and origin; broken plugins with file, line and mend."""
    answer = get(data, "/admin/rules")
    lines = [
        f"{rule['name']} v{rule['version']}  {rule['mode']}  {rule['live_runs']} live runs  from {rule['origin']}"
        for rule in answer["rules"]
    ]
    lines += [f"{broken['name']}  BROKEN  {broken['message']}" for broken in answer["broken"]]
    show(answer, "\n".join(lines) or "no rules are loaded", as_json)
