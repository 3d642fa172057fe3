"""`tactful import`: rows of a file as history. They fold into what is known of customers and start nothing."""

from __future__ import annotations

import asyncio
import csv
import gzip
import json
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import httpx
import typer
from rich.progress import Progress

from tactful.errors import TactfulError
from tactful.identity import digest
from tactful.localtime import instant_of
from tactful_workbench.commands.options import HERE, Data, Json, show
from tactful_workbench.office import office, told

LOT: Final = 500  # rows a request
NOON: Final = time(12)  # when a date without a time of day happened
_ENVELOPE: Final = ("userId", "anonymousId", "timestamp", "messageId")


def import_file(
    file: Path,
    event: Annotated[str, typer.Option("--as", help='What a row is, like "Order Completed" or identify.')],
    mapping: Annotated[str, typer.Option("--map", help="order_id=id,userId=customer,timestamp=created_at")] = "",
    zone: Annotated[str, typer.Option(help="Time zone of times without one.")] = "UTC",
    data: Data = HERE,
    as_json: Json = False,
) -> None:
    """Import CSV or NDJSON (plain or .gz) as history: rows fold into what is known and start nothing."""
    pairs = _pairs(mapping)
    answer = asyncio.run(_post_all(file, event, pairs, ZoneInfo(zone), data, quiet=as_json))
    text = f"{answer['rows']:,} rows → {answer['accepted']:,} accepted as history (start nothing), {answer['refused']:,} refused"
    show(answer, text + (" (see `tactful events tail --quarantine`)" if answer["refused"] else ""), as_json)


def _pairs(mapping: str) -> dict[str, str]:
    pairs = {}
    for part in filter(None, mapping.split(",")):
        ours, equals, theirs = part.partition("=")
        if not equals:
            raise TactfulError(f'--map: "{part}" is not a pair; write our_name=their_column')
        pairs[ours.strip()] = theirs.strip()
    return pairs


async def _post_all(
    file: Path, event: str, pairs: dict[str, str], zone: ZoneInfo, data: Path, *, quiet: bool
) -> dict[str, Any]:
    rows, accepted, refused = 0, 0, 0
    async with office(data) as client:
        with Progress(disable=quiet) as progress:
            task = progress.add_task(file.name, total=_count(file))
            calls = (call_of(row, event, pairs, zone, file, number) for number, row in enumerate(_rows(file), start=2))
            while lot := list(islice(calls, LOT)):
                answer = await _post(client, lot)
                rows, refused = rows + len(lot), refused + answer.get("rejected", 0)
                accepted = rows - refused
                progress.update(task, completed=rows)
    return {"rows": rows, "accepted": accepted, "refused": refused}


async def _post(client: httpx.AsyncClient, calls: list[dict[str, Any]]) -> dict[str, Any]:
    token = client.headers["Authorization"].removeprefix("Bearer ")
    answer: dict[str, Any] = await told(await client.post("/v1/import", json={"batch": calls}, auth=(token, "")))
    return answer


def call_of(
    row: dict[str, Any], event: str, pairs: dict[str, str], zone: ZoneInfo, file: Path, number: int
) -> dict[str, Any]:
    """One row as a call of the tracking API, marked as history. Columns that are not mapped keep their names."""
    renamed = {theirs: ours for ours, theirs in pairs.items()}
    if unknown := [theirs for theirs in renamed if theirs not in row]:
        raise TactfulError(f"{file}:{number}: there is no column {unknown[0]}; there are: {', '.join(map(str, row))}")
    values = {renamed.get(name, name): value for name, value in row.items() if value not in ("", None)}
    envelope: dict[str, Any] = {name: values.pop(name) for name in _ENVELOPE if name in values}
    if "timestamp" in envelope:
        envelope["timestamp"] = _when(str(envelope["timestamp"]), zone, file, number)
    envelope.setdefault("messageId", digest("import", event, json.dumps(row, sort_keys=True, default=str)))
    call: dict[str, Any] = {"context": {"history": True}, **envelope}
    if event in ("identify", "page", "screen", "group"):
        return call | {"type": event, "traits" if event in ("identify", "group") else "properties": values}
    return call | {"type": "track", "event": event, "properties": values}


def _when(text: str, zone: ZoneInfo, file: Path, number: int) -> str:
    try:
        if len(text) in (len("20261125"), len("2026-11-25")):
            return _noon(date.fromisoformat(text), zone)
        moment = datetime.fromisoformat(text.removesuffix(" UTC"))
    except ValueError:
        raise TactfulError(f"{file}:{number}: {text!r} is no time; write it like 2026-11-23T14:00:00+01:00") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).isoformat()


def _noon(day: date, zone: ZoneInfo) -> str:
    instant = instant_of(datetime.combine(day, NOON), zone)
    return datetime.fromtimestamp(instant / 1000, zone).isoformat()


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(file, "rt", encoding="utf-8", newline="") if file.suffix == ".gz" else file.open(newline="") as text:
        if ".csv" in file.suffixes:
            yield from csv.DictReader(text)
        else:
            yield from _objects(text, file)


def _objects(lines: Iterable[str], file: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise TactfulError(f"{file}:{number}: {error}; every line must be a JSON object") from None
        if not isinstance(row, dict):
            raise TactfulError(f"{file}:{number}: this line is no JSON object")
        yield row


def _count(file: Path) -> int:
    return sum(1 for _ in _rows(file))
