"""`tactful import`: rows of a file as history. They fold into what is known of customers and start nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.progress import Progress

from tactful.errors import TactfulError
from tactful_ingest.limits import Limits
from tactful_workbench.commands.options import HERE, Data, Json, known_zone, pairs_of, refuse_pipe, show
from tactful_workbench.doctor.misposted import warn_of
from tactful_workbench.files.ids import ID, ids_in, with_ids
from tactful_workbench.files.imports import NUMBERS, PRODUCT, TRAITS, call_of, dated, has_no_number, rows_of, together
from tactful_workbench.office import call_text, office, posted

LOT: Final = 500  # rows a request
LOT_BYTES: Final = Limits.body_bytes // 2
NOTED: Final = {  # of rows, in the answer
    "strangers": "left out, whose address is no customer's",
    "undated": "left out, without a time",
    "no_number": "phone numbers lack their country code: nobody is texted there",
}
TRIES: Final = 5  # of a request that the door puts off


def import_file(
    file: Path,
    event: Annotated[str, typer.Option("--as", help='What a row is, like "Order Completed" or identify.')],
    mapping: Annotated[str, typer.Option("--map", help="order_id=id,userId=customer,timestamp=created_at")] = "",
    fixed: Annotated[
        str, typer.Option("--set", help="What every row says besides: purpose=marketing,channel=email,state=granted")
    ] = "",
    ids: Annotated[
        str,
        typer.Option(
            help='Where the column of userId holds addresses: whose they are, by another file, "customers.csv:Email=Customer ID".'
        ),
    ] = "",
    zone: Annotated[str, typer.Option(help="Time zone of times without one.")] = "UTC",
    lines_of: Annotated[
        str, typer.Option(help="order_id, where an order has a row for each product: they become one event.")
    ] = "",
    decimal_comma: Annotated[bool, typer.Option("--decimal-comma", help="Numbers are written 1.234,50.")] = False,
    skip_undated: Annotated[
        bool,
        typer.Option(
            "--skip-undated", help="Leave out rows whose time is empty: nothing happened, or nobody knows when."
        ),
    ] = False,
    data: Data = HERE,
    as_json: Json = False,
) -> None:
    """Import CSV or NDJSON (plain or .gz) as history: rows fold into what is known and start nothing. Exit code 1 if a row was
    refused; the others are in."""
    own = known_zone(zone)
    refuse_pipe(file)
    pairs = pairs_of(mapping)
    if event not in TRAITS:
        warn_of(event)

    besides = pairs_of(fixed, "--set")
    if twice := besides.keys() & pairs.keys():
        raise TactfulError(f"--set: {', '.join(sorted(twice))} is mapped to a column as well; say it once")
    if ids and ID not in pairs:
        raise TactfulError(f"--ids: name the column of addresses with --map {ID}=COLUMN")
    whose, noted = ids_in(ids) if ids else {}, {name: set[int]() for name in NOTED}
    left = {ours: theirs for ours, theirs in pairs.items() if not lines_of or ours not in PRODUCT}

    def calls() -> Iterator[bytes]:
        numbers = {pairs.get(name, name) for name in NUMBERS}
        found = rows_of(file, commas=numbers if decimal_comma else None)
        rows = together(found, lines_of, pairs, file) if lines_of else found
        rows = dated(rows, pairs, noted["undated"]) if skip_undated else rows
        for row in with_ids(rows, pairs[ID], whose, noted["strangers"]) if ids else rows:
            call = call_of(row, event, left | ({ID: ID} if ids else {}), own, file, besides)
            if has_no_number(call):
                noted["no_number"].add(row.line)
            text = call_text(call)
            if len(text) > LOT_BYTES:
                raise TactfulError(f"{file}:{row.line}: {len(text):,} bytes in one row; take out what no rule needs")
            yield text

    answer = asyncio.run(post_all(file.name, calls, data, quiet=as_json))
    counts = {name: len(lines) for name, lines in noted.items()}
    show(answer | counts, _text(answer, counts), as_json)
    raise typer.Exit(1 if answer["refused"] else 0)


def _text(answer: dict[str, Any], counts: dict[str, int]) -> str:
    rows, accepted, refused = answer["rows"], answer["accepted"], answer["refused"]
    text = f"{rows:,} rows → {accepted:,} accepted as history (start nothing), {refused:,} refused"
    text += " (see `tactful events tail --quarantine`)" if refused else ""
    return text + "".join(f"; {counts[name]:,} {what}" for name, what in NOTED.items() if counts[name])


async def post_all(name: str, calls_again: Callable[[], Iterator[bytes]], data: Path, *, quiet: bool) -> dict[str, Any]:
    """How many rows there were, and what became of them. Raises TactfulError if the door will not take them."""
    rows, refused = 0, 0
    total = sum(1 for _ in calls_again())  # a file that is wrong is found before anything is posted
    try:
        async with office(data) as client:
            with Progress(disable=quiet) as progress:
                task = progress.add_task(name, total=total)
                for lot in _lots(calls_again()):
                    answer = await posted(client, "/v1/import", b'{"batch":[' + b",".join(lot) + b"]}", TRIES)
                    rows, refused = rows + len(lot), refused + answer.get("rejected", 0)
                    progress.update(task, completed=rows)
    except TactfulError as error:
        if not rows:
            raise
        again = "import the file again within two days: what is in is recognised"
        raise TactfulError(f"{error}. {rows:,} of {total:,} rows are in; {again}") from None
    return {"rows": rows, "accepted": rows - refused, "refused": refused}


def _lots(calls: Iterable[bytes]) -> Iterator[list[bytes]]:
    """What goes into one request, by number and by size."""
    lot: list[bytes] = []
    size = 0
    for call in calls:
        if len(lot) == LOT or size + len(call) > LOT_BYTES:
            yield lot
            lot, size = [], 0
        lot.append(call)
        size += len(call)
    if lot:
        yield lot
