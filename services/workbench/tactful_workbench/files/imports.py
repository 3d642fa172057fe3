"""Rows of a CSV or NDJSON file, as people export them, and the calls of the tracking API that they become."""

from __future__ import annotations

import csv
import gzip
import json
import re
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from itertools import chain, groupby
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO
from zoneinfo import ZoneInfo

from tactful.errors import TactfulError
from tactful.events import ConsentChanged, CustomerFlagged
from tactful.events.instants import instant
from tactful.events.model import name_of
from tactful.events.wire import DEPTH
from tactful.identity import digest
from tactful.localtime import instant_of
from tactful_trigger.applying.recipient import number_of

NOTHING: Final[Mapping[str, str]] = {}
NOON: Final = time(12)  # when a date without a time of day happened
_EMPTY: Final = ",;\t| \r\n"  # what a row without a cell consists of
DELIMITERS: Final = ",;\t|"  # spreadsheets write semicolons where a comma is the decimal point
TABLES: Final = (".csv", ".tsv")
_COMMA: Final = re.compile(r"-?(?:\d{1,3}(?:\.\d{3})+|\d+),\d+")
_THOUSANDS: Final = re.compile(r"-?[1-9]\d{0,2}(?:\.\d{3})+")
NUMBERS: Final = ("price", "quantity", "total", "revenue", "value", "subtotal", "shipping", "tax", "discount")
# Shops' exports mark ids and phones so, lest a spreadsheet reckon with them.
_MARKED: Final = re.compile(r"'\+?[\d(][\d ().-]*")
_SINCE_1970: Final = re.compile(r"(?:\d{9,10}|\d{12,13})(?:\.\d+)?")  # seconds, or milliseconds
_IN_UTC: Final = " UTC"  # as some warehouses write it
CONSENT: Final = name_of(ConsentChanged)
_CUSTOMER: Final = ("userId", "anonymousId")
_ENVELOPE: Final = (*_CUSTOMER, "timestamp", "messageId")
PRODUCT: Final = ("product_id", "sku", "name", "category", "brand", "variant", "price", "quantity", "url", "image_url")
TRAITS: Final = ("identify", "group")
_CALLS: Final = (*TRAITS, "page", "screen")
_LASTING: Final = (*TRAITS, name_of(CustomerFlagged))  # what holds now, whenever it was said first


class Row(NamedTuple):
    """`line` is where it ends in the file."""

    line: int
    cells: dict[str, Any]


def rows_of(file: Path, *, commas: Collection[str] | None = None) -> Iterator[Row]:
    """Plain or .gz, UTF-8. `commas`: columns of numbers, if decimals stand behind a comma: `1.234,50` is 1234.50 anywhere, and
    `1.234` is 1234 in these columns, since an id may look like it. Raises TactfulError naming file, line and mend."""
    suffixes = [suffix.lower() for suffix in file.suffixes]
    with opened(file) as text:
        rows = _cells(text, file) if any(suffix in TABLES for suffix in suffixes) else _objects(text, file)
        yield from rows if commas is None else (_with_points(row, commas) for row in rows)


def together(rows: Iterable[Row], lines_of: str, pairs: dict[str, str], file: Path) -> Iterator[Row]:
    """Rows of one order, a product each, as one row with `products`; the column that means `lines_of` tells which belong
    together, and they stand together. Raises TactfulError."""
    column, seen = pairs.get(lines_of, lines_of), set[str | int]()
    of_order = {theirs for ours, theirs in pairs.items() if ours not in PRODUCT}
    of_products = {pairs.get(ours, ours) for ours in PRODUCT} - of_order
    for order, group in groupby(rows, key=lambda row: _order(row, column)):
        lines = list(group)
        first, where = lines[0], f"{file}:{lines[0].line}"
        need((column, *pairs.values()), first, where)
        if order in seen:
            raise TactfulError(f"{where}: rows of {order} stand apart; sort the file by {column}")
        seen.add(order)
        _need_one_customer(lines, order, pairs, file)
        products = [{name: cell for name, cell in _named(row.cells, pairs).items() if name in PRODUCT} for row in lines]
        rest = {name: cell for name, cell in first.cells.items() if name not in of_products}
        yield Row(lines[-1].line, rest | {"products": products})


def dated(rows: Iterable[Row], pairs: Mapping[str, str], undated: set[int]) -> Iterator[Row]:
    """Those whose time is not empty; lines of the others are noted and left out."""
    column = pairs.get("timestamp", "timestamp")
    for row in rows:
        if column in row.cells and not str(row.cells[column] or "").strip():
            undated.add(row.line)
        else:
            yield row


def call_of(
    row: Row, event: str, pairs: dict[str, str], zone: ZoneInfo, file: Path, fixed: Mapping[str, str] = NOTHING
) -> dict[str, Any]:
    """One row as a call of the tracking API, marked as history. The same row again, read in the same way, is the same call. `fixed`: what
    every row says besides. Raises TactfulError."""
    cells, where = row.cells, f"{file}:{row.line}"
    need(pairs.values(), row, where)
    values = {**_named(cells, pairs), **fixed}
    envelope: dict[str, Any] = {name: values.pop(name) for name in _ENVELOPE if name in values}
    if "timestamp" in envelope:
        envelope["timestamp"] = told = when(str(envelope["timestamp"]), zone, where)
        if instant(told) is None:  # the door would date it to now
            raise TactfulError(
                f"{where}: {told} stands where nobody knew the time; take the row out, or write when it happened"
            )
    elif event == CONSENT:
        # Dated to now it would undo an opt-out, and an erasure.
        if values.get("state") != "withdrawn":
            raise TactfulError(
                f"{where}: who allowed this has to say when, since what was said last counts; {_to_date(cells, pairs)}"
            )
    elif event not in _LASTING:
        # Dated to now a parcel that never came would be delivered, and an order of nobody knows when the latest.
        raise TactfulError(f"{where}: nothing tells when it happened, which was not now; {_to_date(cells, pairs)}")
    envelope.setdefault("messageId", digest("import", event, json.dumps([cells, envelope, values], sort_keys=True)))
    call: dict[str, Any] = {"context": {"history": True}, **envelope}
    if event in _CALLS:
        return call | {"type": event, "traits" if event in TRAITS else "properties": values}
    return call | {"type": "track", "event": event, "properties": values}


def has_no_number(call: Mapping[str, Any]) -> bool:
    """Whether it tells a phone number that is no address, since it could be anybody's."""
    phone = call.get("traits", {}).get("phone")
    return bool(phone) and not number_of(str(phone))


def _to_date(cells: dict[str, Any], pairs: dict[str, str]) -> str:
    if (told := pairs.get("timestamp", "timestamp")) in cells:
        return f"{told} is empty: take the row out (--skip-undated: all such), or fill it in"
    return "map timestamp= to a column that tells"


def need(columns: Iterable[str], row: Row, where: str) -> None:
    """Raises TactfulError naming a column that the row does not have."""
    if unknown := [column for column in columns if column not in row.cells]:
        raise TactfulError(f"{where}: there is no column {unknown[0]}; there are: {', '.join(row.cells)}")


def _need_one_customer(lines: list[Row], order: str | int, pairs: dict[str, str], file: Path) -> None:
    """What the first row of an order says of its customer, the others repeat or leave out."""
    for column in (pairs.get(ours, ours) for ours in _CUSTOMER):
        told = lines[0].cells.get(column)
        for row in lines:
            if row.cells.get(column) not in ("", None, told):
                raise TactfulError(
                    f"{file}:{row.line}: rows of {order} differ in {column}, and an order has one customer; mend the row, or "
                    "map a column that tells one order from another"
                )


def _order(row: Row, column: str) -> str | int:
    """A row without an id is an order of its own, known by its line."""
    cell = row.cells.get(column)
    return row.line if cell is None or not str(cell).strip() else str(cell)


def _named(cells: dict[str, Any], pairs: dict[str, str]) -> dict[str, Any]:
    """Cells that are not empty, by our names. A column that is not mapped keeps its own name, unless that was given to
    another column."""
    taken = {*pairs, *pairs.values()}
    own = {name: cell for name, cell in cells.items() if name not in taken}
    named = own | {ours: cells.get(theirs) for ours, theirs in pairs.items()}
    return {name: cell for name, cell in named.items() if cell not in ("", None)}


@contextmanager
def opened(file: Path) -> Iterator[TextIO]:
    """The text of a file, plain or .gz, UTF-8, with a mark at its beginning or without. Raises TactfulError, also where it cannot be read
    to its end."""
    try:
        with _text(file) as text:
            yield text
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise TactfulError(f"{file} cannot be read: {error}; pack it anew") from None
    except OSError as error:
        raise TactfulError(f"{file} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise TactfulError(f'{file} is not in UTF-8; save it anew, in a spreadsheet as "CSV UTF-8"') from None


def _text(file: Path) -> TextIO:
    if file.suffix.lower() == ".gz":
        return gzip.open(file, "rt", encoding="utf-8-sig", newline="")
    return file.open(encoding="utf-8-sig", newline="")


def delimiter_of(head: str) -> str:
    """What stands between two cells of a table, by its first line."""
    return max(DELIMITERS, key=head.count)


def torn(file: Path, line: int, error: csv.Error) -> TactfulError:
    """A cell whose quotes are not closed swallows the lines after it: `line` is the last one before."""
    return TactfulError(
        f"{file}:{line + 1}: {error}; see whether a quotation mark is open there (within a cell each is written twice)"
    )


def _cells(text: Iterable[str], file: Path) -> Iterator[Row]:
    """The head tells what stands between two cells."""
    lines = iter(text)
    above, head = 0, next(lines, "")
    while head and not head.strip(_EMPTY):  # a spreadsheet keeps empty rows above its table
        above, head = above + 1, next(lines, "")
    reader = csv.DictReader(chain([head], lines), delimiter=delimiter_of(head), strict=True)
    read = above + 1
    try:
        for cells in reader:
            if None in cells:
                raise TactfulError(
                    f"{file}:{above + reader.line_num}: more cells than the {len(cells) - 1} columns of the head"
                )
            read = above + reader.line_num
            yield Row(read, {name: _unmarked(cell) for name, cell in cells.items()})
    except csv.Error as error:
        raise torn(file, read, error) from None


def _unmarked(cell: str | None) -> str | None:
    return cell[1:] if cell and cell[0] == "'" and _MARKED.fullmatch(cell) else cell


def _with_points(row: Row, numbers: Collection[str]) -> Row:
    return Row(row.line, {name: _pointed(cell, name in numbers) for name, cell in row.cells.items()})


def _pointed(cell: Any, is_number: bool) -> Any:
    if isinstance(cell, str) and (_COMMA.fullmatch(cell) or (is_number and _THOUSANDS.fullmatch(cell))):
        return cell.replace(".", "").replace(",", ".")
    return cell


def _objects(lines: Iterable[str], file: Path) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        yield Row(number, _object(line, f"{file}:{number}"))


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        cells = json.loads(line)
    except ValueError as error:
        raise TactfulError(
            f"{where}: {error}; every line must be a JSON object, or the file's name end in .csv"
        ) from None
    except RecursionError:
        raise _too_deep(where) from None
    if not isinstance(cells, dict):
        raise TactfulError(f"{where}: this line is no JSON object")
    if line.count("{") + line.count("[") > DEPTH and _levels(cells) > DEPTH:
        raise _too_deep(where)
    return cells


def _too_deep(where: str) -> TactfulError:
    """The door refuses a whole request for it, which names no line."""
    return TactfulError(f"{where}: nested more than {DEPTH} levels deep; take out what no rule needs")


def _levels(value: Any) -> int:
    """Objects and lists inside one another. Level by level, since Python refuses to call itself so often."""
    levels, here = 0, [value]
    while here := [item for item in here if isinstance(item, dict | list)]:
        levels += 1
        here = [inner for item in here for inner in (item.values() if isinstance(item, dict) else item)]
    return levels


def when(text: str, zone: ZoneInfo, where: str) -> str:
    """A time as people write it, as ISO 8601. Raises TactfulError."""
    try:
        if _SINCE_1970.fullmatch(text):
            return _after_1970(float(text))
        if len(text) in (len("20261125"), len("2026-11-25")):
            return _noon(date.fromisoformat(text), zone)
        moment = datetime.fromisoformat(text.removesuffix(_IN_UTC))
    except ValueError:
        raise TactfulError(f"{where}: {text!r} is no time; write it like 2026-11-23T14:00:00+01:00") from None
    own = UTC if text.endswith(_IN_UTC) else zone
    return (moment if moment.tzinfo else moment.replace(tzinfo=own)).isoformat()


def _after_1970(number: float) -> str:
    at = instant(number)
    if at is None:
        raise ValueError("no instant")
    return datetime.fromtimestamp(at / 1000, UTC).isoformat()


def _noon(day: date, zone: ZoneInfo) -> str:
    at = instant_of(datetime.combine(day, NOON), zone)
    return datetime.fromtimestamp(at / 1000, zone).isoformat()
