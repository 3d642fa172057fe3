"""Options that every command takes, and how an answer is shown."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

import typer

from tactful.errors import TactfulError
from tactful_console.terminal import printable
from tactful_workbench.shop.folders import RULES, TEMPLATES

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


def pairs_of(mapping: str, option: str = "--map") -> dict[str, str]:
    """Of `--map ours=theirs,ours=theirs`. Raises TactfulError."""
    pairs = {}
    for part in filter(None, mapping.split(",")):
        ours, equals, theirs = part.partition("=")
        if not equals:
            what = "their_column" if option == "--map" else "what_every_row_says"
            raise TactfulError(f'{option}: "{part}" is not a pair; write our_name={what}')
        pairs[ours.strip()] = theirs.strip()
    return pairs


def known_zone(zone: str) -> ZoneInfo:
    """Of `--zone`. Raises TactfulError."""
    if zone not in available_timezones():
        raise TactfulError(f'--zone: "{zone}" is not an IANA time zone; write it like Europe/Madrid')
    return ZoneInfo(zone)


def refuse_pipe(file: Path) -> None:
    """Raises TactfulError."""
    if file.is_fifo():
        raise TactfulError(
            f"{file} is a pipe, and a file is read twice, so that nothing is posted of one that is wrong; save it as a file first"
        )


def show(value: Any, text: str, as_json: bool) -> None:
    """Print an answer for a program, or for a person's terminal."""
    lines = [json.dumps(value, ensure_ascii=False, indent=2)] if as_json else map(printable, text.split("\n"))
    print("\n".join(lines))
