"""`tactful events`: look at what is stored, and post one by hand."""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from tactful.errors import TactfulError
from tactful.events.own import FEED
from tactful_console.terminal import printable
from tactful_workbench.commands.options import HERE, Data, Json, show
from tactful_workbench.doctor.misposted import warn_of
from tactful_workbench.office import call_text, office, posted, told

app = typer.Typer(no_args_is_help=True, help="What is stored in the log.")

Topics = Annotated[str, typer.Option(help="events, dispatch, quarantine; several with commas.")]
AGAIN = 1.0  # seconds between two looks of `tail --follow`


@app.command()
def dump(topics: Topics = "events,dispatch,quarantine", data: Data = HERE) -> None:
    """Print every stored record as NDJSON with topic, partition, offset and append time."""
    asyncio.run(_print(data, {"topics": topics}))


@app.command()
def tail(
    topics: Topics = "events",
    quarantine: Annotated[bool, typer.Option("--quarantine", help="What was refused, and why.")] = False,
    latest: Annotated[int, typer.Option(min=0, help="How many records of each partition to begin with.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as records arrive.")] = False,
    data: Data = HERE,
    as_json: Json = False,
) -> None:
    """Print the latest records."""
    wanted = "quarantine" if quarantine else topics
    asyncio.run(_tail(data, wanted, latest, follow, as_json))


@app.command()
def send(
    name: str,
    properties: Annotated[list[str] | None, typer.Argument(help="Properties like price=39.90")] = None,
    user: Annotated[str, typer.Option(help="The customer's id. `Feed Complete` alone is about nobody.")] = "",
    data: Data = HERE,
    as_json: Json = False,
) -> None:
    """Post one event: `tactful events send "Product Added" --user u1 product_id=p1 price=39.90`. Said again, it is another.
    Exit code 1 if it was refused."""
    if not user and name != FEED:
        raise TactfulError("say with --user whose event it is")
    pairs = dict(_pair(text) for text in properties or ())
    warn_of(name)
    call = {"userId": user or None, "messageId": str(uuid.uuid4()), "event": name, "properties": pairs}
    answer = asyncio.run(_post(data, call))
    refused = bool(answer.get("rejected"))
    show(answer, "refused: see `tactful events tail --quarantine`" if refused else "accepted", as_json)
    raise typer.Exit(1 if refused else 0)


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise TactfulError(f'"{text}" is not a property; write it like price=39.90')
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value


async def _post(data: Path, call: dict[str, Any]) -> Any:
    async with office(data) as client:
        return await posted(client, "/v1/track", call_text(call))


async def stored_lines(client: httpx.AsyncClient, query: dict[str, Any]) -> AsyncIterator[str]:
    """A record each. Only a line feed ends one: what people paste holds other ends of lines, which httpx would take for one."""
    rest = b""
    async with client.stream("GET", "/admin/events", params=query) as response:
        if not response.is_success:
            await response.aread()
            await told(response)
        async for piece in response.aiter_bytes():
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield line.decode()


async def _print(data: Path, query: dict[str, Any]) -> None:
    async with office(data) as client:
        async for line in stored_lines(client, query):
            sys.stdout.write(line + "\n")


async def _tail(data: Path, topics: str, latest: int, follow: bool, as_json: bool) -> None:
    reached: dict[str, int] = {}
    asked = max(latest, 1)  # the last one tells where a partition ends, also where none is to be told
    async with office(data) as client:
        while True:
            behind = [f"{place}@{offset}" for place, offset in reached.items()]
            async for line in stored_lines(client, {"topics": topics, "latest": asked, "behind": behind}):
                stored = json.loads(line)
                reached[f"{stored['topic']}/{stored['partition']}"] = stored["offset"]
                if latest or not asked:
                    print(line if as_json else printable(in_words(stored)), flush=True)
            if not follow:
                return
            asked = 0  # from now on everything
            await asyncio.sleep(AGAIN)


def in_words(stored: dict[str, Any]) -> str:
    """A stored record on one line: where it stands, whom it is about, and how it begins."""
    record, place = stored["record"], f"{stored['topic']}/{stored['partition']}@{stored['offset']}"
    if not isinstance(record, dict) or not isinstance(record.get("body", {}), dict) or not {"kind", "key"} <= {*record}:
        return f"{place}  no record of ours  {json.dumps(record, ensure_ascii=False)[:160]}"
    body = record.get("body", {})
    if record["kind"] == "quarantine":
        field = f"  {body['field']}" if body.get("field") else ""
        return f"{place}  {body['reason']}{field}  {body['message']}  {body.get('raw', '')[:120]}"
    name = body.get("name") or record["kind"]
    return f"{place}  {record['key']}  {name}  {json.dumps(body.get('properties', {}), ensure_ascii=False)[:160]}"
