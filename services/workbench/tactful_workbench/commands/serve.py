"""`tactful serve all`: a small shop in one process and one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tactful_workbench.commands.options import HERE, Data

app = typer.Typer(no_args_is_help=True, help="Serve a shop.")


@app.callback()
def serve() -> None:
    """Serve a shop."""


@app.command("all")
def serve_all(
    data: Data = HERE,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8080,
    smtp: Annotated[
        str, typer.Option(envvar="TACTFUL_SMTP_URL", help="smtp://user:password@host:587, smtps://, smtp+plain://")
    ] = "",
    rules: Annotated[Path, typer.Option(help="Folder of rules of your own.")] = Path("rules"),
    templates: Annotated[Path, typer.Option(help="Folder of templates of your own.")] = Path("templates"),
) -> None:
    """Everything in one process over one SQLite file. As shipped, nobody is written to: see `tactful sending`."""
    from tactful_workbench.banner import shop_banner
    from tactful_workbench.embedded import Plan
    from tactful_workbench.serving import run_server

    run_server(Plan(data, rules=rules, templates=templates, smtp=smtp), host, port, shop_banner)
