"""`tactful import`: rows of a file as history. They fold into what is known of customers and start nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, available_timezones

import httpx
import typer
from rich.progress import Progress

from tactful.errors import TactfulError
from tactful_workbench.commands.options import HERE, Data, Json, show
from tactful_workbench.importfile import PRODUCT, Row, call_of, rows_of, together
from tactful_workbench.office import office, told

LOT: Final = 500  # rows a request


def import_file(
    file: Path,
    event: Annotated[str, typer.Option("--as", help='What a row is, like "Order Completed" or identify.')],
    mapping: Annotated[str, typer.Option("--map", help="order_id=id,userId=customer,timestamp=created_at")] = "",
    zone: Annotated[str, typer.Option(help="Time zone of times without one.")] = "UTC",
    lines_of: Annotated[
        str, typer.Option(help="order_id, where an order has a row for each product: they become one event.")
    ] = "",
    decimal_comma: Annotated[bool, typer.Option("--decimal-comma", help="Numbers are written 1.234,50.")] = False,
    data: Data = HERE,
    as_json: Json = False,
) -> None:
    """Import CSV or NDJSON (plain or .gz) as history: rows fold into what is known and start nothing."""
    if zone not in available_timezones():
        raise TactfulError(f'--zone: "{zone}" is not an IANA time zone; write it like Europe/Madrid')
    pairs = _pairs(mapping)

    def rows() -> Iterator[Row]:
        found = rows_of(file, decimal_comma=decimal_comma)
        return together(found, lines_of, pairs, file) if lines_of else found

    left = {ours: theirs for ours, theirs in pairs.items() if not lines_of or ours not in PRODUCT}
    call = partial(call_of, event=event, pairs=left, zone=ZoneInfo(zone), file=file)
    answer = asyncio.run(_post_all(file.name, rows, call, data, quiet=as_json))
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
    name: str,
    rows_again: Callable[[], Iterator[Row]],
    call: Callable[[Row], dict[str, Any]],
    data: Path,
    *,
    quiet: bool,
) -> dict[str, Any]:
    rows, refused = 0, 0
    total = sum(1 for _ in rows_again())  # a file that is wrong is found before anything is posted
    async with office(data) as client:
        with Progress(disable=quiet) as progress:
            task = progress.add_task(name, total=total)
            calls = map(call, rows_again())
            while lot := list(islice(calls, LOT)):
                answer = await _post(client, lot)
                rows, refused = rows + len(lot), refused + answer.get("rejected", 0)
                progress.update(task, completed=rows)
    return {"rows": rows, "accepted": rows - refused, "refused": refused}


async def _post(client: httpx.AsyncClient, calls: list[dict[str, Any]]) -> dict[str, Any]:
    token = client.headers["Authorization"].removeprefix("Bearer ")
    answer: dict[str, Any] = await told(await client.post("/v1/import", json={"batch": calls}, auth=(token, "")))
    return answer
