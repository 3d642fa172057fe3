"""`tactful consent suppress`: who must not be written to, by address, as the sender before had it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.progress import Progress

from tactful.errors import TactfulError
from tactful.events.instants import instant
from tactful_dispatch.applying.suppressing import REASONS
from tactful_workbench.commands.options import HERE, Data, Json, known_zone, pairs_of, refuse_pipe, show
from tactful_workbench.files.imports import when
from tactful_workbench.files.suppressions import (
    ALLOWED,
    COLUMNS,
    PHONES,
    Bad,
    Form,
    Listed,
    Reading,
    form_of,
    listed_in,
)
from tactful_workbench.office import office, told

LOT: Final = 500  # rows a request
NAMED: Final = 20  # bad lines that are shown
CHANNELS: Final = ("email", *PHONES)


def suppress(
    file: Path,
    source: Annotated[str, typer.Option(help="Whose list it is, like mailchimp: decisions and the ledger name it.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, and change nothing.")] = False,
    take_back: Annotated[
        bool,
        typer.Option(
            "--take-back", help="The list was brought in by mistake: what it said of these addresses counts no more."
        ),
    ] = False,
    reason: Annotated[str, typer.Option(help=f"Of every row: {', '.join(REASONS)}. Else a column tells it.")] = "",
    mapping: Annotated[
        str,
        typer.Option("--map", help="address=Mail,reason=Why,said_at=When, where the columns have names of their own."),
    ] = "",
    channel: Annotated[
        str, typer.Option(help="email, sms or call. Else e-mail addresses are for email, phone numbers for sms.")
    ] = "",
    said_at: Annotated[
        str, typer.Option(help="When rows without a date were said, like the day of the export. Else now.")
    ] = "",
    zone: Annotated[str, typer.Option(help="Time zone of times without one.")] = "UTC",
    data: Data = HERE,
    as_json: Json = False,
) -> None:
    """Suppress addresses that unsubscribed, bounced or complained elsewhere, whoever has them, now or later. A file has a row for each,
    or an address a line. Exit code 1 if a line was refused; the others are in."""
    _refuse_unknown("--reason", reason, REASONS)
    _refuse_unknown("--channel", channel, CHANNELS)
    if not source.strip() or len(source) > 100:
        raise TactfulError("--source: name whose list it is, in 100 characters at most")
    refuse_pipe(file)
    pairs, own = pairs_of(mapping), known_zone(zone)
    for name in pairs:
        _refuse_unknown("--map", name, COLUMNS)
    reading = Reading(pairs, channel, reason, _instant(when(said_at, own, "--said-at")) if said_at else 0, own)
    form = form_of(file, reading)
    # A file that is wrong is found before anything is told.
    rows = list(map(_without_address, listed_in(file, form, reading)))
    wish = {"source": source.strip(), "take_back": take_back, "dry_run": dry_run}
    new = asyncio.run(_told(file, form, reading, wish, len(rows), data, quiet=as_json))
    answer = _answer(rows, new, wish)
    show(answer, "\n".join(_lines(file, form, answer)), as_json)
    raise typer.Exit(1 if answer["refused"] else 0)


def _refuse_unknown(option: str, given: str, known: Iterable[str]) -> None:
    if given and given not in known:
        raise TactfulError(f'{option}: "{given}" is none of: {", ".join(known)}')


def _instant(text: str) -> int:
    if (at := instant(text)) is None:
        raise TactfulError(
            f"--said-at: {text} stands where nobody knew the time; leave it out, and they count as of now"
        )
    return at


def _without_address(row: Listed | Bad) -> tuple[int, str, bool] | Bad:
    return row if isinstance(row, Bad) else (row.line, row.reason, row.said_at > 0)


async def _told(
    file: Path, form: Form, reading: Reading, wish: dict[str, Any], rows: int, data: Path, *, quiet: bool
) -> int:
    """Of how many rows it is news. Raises TactfulError."""
    new = done = 0
    wanted = (row for row in listed_in(file, form, reading) if isinstance(row, Listed) and row.reason != ALLOWED)
    async with office(data) as client:
        with Progress(disable=quiet) as progress:
            task = progress.add_task(file.name, total=rows)
            for lot in _lots(wanted):
                addresses = [
                    {"channel": row.channel, "address": row.address, "reason": row.reason, "said_at": row.said_at}
                    for row in lot
                ]
                try:
                    answer = await told(await client.post("/admin/suppressions", json=wish | {"addresses": addresses}))
                except TactfulError as error:
                    if wish["dry_run"] or not done:
                        raise
                    again = "do it again: what is done is recognised"
                    raise TactfulError(f"{error}. {done:,} addresses are done; {again}") from None
                new += answer["new"]
                done += len(lot)
                progress.update(task, completed=lot[-1].line)
    return new


def _lots(rows: Iterator[Listed]) -> Iterator[list[Listed]]:
    while lot := list(islice(rows, LOT)):
        yield lot


def _answer(rows: list[tuple[int, str, bool] | Bad], new: int, wish: dict[str, Any]) -> dict[str, Any]:
    good = [row for row in rows if not isinstance(row, Bad)]
    counts = Counter(reason for _, reason, _ in good)
    others = len(good) - counts[ALLOWED] - new
    back = wish["take_back"]
    return {
        "rows": len(rows),
        **{reason: counts[reason] for reason in REASONS},
        **({"taken_back": new, "not_on_it": others} if back else {"new": new, "known": others}),
        "undated": 0 if back else sum(reason != ALLOWED and not dated for _, reason, dated in good),
        "passed_over": counts[ALLOWED],
        "refused": [bad._asdict() for bad in rows if isinstance(bad, Bad)],
        "dry_run": wish["dry_run"],
    }


def _lines(file: Path, form: Form, answer: dict[str, Any]) -> Iterator[str]:
    by = [f"{ours} from {theirs}" for ours, theirs in form.names.items()]
    by += [f"all {form.reason}"] * bool(form.reason)
    yield f"{file.name}: {answer['rows']:,} rows ({'; '.join(by)})"
    counted = [(answer[reason], reason) for reason in REASONS]
    counted += [(answer["passed_over"], "passed over: the list says that they may be written to")]
    counted += [(answer["undated"], "without a date that can be read: they count as of now")]
    refused = answer["refused"]
    yield from (f"{number:>9,}  {what}" for number, what in (*counted, (len(refused), "refused")) if number)
    yield from (f"           line {bad['line']}: {bad['why']}" for bad in refused[:NAMED])
    if len(refused) > NAMED:
        yield f"           and {len(refused) - NAMED:,} more (--json names all)"
    if "taken_back" in answer:
        news = f"{answer['taken_back']:,} taken back, {answer['not_on_it']:,} that this source has not told"
        done = "counts no more as soon as dispatch has read it; what people said themselves, or other lists, stands"
    else:
        news = f"{answer['new']:,} new, {answer['known']:,} known already"
        done = "suppressed as soon as dispatch has read it"
    yield f"{news}; nothing was changed" if answer["dry_run"] else f"{news}: {done}"
