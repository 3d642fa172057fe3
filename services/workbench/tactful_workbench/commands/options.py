"""Options that every command takes, and how an answer is shown."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from tactful_console.terminal import printable
from tactful_workbench.folders import RULES, TEMPLATES

Data = Annotated[
    Path,
    typer.Option(
        "--data", envvar="TACTFUL_DATA", file_okay=False, help="Folder that holds the database, settings and secrets."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]

Kafka = Annotated[str, typer.Option(envvar="TACTFUL_KAFKA", help="kafka://user:password@host:9092,host2:9092?tls=true")]
Postgres = Annotated[
    str,
    typer.Option(
        envvar="TACTFUL_POSTGRES",
        help="postgresql://user:password@host:5432/database; several, separated by blanks, share trigger's partitions",
    ),
]

HERE = Path(".tactful")


def _there(folder: Path) -> Path:
    """A folder that is named has to be there; the one that nobody names need not be."""
    if folder not in (RULES, TEMPLATES) and not folder.is_dir():
        raise typer.BadParameter(f"{folder} is no folder")
    return folder


Rules = Annotated[Path, typer.Option("--rules", callback=_there, help="Folder of rules of your own.")]
Templates = Annotated[Path, typer.Option("--templates", callback=_there, help="Folder of templates of your own.")]
Port = Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")]


def user() -> str:
    """Who types this, as the machine knows them; in a container that may be nobody."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "command-line"


def show(value: Any, text: str, as_json: bool) -> None:
    """Print an answer for a program, or for a person's terminal."""
    lines = [json.dumps(value, ensure_ascii=False, indent=2)] if as_json else map(printable, text.split("\n"))
    print("\n".join(lines))
