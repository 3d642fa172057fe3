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
    from tactful.postgres import upgrade as upgrade_all

    went = asyncio.run(upgrade_all(postgres))
    show([{"before": before, "after": after} for before, after in went], "\n".join(map(_told, went)), as_json)


def _told(went: tuple[str, str]) -> str:
    before, after = went
    return (
        f"the schema is at {after} already"
        if before == after
        else f"the schema went from {before or 'nothing'} to {after}"
    )
