"""Whose address it is, by another file: a sender's export knows addresses, and the shop's own, beside them, its customers' ids."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tactful.errors import TactfulError
from tactful_trigger.applying.recipient import number_of
from tactful_workbench.files.imports import Row, need, rows_of

ID = "userId"


def ids_in(told: str) -> dict[str, list[str]]:
    """Of `customers.csv:Email=Customer ID` the ids of each address: several customers may share one. Raises TactfulError."""
    place, _, columns = told.rpartition(":")
    address, equals, id = (part.strip() for part in columns.partition("="))
    if not (place and address and equals and id):
        raise TactfulError(f'--ids: write it like "customers.csv:Email=Customer ID", not "{told}"')
    file, found = Path(place), defaultdict[str, list[str]](list)
    for row in rows_of(file):
        need((address, id), row, f"{file}:{row.line}")
        named, whose = row.cells[address], row.cells[id]
        if named and whose and str(whose) not in found[_plain(str(named))]:
            found[_plain(str(named))].append(str(whose))
    return found


def with_ids(rows: Iterable[Row], column: str, ids: Mapping[str, Sequence[str]], strangers: set[int]) -> Iterator[Row]:
    """Each row once for every customer who has the address in the column. Lines of `strangers`, whom the shop does not know, are noted
    and left out."""
    for row in rows:
        whose = ids.get(_plain(str(row.cells.get(column) or "")), ())
        if not whose:
            strangers.add(row.line)
        for id in whose:
            yield Row(row.line, row.cells | {ID: id})


def _plain(address: str) -> str:
    return number_of(address) or address.strip().lower()
