"""`tactful db`: the schema in PostgreSQL."""

from __future__ import annotations

import asyncio

import typer

from tactful_workbench.commands.options import Json, Postgres, show

app = typer.Typer(no_args_is_help=True, help="The schema in PostgreSQL.")


@app.callback()
def db() -> None:
    """The schema in PostgreSQL."""


@app.command()
def upgrade(postgres: Postgres, as_json: Json = False) -> None:
    """Bring the schema up to date. The version before it goes on working."""
    from tactful.postgres import Postgres as Database

    before, after = asyncio.run(Database.upgrade(postgres))
    was = before or "nothing"
    text = f"the schema is at {after} already" if before == after else f"the schema went from {was} to {after}"
    show({"before": before, "after": after}, text, as_json)
