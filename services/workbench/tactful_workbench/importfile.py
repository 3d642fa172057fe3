"""Rows of a CSV or NDJSON file, as people export them, and the calls of the tracking API that they become."""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from itertools import chain, groupby
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO
from zoneinfo import ZoneInfo

from tactful.errors import TactfulError
from tactful.identity import digest
from tactful.localtime import instant_of

NOON: Final = time(12)  # when a date without a time of day happened
DELIMITERS: Final = ",;\t|"  # spreadsheets write semicolons where a comma is the decimal point
_COMMA: Final = re.compile(r"-?(?:\d{1,3}(?:\.\d{3})+|\d+),\d+")
_ENVELOPE: Final = ("userId", "anonymousId", "timestamp", "messageId")
PRODUCT: Final = ("product_id", "sku", "name", "category", "brand", "variant", "price", "quantity", "url", "image_url")
_TRAITS: Final = ("identify", "group")
_CALLS: Final = (*_TRAITS, "page", "screen")


class Row(NamedTuple):
    """`line` is where it ends in the file."""

    line: int
    cells: dict[str, Any]


def rows_of(file: Path, *, decimal_comma: bool = False) -> Iterator[Row]:
    """Plain or .gz, UTF-8. `decimal_comma`: `1.234,50` in a table is the number 1234.50. Raises TactfulError naming file, line
    and mend."""
    try:
        with _opened(file) as text:
            rows = _cells(text, file) if ".csv" in file.suffixes else _objects(text, file)
            yield from map(_with_points, rows) if decimal_comma else rows
    except (OSError, EOFError) as error:
        raise TactfulError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except UnicodeDecodeError:
        raise TactfulError(f'{file} is not in UTF-8; save it anew, in a spreadsheet as "CSV UTF-8"') from None


def together(rows: Iterable[Row], lines_of: str, pairs: dict[str, str], file: Path) -> Iterator[Row]:
    """Rows of one order, a product each, as one row with `products`; the column that means `lines_of` tells which belong
    together, and they stand together. Raises TactfulError."""
    column, seen = pairs.get(lines_of, lines_of), set[str]()
    for name, lines in groupby(rows, key=lambda row: str(row.cells.get(column, ""))):
        first, *more = lines
        where = f"{file}:{first.line}"
        _need((column, *pairs.values()), first, where)
        if name in seen:
            raise TactfulError(f"{where}: rows of {name} stand apart; sort the file by {column}")
        seen.add(name)
        own = {pairs.get(ours, ours): ours for ours in PRODUCT}
        products = [
            {own[key]: cell for key, cell in row.cells.items() if key in own and cell not in ("", None)}
            for row in (first, *more)
        ]
        rest = {key: cell for key, cell in first.cells.items() if key not in own}
        yield Row((more[-1] if more else first).line, rest | {"products": products})


def call_of(row: Row, event: str, pairs: dict[str, str], zone: ZoneInfo, file: Path) -> dict[str, Any]:
    """One row as a call of the tracking API, marked as history. Columns that are not mapped keep their names; the same row
    again is the same call. Raises TactfulError."""
    cells, where = row.cells, f"{file}:{row.line}"
    renamed = {theirs: ours for ours, theirs in pairs.items()}
    _need(renamed, row, where)
    values = {renamed.get(name, name): value for name, value in cells.items() if value not in ("", None)}
    envelope: dict[str, Any] = {name: values.pop(name) for name in _ENVELOPE if name in values}
    if "timestamp" in envelope:
        envelope["timestamp"] = _when(str(envelope["timestamp"]), zone, where)
    envelope.setdefault("messageId", digest("import", event, json.dumps(cells, sort_keys=True, default=str)))
    call: dict[str, Any] = {"context": {"history": True}, **envelope}
    if event in _CALLS:
        return call | {"type": event, "traits" if event in _TRAITS else "properties": values}
    return call | {"type": "track", "event": event, "properties": values}


def _need(columns: Iterable[str], row: Row, where: str) -> None:
    if unknown := [column for column in columns if column not in row.cells]:
        raise TactfulError(f"{where}: there is no column {unknown[0]}; there are: {', '.join(row.cells)}")


def _opened(file: Path) -> TextIO:
    if file.suffix == ".gz":
        return gzip.open(file, "rt", encoding="utf-8-sig", newline="")
    return file.open(encoding="utf-8-sig", newline="")


def _cells(text: Iterable[str], file: Path) -> Iterator[Row]:
    """The head tells what stands between two cells."""
    lines = iter(text)
    head = next(lines, "")
    reader = csv.DictReader(chain([head], lines), delimiter=max(DELIMITERS, key=head.count))
    try:
        for cells in reader:
            if None in cells:
                raise TactfulError(
                    f"{file}:{reader.line_num}: more cells than the {len(cells) - 1} columns of the head"
                )
            yield Row(reader.line_num, cells)
    except csv.Error as error:
        raise TactfulError(f"{file}:{reader.line_num}: {error}") from None


def _with_points(row: Row) -> Row:
    return Row(row.line, {name: _pointed(cell) for name, cell in row.cells.items()})


def _pointed(cell: Any) -> Any:
    if isinstance(cell, str) and _COMMA.fullmatch(cell):
        return cell.replace(".", "").replace(",", ".")
    return cell


def _objects(lines: Iterable[str], file: Path) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            cells = json.loads(line)
        except ValueError as error:
            raise TactfulError(f"{file}:{number}: {error}; every line must be a JSON object") from None
        if not isinstance(cells, dict):
            raise TactfulError(f"{file}:{number}: this line is no JSON object")
        yield Row(number, cells)


def _when(text: str, zone: ZoneInfo, where: str) -> str:
    try:
        if len(text) in (len("20261125"), len("2026-11-25")):
            return _noon(date.fromisoformat(text), zone)
        moment = datetime.fromisoformat(text.removesuffix(" UTC"))
    except ValueError:
        raise TactfulError(f"{where}: {text!r} is no time; write it like 2026-11-23T14:00:00+01:00") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).isoformat()


def _noon(day: date, zone: ZoneInfo) -> str:
    instant = instant_of(datetime.combine(day, NOON), zone)
    return datetime.fromtimestamp(instant / 1000, zone).isoformat()
